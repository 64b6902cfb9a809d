import { copyOf, partOf, readU16, readU32 } from '../../kernel/bytes.ts';
import { http2Faults as faults, type Http2Fault } from './fault.ts';
import { frameBytesMax, frameFlags as flags, frameHeaderBytes, frameTypes as types } from './frames.ts';

/** Who gets the frames. What a call returns ends the connection. Bytes are valid only during the call. */
export interface FrameHandler {
  /** A whole header block. */
  headers(streamId: number, block: Bytes, endStream: boolean): Http2Fault | undefined;
  /** A DATA frame begins: `dataBytes` of data and `paddingBytes` that count for flow control only. */
  dataBegins(streamId: number, dataBytes: number, paddingBytes: number): Http2Fault | undefined;
  dataChunk(chunk: Uint8Array): void;
  dataEnds(endStream: boolean): Http2Fault | undefined;
  rstStream(streamId: number, code: number): Http2Fault | undefined;
  setting(id: number, value: number): Http2Fault | undefined;
  settingsEnd(): Http2Fault | undefined;
  settingsAck(): Http2Fault | undefined;
  ping(payload: Bytes, ack: boolean): Http2Fault | undefined;
  goaway(lastStreamId: number, code: number): Http2Fault | undefined;
  windowUpdate(streamId: number, increment: number): Http2Fault | undefined;
  /** A frame that has no meaning here: PRIORITY, and types that nobody knows. */
  ignored(): Http2Fault | undefined;
}

export interface Bytes {
  readonly bytes: Buffer;
  readonly at: number;
  readonly end: number;
}

export interface ReaderLimits {
  /** Bytes of one header block as it is on the wire. */
  readonly blockBytesMax: number;
}

// Blocks of ordinary peers have one to three frames.
const blockFramesMax = 32;

