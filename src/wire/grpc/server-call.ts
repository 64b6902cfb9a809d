import { isAnswered } from '../../kernel/answered.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { Deframer } from './framing.ts';
import { http2Codes, type HeaderList, type Http2Stream, type Http2StreamHandlers } from '../http2/http2.ts';
import { stableHeaders } from '../http2/stable-headers.ts';
import { MessageQueue } from './message-queue.ts';
import { parseTimeout } from '../../kernel/timeout-header.ts';
import { callEnded, peersDoNotRead, SendQueue } from './message-writer.ts';
import { checkMetadata } from './metadata.ts';
import type { Method, ServerCall } from './method.ts';
import { requestHead } from './request-head.ts';
import { grpcStatus, statusTrailers, toGrpcStatus, type GrpcStatus } from './status.ts';

/** What all calls of a server share. */
export interface CallContext {
  readonly clock: Clock;
  readonly messageBytesMax: number;
  /** Runs before the handler, for every method; what it throws is the answer. */
  before?(call: ServerCall): void;
  /** Told of every call, with its gRPC status, once it is over for us. */
  ended?(call: EndedCall, code: GrpcStatus['code']): void;
  /** Told of every call that ended with an error. */
  failed?(path: string, error: ProaError): void;
}

/** A call that is over. */
export interface EndedCall {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly metadata: HeaderList;
  /** Of its messages, without frames. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly tookMs: number;
}

// What nearly all answers begin and end with is encoded once.
const plainType = 'application/grpc';
const plainHeaders = stableHeaders([':status', '200', 'content-type', plainType]);
const okTrailers = stableHeaders(['grpc-status', '0']);
const none: HeaderList = [];

// Longer ones never fire: a timer of Node holds 24 days.
const timerMsMax = 2 ** 31 - 1;

/** One call on the server, from the request's headers to the stream's end. */
export class GrpcServerCall implements ServerCall, EndedCall, Http2StreamHandlers {
  readonly path: string;
  readonly metadata: HeaderList;
  readonly cancel = new CancelScope();
  sentBytes = 0;
  receivedBytes = 0;
  readonly #startedMs: number;
  readonly #stream: Http2Stream;
  readonly #method: Method;
  readonly #context: CallContext;
  readonly #out = new SendQueue();
  #responseHeaders: HeaderList;
  #trailers: HeaderList = none;
  #deadlineMs = Infinity;
  #deframer: Deframer | undefined;
  #queue: MessageQueue<unknown> | undefined;
  #single: { readonly message: unknown } | undefined;
  #timer: Timer | undefined;
  #headersSent = false;
  #done = false;

  constructor(stream: Http2Stream, metadata: HeaderList, from: { readonly method: Method; readonly context: CallContext }) {
    this.#stream = stream;
    this.metadata = metadata;
    this.#method = from.method;
    this.path = from.method.path;
    this.#context = from.context;
    this.#startedMs = from.context.clock.turn();
    this.#out.open(stream);
    const { contentType } = requestHead(metadata);
    this.#responseHeaders = contentType === plainType ? plainHeaders : [':status', '200', 'content-type', contentType];
  }

  get remote(): string {
    return this.#stream.remote;
  }

