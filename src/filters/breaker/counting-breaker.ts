import type { Breaker, BreakerState } from './breaker.ts';

/** What trip conditions look at: since the breaker closed, or since the interval began. */
export interface BreakerCounts {
  requests: number;
  totalSuccesses: number;
  totalFailures: number;
  consecutiveSuccesses: number;
  consecutiveFailures: number;
}

export interface CountingBreakerOptions {
  /** Calls let through at once while half-open; as many successes in a row close it. */
  readonly requestsMax: number;
  /** While closed, counts begin anew after this long; 0: never. */
  readonly intervalMs: number;
  /** How long it stays open. */
  readonly openMs: number;
  readonly trips: (counts: Readonly<BreakerCounts>) => boolean;
  readonly changed?: (state: BreakerState) => void;
}

/** Dapr's breaker (reference 10.3, 10.4): counts, a trip condition judged at each failure, one failure while half-open opens it again. */
export function createCountingBreaker(options: CountingBreakerOptions): Breaker {
  const { requestsMax, intervalMs, openMs, trips, changed } = options;
  const counts: BreakerCounts = { requests: 0, totalSuccesses: 0, totalFailures: 0, consecutiveSuccesses: 0, consecutiveFailures: 0 };
  let state: BreakerState = 'closed';
  // Calls of an earlier generation, from before a change of state or a new interval, count no more.
  let generation = 0;
  let expiresMs = intervalMs > 0 ? -1 : Infinity;

  const begin = (next: BreakerState, nowMs: number): void => {
    const was = state;
    state = next;
    generation++;
    counts.requests = counts.totalSuccesses = counts.totalFailures = counts.consecutiveSuccesses = counts.consecutiveFailures = 0;
    expiresMs = next === 'open' ? nowMs + openMs : next === 'closed' && intervalMs > 0 ? nowMs + intervalMs : Infinity;
    if (was !== next) changed?.(next);
  };
  const turn = (nowMs: number): void => {
    if (nowMs < expiresMs) return;
    begin(state === 'open' ? 'half-open' : state, nowMs);
  };
  const succeeded = (nowMs: number): void => {
    counts.totalSuccesses++;
    counts.consecutiveSuccesses++;
    counts.consecutiveFailures = 0;
    if (state === 'half-open' && counts.consecutiveSuccesses >= requestsMax) begin('closed', nowMs);
  };
  const failed = (nowMs: number): void => {
    counts.totalFailures++;
    counts.consecutiveFailures++;
    counts.consecutiveSuccesses = 0;
    if (state === 'half-open' || trips(counts)) begin('open', nowMs);
  };
  return {
    slowMs: Infinity,
    enter(nowMs) {
      turn(nowMs);
      if (state === 'open' || (state === 'half-open' && counts.requests >= requestsMax)) return -1;
      counts.requests++;
      return generation;
    },
    leave(token, verdict, nowMs) {
      turn(nowMs);
      if (token !== generation || state === 'open') return;
      if (verdict === 'good' || verdict === 'slow') succeeded(nowMs);
      else if (verdict === 'bad') failed(nowMs);
      else counts.requests = Math.max(0, counts.requests - 1);
    },
    state(nowMs) {
      turn(nowMs);
      return state;
    },
  };
}