/**
 * Cuts the bytes of a connection into frames (RFC 9113, sections 4 and 6), checking what can be known without knowing streams. Payload of DATA is handed on as
 * it arrives; of anything else only what is complete.
 */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #blockBytesMax: number;
  #dataLeft = 0;
  #padLeft = 0;
  #dataEndsStream = false;
  #inData = false;
  #blockStream = 0;
  #blockEndsStream = false;
  #block: Buffer[] = [];
  #blockBytes = 0;
  #first = true;
  fault: Http2Fault | undefined = undefined;

  constructor(handler: FrameHandler, limits: ReaderLimits) {
    this.#handler = handler;
    this.#blockBytesMax = limits.blockBytesMax;
  }

  /** True between the frames of a header block. */
  get inBlock(): boolean {
    return this.#blockStream !== 0;
  }

  /** True when a RST_STREAM begins in these bytes: cheap to ask, and almost always false. */
  resetAhead(bytes: Buffer, from: number, end: number): boolean {
    let at = from + (this.#inData ? this.#dataLeft + this.#padLeft : 0);
    for (; at + frameHeaderBytes <= end; at += frameHeaderBytes + length24(bytes, at)) if (bytes[at + 3] === types.rstStream) return true;
    return false;
  }

  /** Handles what is there; answers where the first incomplete frame begins. After a fault nothing more is read. */
  read(bytes: Buffer, from: number, end: number): number {
    let at = from;
    while (this.fault === undefined) {
      if (this.#inData) {
        at = this.#data(bytes, at, end);
        if (this.#inData) return at;
        continue;
      }
      if (end - at < frameHeaderBytes) return at;
      const length = length24(bytes, at);
      const type = bytes[at + 3] as number;
      if (length > frameBytesMax) return this.#refuse(faults.frameSize, at);
      if (this.#first && (type !== types.settings || (bytes[at + 4] as number) & flags.ack)) return this.#refuse(faults.firstFrame, at);
      if (type === types.data && this.#blockStream === 0) {
        if (length > 0 && end - at < frameHeaderBytes + 1) return at;
        at = this.#beginData(bytes, at, length);
        continue;
      }
      const next = at + frameHeaderBytes + length;
      if (next > end) return at;
      this.#first = false;
      this.fault = this.#frame({ bytes, at, end: next });
      at = next;
    }
    return at;
  }

  #refuse(fault: Http2Fault, at: number): number {
    this.fault = fault;
    return at;
  }

  #beginData(bytes: Buffer, at: number, length: number): number {
    const streamId = streamIdOf(bytes, at);
    const flag = bytes[at + 4] as number;
    if (streamId === 0) return this.#refuse(faults.streamZero, at);
    let p = at + frameHeaderBytes;
    let padding = 0;
    let left = length;
    if ((flag & flags.padded) !== 0) {
      if (length === 0) return this.#refuse(faults.frameLength, at);
      padding = bytes[p++] as number;
      left--;
      if (padding > left) return this.#refuse(faults.padding, at);
    }
    this.#dataLeft = left - padding;
    this.fault = this.#handler.dataBegins(streamId, left - padding, length - left + padding);
    this.#padLeft = padding;
    this.#dataEndsStream = (flag & flags.endStream) !== 0;
    this.#inData = true;
    return p;
  }

  #data(bytes: Buffer, from: number, end: number): number {
    let at = from;
    if (this.#dataLeft > 0 && at < end) {
      const take = Math.min(this.#dataLeft, end - at);
      this.#dataLeft -= take;
      at += take;
      this.#handler.dataChunk(partOf(bytes, at - take, at));
    }
    if (this.#dataLeft > 0) return at;
    const skip = Math.min(this.#padLeft, end - at);
    this.#padLeft -= skip;
    at += skip;
    if (this.#padLeft === 0) {
      this.#inData = false;
      this.fault ??= this.#handler.dataEnds(this.#dataEndsStream);
    }
    return at;
  }

  /** A whole frame, its header included. */
  #frame({ bytes, at, end }: Bytes): Http2Fault | undefined {
    const streamId = streamIdOf(bytes, at);
    const type = bytes[at + 3] as number;
    const flag = bytes[at + 4] as number;
    const body = at + frameHeaderBytes;
    if (this.#blockStream !== 0) {
      if (type !== types.continuation || streamId !== this.#blockStream) return faults.headerBlockTorn;
      return this.#continue({ bytes, at: body, end }, flag);
    }
    switch (type) {
      case types.headers:
        return this.#headers(streamId, flag, { bytes, at: body, end });
      case types.priority:
        if (streamId === 0) return faults.streamZero;
        return end - body === 5 ? this.#handler.ignored() : faults.frameLength;
      case types.rstStream:
        if (streamId === 0) return faults.streamZero;
        return end - body === 4 ? this.#handler.rstStream(streamId, readU32(bytes, body)) : faults.frameLength;
      case types.settings:
        return streamId === 0 ? this.#settings(flag, { bytes, at: body, end }) : faults.streamNotZero;
      case types.pushPromise:
        return faults.pushPromise;
      case types.ping:
        if (streamId !== 0) return faults.streamNotZero;
        return end - body === 8 ? this.#handler.ping({ bytes, at: body, end }, (flag & flags.ack) !== 0) : faults.frameLength;
      case types.goaway:
        if (streamId !== 0) return faults.streamNotZero;
        return end - body < 8 ? faults.frameLength : this.#handler.goaway(readU32(bytes, body) & 0x7fffffff, readU32(bytes, body + 4));
      case types.windowUpdate:
        return end - body === 4 ? this.#handler.windowUpdate(streamId, readU32(bytes, body) & 0x7fffffff) : faults.frameLength;
      case types.continuation:
        return faults.continuation;
      default:
        return this.#handler.ignored();
    }
  }

  #headers(streamId: number, flag: number, { bytes, at, end }: Bytes): Http2Fault | undefined {
    if (streamId === 0) return faults.streamZero;
    let from = at;
    let to = end;
    const extra = ((flag & flags.padded) !== 0 ? 1 : 0) + ((flag & flags.priority) !== 0 ? 5 : 0);
    if (end - at < extra) return faults.frameLength;
    if ((flag & flags.padded) !== 0) to -= bytes[from] as number;
    from += extra;
    if (from > to) return faults.padding;
    const endStream = (flag & flags.endStream) !== 0;
    if ((flag & flags.endHeaders) !== 0) return this.#handler.headers(streamId, { bytes, at: from, end: to }, endStream);
    this.#blockStream = streamId;
    this.#blockEndsStream = endStream;
    this.#blockBytes = 0;
    this.#block = [];
    return this.#addToBlock({ bytes, at: from, end: to });
  }

  #continue(part: Bytes, flag: number): Http2Fault | undefined {
    const fault = this.#addToBlock(part);
    if (fault !== undefined || (flag & flags.endHeaders) === 0) return fault;
    const streamId = this.#blockStream;
    const block = Buffer.concat(this.#block, this.#blockBytes);
    this.#blockStream = 0;
    this.#block = [];
    return this.#handler.headers(streamId, { bytes: block, at: 0, end: block.length }, this.#blockEndsStream);
  }

  #addToBlock({ bytes, at, end }: Bytes): Http2Fault | undefined {
    if (this.#block.length >= blockFramesMax) return faults.continuationMax;
    this.#blockBytes += end - at;
    if (this.#blockBytes > this.#blockBytesMax) return faults.headerBlockMax;
    this.#block.push(copyOf(bytes, at, end));
    return undefined;
  }

  #settings(flag: number, { bytes, at, end }: Bytes): Http2Fault | undefined {
    if ((flag & flags.ack) !== 0) return end === at ? this.#handler.settingsAck() : faults.frameLength;
    if ((end - at) % 6 !== 0) return faults.frameLength;
    for (let p = at; p < end; p += 6) {
      const fault = this.#handler.setting(readU16(bytes, p), readU32(bytes, p + 2));
      if (fault !== undefined) return fault;
    }
    return this.#handler.settingsEnd();
  }
}

function length24(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}

function streamIdOf(bytes: Buffer, at: number): number {
  return (
    (((bytes[at + 5] as number) & 0x7f) << 24) |
    ((bytes[at + 6] as number) << 16) |
    ((bytes[at + 7] as number) << 8) |
    (bytes[at + 8] as number)
  );
}