  get tookMs(): number {
    return this.#context.clock.mono() - this.#startedMs;
  }

  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  /** Reads what the headers say and starts the handlers that take a stream. */
  start(): void {
    try {
      this.#deframer = new Deframer(this, { bytesMax: this.#context.messageBytesMax, gzip: this.#gzip() });
      this.#startTimer();
      this.#context.before?.(this);
    } catch (error) {
      this.#fail(error);
      return;
    }
    const method = this.#method;
    if (method.kind === 'unary' || method.kind === 'server_streaming') return;
    const queue = new MessageQueue<unknown>(this.#stream);
    this.#queue = queue;
    if (method.kind === 'client_streaming') this.#answer(() => method.handle(queue, this));
    else this.#answer(() => method.handle(queue, this, { write: (message) => this.#write(message) }));
  }

  setHeader(name: string, value: string): void {
    if (this.#headersSent) throw new ProaError('internal', `response header ${name} comes after the headers were sent`);
    checkMetadata(name, value);
    this.#responseHeaders = [...this.#responseHeaders, name, value];
  }

  setTrailer(name: string, value: string): void {
    checkMetadata(name, value);
    this.#trailers = [...this.#trailers, name, value];
  }

  sendHeaders(): void {
    if (this.#headersSent || this.#done) return;
    this.#headersSent = true;
    this.#stream.sendHeaders(this.#responseHeaders);
  }

  headers(): void {}

  data(chunk: Uint8Array): void {
    if (this.#done) return;
    try {
      this.#deframer?.push(chunk);
    } catch (error) {
      this.#fail(asRequestError(error));
    }
  }

  end(): void {
    if (this.#done) return;
    if (this.#deframer?.complete === false) {
      this.#fail(new ProaError('internal', 'the request ended within a message'));
      return;
    }
    const method = this.#method;
    const queue = this.#queue;
    if (queue !== undefined) queue.end();
    else if (this.#single === undefined) this.#fail(new ProaError('internal', `${this.path} needs a request message, none came`));
    else {
      const { message } = this.#single;
      if (method.kind === 'unary') this.#answer(() => method.handle(message, this));
      else if (method.kind === 'server_streaming')
        this.#answer(() => method.handle(message, this, { write: (reply) => this.#write(reply) }));
    }
  }

  drain(): void {
    this.#out.drained();
  }

  close(code: number): void {
    if (this.#done) return;
    const lost = code === http2Codes.lost;
    const reason = new ProaError('cancelled', lost ? 'the connection to the caller broke' : 'the caller cancelled the call');
    this.#conclude(reason, 'CANCELLED');
    this.cancel.cancel(reason);
  }

  /** A message of the request, from the deframer. */
  message(bytes: Uint8Array): void {
    this.receivedBytes += bytes.length;
    const message = this.#method.decode(bytes);
    if (this.#queue !== undefined) this.#queue.push(message);
    else if (this.#single === undefined) this.#single = { message };
    else throw new ProaError('internal', `${this.path} takes one request message, more came`);
  }

  #gzip(): boolean {
    const { encoding } = requestHead(this.metadata);
    if (encoding === 'gzip') return true;
    if (encoding === 'identity') return false;
    this.setTrailer('grpc-accept-encoding', 'identity,gzip');
    throw new ProaError('unimplemented', `grpc-encoding ${encoding.slice(0, 40)} is not supported`);
  }

  #startTimer(): void {
    const { timeout } = requestHead(this.metadata);
    if (timeout === undefined) return;
    const timeoutMs = parseTimeout(timeout);
    this.#deadlineMs = this.#context.clock.mono() + timeoutMs;
    if (timeoutMs > timerMsMax) return;
    this.#timer = this.#context.clock.timer(timeoutMs, () =>
      this.#fail(new ProaError('deadline-exceeded', `${this.path} did not end within its deadline`)),
    );
  }

  async #write(message: unknown): Promise<void> {
    if (!this.#done) this.sendHeaders();
    const bytes = this.#method.encode(message);
    this.sentBytes += bytes.length;
    await this.#out.write(bytes);
  }

  // The handler may throw before it returns a promise, or return no promise at all when it is plain JavaScript.
  #answer(handle: () => Promise<unknown>): void {
    let result: Promise<unknown>;
    try {
      result = handle();
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (result instanceof Promise && isAnswered(result)) {
      this.#succeed(result.answer);
      return;
    }
    Promise.resolve(result).then(
      (message) => this.#succeed(message),
      (error: unknown) => this.#fail(error),
    );
  }

  #succeed(message: unknown): void {
    if (this.#done) return;
    const { kind } = this.#method;
    try {
      if (kind === 'unary' || kind === 'client_streaming') {
        const bytes = this.#method.encode(message);
        if (this.#stream.crowded === true) {
          this.#fail(peersDoNotRead());
          return;
        }
        this.sendHeaders();
        this.sentBytes += bytes.length;
        // The queue's promise is about room for a next message; there is none.
        void this.#out.write(bytes);
      } else this.sendHeaders();
    } catch (error) {
      this.#fail(new ProaError('internal', `the answer of ${this.path} cannot be encoded`, { cause: error }));
      return;
    }
    if (this.#trailers === none && this.#headersSent) this.#stream.end(okTrailers);
    else this.#finish(grpcStatus('OK'));
    this.#conclude(callEnded, 'OK');
  }

  #fail(thrown: unknown): void {
    if (this.#done) return;
    const error = ProaError.from(thrown);
    const status = toGrpcStatus(error);
    this.#finish(status);
    this.#conclude(error, status.code);
    this.cancel.cancel(error);
    this.#context.failed?.(this.path, error);
  }

  #finish(status: GrpcStatus): void {
    // What a handler set are headers for every client; in the one block of an answer without a message most take them for trailers.
    if (this.#responseHeaders.length > plainHeaders.length) this.sendHeaders();
    const trailers = [...this.#trailers, ...statusTrailers(status)];
    if (this.#headersSent) this.#stream.end(trailers);
    else this.#stream.sendHeaders([...this.#responseHeaders, ...trailers], true);
  }

  // Nothing is sent or received from here on.
  #conclude(reason: ProaError, code: GrpcStatus['code']): void {
    this.#done = true;
    this.#context.ended?.(this, code);
    this.#timer?.cancel();
    this.#out.fail(reason);
    this.#queue?.fail(reason);
  }
}

// What the decoder of a message throws is the caller's mistake.
function asRequestError(error: unknown): ProaError {
  return ProaError.from(error, 'malformed-request');
}
