import { CancelScope } from '../kernel/cancel.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Clock } from '../kernel/ports.ts';
import type { Asking } from './operations.ts';

/** What may be said about any call. */
export interface CallOptions {
  /** Gives the call up: it fails with `cancelled`. */
  readonly signal?: AbortSignal;
  /** It fails with `deadline-exceeded` when it has taken so long. */
  readonly timeoutMs?: number;
  /** The W3C `traceparent` that the call belongs to: that of the request under way. */
  readonly traceparent?: string;
}

/** Runs one call under its options. Signals and timers live here only: below, cancellation is a callback. */
export function asked<T>(clock: Clock, options: CallOptions, run: (asking: Asking) => Promise<T>): Promise<T> {
  const { signal, timeoutMs, traceparent = '' } = options;
  if (signal === undefined && timeoutMs === undefined) {
    try {
      return run({ cancel: new CancelScope(), deadlineMs: Infinity, traceparent });
    } catch (error) {
      return Promise.reject(error);
    }
  }
  return limited(clock, options, run);
}

function limited<T>(clock: Clock, { signal, timeoutMs, traceparent = '' }: CallOptions, run: (asking: Asking) => Promise<T>): Promise<T> {
  const cancel = new CancelScope();
  const deadlineMs = timeoutMs === undefined ? Infinity : clock.mono() + timeoutMs;
  return new Promise<T>((resolve, reject) => {
    const give = (error: ProaError): void => {
      cancel.cancel(error);
      settle();
      reject(error);
    };
    const abort = (): void => give(new ProaError('cancelled', 'the caller gave up', { cause: signal?.reason }));
    const timer =
      timeoutMs === undefined
        ? undefined
        : clock.timer(timeoutMs, () => give(new ProaError('deadline-exceeded', `there was no answer within ${timeoutMs} ms`)));
    const settle = (): void => {
      timer?.cancel();
      signal?.removeEventListener('abort', abort);
    };
    if (signal?.aborted === true) {
      abort();
      return;
    }
    signal?.addEventListener('abort', abort, { once: true });
    run({ cancel, deadlineMs, traceparent }).then(resolve, reject).finally(settle);
  });
}
