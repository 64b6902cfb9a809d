import { copyOf } from '../../kernel/bytes.ts';
import type { HeaderList, Http2Stream, Http2StreamHandlers } from './http2.ts';

/** The connection of a stream, seen from the stream. */
export interface StreamOwner {
  readonly remote: string;
  readonly crowded: boolean;
  sendHeaders(stream: OwnStream, headers: HeaderList, end: boolean): void;
  sendData(stream: OwnStream, data: Uint8Array): boolean;
  sendEnd(stream: OwnStream, trailers: HeaderList): void;
  sendReset(stream: OwnStream, code: number): void;
  resumed(stream: OwnStream): void;
}

const noTrailers: HeaderList = [];

/** Handlers of a stream whose user is not known yet, or has heard its last event. */
export const deaf: Http2StreamHandlers = { headers() {}, data() {}, end() {}, drain() {}, close() {} };

/** One stream. What the wire and its user did to it stands here; the connection acts on it. */
export class OwnStream implements Http2Stream {
  readonly #owner: StreamOwner;
  /** 0 while it waits for a place on the connection. */
  id = 0;
  handlers: Http2StreamHandlers = deaf;
  /** The request's headers of a stream that waits for a place. */
  request: HeaderList = noTrailers;

  // Sending.
  headersSent = false;
  /** The user ends our side; with `localEnded` that has left. */
  ending = false;
  localEnded = false;
  trailers: HeaderList = noTrailers;
  sendWindow = 0;
  queue: Uint8Array[] | undefined = undefined;
  queuedBytes = 0;
  /** A `write` returned false and no `drain` came since. */
  wantsDrain = false;
  /** When the peer last took something of what waits. */
  progressMs = 0;

  // Receiving.
  headersReceived = false;
  remoteEnded = false;
  endDelivered = false;
  receivedTrailers: HeaderList = noTrailers;
  receiveWindow = 0;
  unreturnedBytes = 0;
  /** Bytes to come by the content-length; -1 without one. */
  contentLeft = -1;
  paused = false;
  held: Uint8Array[] | undefined = undefined;
  heldBytes = 0;

  /** Closed on the wire: no frame of it is sent or expected. */
  gone = false;
  /** What `close` will say, or said; undefined while the stream lives. */
  closeCode: number | undefined = undefined;
  /** It stands in the list of what is done at the end of the turn. */
  scheduled = false;

  constructor(owner: StreamOwner) {
    this.#owner = owner;
  }

  get remote(): string {
    return this.#owner.remote;
  }

  get crowded(): boolean {
    return this.#owner.crowded;
  }

  sendHeaders(headers: HeaderList, end = false): void {
    if (this.gone || this.ending || this.headersSent) return;
    // An informational answer (100) goes before the one that counts.
    this.headersSent = headers[1]?.charCodeAt(0) !== 0x31;
    this.#owner.sendHeaders(this, headers, end);
  }

  write(data: Uint8Array): boolean {
    // A stream that is gone takes everything: its close is on its way.
    if (this.gone || this.ending || data.length === 0) return true;
    if (this.#owner.sendData(this, data)) return true;
    this.wantsDrain = true;
    return false;
  }

  end(trailers: HeaderList = noTrailers): void {
    if (this.gone || this.ending) return;
    this.ending = true;
    this.#owner.sendEnd(this, trailers);
  }

  reset(code: number): void {
    if (this.closeCode === undefined) this.#owner.sendReset(this, code);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.#owner.resumed(this);
  }

  /** Copies what cannot leave now. */
  enqueue(data: Uint8Array, from: number): void {
    const rest = copyOf(data, from, data.length);
    (this.queue ??= []).push(rest);
    this.queuedBytes += rest.length;
  }

  hold(chunk: Uint8Array): void {
    (this.held ??= []).push(copyOf(chunk, 0, chunk.length));
    this.heldBytes += chunk.length;
  }
}
