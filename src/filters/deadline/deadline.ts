import { untold, type Tell } from '../../contracts/decisions.ts';
import type { Call } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { expiring } from '../../kernel/expiring.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Filter } from '../../kernel/service.ts';
import { neverAsked } from '../../kernel/trail.ts';

export interface DeadlineOptions<Out> {
  readonly clock: Clock;
  /** What is called, for the message. */
  readonly target: string;
  /** Sets a deadline where the caller gave none or a later one; absent: only what the caller set holds. */
  readonly withinMs?: number;
  readonly drop?: (output: Out) => void;
  /** Told what was done to which call. */
  readonly tell?: Tell;
}

/**
 * Holds a call to its deadline over all attempts: one that has passed is refused before any work starts, and one that passes meanwhile cancels what runs.
 * Calls without a deadline pass at the cost of one comparison.
 */
export function deadline<In, Out>(options: DeadlineOptions<Out>): Filter<In, Out> {
  const { clock, target, withinMs = Infinity, drop, tell = untold } = options;
  const refusal = (call: Call<unknown>, text: string): ProaError => {
    tell(call, 'refused', text);
    return new ProaError('deadline-exceeded', text, { refusedAt: neverAsked(call, undefined) ? 'caller' : undefined });
  };
  const error = (call: Call<unknown>): ProaError => refusal(call, `the deadline of the call to ${target} passed`);
  return (next) => (call) => {
    if (call.deadlineMs === Infinity && withinMs === Infinity) return next(call);
    const nowMs = clock.mono();
    const deadlineMs = Math.min(call.deadlineMs, nowMs + withinMs);
    if (deadlineMs > nowMs) return expiring(next, call, { clock, afterMs: deadlineMs - nowMs, deadlineMs, error, ...(drop && { drop }) });
    return Promise.reject(refusal(call, `the deadline of the call to ${target} had passed before any work began`));
  };
}
