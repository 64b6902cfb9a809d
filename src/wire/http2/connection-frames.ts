import { partOf } from '../../kernel/bytes.ts';
import { http2Faults as faults, type Http2Fault } from './fault.ts';
import type { Bytes, FrameHandler } from './frame-reader.ts';
import { defaultWindowBytes, frameBytesMax, settingIds, windowBytesMax } from './frames.ts';
import { HeaderDecoder, type HeaderBlock } from './header-decoder.ts';
import type { HeaderList, Http2StreamHandlers } from './http2.ts';
import { checkRequest, checkResponse, checkTrailers } from './message-rules.ts';
import type { OwnStream } from './stream.ts';
import type { Streams, StreamsContext } from './streams.ts';

/** What frames change beyond streams. */
export interface FramesContext extends StreamsContext {
  readonly streams: Streams;
  /** New streams above this id are not taken any more. */
  readonly lastAcceptedId: number;
  stream(stream: OwnStream, headers: HeaderList): Http2StreamHandlers;
  /** The peer's SETTINGS came. */
  settled(): void;
  settingsAcknowledged(): void;
  pingAnswered(payload: Bytes): boolean;
  peerLeaves(lastStreamId: number): void;
}

// More than this waiting for slow readers: no new streams, until they have read.
const queuedBytesMax = 16 * 1024 * 1024;
const tooLargeHeaders: HeaderList = [':status', '431'];
const frameSizeMax = 2 ** 24 - 1;

/** What the frames of a connection mean (RFC 9113, sections 5, 6 and 8). */
export class ConnectionFrames implements FrameHandler {
  readonly #context: FramesContext;
  readonly #decoder: HeaderDecoder;
  readonly #server: boolean;
  #dataStream: OwnStream | undefined = undefined;
  #emptyData = false;
  #newStreamWindow = -1;
  #acknowledged = false;
  #ended: OwnStream[] = [];
  /** A reset stands in the bytes that are being read: ends wait for it. */
  holdEnds = false;

  constructor(context: FramesContext) {
    this.#context = context;
    this.#decoder = new HeaderDecoder(context.limits);
    this.#server = context.role === 'server';
  }

