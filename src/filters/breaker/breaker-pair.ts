import { untold, type Tell } from '../../contracts/decisions.ts';
import type { Call, Outcome } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Pair } from '../../kernel/stack.ts';
import { attemptOf, neverAsked } from '../../kernel/trail.ts';
import type { Breaker, BreakerState, Verdict } from './breaker.ts';

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
  /** Told what was done to which call. */
  readonly tell?: Tell;
}

/** Refuses with `circuit-open` while the breaker does; tells it how admitted calls end. */
export function breakerPair({ clock, breakerOf, target, badFrom, timed = false, tell = untold }: BreakerPairOptions): Pair {
  return {
    admit(call) {
      const nowMs = clock.mono();
      const token = breakerOf(call).enter(nowMs);
      if (token < 0) {
        const state = breakerOf(call).state(nowMs);
        attemptOf(call).breakerBefore = state;
        tell(call, 'refused', `the circuit breaker of ${target} is ${state}${state === 'open' ? '' : ' and has let enough calls through'}`);
        throw new ProaError('circuit-open', `the circuit breaker of ${target} is open`, { refusedAt: 'caller' });
      }
      return timed ? { token, nowMs } : token;
    },
    settle(call, outcome, admitted) {
      const nowMs = clock.mono();
      const entered = admitted as number | { readonly token: number; readonly nowMs: number };
      const breaker = breakerOf(call);
      const verdict = attemptVerdict(call, outcome, badFrom);
      const before = verdict === 'bad' || call.end.trail !== undefined ? breaker.state(nowMs) : undefined;
      if (typeof entered === 'number') breaker.leave(entered, verdict, nowMs);
      else breaker.leave(entered.token, paced(verdict, nowMs - entered.nowMs - (call.end.attempt?.waitedMs ?? 0), breaker), nowMs);
      if (before !== undefined) tellBreaker(call, { before, after: breaker.state(nowMs), target, tell });
    },
  };
}

/** Puts the states of a breaker around an attempt into its trail, and tells when they differ. */
export function tellBreaker(
  call: Call<unknown>,
  { before, after, target, tell }: { before: BreakerState; after: BreakerState; target: string; tell: Tell },
): void {
  const attempt = attemptOf(call);
  attempt.breakerBefore = before;
  attempt.breakerAfter = after;
  if (before !== after) tell(call, 'changed', `the circuit breaker of ${target} was ${before} and is ${after} now`);
}

/** A good end that came too late is a slow one. */
export function paced(verdict: Verdict, tookMs: number, { slowMs }: Breaker): Verdict {
  return verdict === 'good' && tookMs > slowMs ? 'slow' : verdict;
}

/** As `verdictOf`; an attempt that was given up while it waited for a place of this runtime says nothing either. */
function attemptVerdict(call: Call<unknown>, outcome: Outcome, badFrom: number): Exclude<Verdict, 'slow'> {
  const verdict = verdictOf(outcome, badFrom);
  return verdict === 'bad' && neverAsked(call, outcome.error) ? 'ignored' : verdict;
}

/** What an outcome says about the target: a call that was abandoned, or that a runtime refused before the target was asked, says nothing. */
export function verdictOf(outcome: Outcome, badFrom: number): Exclude<Verdict, 'slow'> {
  const { ok, status, error } = outcome;
  if (status !== undefined && error === undefined) return status >= badFrom || status < 200 ? 'bad' : 'good';
  if (ok) return 'good';
  if (error === undefined) return 'bad';
  const { code, refusedAt } = ProaError.from(error);
  return code === 'cancelled' || refusedAt !== undefined ? 'ignored' : 'bad';
}
