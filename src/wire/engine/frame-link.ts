import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Connection } from '../../kernel/ports.ts';
import { ByteReader, ByteWriter } from './byte-codec.ts';

/** A frame: u32 length of what follows, u8 type, u32 id, payload. */
const headBytes = 9;
const drainBytes = 1024 * 1024;
/** A request or event; a commit of 4 MB fits with its keys. */
export const frameBytesMax = 64 * 1024 * 1024;

export interface FrameLinkOptions {
  readonly connection: Connection;
  readonly clock: Clock;
  /** Bytes that may wait for a slow peer; beyond them the link is closed. */
  readonly queuedBytesMax?: number;
  readonly frameBytesMax?: number;
  /** `payload` is valid only during the call. A throw closes the link. */
  readonly frame: (type: number, id: number, payload: ByteReader) => void;
  /** The last event, once. */
  readonly closed: (error: Error) => void;
  readonly opened?: () => void;
}

/** Begins a frame; `FrameLink.send` fills its head in. */
export function frameWriter(sizeHint?: number): ByteWriter {
  return new ByteWriter(headBytes, sizeHint);
}

/**
 * Frames over a connection. Few frames are written at once; many of one turn leave together. A peer that reads too slowly is
 * cut off at a limit, not buffered without end.
 */
export class FrameLink {
  readonly #options: FrameLinkOptions;
  readonly #connection: Connection;
  readonly #queuedBytesMax: number;
  readonly #frameBytesMax: number;
  #partial: Buffer | undefined;
  #filled = 0;
  #head = Buffer.alloc(4);
  #headFilled = 0;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #blocked = false;
  #corked = false;
  #sentInTurn = 0;
  #turnScheduled = false;
  #closed = false;

  constructor(options: FrameLinkOptions) {
    this.#options = options;
    this.#connection = options.connection;
    this.#queuedBytesMax = options.queuedBytesMax ?? 64 * 1024 * 1024;
    this.#frameBytesMax = options.frameBytesMax ?? frameBytesMax;
    options.connection.handlers = {
      data: (chunk) => this.#data(chunk),
      end: () => this.close(new Error('the peer closed the connection')),
      drain: () => this.#drain(),
      close: (error) => this.#finished(error ?? new Error('the connection was closed')),
      open: () => options.opened?.(),
    };
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends a frame begun with `frameWriter`. Does nothing when the link is closed. */
  send(type: number, id: number, writer: ByteWriter): void {
    if (this.#closed) return;
    const frame = writer.finish();
    frame.writeUInt32BE(frame.length - 4, 0);
    frame.writeUInt8(type, 4);
    frame.writeUInt32BE(id, 5);
    if (this.#blocked) return this.#enqueue(frame);
    this.#gatherTurn();
    if (!this.#connection.write(frame)) this.#blocked = true;
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  /** Lets what was sent leave, then closes. */
  end(): void {
    if (this.#closed) return;
    for (const frame of this.#queue) this.#connection.write(frame);
    this.#queue = [];
    this.#uncork();
    this.#connection.end();
    this.#finished(new Error('closed here'));
  }

  close(error: Error): void {
    if (this.#closed) return;
    this.#finished(error);
    this.#connection.destroy();
  }

  /** From the third frame of a turn on, frames wait for the turn's end and leave in one system call. */
  #gatherTurn(): void {
    if (++this.#sentInTurn === 3 && !this.#corked) {
      this.#corked = true;
      this.#connection.cork();
    }
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    this.#options.clock.soon(() => {
      this.#turnScheduled = false;
      this.#sentInTurn = 0;
      this.#uncork();
    });
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#connection.uncork();
  }

  #enqueue(frame: Buffer): void {
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    if (this.#queuedBytes <= this.#queuedBytesMax) return;
    this.close(new ProaError('overloaded', `the peer reads too slowly: ${this.#queuedBytes} bytes wait for it`));
  }

  #drain(): void {
    this.#blocked = false;
    while (this.#queue.length > 0 && !this.#blocked) {
      // Few large writes: each one that is refused costs a turn of the loop.
      let count = 0;
      for (let bytes = 0; count < this.#queue.length && bytes < drainBytes; count++) bytes += (this.#queue[count] as Buffer).length;
      const frames = this.#queue.splice(0, count);
      const joined = frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames);
      this.#queuedBytes -= joined.length;
      if (!this.#connection.write(joined)) this.#blocked = true;
    }
  }

  #data(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    try {
      let at = 0;
      while (at < bytes.length && !this.#closed) at = this.#partial === undefined ? this.#begin(bytes, at) : this.#continue(bytes, at);
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** At the start of a frame: handles it in place when it is here as a whole. */
  #begin(bytes: Buffer, from: number): number {
    let at = from;
    if (this.#headFilled > 0 || bytes.length - at < 4) {
      while (this.#headFilled < 4 && at < bytes.length) this.#head[this.#headFilled++] = bytes[at++] as number;
      if (this.#headFilled < 4) return at;
    }
    const length = this.#headFilled > 0 ? this.#head.readUInt32BE(0) : bytes.readUInt32BE(at);
    if (this.#headFilled === 0) at += 4;
    this.#headFilled = 0;
    if (length < headBytes - 4 || length > this.#frameBytesMax) {
      throw new ProaError('malformed-request', `engine protocol: a frame of ${length} bytes`);
    }
    if (bytes.length - at >= length) {
      this.#handle(bytes, at, at + length);
      return at + length;
    }
    // Grows with what arrives: a peer must send the bytes for which it wants memory.
    this.#partial = Buffer.allocUnsafe(Math.min(length, 256 * 1024));
    this.#head.writeUInt32BE(length, 0);
    this.#filled = 0;
    return at;
  }

  #continue(bytes: Buffer, at: number): number {
    const length = this.#head.readUInt32BE(0);
    let partial = this.#partial as Buffer;
    const count = Math.min(length - this.#filled, bytes.length - at);
    if (this.#filled + count > partial.length) {
      const grown = Buffer.allocUnsafe(Math.min(length, Math.max(partial.length * 2, this.#filled + count)));
      partial.copy(grown, 0, 0, this.#filled);
      partial = grown;
      this.#partial = grown;
    }
    bytes.copy(partial, this.#filled, at, at + count);
    this.#filled += count;
    if (this.#filled === length) {
      this.#partial = undefined;
      this.#handle(partial, 0, length);
    }
    return at + count;
  }

  #handle(bytes: Buffer, from: number, to: number): void {
    this.#options.frame(bytes.readUInt8(from), bytes.readUInt32BE(from + 1), new ByteReader(bytes, from + 5, to));
  }

  #finished(error: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#partial = undefined;
    this.#options.closed(error);
  }
}
