import type { InvokeRequest, InvokeResponse, PassedStream } from '../contracts/app-channel.ts';
import type { Endpoint } from '../contracts/resolver.ts';
import { copyOf } from '../kernel/bytes.ts';
import { emptyBody } from '../kernel/body.ts';
import { createCall, type Call, type Caller } from '../kernel/call.ts';
import { CancelScope } from '../kernel/cancel.ts';
import { ProaError } from '../kernel/errors.ts';
import { limits } from '../kernel/limits.ts';
import type { Clock } from '../kernel/ports.ts';
import type { Service } from '../kernel/service.ts';
import { grpcCodeOf } from '../kernel/status.ts';
import { deadlineOf, formatTimeout, timeoutHeader } from '../kernel/timeout-header.ts';
import { requestHead } from '../wire/grpc/request-head.ts';
import { grpcStatus, remoteStatusOf, statusTrailers, toGrpcStatus, type GrpcStatus } from '../wire/grpc/status.ts';
import { http2Codes, type HeaderList, type Http2Stream, type Http2StreamHandlers } from '../wire/http2/http2.ts';
import { PassedAttempt, type PassedAttemptOwner } from './passed-attempt.ts';
import type { PassedTelemetry, WatchedCall } from './passed-telemetry.ts';

/** Opens a stream to an endpoint of the target. */
export type OpenStream = (endpoint: Endpoint, headers: HeaderList, handlers: Http2StreamHandlers) => Http2Stream | Promise<Http2Stream>;

export interface PassedCallOptions {
  /** The request's headers as the caller sent them. */
  readonly headers: HeaderList;
  readonly target: string;
  readonly caller: Caller;
  readonly clock: Clock;
  readonly telemetry: PassedTelemetry;
  readonly open: OpenStream;
}

const operation = { block: 'invoke', name: 'proxy', idempotent: false } as const;
// What a caller may send while no attempt takes it; more waits in its window.
const earlyBytesMax = 16 * 1024;
// Never written. A list is made with what it holds: one that is filled later reserves sixteen places.
const none: never[] = [];

/**
 * A call of an unknown gRPC service on its way out, and as handlers the caller's side of it. It passes the stack of its target like any invocation: what
 * the caller sends is kept for the next attempt, up to `limits.replayBytes` and until an answer begins.
 */
export class PassedCall implements PassedStream, PassedAttemptOwner, Http2StreamHandlers {
  readonly #down: Http2Stream;
  readonly #options: PassedCallOptions;
  readonly #watched: WatchedCall;
  readonly #scope = new CancelScope();
  /** Those that take what the caller sends: one, but while a call is hedged. */
  #attempts: readonly PassedAttempt[] = none;
  /** What the caller sent, while another attempt may need it. */
  #kept: Buffer[] | undefined = none;
  #keptBytes = 0;
  #ended = false;
  #answer: PassedAttempt | undefined = undefined;
  #over = false;

  constructor(down: Http2Stream, options: PassedCallOptions) {
    this.#down = down;
    this.#options = options;
    this.#watched = options.telemetry.begin(options.headers, options.target);
  }

