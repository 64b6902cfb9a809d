import type { Call, Outcome } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Pair } from '../../kernel/stack.ts';
import type { Breaker, Verdict } from './breaker.ts';

export interface BreakerPairOptions {
  readonly clock: Clock;
  /** The breaker of a call; the same one at its end. */
  readonly breakerOf: (call: Call<unknown>) => Breaker;
  /** What is guarded, for the message. */
  readonly target: string;
  /** Statuses from here count as failures. */
  readonly badFrom: number;
  /** Whether the breaker looks at how long calls took; the others are spared the bookkeeping. */
  readonly timed?: boolean;
}

/** Refuses with `circuit-open` while the breaker does; tells it how admitted calls end. */
export function breakerPair({ clock, breakerOf, target, badFrom, timed = false }: BreakerPairOptions): Pair {
  return {
    admit(call) {
      const nowMs = clock.mono();
      const token = breakerOf(call).enter(nowMs);
      if (token < 0) throw new ProaError('circuit-open', `the circuit breaker of ${target} is open`);
      return timed ? { token, nowMs } : token;
    },
    settle(call, outcome, admitted) {
      const nowMs = clock.mono();
      const entered = admitted as number | { readonly token: number; readonly nowMs: number };
      const breaker = breakerOf(call);
      const verdict = verdictOf(outcome, badFrom);
      if (typeof entered === 'number') breaker.leave(entered, verdict, nowMs);
      else breaker.leave(entered.token, paced(verdict, nowMs - entered.nowMs, breaker), nowMs);
    },
  };
}

/** A good end that came too late is a slow one. */
export function paced(verdict: Verdict, tookMs: number, { slowMs }: Breaker): Verdict {
  return verdict === 'good' && tookMs > slowMs ? 'slow' : verdict;
}

/** What an outcome says about the target: an abandoned call says nothing. */
export function verdictOf(outcome: Outcome, badFrom: number): Exclude<Verdict, 'slow'> {
  const { ok, status, error } = outcome;
  if (status !== undefined && error === undefined) return status >= badFrom || status < 200 ? 'bad' : 'good';
  if (ok) return 'good';
  return error !== undefined && ProaError.from(error).code === 'cancelled' ? 'ignored' : 'bad';
}
