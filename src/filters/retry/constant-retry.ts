import { derive, type Call } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Filter, Service } from '../../kernel/service.ts';

export interface ConstantRetryOptions<In> {
  readonly clock: Clock;
  /** Attempts after the first. */
  readonly retries: number;
  readonly delayMs: number;
  /** Which failures are worth another attempt. */
  readonly matches: (error: ProaError) => boolean;
  /** Called before the first attempt; answers how to make the input of the next one, or undefined when it cannot be repeated. */
  readonly repeatable: (call: Call<In>) => { readonly first: In; readonly again: () => In | undefined } | undefined;
}

/** Repeats a failed call after a constant delay, within the call's deadline; an abandoned call is not repeated. */
export function constantRetry<In, Out>(options: ConstantRetryOptions<In>): Filter<In, Out> {
  return (next) => (call) => {
    const repeatable = options.repeatable(call);
    if (repeatable === undefined) return next(call);
    const first = repeatable.first === call.input ? call : derive(call, { input: repeatable.first });
    return next(first).catch((error: unknown) => repeat(options, next, { call, again: repeatable.again, error, attempt: 1 }));
  };
}

interface Failed<In> {
  readonly call: Call<In>;
  readonly again: () => In | undefined;
  readonly error: unknown;
  readonly attempt: number;
}

async function repeat<In, Out>(options: ConstantRetryOptions<In>, next: Service<In, Out>, failed: Failed<In>): Promise<Out> {
  const error = ProaError.from(failed.error);
  const late = options.clock.mono() + options.delayMs >= failed.call.deadlineMs;
  if (failed.attempt > options.retries || late || failed.call.cancel.cancelled || !options.matches(error)) throw error;
  await pause(options.clock, options.delayMs, failed.call);
  const input = failed.call.cancel.cancelled ? undefined : failed.again();
  if (input === undefined) throw error;
  try {
    return await next(derive(failed.call, { input }));
  } catch (thrown) {
    return repeat(options, next, { ...failed, error: thrown, attempt: failed.attempt + 1 });
  }
}

function pause(clock: Clock, delayMs: number, call: Call<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.timer(delayMs, () => {
      unlink();
      resolve();
    });
    const unlink = call.cancel.onCancel(() => {
      timer.cancel();
      resolve();
    });
  });
}
