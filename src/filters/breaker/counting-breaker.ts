import { newsMs, type BreakerState, type OpenTime, type ReplicatedBreaker, type Verdict, type VerdictCounts } from './breaker.ts';

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
  /** `told`: another process said so. */
  readonly changed?: (state: BreakerState, told: boolean) => void;
}

/** Dapr's breaker (reference 10.3, 10.4): counts, a trip condition judged at each failure, one failure while half-open opens it again. */
export function createCountingBreaker(options: CountingBreakerOptions): ReplicatedBreaker {
  return new CountingBreaker(options);
}

class CountingBreaker implements ReplicatedBreaker {
  readonly slowMs = Infinity;
  readonly countsProbes = true;
  readonly #options: CountingBreakerOptions;
  readonly #counts: BreakerCounts = {
    requests: 0,
    totalSuccesses: 0,
    totalFailures: 0,
    consecutiveSuccesses: 0,
    consecutiveFailures: 0,
  };
  #state: BreakerState = 'closed';
  // Calls of an earlier generation, from before a change of state or a new interval, count no more.
  #generation = 0;
  #expiresMs: number;

  constructor(options: CountingBreakerOptions) {
    this.#options = options;
    this.#expiresMs = options.intervalMs > 0 ? -1 : Infinity;
  }

  enter(nowMs: number): number {
    this.#turn(nowMs);
    if (this.#state === 'open' || (this.#state === 'half-open' && this.#counts.requests >= this.#options.requestsMax)) return -1;
    this.#counts.requests++;
    return this.#generation;
  }

  leave(token: number, verdict: Verdict, nowMs: number): boolean {
    this.#turn(nowMs);
    if (token !== this.#generation || this.#state === 'open') return false;
    if (verdict === 'good' || verdict === 'slow') this.#succeeded(1, nowMs);
    else if (verdict === 'bad') this.#failed({ bad: 1, inRow: this.#counts.consecutiveFailures + 1 }, nowMs);
    else this.#counts.requests = Math.max(0, this.#counts.requests - 1);
    return true;
  }

  state(nowMs: number): BreakerState {
    this.#turn(nowMs);
    return this.#state;
  }

  absorb({ good, slow, bad, badAtEnd }: VerdictCounts, nowMs: number): void {
    this.#turn(nowMs);
    if (this.#state === 'open') return;
    // While half-open they were counted when they were let through.
    if (this.#state === 'closed') this.#counts.requests += good + slow + bad;
    const inRow = good + slow > 0 ? badAtEnd : this.#counts.consecutiveFailures + bad;
    if (good + slow > 0) this.#succeeded(good + slow, nowMs);
    if (bad > 0) this.#failed({ bad, inRow }, nowMs);
  }

  probing(calls: number, nowMs: number): void {
    this.#turn(nowMs);
    // The others' open time ended a moment before ours.
    if (this.#state === 'open' && this.#expiresMs - nowMs <= newsMs) this.#begin('half-open', nowMs);
    if (this.#state === 'half-open') this.#counts.requests = Math.max(0, this.#counts.requests + calls);
    // Calls of a process that ends are never over: whoever waits for them begins anew after as long as it was open.
    if (this.#state === 'half-open') this.#expiresMs = nowMs + this.#options.openMs;
  }

  become(state: { readonly open: OpenTime } | 'closed', nowMs: number): void {
    this.#turn(nowMs);
    if (state === 'closed') {
      if (this.#state !== 'closed' && (this.#state === 'half-open' || this.#expiresMs - nowMs <= newsMs))
        this.#begin('closed', nowMs, true);
      return;
    }
    if (this.#state !== 'open') this.#begin('open', nowMs, true);
    // Of two that opened it the later one counts: when it ends, both let calls through again.
    else if (nowMs + state.open.leftMs < this.#expiresMs) return;
    this.#expiresMs = nowMs + Math.min(state.open.leftMs, this.#options.openMs);
  }

  openTime(nowMs: number): OpenTime {
    return { leftMs: Math.max(0, this.#expiresMs - nowMs), ofMs: this.#options.openMs };
  }

  #turn(nowMs: number): void {
    if (nowMs < this.#expiresMs) return;
    this.#begin(this.#state === 'open' ? 'half-open' : this.#state, nowMs);
  }

  #succeeded(calls: number, nowMs: number): void {
    const counts = this.#counts;
    counts.totalSuccesses += calls;
    counts.consecutiveSuccesses += calls;
    counts.consecutiveFailures = 0;
    if (this.#state === 'half-open' && counts.consecutiveSuccesses >= this.#options.requestsMax) this.#begin('closed', nowMs);
  }

  #failed({ bad, inRow }: { readonly bad: number; readonly inRow: number }, nowMs: number): void {
    const counts = this.#counts;
    counts.totalFailures += bad;
    counts.consecutiveFailures = inRow;
    if (inRow > 0) counts.consecutiveSuccesses = 0;
    if (this.#state === 'half-open' || this.#options.trips(counts)) this.#begin('open', nowMs);
  }

  #begin(next: BreakerState, nowMs: number, told = false): void {
    const { openMs, intervalMs, changed } = this.#options;
    const was = this.#state;
    const counts = this.#counts;
    this.#state = next;
    this.#generation++;
    counts.requests = counts.totalSuccesses = counts.totalFailures = counts.consecutiveSuccesses = counts.consecutiveFailures = 0;
    this.#expiresMs = next === 'open' ? nowMs + openMs : next === 'closed' && intervalMs > 0 ? nowMs + intervalMs : Infinity;
    if (was !== next) changed?.(next, told);
  }
}
