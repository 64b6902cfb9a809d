import { emptyBody, type Body, type Flow, type Sink } from '../../kernel/body.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import type { ErrorCode } from '../../kernel/catalogue.ts';
import { ProaError } from '../../kernel/errors.ts';
import { http2Codes, type HeaderList, type Http2Stream, type Http2StreamHandlers } from '../http2/http2.ts';
import type { MuxClient } from './client.ts';
import { closeCodes } from './frame.ts';
import { PushBody, type PushBodyOwner } from './push-body.ts';
import type { MuxCall } from './server.ts';

const windowBytes = 64 * 1024;

/** The first field of an answer that is a header block of HTTP/2. */
const answered = '200';

/** `openHttp2Stream`, for those who load it late. */
export type OpenHttp2Stream = typeof openHttp2Stream;

/**
 * Opens a stream over the mux for code that speaks HTTP/2: gRPC, which is passed on without being looked into. `fields` say to the peer what it is; its
 * answer's fields are one of its own and then the header block.
 */
export function openHttp2Stream(client: MuxClient, fields: readonly string[], handlers: Http2StreamHandlers): Http2Stream {
  const cancel = new CancelScope();
  const stream = new StreamFacade('', {
    sendHeaders() {},
    reset: (error) => cancel.cancel(error),
  });
  stream.handlers = handlers;
  client.call(
    { fields, body: stream.out, cancel },
    {
      head(message) {
        stream.handlers?.headers(message.fields.slice(1));
        message.body.pipe(stream.sink);
      },
      fail: (error) => stream.fail(error),
    },
  );
  return stream;
}

/** The stream of a call that came over the mux. Nothing is read of it before `attach`. */
export function acceptHttp2Stream(call: MuxCall<unknown>): { readonly stream: Http2Stream; attach(handlers: Http2StreamHandlers): void } {
  const stream = new StreamFacade('', {
    sendHeaders(headers, body) {
      call.stream.onSent((error) => (error === undefined ? stream.over(http2Codes.noError) : stream.fail(error)));
      call.stream.send([answered, ...headers], body);
    },
    reset: (error, code) => call.stream.reset(error, code),
  });
  return {
    stream,
    attach(handlers) {
      stream.handlers = handlers;
      stream.answers = true;
      call.cancel.onCancel((error) => stream.fail(error));
      call.body.pipe(stream.sink);
    },
  };
}

interface Side {
  sendHeaders(headers: HeaderList, body: Body): void;
  reset(error: ProaError, code: number): void;
}

class StreamFacade implements Http2Stream, PushBodyOwner {
  readonly remote: string;
  readonly out: PushBody = new PushBody(this);
  handlers: Http2StreamHandlers | undefined = undefined;
  /** The end of what the peer sends is not the end of the stream: we have yet to answer. */
  answers = false;
  readonly #side: Side;
  #flow: Flow | undefined = undefined;
  #paused = false;
  #owed = windowBytes;
  #over = false;

  constructor(remote: string, side: Side) {
    this.remote = remote;
    this.#side = side;
  }

  get queuedBytes(): number {
    return this.out.queuedBytes;
  }

  sendHeaders(headers: HeaderList, end = false): void {
    this.#side.sendHeaders(headers, end ? emptyBody : this.out);
  }

  write(data: Uint8Array): boolean {
    return this.out.write(data);
  }

  end(trailers?: HeaderList): void {
    this.out.end(trailers);
  }

  reset(code: number): void {
    const cancelled = code === http2Codes.cancel || code === http2Codes.noError;
    const error = new ProaError(cancelled ? 'cancelled' : 'peer.broken', `the stream was reset (HTTP/2 code ${code})`);
    this.#side.reset(error, cancelled ? closeCodes.cancelled : closeCodes.internal);
    this.over(code);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    // Events never come inside a call into the stream.
    queueMicrotask(() => this.#grant());
  }

  // PushBodyOwner

  bodyRoom(): void {
    queueMicrotask(() => this.#over || this.handlers?.drain());
  }

  bodyCancelled(): void {}

  /** Takes what the peer sends. */
  readonly sink: Sink = {
    open: (flow) => {
      this.#flow = flow;
      this.#grant();
    },
    chunk: (chunk) => {
      if (this.#over) return;
      this.#owed += chunk.length;
      this.handlers?.data(chunk);
      this.#grant();
    },
    end: (trailers) => {
      if (this.#over) return;
      this.handlers?.end(trailers ?? []);
      if (!this.answers) this.over(http2Codes.noError);
    },
    fail: (error) => this.fail(error),
  };

  /** The stream was given up, by whomever. */
  fail(error: unknown): void {
    this.over(codeOf(ProaError.from(error).code));
  }

  /** The last event; it comes in a turn of its own, whatever led to it. */
  over(code: number): void {
    if (this.#over) return;
    this.#over = true;
    queueMicrotask(() => this.handlers?.close(code));
  }

  #grant(): void {
    if (this.#paused || this.#over || this.#flow === undefined || this.#owed === 0) return;
    const bytes = this.#owed;
    this.#owed = 0;
    this.#flow.credit(bytes);
  }
}

const codes: Partial<Record<ErrorCode, number>> = {
  cancelled: http2Codes.cancel,
  'deadline-exceeded': http2Codes.cancel,
  unavailable: http2Codes.refusedStream,
  overloaded: http2Codes.enhanceYourCalm,
  'peer.broken': http2Codes.lost,
  'peer.identity': http2Codes.inadequateSecurity,
};

function codeOf(error: ErrorCode): number {
  return codes[error] ?? http2Codes.internalError;
}
