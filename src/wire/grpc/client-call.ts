import type { Cancellation } from '../../kernel/cancel.ts';
import { formatTimeout } from '../../kernel/timeout-header.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { Deframer } from './framing.ts';
import { http2Codes, type HeaderList, type Http2Session, type Http2Stream, type Http2StreamHandlers } from '../http2/http2.ts';
import { callEnded, SendQueue } from './message-writer.ts';
import { applicationMetadata, headerValue } from './metadata.ts';
import { fromGrpcStatus, grpcStatus, readStatus, statusOfHttp, statusOfReset, type GrpcStatus } from './status.ts';

/** What a caller may say about a call. */
export interface ClientCallOptions {
  /** Request metadata: name, value pairs; values of `-bin` names are base64 (`binaryText`). */
  readonly metadata?: HeaderList;
  /** A `clock.mono()` instant. */
  readonly deadlineMs?: number;
  readonly cancel?: Cancellation;
  /** The response's metadata, before the first message. */
  onHeaders?(metadata: HeaderList): void;
  /** How the call ended, with the response's trailing metadata; called once. */
  onStatus?(status: GrpcStatus): void;
}

/** Who gets what comes back. */
export interface CallSink {
  message(bytes: Uint8Array): void;
  /** The last call; `error` is undefined when the status was OK. */
  end(error: ProaError | undefined): void;
}

export interface CallParts {
  readonly clock: Clock;
  readonly path: string;
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly messageBytesMax: number;
  readonly options: ClientCallOptions;
  readonly sink: CallSink;
  /** Told of the call, with its gRPC status, when it is over. */
  readonly ended?: ((call: EndedClientCall, code: GrpcStatus['code']) => void) | undefined;
}

/** A call that is over. */
export interface EndedClientCall {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Of its messages, without frames. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly tookMs: number;
}

const timerMsMax = 2 ** 31 - 1;

/** One call on the client. It may end (deadline, cancellation) before it has a stream. */
export class GrpcClientCall implements EndedClientCall, Http2StreamHandlers {
  readonly #out = new SendQueue();
  sentBytes = 0;
  receivedBytes = 0;
  readonly #parts: CallParts;
  readonly #startedMs: number;
  #stream: Http2Stream | undefined;
  #deframer: Deframer | undefined;
  #responseHeaders: HeaderList | undefined;
  #timer: Timer | undefined;
  #unlink: (() => void) | undefined;
  #closedHere = false;
  #done = false;
  /** True when the peer has not processed the call, so that it can be sent again. */
  refused = false;