  /** The bytes are read: what ended without being reset has ended. */
  readEnds(): void {
    if (this.#ended.length > 0) for (const stream of this.#ended.splice(0)) this.#context.streams.deliverEnd(stream);
  }

  headers(streamId: number, block: Bytes, endStream: boolean): Http2Fault | undefined {
    // Whatever becomes of the message, its block belongs to the table.
    const decoded = this.#decoder.decode(block.bytes, block.at, block.end);
    if (decoded === undefined) return faults.compression;
    const { streams } = this.#context;
    const stream = streams.open.get(streamId);
    if (stream === undefined) return this.#server ? this.#request(streamId, decoded, endStream) : this.#unknown(streamId);
    if (stream.remoteEnded) return streams.fault(streamId, faults.streamClosed);
    if (this.#server || stream.headersReceived) return this.#trailers(stream, decoded, endStream);
    return this.#response(stream, decoded, endStream);
  }

  dataBegins(streamId: number, dataBytes: number, paddingBytes: number): Http2Fault | undefined {
    const { streams, receive } = this.#context;
    const length = dataBytes + paddingBytes;
    this.#emptyData = dataBytes === 0;
    this.#dataStream = undefined;
    if (!receive.arrived(length)) return faults.windowExceeded;
    const stream = streams.open.get(streamId);
    const fault = stream === undefined ? this.#unknown(streamId) : this.#takes(stream, dataBytes, length);
    if (stream === undefined || stream.gone) streams.credit(undefined, length);
    else {
      this.#dataStream = stream;
      if (paddingBytes > 0) streams.credit(stream, paddingBytes);
    }
    return fault;
  }

  dataChunk(chunk: Uint8Array): void {
    const stream = this.#dataStream;
    // It may have been reset since the frame began; its bytes were counted then, and are given back with the next that count.
    if (stream !== undefined && !stream.gone) this.#context.streams.data(stream, chunk);
  }

  dataEnds(endStream: boolean): Http2Fault | undefined {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    if (stream === undefined || stream.gone) return undefined;
    if (endStream) return this.#remoteEnd(stream);
    return this.#emptyData ? this.#spend() : undefined;
  }

  rstStream(streamId: number, code: number): Http2Fault | undefined {
    const { streams } = this.#context;
    const stream = streams.open.get(streamId);
    if (stream === undefined && this.#idle(streamId)) return faults.idleStream;
    // A client that gives up costs a server work; a server that refuses costs a client nothing.
    const fault = this.#server ? this.#spend() : undefined;
    if (stream !== undefined) streams.peerReset(stream, code);
    return fault;
  }

  setting(id: number, value: number): Http2Fault | undefined {
    switch (id) {
      case settingIds.enablePush:
        return value > (this.#server ? 1 : 0) ? faults.settingValue : undefined;
      case settingIds.maxConcurrentStreams:
        this.#context.streams.peerStreamsMax = value;
        return undefined;
      case settingIds.initialWindowSize:
        if (value > windowBytesMax) return faults.settingWindow;
        this.#newStreamWindow = value;
        return undefined;
      case settingIds.maxFrameSize:
        return value < frameBytesMax || value > frameSizeMax ? faults.settingValue : undefined;
      default:
        return undefined;
    }
  }

  settingsEnd(): Http2Fault | undefined {
    const { streams, flow, out } = this.#context;
    const flood = this.#spend();
    if (flood !== undefined) return flood;
    let difference = 0;
    if (this.#newStreamWindow >= 0) {
      difference = this.#newStreamWindow - flow.streamWindow;
      flow.streamWindow = this.#newStreamWindow;
      this.#newStreamWindow = -1;
      for (const stream of streams.open.all()) {
        stream.sendWindow += difference;
        if (stream.sendWindow > windowBytesMax) return faults.windowMax;
      }
    }
    // The acknowledgement goes before what the settings allow (section 6.5.3).
    out.settingsAck();
    if (difference > 0) flow.pumpAll();
    streams.startWaiting();
    this.#context.settled();
    this.#context.wrote(false);
    return flow.flooded ? faults.flood : undefined;
  }

  settingsAck(): Http2Fault | undefined {
    if (this.#acknowledged) return this.#spend();
    this.#acknowledged = true;
    // From here on the peer keeps to our window instead of the one that everybody begins with.
    const { streams, limits } = this.#context;
    for (const stream of streams.open.all()) stream.receiveWindow += limits.streamWindowBytes - defaultWindowBytes;
    streams.receiveWindow = limits.streamWindowBytes;
    this.#context.settingsAcknowledged();
    return undefined;
  }

  ping(payload: Bytes, ack: boolean): Http2Fault | undefined {
    const { guard, out, nowMs } = this.#context;
    if (ack) return this.#context.pingAnswered(payload) ? undefined : this.#spend();
    if (guard.ping(nowMs)) return faults.flood;
    out.ping(partOf(payload.bytes, payload.at, payload.end), true);
    this.#context.wrote(false);
    return undefined;
  }

  goaway(lastStreamId: number): Http2Fault | undefined {
    this.#context.peerLeaves(lastStreamId);
    return this.#spend();
  }

  windowUpdate(streamId: number, increment: number): Http2Fault | undefined {
    const { streams, flow, guard, nowMs } = this.#context;
    if (guard.windowUpdate(nowMs)) return faults.flood;
    if (streamId === 0) {
      if (increment === 0) return faults.windowZero;
      if (!flow.widen(increment)) return faults.windowMax;
      flow.pumpAll();
    } else {
      const stream = streams.open.get(streamId);
      // On a closed stream it was on its way when the stream closed.
      if (stream === undefined) return this.#idle(streamId) ? faults.idleStream : undefined;
      if (increment === 0) return streams.fault(streamId, faults.windowZero);
      stream.sendWindow += increment;
      if (stream.sendWindow > windowBytesMax) return streams.fault(streamId, faults.windowMax);
      if (flow.waiting.has(stream)) flow.pump(stream);
    }
    this.#context.wrote(false);
    return flow.flooded ? faults.flood : undefined;
  }

  ignored(): Http2Fault | undefined {
    return this.#spend();
  }

  #request(streamId: number, block: HeaderBlock, endStream: boolean): Http2Fault | undefined {
    const { streams, limits, flow, lastAcceptedId } = this.#context;
    if (streamId <= streams.lastPeerId) return streams.closed.has(streamId) ? undefined : faults.streamClosed;
    if (streamId % 2 === 0) return faults.streamId;
    // Told to go away; the client sends it elsewhere.
    if (streamId > lastAcceptedId) return undefined;
    streams.lastPeerId = streamId;
    if (streams.open.size >= limits.streamsMax || flow.queuedBytes > queuedBytesMax) return streams.fault(streamId, faults.streamsMax);
    if (block.tooLarge) return this.#answerTooLarge(streamId, endStream);
    const length = checkRequest(block);
    if (length === false || (endStream && length > 0)) return streams.fault(streamId, faults.malformed);
    const stream = streams.accept(streamId);
    stream.contentLeft = length;
    stream.handlers = this.#context.stream(stream, block.headers);
    return endStream && !stream.gone ? this.#remoteEnd(stream) : undefined;
  }

  #answerTooLarge(streamId: number, endStream: boolean): undefined {
    const stream = this.#context.streams.accept(streamId);
    stream.remoteEnded = endStream;
    stream.sendHeaders(tooLargeHeaders, true);
  }

  #response(stream: OwnStream, block: HeaderBlock, endStream: boolean): Http2Fault | undefined {
    const { streams } = this.#context;
    const length = checkResponse(block);
    if (block.tooLarge) return streams.fault(stream.id, faults.headersMax);
    if (length === false) return streams.fault(stream.id, faults.malformed);
    if ((block.headers[1] as string).startsWith('1')) {
      // Informational: the answer is still to come (section 8.1).
      return endStream ? streams.fault(stream.id, faults.malformed) : this.#spend();
    }
    stream.headersReceived = true;
    stream.contentLeft = length;
    stream.handlers.headers(block.headers);
    return endStream && !stream.gone ? this.#remoteEnd(stream, true) : undefined;
  }

  #trailers(stream: OwnStream, block: HeaderBlock, endStream: boolean): Http2Fault | undefined {
    const { streams } = this.#context;
    if (block.tooLarge) return streams.fault(stream.id, faults.headersMax);
    if (!endStream || checkTrailers(block) === false) return streams.fault(stream.id, faults.malformed);
    stream.receivedTrailers = block.headers;
    return this.#remoteEnd(stream);
  }

  #remoteEnd(stream: OwnStream, bodyless = false): Http2Fault | undefined {
    const { streams } = this.#context;
    // An answer without a body may say how long it would have been (section 8.1.1).
    if (stream.contentLeft > 0 && !bodyless) return streams.fault(stream.id, faults.contentLength);
    streams.remoteEnd(stream);
    if (this.holdEnds) this.#ended.push(stream);
    else streams.deliverEnd(stream);
    return undefined;
  }

