import { partOf, putBytes, writeLatin1, writeU16, writeU32 } from '../../kernel/bytes.ts';
import type { Connection } from '../../kernel/ports.ts';
import type { Slab, Slabs } from '../mux/slabs.ts';
import { frameBytesMax, frameFlags as flags, frameHeaderBytes, frameTypes as types } from './frames.ts';

// So much is gathered before data has to wait for a flush.
const gatheredBytesMax = 256 * 1024;
// Our encoder has no table and says so once, so that the peer keeps none either (RFC 7541, section 6.3).
const noTable = 0x20;

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
  #saidNoTable = false;
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

  /** A header block, cut into frames. */
  headers(streamId: number, block: Uint8Array, endStream: boolean): void {
    const extra = this.#saidNoTable ? 0 : 1;
    const take = Math.min(block.length, frameBytesMax - extra);
    const whole = take === block.length;
    const flag = (endStream ? flags.endStream : 0) | (whole ? flags.endHeaders : 0);
    const slab = this.#begin(take + extra, (types.headers << 8) | flag, streamId);
    if (extra === 1) slab.bytes[slab.at++] = noTable;
    this.#saidNoTable = true;
    put(slab, whole ? block : partOf(block, 0, take));
    for (let at = take; at < block.length; at += frameBytesMax) {
      const to = Math.min(block.length, at + frameBytesMax);
      const flag2 = to === block.length ? flags.endHeaders : 0;
      put(this.#begin(to - at, (types.continuation << 8) | flag2, streamId), partOf(block, at, to));
    }
  }

  /** One DATA frame; `data` is at most `frameBytesMax`. */
  data(streamId: number, data: Uint8Array): void {
    const slab = this.#begin(data.length, types.data << 8, streamId);
    this.#openDataAt = slab.at - frameHeaderBytes;
    this.#openDataStream = streamId;
    put(slab, data);
  }

  /** Ends our side of a stream without trailers: on the DATA frame before, when that has not left yet. */
  endStream(streamId: number): void {
    const slab = this.#slab;
    if (slab !== undefined && this.#openDataAt >= 0 && this.#openDataStream === streamId)
      slab.bytes[this.#openDataAt + 4] = flags.endStream;
    else this.#begin(0, (types.data << 8) | flags.endStream, streamId);
    this.#openDataAt = -1;
  }

  rstStream(streamId: number, code: number): void {
    this.#u32(this.#begin(4, types.rstStream << 8, streamId), code);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#u32(this.#begin(4, types.windowUpdate << 8, streamId), increment);
  }

  settings(settings: readonly (readonly [id: number, value: number])[]): void {
    const slab = this.#begin(settings.length * 6, types.settings << 8, 0);
    for (const [id, value] of settings) {
      writeU16(slab.bytes, slab.at, id);
      slab.at += 2;
      this.#u32(slab, value);
    }
  }

  settingsAck(): void {
    this.#begin(0, (types.settings << 8) | flags.ack, 0);
  }

  ping(payload: Uint8Array, ack: boolean): void {
    put(this.#begin(8, (types.ping << 8) | (ack ? flags.ack : 0), 0), payload);
  }

  goaway(lastStreamId: number, code: number, reason: string): void {
    const slab = this.#begin(8 + reason.length, types.goaway << 8, 0);
    this.#u32(slab, lastStreamId);
    this.#u32(slab, code);
    slab.at += writeLatin1(slab.bytes, reason, slab.at, reason.length);
  }

  /** Bytes that are no frame: the preface. */
  raw(text: string): void {
    const slab = this.#room(text.length);
    slab.at += writeLatin1(slab.bytes, text, slab.at, text.length);
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
    const bytes = partOf(slab.bytes, this.#from, slab.at);
    this.#slabs.give(slab);
    return bytes;
  }

  drained(): void {
    this.blocked = false;
    this.backlogBytes = 0;
  }

  /** `kind` is the type and, below it, the flags. */
  #begin(length: number, kind: number, streamId: number): Slab {
    const slab = this.#room(length + frameHeaderBytes);
    const { bytes } = slab;
    const { at } = slab;
    bytes[at] = length >> 16;
    bytes[at + 1] = length >> 8;
    bytes[at + 2] = length;
    writeU16(bytes, at + 3, kind);
    writeU32(bytes, at + 5, streamId);
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
    writeU32(slab.bytes, slab.at, value);
    slab.at += 4;
  }
}

const shortBytes = 32;

function put(slab: Slab, data: Uint8Array): void {
  const { bytes } = slab;
  const { length } = data;
  // A native copy has a price of its own that a few bytes are not worth.
  if (length <= shortBytes) for (let i = 0; i < length; i++) bytes[slab.at + i] = data[i] as number;
  else putBytes(bytes, data, slab.at);
  slab.at += length;
}
