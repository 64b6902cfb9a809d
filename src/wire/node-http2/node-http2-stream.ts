import type {
  ClientHttp2Stream,
  Http2Session as NodeSession,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Stream,
} from 'node:http2';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { http2Codes, type HeaderList, type Http2Stream, type Http2StreamHandlers } from '../http2/http2.ts';

/** Header pairs as the object that Node takes; repeated names become lists. */
export function headerObject(headers: HeaderList): OutgoingHttpHeaders {
  const object: Record<string, string | string[]> = {};
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    const before = object[name];
    if (before === undefined) object[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else object[name] = [before, value];
  }
  return object;
}

/** Node's header object as pairs, for events that give no raw list. */
export function headerPairs(headers: IncomingHttpHeaders): string[] {
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (Array.isArray(value)) for (const one of value) pairs.push(name, one);
    else if (value !== undefined) pairs.push(name, String(value));
  }
  return pairs;
}

const noTrailers: HeaderList = [];
// nghttp2 throws away trailers that still wait when a stream is reset, so a peer gets this long to see that it was answered.
const stopAfterMs = 1_000;

/** What a stream needs to know of its connection. */
export interface StreamOrigin {
  readonly session: NodeSession;
  readonly remote: string;
  readonly clock: Clock;
}

/** A stream of node:http2 behind our contract. */
export class NodeHttp2Stream implements Http2Stream {
  readonly remote: string;
  readonly #stream: ServerHttp2Stream | ClientHttp2Stream;
  readonly #origin: StreamOrigin;
  #stopTimer: Timer | undefined;
  #trailersOut: HeaderList = noTrailers;
  #resetByUs = false;

  constructor(stream: ServerHttp2Stream | ClientHttp2Stream, origin: StreamOrigin) {
    this.#stream = stream;
    this.#origin = origin;
    this.remote = origin.remote;
  }

  get queuedBytes(): number {
    return this.#stream.writableLength;
  }

  /** Connects the events; once, before the turn of the event loop in which the stream came ends. */
  attach(handlers: Http2StreamHandlers): void {
    const stream = this.#stream;
    let trailers = noTrailers;
    let waitingEnd = false;
    const ended = (): void => {
      if (!waitingEnd) return;
      waitingEnd = false;
      // Node ends the readable side of a stream that was reset, too.
      if ((stream.rstCode ?? http2Codes.noError) === http2Codes.noError) handlers.end(trailers);
    };
    stream.on('response', (headers: IncomingHttpHeaders, _flags: number, raw?: string[]) => handlers.headers(raw ?? headerPairs(headers)));
    stream.on('trailers', (headers: IncomingHttpHeaders, _flags: number, raw?: string[]) => {
      trailers = raw ?? headerPairs(headers);
    });
    stream.on('data', (chunk: Uint8Array) => handlers.data(chunk));
    stream.on('end', () => {
      // Clients over node:http2 cancel with END_STREAM and RST_STREAM in one go, so the turn has to be over before an end is one.
      waitingEnd = true;
      this.#origin.clock.soon(ended);
    });
    stream.on('drain', () => handlers.drain());
    stream.on('wantTrailers', () => this.#finish());
    // The error is told by the close that follows.
    stream.on('error', () => {});
    stream.on('close', () => {
      ended();
      this.#stopTimer?.cancel();
      handlers.close(this.#closeCode());
    });
  }

  sendHeaders(headers: HeaderList, end = false): void {
    const stream = this.#stream as ServerHttp2Stream;
    if (stream.destroyed || stream.closed || stream.headersSent) return;
    stream.respond(headerObject(headers), end ? { endStream: true } : { waitForTrailers: true });
    if (end) this.#stopReading();
  }

  write(data: Uint8Array): boolean {
    const stream = this.#stream;
    // A stream that is gone takes everything: its close is on its way. Node keeps what it is given, so it gets a copy.
    return stream.destroyed || stream.closed || stream.writableEnded ? true : stream.write(Buffer.from(data));
  }

  end(trailers: HeaderList = noTrailers): void {
    this.#trailersOut = trailers;
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.end();
  }

  reset(code: number): void {
    if (this.#stream.destroyed) return;
    this.#resetByUs = true;
    this.#stream.close(code);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  #finish(): void {
    if (this.#stream.destroyed) return;
    (this.#stream as ServerHttp2Stream).sendTrailers(headerObject(this.#trailersOut));
    this.#stopReading();
  }

  // A server that has answered wants nothing more: what still comes is thrown away, and in the end the peer is told to stop.
  #stopReading(): void {
    const stream = this.#stream;
    if (stream.readableEnded || stream.destroyed) return;
    stream.resume();
    this.#stopTimer = this.#origin.clock.timer(stopAfterMs, () => stream.close(http2Codes.noError), true);
  }

  #closeCode(): number {
    const code = this.#stream.rstCode ?? http2Codes.cancel;
    // Node closes the streams of a broken connection as if they had been cancelled.
    return code !== http2Codes.noError && !this.#resetByUs && this.#origin.session.destroyed ? http2Codes.lost : code;
  }
}
