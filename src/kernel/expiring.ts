import { CancelScope } from './cancel.ts';
import { derive, type Call } from './call.ts';
import { isProaError, type ProaError } from './errors.ts';
import type { Clock } from './ports.ts';
import type { Service } from './service.ts';

export interface Expiry<Out> {
  readonly clock: Clock;
  readonly afterMs: number;
  /** A `clock.mono()` instant that the callees see as their deadline. */
  readonly deadlineMs: number;
  readonly error: (call: Call<unknown>) => ProaError;
  /** Lets go of an answer that came too late. */
  readonly drop?: (output: Out) => void;
}

/**
 * Runs a service that is given up after `afterMs`: the caller gets the error at once, what runs is cancelled with it, and an answer that comes later is
 * dropped. Whoever is called holds the same deadline, and may notice first that it has passed: that is the same expiry. It bounds the time to the answer; a body that is under way by then is not cut off, but a caller who goes away still stops it.
 */
export function expiring<In, Out>(next: Service<In, Out>, call: Call<In>, expiry: Expiry<Out>): Promise<Out> {
  return new Promise<Out>((resolve, reject) => {
    const scope = new CancelScope();
    const untilMs = expiry.clock.mono() + expiry.afterMs;
    let over = false;
    const timer = expiry.clock.timer(expiry.afterMs, () => {
      over = true;
      const error = expiry.error(call);
      reject(error);
      scope.cancel(error);
    });
    call.cancel.guard(scope);
    next(derive(call, { cancel: scope, deadlineMs: expiry.deadlineMs })).then(
      (output) => {
        timer.cancel();
        if (over) expiry.drop?.(output);
        // The scope stays guarded: a caller that goes away while the answer streams must stop the source. It goes with its call.
        else resolve(output);
      },
      (thrown: unknown) => {
        timer.cancel();
        call.cancel.release(scope);
        if (!over)
          reject(
            isProaError(thrown) && thrown.code === 'deadline-exceeded' && expiry.clock.mono() >= untilMs
              ? expiry.error(call)
              : (thrown as Error),
          );
      },
    );
  });
}
