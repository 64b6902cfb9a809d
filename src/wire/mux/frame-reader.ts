import { asBuffer, partOf, readU32 } from '../../kernel/bytes.ts';
import { frameHeaderBytes, frameType, payloadBytesMax } from './frame.ts';

/** What a reader finds. `bytes` are valid only during the call. */
export interface FrameSink {
  /** A whole frame of any type but `data`. */
  frame(header: FrameHeader, bytes: Buffer, range: { at: number; end: number }): void;
  /** A part of a `data` frame as it comes; `last` with its last byte. */
  data(header: FrameHeader, bytes: Buffer, last: boolean): void;
  /** The bytes are no frames; the reader stops. */
  broken(reason: string): void;
}

export interface FrameHeader {
  type: number;
  flags: number;
  stream: number;
}

const nothing = Buffer.alloc(0);

/**
 * Cuts a connection's bytes into frames, however they were split. Payloads of `data` pass through without being collected; other frames are
 * collected in a buffer of their known length when they do not arrive in one piece, so that nothing is copied twice.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #frameBytesMax: number;
  readonly #header: FrameHeader = { type: 0, flags: 0, stream: 0 };
  readonly #headerBytes = Buffer.alloc(frameHeaderBytes);
  #headerHas = 0;
  #partial: Buffer | undefined = undefined;
  #partialHas = 0;
  #dataLeft = 0;
  #inData = false;
  stopped = false;

  constructor(sink: FrameSink, frameBytesMax: number) {
    this.#sink = sink;
    this.#frameBytesMax = frameBytesMax;
  }

  /** True between two frames. */
  get between(): boolean {
    return this.#headerHas === 0 && this.#partial === undefined && !this.#inData;
  }

  read(chunk: Uint8Array): void {
    const bytes = asBuffer(chunk);
    let at = 0;
    while (at < bytes.length && !this.stopped) {
      if (this.#inData) at = this.#data(bytes, at);
      else if (this.#partial !== undefined) at = this.#collect(this.#partial, bytes, at);
      else at = this.#begin(bytes, at);
    }
  }

  stop(): void {
    this.stopped = true;
    this.#partial = undefined;
  }

  /** Reads a header and, when all of it is there, the frame. */
  #begin(bytes: Buffer, start: number): number {
    let at = start;
    let from = bytes;
    let headerAt = at;
    if (this.#headerHas > 0 || bytes.length - at < frameHeaderBytes) {
      const count = Math.min(frameHeaderBytes - this.#headerHas, bytes.length - at);
      bytes.copy(this.#headerBytes, this.#headerHas, at, at + count);
      this.#headerHas += count;
      at += count;
      if (this.#headerHas < frameHeaderBytes) return at;
      this.#headerHas = 0;
      from = this.#headerBytes;
      headerAt = 0;
    } else at += frameHeaderBytes;
    const length = ((from[headerAt] as number) << 16) | ((from[headerAt + 1] as number) << 8) | (from[headerAt + 2] as number);
    const header = this.#header;
    header.type = from[headerAt + 3] as number;
    header.flags = from[headerAt + 4] as number;
    header.stream = readU32(from, headerAt + 5);
    const max = payloadBytesMax(header.type, this.#frameBytesMax);
    if (max === undefined) return this.#broken(`a frame of the unknown type ${header.type}`, at);
    if (length > max) return this.#broken(`a frame of type ${header.type} with ${length} bytes, more than ${max}`, at);
    if (header.type === frameType.data) return this.#beginData(length, at);
    if (bytes.length - at >= length) {
      this.#sink.frame(header, bytes, { at, end: at + length });
      return at + length;
    }
    this.#partial = Buffer.allocUnsafe(length);
    this.#partialHas = 0;
    return at;
  }

  #beginData(length: number, at: number): number {
    if (length === 0) this.#sink.data(this.#header, nothing, true);
    else {
      this.#inData = true;
      this.#dataLeft = length;
    }
    return at;
  }

  #data(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#dataLeft);
    this.#dataLeft -= end - at;
    if (this.#dataLeft === 0) this.#inData = false;
    this.#sink.data(this.#header, partOf(bytes, at, end), !this.#inData);
    return end;
  }

  #collect(partial: Buffer, bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + partial.length - this.#partialHas);
    bytes.copy(partial, this.#partialHas, at, end);
    this.#partialHas += end - at;
    if (this.#partialHas === partial.length) {
      this.#partial = undefined;
      this.#sink.frame(this.#header, partial, { at: 0, end: partial.length });
    }
    return end;
  }

  #broken(reason: string, at: number): number {
    this.stop();
    this.#sink.broken(reason);
    return at;
  }
}
