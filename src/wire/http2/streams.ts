import { ProaError } from '../../kernel/errors.ts';
import { ClosedStreams } from './closed-streams.ts';
import { http2Faults as faults, type Http2Fault } from './fault.ts';
import { defaultWindowBytes, streamIdMax } from './frames.ts';
import { encodeHeaders } from './header-encoder.ts';
import { http2Codes, type HeaderList, type Http2Limits, type Http2StreamHandlers } from './http2.ts';
import type { Outflow } from './outflow.ts';
import type { PeerGuard } from './peer-guard.ts';
import type { ReceiveFlow } from './receive-flow.ts';
import type { SendFlow } from './send-flow.ts';
import { StreamTable } from '../stream-table.ts';
import { deaf, OwnStream, type StreamOwner } from './stream.ts';

/** What the streams of a connection need of it. */
export interface StreamsContext {
  readonly remote: string;
  readonly role: 'server' | 'client';
  readonly limits: Http2Limits;
  readonly out: Outflow;
  readonly guard: PeerGuard;
  readonly flow: SendFlow;
  readonly receive: ReceiveFlow;
  readonly nowMs: number;
  /** Frames were written; `answered` when a stream's end is among them and its peer should not wait. */
  wrote(answered: boolean): void;
  /** Calls `runLater` at the end of the turn. */
  schedule(): void;
  streamOpened(): void;
  streamClosed(): void;
  /** No stream is left. */
  emptied(): void;
}

const waitingMax = 10_000;

/** The streams of one connection: what their users ask for goes out, what the wire says is told to them, never inside one of their own calls. */
export class Streams implements StreamOwner {
  readonly open = new StreamTable<OwnStream>(1);
  /** Streams that we reset, whose frames may still come. */
  readonly closed = new ClosedStreams();
  readonly #context: StreamsContext;
  readonly #server: boolean;
  #waiting: OwnStream[] = [];
  #later: OwnStream[] = [];
  #nextId = 1;
  /** The highest id that the peer has used. */
  lastPeerId = 0;
  /** How many streams the peer lets us open. */
  peerStreamsMax = Infinity;
  /** What a new stream may send us. */
  receiveWindow = defaultWindowBytes;

  constructor(context: StreamsContext) {
    this.#context = context;
    this.#server = context.role === 'server';
  }

  get remote(): string {
    return this.#context.remote;
  }

  get crowded(): boolean {
    return this.#context.flow.crowded;
  }

  get count(): number {
    return this.open.size + this.#waiting.length;
  }

  /** True when we have used this id. */
  used(id: number): boolean {
    return id < this.#nextId && id % 2 === 1;
  }

  // What users of streams do.

