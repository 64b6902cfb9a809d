import { untold, type Tell } from '../../contracts/decisions.ts';
import type { Call } from '../../kernel/call.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { ProaError, type RefusedAt } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Filter } from '../../kernel/service.ts';

/** One limit that a call has to pass. */
export interface Check {
  /** What it limits, for the message. */
  readonly text: string;
  /** As `Limiter.take`; 0 also for calls that it does not concern. */
  take(call: Call<unknown>, nowMs: number): number | Promise<number>;
  /** Gives back what `take` took, for limits of calls under way. */
  readonly release?: (call: Call<unknown>) => void;
}

export interface LimitOptions {
  readonly clock: Clock;
  readonly checks: readonly Check[];
  /** What is guarded, for the message. */
  readonly target: string;
  /** Whose runtime keeps the limits. */
  readonly side: RefusedAt;
  readonly refused?: () => void;
  /** Told what was done to which call. */
  readonly tell?: Tell;
}

/** Passes calls that all limits let through, now or after a wait; refuses others with `overloaded` and says when to come again. */
export function limit<In, Out>(options: LimitOptions): Filter<In, Out> {
  const { clock, checks, target, side, refused, tell = untold } = options;
  const refuse = (call: Call<In>, check: Check, answer: number): Promise<never> => {
    // What other limits gave before goes back at the end of the call, which is near; rates are used up.
    refused?.();
    tell(call, 'refused', `${check.text} is reached`);
    return Promise.reject(tooMuch(`${target}: ${check.text}`, answer, side));
  };
  return (next) => {
    const from = (call: Call<In>, start: number, waited: number): Promise<Out> => {
      const nowMs = clock.mono();
      let waitMs = waited;
      for (let i = start; i < checks.length; i++) {
        const check = checks[i] as Check;
        const answer = check.take(call, nowMs);
        // Hardly ever: a shared quota leases its next portion, or a place comes over from another process.
        if (typeof answer !== 'number')
          return answer.then((told) => {
            if (told < 0) return refuse(call, check, told);
            hold(call, check);
            return from(call, i + 1, Math.max(waitMs, told));
          });
        if (answer < 0 || nowMs + answer >= call.deadlineMs) return refuse(call, check, answer);
        hold(call, check);
        if (answer > waitMs) waitMs = answer;
      }
      if (waitMs === 0) return next(call);
      tell(call, 'waited', `a limit made it wait ${formatDuration(Math.ceil(waitMs))} for its turn`);
      return later(clock, waitMs, call).then(() => next(call));
    };
    return (call) => from(call, 0, 0);
  };
}

/** What the check gave goes back at the end of the call. */
function hold(call: Call<unknown>, { release }: Check): void {
  if (release !== undefined) call.end.listen(() => release(call));
}

function tooMuch(text: string, answer: number, refusedAt: RefusedAt): ProaError {
  const retryAfterMs = Math.max(1, Math.ceil(Math.abs(answer)));
  return new ProaError('overloaded', `${text} is reached`, { details: { metadata: { retryAfterMs: String(retryAfterMs) } }, refusedAt });
}

function later(clock: Clock, waitMs: number, call: Call<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.timer(waitMs, () => {
      unlink();
      resolve();
    });
    const unlink = call.cancel.onCancel((reason) => {
      timer.cancel();
      reject(new ProaError('cancelled', 'the caller gave up while it waited for its turn', { cause: reason }));
    });
  });
}