  /** Sends the call through the stack and answers the caller, once. */
  start(invoke: Service<InvokeRequest, InvokeResponse>): void {
    let call: Call<InvokeRequest>;
    try {
      call = this.#makeCall();
    } catch (error) {
      this.#refuse(toGrpcStatus(error));
      return;
    }
    invoke(call).then(
      (answer) => this.#answered(call, answer),
      (thrown: unknown) => {
        const error = ProaError.from(thrown);
        call.end.fire({ ok: false, error });
        // To gRPC callers an app that is not there is UNAVAILABLE, whether it was never seen or went away.
        this.#refuse(
          remoteStatusOf(error) ??
            toGrpcStatus(error.code === 'invoke.failed' ? new ProaError('invoke.unreachable', error.message) : error),
        );
      },
    );
  }

  #makeCall(): Call<InvokeRequest> {
    const { headers, target, caller, clock } = this.#options;
    const { name, timeout } = requestHead(headers);
    const input: InvokeRequest = {
      appId: target,
      namespace: caller.namespace,
      httpMethod: 'POST',
      path: name,
      query: '',
      headers,
      body: emptyBody,
      replayable: false,
      passed: this,
    };
    const deadlineMs = deadlineOf(timeout, clock);
    return createCall(operation, input, { caller, deadlineMs, cancel: this.#scope, context: this.#watched.context });
  }

  get again(): boolean {
    return this.#kept !== undefined && this.#keptBytes <= limits.replayBytes && this.#answer === undefined;
  }

  send(endpoint: Endpoint, call: Call<InvokeRequest>): Promise<InvokeResponse> {
    const watched = this.#watched;
    const attempt = new PassedAttempt({ down: this.#down, call, watched: watched.attempt(), owner: this });
    const { open, clock } = this.#options;
    const { headers } = watched;
    const wire = call.deadlineMs === Infinity ? headers : withTimeout(headers, call.deadlineMs - clock.mono());
    this.#attempts = this.#attempts.length === 0 ? [attempt] : [...this.#attempts, attempt];
    const failed = (error: unknown): void => attempt.fail(ProaError.from(error));
    try {
      const opening = open(endpoint, wire, attempt);
      if (opening instanceof Promise) opening.then((up) => this.#opened(attempt, up), failed);
      else this.#opened(attempt, opening);
    } catch (error) {
      failed(error);
    }
    return attempt.begun;
  }

  /** The attempt takes nothing more. */
  closed(attempt: PassedAttempt): void {
    this.#attempts =
      this.#attempts.length === 1 && this.#attempts[0] === attempt ? none : this.#attempts.filter((other) => other !== attempt);
  }

  /** The caller has all of an attempt's answer. */
  answered(code: GrpcStatus['code'], sentBytes: number): void {
    this.#watched.end(code, sentBytes);
  }

  #opened(attempt: PassedAttempt, up: Http2Stream): void {
    const kept = this.#kept;
    if (kept === undefined || !attempt.opened(up)) {
      up.reset(http2Codes.cancel);
      return;
    }
    let room = true;
    for (const chunk of kept) room = up.write(chunk);
    if (this.#keptBytes > limits.replayBytes) this.#kept = undefined;
    if (this.#ended) up.end();
    else if (room) this.#down.resume();
    else this.#down.pause();
  }

  #answered(call: Call<InvokeRequest>, answer: InvokeResponse): void {
    if (this.#over) {
      answer.body.discard();
      return;
    }
    if (answer.body instanceof PassedAttempt) {
      this.#answer = answer.body;
      if (!this.#answer.waiting) this.#kept = undefined;
      this.#over = true;
      this.#answer.show(call);
      return;
    }
    answer.body.discard();
    call.end.fire({ ok: true, status: answer.status });
    this.#refuse(statusOfAnswer(answer, this.#options.target));
  }

  #refuse(status: GrpcStatus): void {
    if (this.#over) return;
    this.#over = true;
    this.#kept = undefined;
    this.#watched.end(status.code, 0);
    this.#down.sendHeaders([':status', '200', 'content-type', 'application/grpc', ...statusTrailers(status)], true);
  }

  headers(): void {}

  data(chunk: Uint8Array): void {
    this.#watched.received(chunk);
    let taken = false;
    let room = true;
    for (const attempt of this.#attempts) {
      if (attempt.up === undefined) continue;
      taken = true;
      room = attempt.up.write(chunk) && room;
    }
    if (this.#kept !== undefined) {
      this.#keptBytes += chunk.length;
      if (taken && (this.#keptBytes > limits.replayBytes || this.#answer !== undefined)) this.#kept = undefined;
      else {
        const copy = copyOf(chunk, 0, chunk.length);
        if (this.#kept === none) this.#kept = [copy];
        else this.#kept.push(copy);
      }
    }
    if (!room || (!taken && this.#keptBytes > earlyBytesMax)) this.#down.pause();
  }

  end(): void {
    this.#ended = true;
    for (const attempt of this.#attempts) attempt.up?.end();
  }

  drain(): void {
    this.#answer?.up?.resume();
  }

  close(code: number): void {
    this.#over = true;
    this.#kept = undefined;
    if (code !== http2Codes.noError || this.#attempts.length > 0) this.#scope.cancel(new ProaError('cancelled', 'the caller gave up'));
    // The answer's own end, which tells more, comes first.
    this.#watched.end('CANCELLED', 0);
  }
}

/** A fault or a fallback answered: its body cannot take the place of messages, its status can. */
function statusOfAnswer({ grpc, status }: InvokeResponse, target: string): GrpcStatus {
  if (grpc !== undefined && grpc.code !== 0) return grpcStatus(grpcCodeOf(grpc.code), grpc.message);
  return toGrpcStatus(new ProaError('unavailable', `a policy answered with status ${status} in place of app "${target}"`));
}

function withTimeout(headers: HeaderList, leftMs: number): HeaderList {
  const timed: string[] = [];
  for (let i = 0; i < headers.length; i += 2) if (headers[i] !== timeoutHeader) timed.push(headers[i] as string, headers[i + 1] as string);
  timed.push(timeoutHeader, formatTimeout(leftMs));
  return timed;
}