  /** Counts a DATA frame against its stream. */
  #takes(stream: OwnStream, dataBytes: number, length: number): Http2Fault | undefined {
    const { streams } = this.#context;
    if (stream.remoteEnded) return streams.fault(stream.id, faults.streamClosed);
    if (!stream.headersReceived) return streams.fault(stream.id, faults.malformed);
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) return streams.fault(stream.id, faults.windowExceeded);
    if (stream.contentLeft < 0) return undefined;
    stream.contentLeft -= dataBytes;
    return stream.contentLeft < 0 ? streams.fault(stream.id, faults.contentLength) : undefined;
  }

  /** HEADERS or DATA on a stream that is not open: an error unless the peer could not know. */
  #unknown(streamId: number): Http2Fault | undefined {
    if (this.#idle(streamId)) return faults.idleStream;
    const { streams, lastAcceptedId } = this.#context;
    // A client resets streams whenever a deadline passes: what still comes for them is no mistake.
    return !this.#server || streams.closed.has(streamId) || streamId > lastAcceptedId ? undefined : faults.streamClosed;
  }

  #idle(streamId: number): boolean {
    const { streams, lastAcceptedId } = this.#context;
    if (!this.#server) return !streams.used(streamId);
    return streamId % 2 === 0 || (streamId > streams.lastPeerId && streamId <= lastAcceptedId);
  }

  #spend(): Http2Fault | undefined {
    return this.#context.guard.spend(this.#context.nowMs) ? faults.flood : undefined;
  }
}
