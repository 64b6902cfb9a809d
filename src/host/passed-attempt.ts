import type { InvokeRequest, InvokeResponse } from '../contracts/app-channel.ts';
import type { Body, Sink } from '../kernel/body.ts';
import type { Call } from '../kernel/call.ts';
import type { Cancellable } from '../kernel/cancel.ts';
import { ProaError } from '../kernel/errors.ts';
import { grpcCodeOf, httpFromGrpc } from '../kernel/status.ts';
import { headerValue } from '../wire/grpc/metadata.ts';
import {
  fromGrpcStatus,
  ownCode,
  readStatus,
  remoteStatusOf,
  statusOfReset,
  statusTrailers,
  type GrpcStatus,
} from '../wire/grpc/status.ts';
import { http2Codes, type HeaderList, type Http2Stream, type Http2StreamHandlers } from '../wire/http2/http2.ts';
import type { WatchedAttempt } from './passed-telemetry.ts';

// An answer is held until the layers have decided that it is the one: more than this waits in its window.
const heldBytesMax = 16 * 1024;

export interface PassedAttemptOptions {
  /** The caller's side of the stream. */
  readonly down: Http2Stream;
  readonly call: Call<InvokeRequest>;
  readonly watched: WatchedAttempt;
  /** The attempt takes nothing more. */
  closed(attempt: PassedAttempt): void;
  /** The caller has all of this attempt's answer: with `code`, and `sentBytes` of messages. */
  answered(code: GrpcStatus['code'], sentBytes: number): void;
}

/** One attempt of a passed call: the target's side of a stream, and as a body the answer that began on it. */
export class PassedAttempt implements Http2StreamHandlers, Cancellable, Body {
  readonly length = undefined;
  /** Resolves with the head of the answer. */
  readonly begun: Promise<InvokeResponse>;
  up: Http2Stream | undefined = undefined;
  readonly #down: Http2Stream;
  readonly #options: PassedAttemptOptions;
  #resolve: ((answer: InvokeResponse) => void) | undefined;
  #reject: ((error: Error) => void) | undefined;
  #logical: Call<InvokeRequest> | undefined = undefined;
  #headers: HeaderList | undefined = undefined;
  #held: Buffer[] | undefined = undefined;
  #heldBytes = 0;
  #trailers: HeaderList | undefined = undefined;
  #resetCode: number | undefined = undefined;
  #over = false;

  constructor(options: PassedAttemptOptions) {
    this.#down = options.down;
    this.#options = options;
    this.begun = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    options.call.cancel.guard(this);
  }

  /** The stream is there; false when it is not wanted any more. */
  opened(up: Http2Stream): boolean {
    if (this.#over) return false;
    this.up = up;
    return true;
  }

  /** True until the stream to the target is there. */
  get waiting(): boolean {
    return this.up === undefined && !this.#over;
  }

  /** No answer will come. */
  fail(error: ProaError): void {
    this.#finish(remoteStatusOf(error)?.code ?? error.spec.grpc);
    this.#reject?.(error);
    this.#reject = undefined;
  }

  /** This answer is the caller's: what was held goes out, and the rest as it comes. */
  show(call: Call<InvokeRequest>): void {
    this.#logical = call;
    const headers = this.#headers as HeaderList;
    const whole = headerValue(headers, 'grpc-status');
    this.#down.sendHeaders(headers, whole !== undefined);
    if (whole !== undefined) {
      this.#end(whole);
      return;
    }
    for (const chunk of this.#held ?? []) this.#write(chunk);
    if (this.#held !== undefined && this.#heldBytes > heldBytesMax && this.#down.queuedBytes === 0) this.up?.resume();
    this.#held = undefined;
    if (this.#trailers !== undefined) this.end(this.#trailers);
    else if (this.#resetCode !== undefined) this.#broken(this.#resetCode);
  }

  headers(headers: HeaderList): void {
    if (this.#over || this.#headers !== undefined) return;
    this.#headers = headers;
    const number = headerValue(headers, 'grpc-status');
    if (number === undefined || number === '0') {
      this.#resolve?.({ status: 200, headers, body: this });
      return;
    }
    const status = readStatus(headers);
    // A runtime of ours says what kept the call from its app: an error, which policies treat as one.
    if (status !== undefined && ownCode(status) !== undefined) {
      this.fail(fromGrpcStatus(status));
      return;
    }
    const message = status?.message ?? '';
    this.#resolve?.({ status: 200, headers, body: this, grpc: { code: Number(number), message } });
  }

  data(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#options.watched.received(chunk);
    if (this.#logical !== undefined) {
      this.#write(chunk);
      return;
    }
    (this.#held ??= []).push(Buffer.from(chunk));
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > heldBytesMax) this.up?.pause();
  }

  end(trailers: HeaderList): void {
    if (this.#over) return;
    this.#trailers = trailers;
    if (this.#logical === undefined) return;
    this.#down.end(trailers);
    this.#end(headerValue(trailers, 'grpc-status') ?? '2');
  }

  drain(): void {
    this.#down.resume();
  }

  close(code: number): void {
    if (this.#over) return;
    if (this.#headers === undefined) this.fail(errorOfReset(code));
    else if (this.#trailers !== undefined || headerValue(this.#headers, 'grpc-status') !== undefined) this.#options.closed(this);
    else if (this.#logical !== undefined) this.#broken(code);
    else this.#resetCode = code;
  }

  /** Given up: by the caller, by a deadline, or because another attempt was better. */
  cancel(reason: unknown): void {
    if (this.#over) return;
    this.up?.reset(http2Codes.cancel);
    this.fail(new ProaError('cancelled', 'the call was given up', { cause: reason }));
    this.#logical?.end.fire({ ok: false, error: ProaError.from(reason) });
  }

  discard(reason?: unknown): void {
    this.cancel(reason);
  }

  pipe(sink: Sink): void {
    sink.open({ credit() {}, cancel: (reason) => this.cancel(reason) });
    sink.fail(new ProaError('internal', 'the answer of a passed call is shown, not piped'));
  }

  #write(chunk: Uint8Array): void {
    if (!this.#down.write(chunk)) this.up?.pause();
  }

  #broken(code: number): void {
    const status = statusOfReset(code);
    this.#down.end(statusTrailers(status));
    this.#finish(status.code);
    this.#logical?.end.fire({ ok: false, error: fromGrpcStatus(status) });
  }

  #end(number: string): void {
    const code = grpcCodeOf(Number(number));
    this.#finish(code);
    this.#logical?.end.fire({ ok: true, status: number === '0' ? 200 : httpFromGrpc(code) });
  }

  #finish(code: GrpcStatus['code']): void {
    this.#over = true;
    const { call, watched, closed, answered } = this.#options;
    call.cancel.release(this);
    closed(this);
    // An answer that another attempt was preferred to had a status of its own.
    const own = headerValue(this.#headers ?? [], 'grpc-status') ?? headerValue(this.#trailers ?? [], 'grpc-status');
    watched.end(own === undefined ? code : grpcCodeOf(Number(own)), this.up !== undefined);
    if (this.#logical !== undefined) answered(code, watched.receivedBytes);
  }
}

/** A refused stream did not happen; what broke may have. */
function errorOfReset(code: number): ProaError {
  const status = statusOfReset(code);
  if (code === http2Codes.lost) return new ProaError('http.broken', status.message, { cause: status });
  return fromGrpcStatus(status);
}
