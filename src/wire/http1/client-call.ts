import type { Body } from '../../kernel/body.ts';
import type { Cancellable, Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { TraceContext } from '../../kernel/trace-context.ts';
import type { ResponseHead } from './response-head.ts';
import type { Timed } from './sweep.ts';

/** A request to send. `content-length`, `transfer-encoding` and `connection` are written by the codec, `host` when it is missing. */
export interface Http1ClientRequest {
  readonly method: string;
  /** Path and query as they go on the wire. */
  readonly target: string;
  /** Flat: name, value, name, value ... */
  readonly headers: readonly string[];
  /** The trace that the request belongs to, written behind `headers`, which hold none. */
  readonly trace?: TraceContext | undefined;
  readonly body?: Body;
  /** Cancelling closes the connection that carries the call. */
  readonly cancel?: Cancellation;
  /** Until the head of the answer; absent: what the limits of the client say. */
  readonly timeoutMs?: number | undefined;
  /** Told of the answer before anybody who waits for it. */
  readonly watcher?: { answered(response: Http1ClientResponse): void } | undefined;
  /** Whether it may be sent a second time when a kept connection turns out to be dead; by default what HTTP says of the method. */
  readonly idempotent?: boolean;
}

/** The answer. Its body must be piped or discarded; piped inside `head` it is delivered without a copy. */
export class Http1ClientResponse {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Body;

  constructor({ status, headers }: ResponseHead, body: Body) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** The first value of the header (`name` in lower case). */
  header(name: string): string | undefined {
    const { headers } = this;
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
    return undefined;
  }
}

/** Exactly one of the two is called, once; it can happen before `dispatch` returns. Failures after `head` come through the body. */
export interface Http1ResponseHandlers {
  head(response: Http1ClientResponse): void;
  /** `unavailable`: nothing was sent. `http.broken`, `http.protocol`, `deadline-exceeded`: it may have been done. */
  fail(error: ProaError): void;
}

/** Where a call is: waiting for a connection, or on one. */
export interface CallCarrier {
  /** The caller gave up. */
  cancelled(call: ClientCall, error: ProaError): void;
}

const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'QUERY', 'PROPFIND']);
const withoutBody = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'QUERY', 'PROPFIND']);

/** One request on its way. */
export class ClientCall implements Timed, Cancellable {
  readonly request: Http1ClientRequest;
  readonly #handlers: Http1ResponseHandlers;
  carrier: CallCarrier | undefined = undefined;
  /** `head` or `fail` was called. */
  settled = false;
  /** It was sent a second time already. */
  retried = false;
  dueMs: number;
  slot = -1;

  constructor(request: Http1ClientRequest, handlers: Http1ResponseHandlers, dueMs: number) {
    this.request = request;
    this.#handlers = handlers;
    this.dueMs = dueMs;
    request.cancel?.guard(this);
  }

  get idempotent(): boolean {
    return this.request.idempotent ?? idempotentMethods.has(this.request.method);
  }

  /** Gives the call up: its connection is closed; `fail`, or the body's sink, gets a `cancelled` error. */
  cancel(reason: unknown): void {
    const error = reason instanceof ProaError ? reason : new ProaError('cancelled', 'the call was cancelled', { cause: reason });
    const { carrier } = this;
    if (carrier === undefined) this.fail(error);
    else carrier.cancelled(this, error);
  }

  /** For the carrier: too late. */
  expire(): void {
    this.cancel(new ProaError('deadline-exceeded', 'no connection became free in time'));
  }

  head(response: Http1ClientResponse): void {
    this.settled = true;
    this.#handlers.head(response);
  }

  fail(error: ProaError): void {
    this.done();
    if (this.settled) return;
    this.settled = true;
    this.request.body?.discard(error);
    this.#handlers.fail(error);
  }

  /** Nothing can be cancelled any more. */
  done(): void {
    this.carrier = undefined;
    this.request.cancel?.release(this);
  }
}

/** The header that frames a request without body: only methods that usually have one need it. */
export function emptyFraming(method: string): string {
  return withoutBody.has(method) ? '\r\n' : 'content-length: 0\r\n\r\n';
}
