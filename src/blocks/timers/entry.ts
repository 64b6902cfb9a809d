import type { DurableTimer } from '../../contracts/timers.ts';
import { ProaError } from '../../kernel/errors.ts';

/** Of id and data together, in UTF-8: a page of timers and a commit that deals one out stay far below the engine's limits. */
const textBytesMax = 2_048;
const headBytes = 10;

/** The bytes of a timer: due time, length of the id, id, data. Fails with `bad-request` for a time that is not one and for texts beyond the limit. */
export function encodeTimer({ id, dueMs, data = '' }: DurableTimer): Uint8Array {
  if (!Number.isFinite(dueMs)) throw new ProaError('bad-request', `a timer is due at a time in milliseconds, not at ${dueMs}`);
  const idBytes = Buffer.byteLength(id);
  const bytes = Buffer.allocUnsafe(headBytes + idBytes + Buffer.byteLength(data));
  if (bytes.length - headBytes > textBytesMax) {
    throw new ProaError('engine.limit', `id and data of a timer have at most ${textBytesMax} bytes, not ${bytes.length - headBytes}`);
  }
  bytes.writeDoubleLE(dueMs, 0);
  bytes.writeUInt16LE(idBytes, 8);
  bytes.write(id, headBytes);
  bytes.write(data, headBytes + idBytes);
  return bytes;
}

/** The due time alone; undefined for bytes that are no timer. */
export function dueOf(bytes: Uint8Array): number | undefined {
  if (bytes.length < headBytes) return undefined;
  const dueMs = viewOf(bytes).readDoubleLE(0);
  return Number.isFinite(dueMs) ? dueMs : undefined;
}

/** The timer of bytes for which `dueOf` has an answer. */
export function decodeTimer(bytes: Uint8Array): DurableTimer {
  const view = viewOf(bytes);
  const end = headBytes + view.readUInt16LE(8);
  const data = view.toString('utf8', end);
  return { id: view.toString('utf8', headBytes, end), dueMs: view.readDoubleLE(0), ...(data !== '' && { data }) };
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