  sendHeaders(stream: OwnStream, headers: HeaderList, end: boolean): void {
    if (!this.#block(stream, headers, end)) return;
    if (end) {
      stream.ending = true;
      this.#localEnd(stream);
    }
    this.#context.wrote(end);
  }

  sendData(stream: OwnStream, data: Uint8Array): boolean {
    const room = this.#context.flow.write(stream, data);
    this.#context.wrote(false);
    return room;
  }

  sendEnd(stream: OwnStream, trailers: HeaderList): void {
    if (stream.queuedBytes > 0 || stream.id === 0) stream.trailers = trailers;
    else this.finish(stream, trailers);
  }

  sendReset(stream: OwnStream, code: number): void {
    if (stream.id === 0) this.#waiting = this.#waiting.filter((other) => other !== stream);
    else if (!stream.gone) {
      this.#context.out.rstStream(stream.id, code);
      this.closed.add(stream.id);
    }
    this.#forget(stream);
    this.#dropHeld(stream);
    this.#close(stream, code);
    this.#context.wrote(true);
  }

  resumed(stream: OwnStream): void {
    if (stream.heldBytes > 0 || (stream.remoteEnded && !stream.endDelivered)) this.#defer(stream);
  }

  /** Opens a stream, or lets it wait for a place. Fails with `overloaded` when too many wait and with `bad-request` for illegal headers. */
  request(headers: HeaderList, handlers: Http2StreamHandlers, end: boolean): OwnStream {
    const stream = new OwnStream(this);
    stream.handlers = handlers;
    stream.request = headers;
    stream.ending = end;
    if (this.open.size < this.peerStreamsMax) this.#start(stream);
    else {
      if (this.#waiting.length >= waitingMax)
        throw new ProaError('overloaded', `${waitingMax} calls wait for a stream to ${this.remote}`, { refusedAt: 'caller' });
      encodeHeaders(headers);
      this.#waiting.push(stream);
    }
    return stream;
  }

  /** Starts what waits, as far as the peer allows. */
  startWaiting(): void {
    while (this.#waiting.length > 0 && this.open.size < this.peerStreamsMax) this.#start(this.#waiting.shift() as OwnStream);
  }

  /** END_STREAM leaves, on trailers when there are any. */
  finish(stream: OwnStream, trailers: HeaderList): void {
    if (trailers.length === 0) this.#context.out.endStream(stream.id);
    else if (!this.#block(stream, trailers, true)) return;
    this.#localEnd(stream);
    this.#context.wrote(true);
  }

  // What the wire does.

  /** A stream that the peer opened; the caller asks its user for handlers. */
  accept(id: number): OwnStream {
    const stream = new OwnStream(this);
    stream.id = id;
    stream.headersReceived = true;
    stream.sendWindow = this.#context.flow.streamWindow;
    stream.receiveWindow = this.receiveWindow;
    this.open.add(stream);
    this.#context.streamOpened();
    return stream;
  }

  data(stream: OwnStream, chunk: Uint8Array): void {
    if (stream.paused || stream.heldBytes > 0) {
      stream.hold(chunk);
      this.#context.receive.hold(chunk.length);
      this.#returnWindow();
      return;
    }
    stream.handlers.data(chunk);
    this.credit(stream, chunk.length);
  }

  /** Gives window back for bytes that were taken. */
  credit(stream: OwnStream | undefined, bytes: number): void {
    const { out, limits } = this.#context;
    if (stream !== undefined && !stream.remoteEnded && !stream.gone) {
      stream.unreturnedBytes += bytes;
      if (stream.unreturnedBytes * 2 >= limits.streamWindowBytes) {
        out.windowUpdate(stream.id, stream.unreturnedBytes);
        stream.receiveWindow += stream.unreturnedBytes;
        stream.unreturnedBytes = 0;
        this.#context.wrote(false);
      }
    }
    this.#returnWindow();
  }

  #returnWindow(): void {
    const { out, receive } = this.#context;
    const due = receive.due();
    if (due === 0) return;
    out.windowUpdate(0, due);
    this.#context.wrote(false);
  }

  /** The peer ended its side; the event waits behind data that is held. */
  remoteEnd(stream: OwnStream): void {
    stream.remoteEnded = true;
    if (stream.localEnded) {
      this.#context.guard.completed();
      this.#forget(stream);
    }
  }

  deliverEnd(stream: OwnStream): void {
    if (stream.paused || stream.heldBytes > 0 || stream.endDelivered || stream.closeCode !== undefined) return;
    stream.endDelivered = true;
    stream.handlers.end(stream.receivedTrailers);
    if (stream.localEnded && !this.#server) this.#closeNow(stream, http2Codes.noError);
  }

  peerReset(stream: OwnStream, code: number): void {
    this.#forget(stream);
    if (!this.#server && code === http2Codes.noError && stream.remoteEnded) {
      // The answer is complete; the server only wants no more of the request (RFC 9113, section 8.1).
      stream.localEnded = true;
      if (!stream.endDelivered) return;
    }
    this.#dropHeld(stream);
    this.#closeNow(stream, code);
  }

  /** Ends one stream because of what the peer did; a peer that does so again and again loses the connection. */
  fault(id: number, { code }: Http2Fault): Http2Fault | undefined {
    this.#context.out.rstStream(id, code);
    this.closed.add(id);
    const stream = this.open.get(id);
    if (stream !== undefined) {
      this.#forget(stream);
      this.#dropHeld(stream);
      this.#closeNow(stream, code);
    }
    return this.#context.guard.spend(this.#context.nowMs) ? faults.flood : undefined;
  }

  /** The peer will not answer streams above `lastId`, nor those that wait. */
  refuseAbove(lastId: number): void {
    for (const stream of this.open.all()) {
      if (stream.id <= lastId) continue;
      this.#forget(stream);
      this.#dropHeld(stream);
      this.#closeNow(stream, http2Codes.refusedStream);
    }
    for (const stream of this.#waiting.splice(0)) this.#closeNow(stream, http2Codes.refusedStream);
  }

  /** The connection is gone. */
  lost(): void {
    this.runLater();
    const streams = [...this.open.all(), ...this.#waiting.splice(0)];
    this.open.clear();
    for (const stream of streams) {
      stream.gone = true;
      this.#context.flow.drop(stream);
      this.#dropHeld(stream);
      if (stream.id !== 0) this.#context.streamClosed();
      this.#closeNow(stream, http2Codes.lost);
    }
  }

  /** Tells streams what could not be told inside a call of theirs. */
  runLater(): void {
    while (this.#later.length > 0) {
      const streams = this.#later;
      this.#later = [];
      for (const stream of streams) {
        stream.scheduled = false;
        if (stream.closeCode === undefined) this.#deliverHeld(stream);
        else {
          const { handlers } = stream;
          stream.handlers = deaf;
          handlers.close(stream.closeCode);
        }
      }
    }
  }

  #start(stream: OwnStream): void {
    const { flow } = this.#context;
    stream.id = this.#nextId;
    if (this.#nextId > streamIdMax) throw new ProaError('unavailable', faults.idsUsedUp.reason);
    const end = stream.ending && stream.queuedBytes === 0 && stream.trailers.length === 0;
    this.#write(stream.id, encodeHeaders(stream.request), end);
    this.#nextId += 2;
    stream.headersSent = true;
    stream.localEnded = end;
    stream.sendWindow = flow.streamWindow;
    stream.receiveWindow = this.receiveWindow;
    this.open.add(stream);
    this.#context.streamOpened();
    if (stream.queuedBytes > 0) flow.pump(stream);
    else if (stream.ending && !end) this.finish(stream, stream.trailers);
    this.#context.wrote(end);
  }

  #deliverHeld(stream: OwnStream): void {
    const { held } = stream;
    while (held !== undefined && held.length > 0 && !stream.paused && stream.closeCode === undefined) {
      const chunk = held.shift() as Uint8Array;
      stream.heldBytes -= chunk.length;
      this.#context.receive.release(chunk.length);
      stream.handlers.data(chunk);
      this.credit(stream, chunk.length);
    }
    if (stream.remoteEnded) this.deliverEnd(stream);
  }

  #dropHeld(stream: OwnStream): void {
    if (stream.heldBytes === 0) return;
    const bytes = stream.heldBytes;
    stream.held = undefined;
    stream.heldBytes = 0;
    this.#context.receive.release(bytes);
    this.credit(undefined, bytes);
  }

  /** Our side has ended. A server is then done with the stream: a peer that still sends is told to stop, without an error. */
  #localEnd(stream: OwnStream): void {
    stream.localEnded = true;
    if (stream.remoteEnded) this.#context.guard.completed();
    else if (!this.#server) return;
    else {
      this.#context.out.rstStream(stream.id, http2Codes.noError);
      this.closed.add(stream.id);
    }
    this.#forget(stream);
    if (this.#server) {
      this.#dropHeld(stream);
      this.#close(stream, http2Codes.noError);
    } else if (stream.endDelivered) this.#close(stream, http2Codes.noError);
  }

  #forget(stream: OwnStream): void {
    if (stream.gone) return;
    stream.gone = true;
    this.open.delete(stream);
    this.#context.flow.drop(stream);
    if (stream.id !== 0) this.#context.streamClosed();
    if (this.#waiting.length > 0) this.startWaiting();
    else if (this.open.size === 0) this.#context.emptied();
  }

  #close(stream: OwnStream, code: number): void {
    if (stream.closeCode !== undefined) return;
    stream.closeCode = code;
    this.#defer(stream);
  }

  #closeNow(stream: OwnStream, code: number): void {
    if (stream.closeCode !== undefined) return;
    stream.closeCode = code;
    const { handlers } = stream;
    stream.handlers = deaf;
    handlers.close(code);
  }

  #defer(stream: OwnStream): void {
    if (stream.scheduled) return;
    stream.scheduled = true;
    this.#later.push(stream);
    this.#context.schedule();
  }

  /** Writes a header block; what cannot be encoded ends the stream, since it cannot go on without it. */
  #block(stream: OwnStream, headers: HeaderList, end: boolean): boolean {
    try {
      this.#write(stream.id, encodeHeaders(headers), end);
      return true;
    } catch {
      this.sendReset(stream, http2Codes.internalError);
      return false;
    }
  }

  #write(id: number, block: Uint8Array, endStream: boolean): void {
    this.#context.out.headers(id, block, endStream);
    this.#context.guard.sent();
  }
}
