import type { Connection } from '../../kernel/ports.ts';
import type { Slab, Slabs } from '../mux/slabs.ts';
import { frameBytesMax, frameFlags as flags, frameHeaderBytes, frameTypes as types } from './frames.ts';

// So much is gathered before data has to wait for a flush.
const gatheredBytesMax = 256 * 1024;

/**
 * Frames of one connection on their way out: gathered until `flush`, so that a turn of the event loop makes one write. Nothing else writes.
 */
export class Outflow {
  readonly #connection: Connection;
  readonly #slabs: Slabs;
  #slab: Slab | undefined = undefined;
  #from = 0;
  #full: Buffer[] = [];
  #fullBytes = 0;
  #flushing = false;
  // Where the DATA frame begins that was written last, while nothing came after it.
  #openDataAt = -1;
  #openDataStream = 0;
  /** The peer reads slower than we write: wait for the connection's `drain`. */
  blocked = false;
  /** Bytes that were written while blocked. */
  backlogBytes = 0;

  constructor(connection: Connection, slabs: Slabs) {
    this.#connection = connection;
    this.#slabs = slabs;
  }

  get pending(): boolean {
    return this.#slab !== undefined;
  }

  /** Takes no data now: the peer has to read, or what was gathered has to leave. */
  get closed(): boolean {
    return this.blocked || this.#fullBytes > gatheredBytesMax;
  }

  /** A header block, cut into frames. `prefix` is a byte before it; negative for none. */
  headers(streamId: number, block: Uint8Array, options: { readonly endStream: boolean; readonly prefix: number }): void {
    const { endStream, prefix } = options;
    const extra = prefix < 0 ? 0 : 1;
    const take = Math.min(block.length, frameBytesMax - extra);
    const whole = take === block.length;
    const flag = (endStream ? flags.endStream : 0) | (whole ? flags.endHeaders : 0);
    const slab = this.#begin({ length: take + extra, type: types.headers, flag, streamId });
    if (extra === 1) slab.bytes[slab.at++] = prefix;
    put(slab, whole ? block : block.subarray(0, take));
    for (let at = take; at < block.length; at += frameBytesMax) {
      const to = Math.min(block.length, at + frameBytesMax);
      const flag2 = to === block.length ? flags.endHeaders : 0;
      put(this.#begin({ length: to - at, type: types.continuation, flag: flag2, streamId }), block.subarray(at, to));
    }
  }

  /** One DATA frame; `data` is at most `frameBytesMax`. */
  data(streamId: number, data: Uint8Array): void {
    const slab = this.#begin({ length: data.length, type: types.data, flag: 0, streamId });
    this.#openDataAt = slab.at - frameHeaderBytes;
    this.#openDataStream = streamId;
    put(slab, data);
  }

  /** Ends our side of a stream without trailers: on the DATA frame before, when that has not left yet. */
  endStream(streamId: number): void {
    const slab = this.#slab;
    if (slab !== undefined && this.#openDataAt >= 0 && this.#openDataStream === streamId)
      slab.bytes[this.#openDataAt + 4] = flags.endStream;
    else this.#begin({ length: 0, type: types.data, flag: flags.endStream, streamId });
    this.#openDataAt = -1;
  }

  rstStream(streamId: number, code: number): void {
    this.#u32(this.#begin({ length: 4, type: types.rstStream, flag: 0, streamId }), code);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#u32(this.#begin({ length: 4, type: types.windowUpdate, flag: 0, streamId }), increment);
  }

  settings(settings: readonly (readonly [id: number, value: number])[]): void {
    const slab = this.#begin({ length: settings.length * 6, type: types.settings, flag: 0, streamId: 0 });
    for (const [id, value] of settings) {
      slab.at = slab.bytes.writeUInt16BE(id, slab.at);
      this.#u32(slab, value);
    }
  }

  settingsAck(): void {
    this.#begin({ length: 0, type: types.settings, flag: flags.ack, streamId: 0 });
  }

  ping(payload: Uint8Array, ack: boolean): void {
    put(this.#begin({ length: 8, type: types.ping, flag: ack ? flags.ack : 0, streamId: 0 }), payload);
  }

  goaway(lastStreamId: number, code: number, reason: string): void {
    const slab = this.#begin({ length: 8 + reason.length, type: types.goaway, flag: 0, streamId: 0 });
    this.#u32(slab, lastStreamId);
    this.#u32(slab, code);
    slab.at += slab.bytes.write(reason, slab.at, 'latin1');
  }

  /** Bytes that are no frame: the preface. */
  raw(text: string): void {
    const slab = this.#room(text.length);
    slab.at += slab.bytes.write(text, slab.at, 'latin1');
  }

  /** Writes what was gathered. */
  flush(): void {
    // A connection in memory may answer within a write; what that adds goes behind what is being written.
    if (this.#flushing) return;
    this.#flushing = true;
    while (this.#slab !== undefined) {
      this.#openDataAt = -1;
      const last = this.#handBack(this.#slab);
      this.#slab = undefined;
      if (this.#fullBytes > 0) this.#writeFull();
      this.#write(last);
    }
    this.#flushing = false;
  }

  #writeFull(): void {
    const parts = this.#full;
    this.#full = [];
    this.#fullBytes = 0;
    for (const part of parts) this.#write(part);
  }

  #write(bytes: Buffer): void {
    if (this.blocked) this.backlogBytes += bytes.length;
    if (!this.#connection.write(bytes)) this.blocked = true;
  }

  #handBack(slab: Slab): Buffer {
    const bytes = slab.bytes.subarray(this.#from, slab.at);
    this.#slabs.give(slab);
    return bytes;
  }

  drained(): void {
    this.blocked = false;
    this.backlogBytes = 0;
  }

  #begin(frame: { readonly length: number; readonly type: number; readonly flag: number; readonly streamId: number }): Slab {
    const { length, type, flag, streamId } = frame;
    const slab = this.#room(length + frameHeaderBytes);
    const { bytes } = slab;
    const { at } = slab;
    bytes[at] = length >> 16;
    bytes[at + 1] = length >> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flag;
    bytes[at + 5] = streamId >> 24;
    bytes[at + 6] = streamId >> 16;
    bytes[at + 7] = streamId >> 8;
    bytes[at + 8] = streamId;
    slab.at = at + frameHeaderBytes;
    this.#openDataAt = -1;
    return slab;
  }

  #room(length: number): Slab {
    if (this.#slab !== undefined && this.#slab.bytes.length - this.#slab.at < length) {
      const full = this.#handBack(this.#slab);
      this.#full.push(full);
      this.#fullBytes += full.length;
      this.#slab = undefined;
    }
    let slab = this.#slab;
    if (slab === undefined) {
      slab = this.#slabs.take(length);
      this.#slab = slab;
      this.#from = slab.at;
    }
    return slab;
  }

  #u32(slab: Slab, value: number): void {
    slab.at = slab.bytes.writeUInt32BE(value >>> 0, slab.at);
  }
}

const shortBytes = 32;

function put(slab: Slab, data: Uint8Array): void {
  const { bytes } = slab;
  const { length } = data;
  // A native copy has a price of its own that a few bytes are not worth.
  if (length <= shortBytes) for (let i = 0; i < length; i++) bytes[slab.at + i] = data[i] as number;
  else bytes.set(data, slab.at);
  slab.at += length;
}
