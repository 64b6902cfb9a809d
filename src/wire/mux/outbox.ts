import { partOf, putBytes } from '../../kernel/bytes.ts';
import type { Connection } from '../../kernel/ports.ts';
import { endFlag, frameHeaderBytes, writeFrameHeader } from './frame.ts';
import type { Slab, Slabs } from './slabs.ts';

/** Up to here a plain loop beats the native copy. */
const loopBytesMax = 48;

/**
 * The frames of one connection on their way out. They are gathered in slabs and leave by `flush`, one write for each. One frame at a time may be open: bytes
 * can be appended to it until it is sealed, so that a head and the body that comes with it are one frame without being copied twice. Nothing is written
 * while a frame is made: where both ends are in one process the peer may answer inside that write, and its answer may make us write frames here.
 */
export class Outbox {
  readonly #connection: Connection;
  readonly #slabs: Slabs;
  #slab: Slab | undefined = undefined;
  #start = 0;
  #openAt = -1;
  /** What lies in slabs that had no more room, oldest first. */
  readonly #full: Uint8Array[] = [];
  /** Written while the peer does not read. */
  queuedBytes = 0;
  /** The peer reads slower than we write: wait for `drained`. */
  blocked = false;

  constructor(connection: Connection, slabs: Slabs) {
    this.#connection = connection;
    this.#slabs = slabs;
  }

  /** More than a slab waits: `flush` as soon as the frame is complete. */
  get overflows(): boolean {
    return this.#full.length > 0;
  }

  /** Writes the header of a frame with `length` payload bytes and returns where in `bytes` the caller has to write those, now. */
  frame(length: number, frame: { type: number; flags: number; stream: number }): number {
    this.seal(false);
    const slab = this.#room(frameHeaderBytes + length);
    writeFrameHeader(slab.bytes, slab.at, length, frame);
    slab.at += frameHeaderBytes + length;
    return slab.at - length;
  }

  /** The memory of the frame that was written last. */
  get bytes(): Buffer {
    return (this.#slab as Slab).bytes;
  }

  /** Leaves the frame that was just written open for `append`. */
  open(length: number): void {
    this.#openAt = (this.#slab as Slab).at - length - frameHeaderBytes;
  }

  /** Puts bytes behind the open frame; false when they do not fit (or none is open). */
  append(bytes: Uint8Array, payloadBytesMax: number): boolean {
    const slab = this.#slab;
    if (this.#openAt === -1 || slab === undefined) return false;
    const { length } = bytes;
    if (slab.bytes.length - slab.at < length || slab.at - this.#openAt - frameHeaderBytes + length > payloadBytesMax) return false;
    copy(bytes, slab.bytes, slab.at);
    slab.at += length;
    return true;
  }

  get isOpen(): boolean {
    return this.#openAt !== -1;
  }

  /** Fixes the length of the open frame; `end` marks it as the last of its stream's direction. */
  seal(end: boolean): void {
    const at = this.#openAt;
    if (at === -1) return;
    this.#openAt = -1;
    const { bytes, at: stop } = this.#slab as Slab;
    const length = stop - at - frameHeaderBytes;
    bytes[at] = length >>> 16;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length;
    if (end) bytes[at + 4] = (bytes[at + 4] as number) | endFlag;
  }

  /** Hands what was gathered to the connection. */
  flush(): void {
    this.seal(false);
    const last = this.#gathered();
    // The usual case needs no list.
    if (this.#full.length === 0) {
      if (last !== undefined) this.#write(last);
      return;
    }
    if (last !== undefined) this.#full.push(last);
    // Whoever flushes inside one of these writes goes on with the rest, so nothing overtakes anything.
    for (let part = this.#full.shift(); part !== undefined; part = this.#full.shift()) this.#write(part);
  }

  /** The connection takes bytes again. */
  drained(): void {
    this.blocked = false;
    this.queuedBytes = 0;
  }

  /** Forgets what was not flushed. */
  clear(): void {
    this.#openAt = -1;
    this.#slab = undefined;
    this.#full.length = 0;
  }

  #write(part: Uint8Array): void {
    if (this.#connection.write(part)) return;
    this.blocked = true;
    this.queuedBytes += part.length;
  }

  /** Ends the slab; what was gathered in it. */
  #gathered(): Uint8Array | undefined {
    const slab = this.#slab;
    if (slab === undefined) return undefined;
    this.#slab = undefined;
    const part = partOf(slab.bytes, this.#start, slab.at);
    this.#slabs.give(slab);
    return part;
  }

  #room(bytes: number): Slab {
    let slab = this.#slab;
    if (slab !== undefined && slab.bytes.length - slab.at < bytes) {
      this.#full.push(this.#gathered() as Uint8Array);
      slab = undefined;
    }
    if (slab === undefined) {
      slab = this.#slabs.take(bytes);
      this.#slab = slab;
      this.#start = slab.at;
    }
    return slab;
  }
}

/** Copies `bytes` to `to` at `at`. */
export function copy(bytes: Uint8Array, to: Buffer, at: number): void {
  if (bytes.length > loopBytesMax) putBytes(to, bytes, at);
  else for (let i = 0; i < bytes.length; i++) to[at + i] = bytes[i] as number;
}
