import { http2Codes, type HeaderList, type Http2Stream, type Http2StreamHandlers } from './http2.ts';
import { headerValue } from './metadata.ts';
import { statusTrailers, toGrpcStatus } from './status.ts';

/** Opens the stream to the other side; `handlers` get its events. */
export type OpenUpstream = (handlers: Http2StreamHandlers) => Promise<Http2Stream>;

/**
 * Joins an incoming stream to one that is still to be opened, at the level of HTTP/2: messages are not looked at, trailers, status, cancellation
 * and back pressure pass both ways. When the other side cannot be opened the caller gets the error as a gRPC status. `ended` is told once.
 */
export function bridge(stream: Http2Stream, open: OpenUpstream, ended: (ok: boolean) => void): Http2StreamHandlers {
  const joint = new Joint(stream, ended);
  open(joint.upstreamHandlers).then(
    (upstream) => joint.connected(upstream),
    (error: unknown) => joint.refused(error),
  );
  return joint.downstreamHandlers;
}

class Joint {
  readonly #down: Http2Stream;
  readonly #ended: (ok: boolean) => void;
  #up: Http2Stream | undefined;
  // What came before the other side was there: the caller is paused, so this is at most one window.
  #early: Uint8Array[] = [];
  #earlyEnd: HeaderList | undefined;
  #closed = false;
  #answered = false;

  constructor(down: Http2Stream, ended: (ok: boolean) => void) {
    this.#down = down;
    this.#ended = ended;
    down.pause();
  }

  connected(up: Http2Stream): void {
    if (this.#closed) {
      up.reset(http2Codes.cancel);
      return;
    }
    this.#up = up;
    let room = true;
    for (const chunk of this.#early) room = up.write(chunk);
    this.#early = [];
    if (this.#earlyEnd !== undefined) up.end(this.#earlyEnd);
    if (room) this.#down.resume();
  }

  refused(error: unknown): void {
    if (this.#closed) return;
    this.#answered = true;
    this.#down.sendHeaders([':status', '200', 'content-type', 'application/grpc', ...statusTrailers(toGrpcStatus(error))], true);
    this.#finish(false);
  }

  #finish(ok: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended(ok);
  }

  readonly downstreamHandlers: Http2StreamHandlers = {
    headers: () => {},
    data: (chunk) => {
      // The chunk is valid only now, and the other side may send it later.
      const copy = Uint8Array.from(chunk);
      if (this.#up === undefined) this.#early.push(copy);
      else if (!this.#up.write(copy)) this.#down.pause();
    },
    end: (trailers) => {
      if (this.#up === undefined) this.#earlyEnd = trailers;
      else this.#up.end(trailers);
    },
    drain: () => this.#up?.resume(),
    close: (code) => {
      if (code !== http2Codes.noError) this.#up?.reset(http2Codes.cancel);
      this.#finish(code === http2Codes.noError);
    },
  };

  readonly upstreamHandlers: Http2StreamHandlers = {
    headers: (headers) => {
      // An answer of trailers only: its end comes with it.
      this.#answered = headerValue(headers, 'grpc-status') !== undefined;
      this.#down.sendHeaders(headers, this.#answered);
    },
    data: (chunk) => {
      if (!this.#down.write(Uint8Array.from(chunk))) this.#up?.pause();
    },
    end: (trailers) => {
      if (!this.#answered) this.#down.end(trailers);
      this.#answered = true;
    },
    drain: () => this.#down.resume(),
    close: (code) => {
      if (!this.#answered) this.#down.reset(code === http2Codes.lost ? http2Codes.internalError : code);
      this.#finish(this.#answered);
    },
  };
}
