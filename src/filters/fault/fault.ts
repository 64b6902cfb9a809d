import { untold, type Tell } from '../../contracts/decisions.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Call } from '../../kernel/call.ts';
import type { Clock, Random } from '../../kernel/ports.ts';
import type { Filter } from '../../kernel/service.ts';

export interface FaultOptions<Out> {
  readonly clock: Clock;
  readonly random: Random;
  /** Share of calls (0 to 1) that are delayed, by a time between the two. */
  readonly delay?: { readonly share: number; readonly minMs: number; readonly maxMs: number };
  readonly abort?: { readonly share: number; readonly answer: () => Promise<Out> };
  readonly injected?: () => void;
  /** Told what was done to which call. */
  readonly tell?: Tell;
}

/** Delays and aborts a share of the calls, to see what callers make of it. An aborted call does not reach the target. */
export function fault<In, Out>(options: FaultOptions<Out>): Filter<In, Out> {
  const { random, delay, abort, injected, tell = untold } = options;
  const hits = (share: number): boolean => random.u32() / 2 ** 32 < share;
  return (next) => (call) => {
    const delayed = delay !== undefined && hits(delay.share);
    const aborted = abort !== undefined && hits(abort.share);
    if (!delayed && !aborted) return next(call);
    injected?.();
    const go = (): Promise<Out> => {
      if (!aborted) return next(call);
      tell(call, 'refused', 'a failure was injected in place of the call');
      return abort.answer();
    };
    if (!delayed) return go();
    const { minMs, maxMs } = delay;
    const delayMs = minMs + ((maxMs - minMs) * random.u32()) / 2 ** 32;
    tell(call, 'waited', `a delay of ${formatDuration(Math.round(delayMs))} was injected`);
    return pause(options.clock, delayMs, call).then(go);
  };
}

function pause(clock: Clock, ms: number, call: Call<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.timer(ms, () => {
      unlink();
      resolve();
    });
    const unlink = call.cancel.onCancel((reason) => {
      timer.cancel();
      reject(new ProaError('cancelled', 'the caller gave up during an injected delay', { cause: reason }));
    });
  });
}
