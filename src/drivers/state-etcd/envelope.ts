import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Clock } from '../../kernel/ports.ts';

/** How a value stands in etcd. */
export interface Envelope {
  wrap(data: Uint8Array, ttlSeconds: number | undefined): Uint8Array;
  /** `expiresAtMs` only where the envelope says it. Fails with an Error for what is none. */
  unwrap(stored: Uint8Array): { readonly data: Uint8Array; readonly expiresAtMs?: number };
}

/** Dapr's version v1: the value itself. */
export const plainV1: Envelope = { wrap: (data) => data, unwrap: (stored) => ({ data: stored }) };

/** Dapr's version v2: a message with the data (1), the time of writing (2: seconds 1, nanos 2) and the time to live (3: seconds 1). */
export function envelopeV2(clock: Pick<Clock, 'now'>): Envelope {
  return {
    wrap(data, ttlSeconds) {
      const now = clock.now();
      const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(data);
      writer.tag(2, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.Varint).int64(Math.floor(now / 1_000));
      writer.tag(2, WireType.Varint).int32(Math.floor(now % 1_000) * 1_000_000);
      writer.join();
      if (ttlSeconds !== undefined) writer.tag(3, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int64(ttlSeconds).join();
      return writer.finish();
    },
    unwrap(stored) {
      let data: Uint8Array = new Uint8Array(0);
      let [writtenMs, ttlMs] = [0, 0];
      const reader = new BinaryReader(stored);
      try {
        while (reader.pos < reader.len) {
          const [field, type] = reader.tag();
          if (field === 1 && type === WireType.LengthDelimited) data = reader.bytes();
          else if (field === 2 && type === WireType.LengthDelimited) writtenMs = millisecondsOf(reader.bytes());
          else if (field === 3 && type === WireType.LengthDelimited) ttlMs = millisecondsOf(reader.bytes());
          else reader.skip(type, field);
        }
      } catch (cause) {
        throw new Error('the value is not in the format of version v2', { cause });
      }
      // Dapr writes a time to live of zero where there is none.
      return ttlMs > 0 ? { data, expiresAtMs: writtenMs + ttlMs } : { data };
    },
  };
}

/** Timestamp and Duration look alike. */
function millisecondsOf(message: Uint8Array): number {
  const reader = new BinaryReader(message);
  let ms = 0;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1 && type === WireType.Varint) ms += Number(reader.int64()) * 1_000;
    else if (field === 2 && type === WireType.Varint) ms += reader.int32() / 1_000_000;
    else reader.skip(type, field);
  }
  return ms;
}
