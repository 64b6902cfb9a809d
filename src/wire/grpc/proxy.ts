import { copyOf } from '../../kernel/bytes.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { GrpcClient } from './client.ts';
import { http2Codes, type HeaderList, type Http2Stream, type Http2StreamHandlers } from '../http2/http2.ts';
import { headerValue } from './metadata.ts';
import { grpcStatus, readStatus, statusOfReset, statusTrailers, toGrpcStatus, type GrpcStatus } from './status.ts';

export interface ProxyOptions {
  readonly client: Pick<GrpcClient, 'raw'>;
  /** What the target gets: the caller's headers, after what must not pass was taken out. */
  readonly headers: HeaderList;
  /** How the call ended, once; CANCELLED when the caller gave up. */
  onEnd?(status: GrpcStatus): void;
}

/**
 * Passes one call on as it is, message boundaries unseen: both directions stream with back pressure; headers, trailers, status and
 * cancellation go through. What cannot be delivered is answered with the status of the reason. Returns the caller's side.
 */
export function proxyStream(down: Http2Stream, options: ProxyOptions): Http2StreamHandlers {
  const proxying = new Proxying(down, options);
  const failed = (error: unknown): void => proxying.refuse(toGrpcStatus(error));
  try {
    const opening = options.client.raw(options.headers, new TargetSide(proxying));
    if (opening instanceof Promise) opening.then((up) => proxying.opened(up), failed);
    else proxying.opened(opening);
  } catch (error) {
    failed(error);
  }
  return proxying;
}

// What a caller may send before the target is reached; more waits in its window.
const earlyBytesMax = 16 * 1024;

/** The call, and as handlers the caller's side of it. */
class Proxying implements Http2StreamHandlers {
  readonly down: Http2Stream;
  readonly #options: ProxyOptions;
  up: Http2Stream | undefined = undefined;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #ended = false;
  headersSent = false;
  answered = false;
  #callerGone = false;

  constructor(down: Http2Stream, options: ProxyOptions) {
    this.down = down;
    this.#options = options;
  }

  headers(): void {}

  data(chunk: Uint8Array): void {
    if (this.up === undefined) {
      this.#early.push(copyOf(chunk, 0, chunk.length));
      this.#earlyBytes += chunk.length;
      if (this.#earlyBytes > earlyBytesMax) this.down.pause();
    } else if (!this.up.write(chunk)) this.down.pause();
  }

  end(): void {
    this.#ended = true;
    this.up?.end();
  }

  drain(): void {
    this.up?.resume();
  }

  close(): void {
    this.#callerGone = true;
    if (this.answered) return;
    this.up?.reset(http2Codes.cancel);
    this.answer(() => grpcStatus('CANCELLED', 'the caller gave up'));
  }

  opened(up: Http2Stream): void {
    this.up = up;
    if (this.#callerGone) {
      up.reset(http2Codes.cancel);
      return;
    }
    let room = true;
    for (const chunk of this.#early) room = up.write(chunk);
    this.#early = [];
    if (this.#ended) up.end();
    else if (room) this.down.resume();
    else this.down.pause();
  }

  refuse(status: GrpcStatus): void {
    if (this.answered) return;
    const trailers = statusTrailers(status);
    if (this.headersSent) this.down.end(trailers);
    else this.down.sendHeaders([':status', '200', 'content-type', 'application/grpc', ...trailers], true);
    this.answer(() => status);
  }

  /** The call has ended; what its status was is worked out for those who ask. */
  answer(status: () => GrpcStatus): void {
    if (this.answered) return;
    this.answered = true;
    this.#options.onEnd?.(status());
  }
}

class TargetSide implements Http2StreamHandlers {
  readonly #call: Proxying;

  constructor(call: Proxying) {
    this.#call = call;
  }

  headers(headers: HeaderList): void {
    const call = this.#call;
    call.headersSent = true;
    // An answer that is only a status ends with its headers.
    const whole = headerValue(headers, 'grpc-status') !== undefined;
    call.down.sendHeaders(headers, whole);
    if (whole) call.answer(() => readStatus(headers) as GrpcStatus);
  }

  data(chunk: Uint8Array): void {
    if (!this.#call.down.write(chunk)) this.#call.up?.pause();
  }

  end(trailers: HeaderList): void {
    const call = this.#call;
    if (call.answered) return;
    call.down.end(trailers);
    call.answer(() => readStatus(trailers) ?? grpcStatus('UNKNOWN', 'the target sent no status'));
  }

  drain(): void {
    this.#call.down.resume();
  }

  close(code: number): void {
    if (!this.#call.answered) this.#call.refuse(statusOfReset(code));
  }
}

/** The app that a call to an unknown method is for (`dapr-app-id`, older `dapr-callee-app-id`). Fails with `unimplemented` without one. */
export function proxyTarget(headers: HeaderList): string {
  const target = headerValue(headers, 'dapr-app-id') ?? headerValue(headers, 'dapr-callee-app-id');
  if (target !== undefined && target !== '') return target;
  throw new ProaError(
    'unimplemented',
    `${headerValue(headers, ':path') ?? ''} is not an API of the runtime, and dapr-app-id names no app to pass it to`,
  );
}
