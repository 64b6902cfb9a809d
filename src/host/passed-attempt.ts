import type { InvokeRequest, InvokeResponse } from '../contracts/app-channel.ts';
import { copyOf } from '../kernel/bytes.ts';
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
  readonly owner: PassedAttemptOwner;
}

/** The call that attempts are made for. */
export interface PassedAttemptOwner {
  /** The attempt takes nothing more. */
  closed(attempt: PassedAttempt): void;
  /** The caller has all of an attempt's answer: with `code`, and `sentBytes` of messages. */
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
  /** `grpc-status` of the headers: the answer is only a status, and ends with them. */
  #whole: string | undefined = undefined;
  /** The same, else that of the trailers. */
  #status: string | undefined = undefined;
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
    const whole = this.#whole;
    this.#down.sendHeaders(this.#headers as HeaderList, whole !== undefined);
    if (whole !== undefined) {
      this.#end(whole);
      return;
    }
    if (this.#held !== undefined) for (const chunk of this.#held) this.#write(chunk);
    if (this.#held !== undefined && this.#heldBytes > heldBytesMax && this.#down.queuedBytes === 0) this.up?.resume();
    this.#held = undefined;
    if (this.#trailers !== undefined) this.#finishWith(this.#trailers);
    else if (this.#resetCode !== undefined) this.#broken(this.#resetCode);
  }

  headers(headers: HeaderList): void {
    if (this.#over || this.#headers !== undefined) return;
    this.#headers = headers;
    const number = headerValue(headers, 'grpc-status');
    this.#whole = number;
    this.#status = number;
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
    const copy = copyOf(chunk, 0, chunk.length);
    if (this.#held === undefined) this.#held = [copy];
    else this.#held.push(copy);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > heldBytesMax) this.up?.pause();
  }

  end(trailers: HeaderList): void {
    if (this.#over) return;
    this.#trailers = trailers;
    this.#status ??= headerValue(trailers, 'grpc-status');
    if (this.#logical !== undefined) this.#finishWith(trailers);
  }

  #finishWith(trailers: HeaderList): void {
    this.#down.end(trailers);
    this.#end(this.#status ?? '2');
  }

  drain(): void {
    this.#down.resume();
  }

  close(code: number): void {
    if (this.#over) return;
    if (this.#headers === undefined) this.fail(errorOfReset(code));
    else if (this.#trailers !== undefined || this.#whole !== undefined) this.#options.owner.closed(this);
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
    const { call, watched, owner } = this.#options;
    call.cancel.release(this);
    owner.closed(this);
    // An answer that another attempt was preferred to had a status of its own.
    const own = this.#status;
    watched.end(own === undefined ? code : grpcCodeOf(Number(own)), this.up !== undefined);
    if (this.#logical !== undefined) owner.answered(code, watched.receivedBytes);
  }
}

/** A refused stream did not happen; what broke may have. */
function errorOfReset(code: number): ProaError {
  const status = statusOfReset(code);
  if (code === http2Codes.lost) return new ProaError('http.broken', status.message, { cause: status });
  return fromGrpcStatus(status);
}
