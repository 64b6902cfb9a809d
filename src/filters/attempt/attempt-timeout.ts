import { untold, type Tell } from '../../contracts/decisions.ts';
import type { Call } from '../../kernel/call.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { ProaError } from '../../kernel/errors.ts';
import { expiring } from '../../kernel/expiring.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Filter } from '../../kernel/service.ts';
import { neverAsked } from '../../kernel/trail.ts';

export interface AttemptTimeoutOptions<Out> {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** What is called, for the message. */
  readonly target: string;
  readonly drop?: (output: Out) => void;
  readonly expired?: () => void;
  /** Told what was done to which call. */
  readonly tell?: Tell;
}

/** Gives up an attempt whose answer has not begun within `timeoutMs`: what runs is cancelled and the attempt fails with `deadline-exceeded`. */
export function attemptTimeout<In, Out>(options: AttemptTimeoutOptions<Out>): Filter<In, Out> {
  const { clock, timeoutMs, target, drop, expired, tell = untold } = options;
  const text = `${target} did not answer within ${formatDuration(timeoutMs)}`;
  const error = (call: Call<unknown>): ProaError => {
    expired?.();
    tell(call, 'gave-up', text);
    return new ProaError('deadline-exceeded', text, { refusedAt: neverAsked(call, undefined) ? 'caller' : undefined });
  };
  const rest = drop === undefined ? {} : { drop };
  return (next) => (call) =>
    expiring(next, call, { clock, afterMs: timeoutMs, deadlineMs: Math.min(call.deadlineMs, clock.mono() + timeoutMs), error, ...rest });
}