  constructor(parts: CallParts) {
    this.#parts = parts;
    const { clock, options } = parts;
    const { deadlineMs = Infinity } = options;
    this.#startedMs = clock.mono();
    const leftMs = deadlineMs - this.#startedMs;
    if (leftMs <= 0) this.#abort(deadlineError(parts.path));
    else if (leftMs <= timerMsMax) this.#timer = clock.timer(leftMs, () => this.#abort(deadlineError(parts.path)));
    if (!this.#done) this.#unlink = options.cancel?.onCancel((reason) => this.cancel(reason));
    if (this.#done) this.#unlink?.();
  }

  get path(): string {
    return this.#parts.path;
  }

  get tookMs(): number {
    return this.#parts.clock.mono() - this.#startedMs;
  }

  get done(): boolean {
    return this.#done;
  }

  /** Opens the stream; `first` is a message that goes with it, `end` says that it is the only one. */
  start(session: Http2Session, first?: Uint8Array, end = false): void {
    if (this.#done) return;
    let stream: Http2Stream;
    try {
      stream = session.request(this.#requestHeaders(), this);
    } catch (error) {
      // The connection was told to go away between being chosen and being used.
      this.refused = true;
      this.unreachable(error);
      return;
    }
    this.#stream = stream;
    this.#out.open(stream);
    if (first !== undefined) void this.write(first);
    if (end) this.endSending();
  }

  write(message: Uint8Array): Promise<void> {
    this.sentBytes += message.length;
    return this.#out.write(message);
  }

  /** A message of the answer, from the deframer. */
  message(bytes: Uint8Array): void {
    this.receivedBytes += bytes.length;
    this.#parts.sink.message(bytes);
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  endSending(): void {
    this.#closedHere = true;
    this.#stream?.end();
  }

  cancel(reason: unknown): void {
    const error = new ProaError('cancelled', `${this.#parts.path} was cancelled`, { cause: reason });
    this.#abort(error);
  }

  /** Ends the call with an error of this side. */
  #abort(error: ProaError): void {
    if (this.#done) return;
    this.#stream?.reset(http2Codes.cancel);
    this.#parts.options.onStatus?.(grpcStatus(error.spec.grpc, error.message));
    this.#conclude(error, error.spec.grpc);
  }

  /** The connection could not be had. */
  unreachable(error: unknown): void {
    this.#abort(ProaError.from(error, 'unavailable'));
  }

  headers(headers: HeaderList): void {
    this.#responseHeaders = headers;
    if (this.#done || headerValue(headers, ':status') !== '200' || headerValue(headers, 'grpc-status') !== undefined) return;
    const encoding = headerValue(headers, 'grpc-encoding') ?? 'identity';
    this.#deframer = new Deframer(this, { bytesMax: this.#parts.messageBytesMax, gzip: encoding === 'gzip' });
    this.#parts.options.onHeaders?.(applicationMetadata(headers));
  }

  data(chunk: Uint8Array): void {
    if (this.#done) return;
    try {
      this.#deframer?.push(chunk);
    } catch (error) {
      this.#abort(ProaError.from(error, 'malformed-response'));
    }
  }

  end(trailers: HeaderList): void {
    if (this.#done) return;
    // A bidirectional call may be over while we still could send.
    if (!this.#closedHere) this.#stream?.reset(http2Codes.cancel);
    this.#finish(this.#statusOf(trailers));
  }

  drain(): void {
    this.#out.drained();
  }

  close(code: number): void {
    if (this.#done) return;
    this.refused = code === http2Codes.refusedStream;
    // A stream may close without an error before its end was seen: then its status is missing.
    this.#finish(code === http2Codes.noError ? grpcStatus('INTERNAL', 'the stream closed before a status came') : statusOfReset(code));
  }

  #statusOf(trailers: HeaderList): GrpcStatus {
    const headers = this.#responseHeaders ?? [];
    const status = readStatus(trailers) ?? readStatus(headers);
    if (status === undefined) {
      const httpStatus = headerValue(headers, ':status');
      return httpStatus === '200' ? grpcStatus('UNKNOWN', 'the peer sent no gRPC status') : statusOfHttp(httpStatus);
    }
    return status.code === 'OK' && this.#deframer?.complete === false
      ? grpcStatus('INTERNAL', 'the answer ended within a message')
      : status;
  }

  #finish(status: GrpcStatus): void {
    this.#parts.options.onStatus?.(status);
    this.#conclude(status.code === 'OK' ? undefined : fromGrpcStatus(status), status.code);
  }

  #conclude(error: ProaError | undefined, code: GrpcStatus['code']): void {
    this.#done = true;
    this.#parts.ended?.(this, code);
    this.#timer?.cancel();
    this.#unlink?.();
    this.#out.fail(error ?? callEnded);
    this.#parts.sink.end(error);
  }

  #requestHeaders(): string[] {
    const { path, authority, scheme, options, clock } = this.#parts;
    const headers = [':method', 'POST', ':scheme', scheme, ':authority', authority, ':path', path];
    headers.push('te', 'trailers', 'content-type', 'application/grpc', 'grpc-accept-encoding', 'identity,gzip', 'user-agent', 'grpc-proa');
    const { deadlineMs = Infinity, metadata } = options;
    if (deadlineMs !== Infinity) headers.push('grpc-timeout', formatTimeout(deadlineMs - clock.mono()));
    if (metadata !== undefined) headers.push(...metadata);
    return headers;
  }
}

function deadlineError(path: string): ProaError {
  return new ProaError('deadline-exceeded', `${path} did not end within its deadline`);
}
