import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { GrpcClient } from './client.ts';
import { http2Codes, type HeaderList, type Http2Stream, type Http2StreamHandlers } from '../http2/http2.ts';
import { headerValue } from './metadata.ts';
import { grpcStatus, readStatus, statusOfReset, statusTrailers, toGrpcStatus, type GrpcStatus } from './status.ts';

export interface ProxyOptions {
  readonly clock: Clock;
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
  const proxy = new Proxying(down, options);
  // Nothing is read from the caller before there is somewhere to put it.
  down.pause();
  options.client.raw(options.headers, proxy.target).then(
    (up) => proxy.opened(up),
    (error: unknown) => proxy.refuse(toGrpcStatus(error)),
  );
  return proxy.caller;
}

class Proxying {
  readonly #down: Http2Stream;
  readonly #options: ProxyOptions;
  #up: Http2Stream | undefined;
  #headersSent = false;
  #answered = false;
  #callerGone = false;

  constructor(down: Http2Stream, options: ProxyOptions) {
    this.#down = down;
    this.#options = options;
  }

  readonly caller: Http2StreamHandlers = {
    headers() {},
    data: (chunk) => {
      if (this.#up?.write(chunk) === false) this.#down.pause();
    },
    end: () => this.#up?.end(),
    drain: () => this.#up?.resume(),
    close: () => {
      this.#callerGone = true;
      if (this.#answered) return;
      this.#up?.reset(http2Codes.cancel);
      this.#ended(grpcStatus('CANCELLED', 'the caller gave up'));
    },
  };

  readonly target: Http2StreamHandlers = {
    headers: (headers) => {
      this.#headersSent = true;
      const status = readStatus(headers);
      // An answer that is only a status ends with its headers.
      this.#down.sendHeaders(headers, status !== undefined);
      if (status !== undefined) this.#ended(status);
    },
    data: (chunk) => {
      if (!this.#down.write(chunk)) this.#up?.pause();
    },
    end: (trailers) => {
      if (this.#answered) return;
      this.#down.end(trailers);
      this.#ended(readStatus(trailers) ?? grpcStatus('UNKNOWN', 'the target sent no status'));
    },
    drain: () => this.#down.resume(),
    close: (code) => {
      if (!this.#answered) this.refuse(statusOfReset(code));
    },
  };

  opened(up: Http2Stream): void {
    this.#up = up;
    if (this.#callerGone) up.reset(http2Codes.cancel);
    else this.#down.resume();
  }

  refuse(status: GrpcStatus): void {
    if (this.#answered) return;
    const trailers = statusTrailers(status);
    if (this.#headersSent) this.#down.end(trailers);
    else this.#down.sendHeaders([':status', '200', 'content-type', 'application/grpc', ...trailers], true);
    this.#ended(status);
  }

  #ended(status: GrpcStatus): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#options.onEnd?.(status);
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
