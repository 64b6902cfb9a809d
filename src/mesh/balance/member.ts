import type { Endpoint } from '../../contracts/resolver.ts';
import type { Breaker } from '../../filters/breaker/breaker.ts';

/** How fast an old measurement fades. */
const tauMs = 10_000;
/** What an endpoint is taken to cost before it was measured, once something is under way there. */
const unknownMs = 1_000;
/** A failure costs as much as a slow answer, so that failing fast attracts no calls; an overload costs more (Linkerd's load biaser). */
const failureMs = 1_000;
const overloadMs = 5_000;
const pushbackMaxMs = 300_000;

/** How an attempt ended, as far as balancing cares. */
export type AttemptEnd = 'good' | 'bad' | 'overloaded' | 'ignored';

/** What is known about one endpoint; it stays while the endpoint is listed. */
export class Member {
  endpoint: Endpoint;
  readonly addedMs: number;
  inFlight = 0;
  /** Failures in a row. */
  failures = 0;
  /** Good and bad ends of the current interval. */
  good = 0;
  bad = 0;
  intervalEndsMs = 0;
  ejectedUntilMs = 0;
  ejections = 0;
  lastBadMs = -Infinity;
  #ewmaMs = 0;
  #measuredMs = 0;
  #breakers: Map<string, Breaker> | undefined;

  constructor(endpoint: Endpoint, nowMs: number) {
    this.endpoint = endpoint;
    this.addedMs = nowMs;
  }

  get weight(): number {
    return this.endpoint.weight ?? 1;
  }

  /** Peak EWMA: rises at once with a slow answer, falls slowly with fast ones, and fades while nothing is measured. */
  measured(nowMs: number, tookMs: number, end: AttemptEnd): void {
    if (end === 'ignored') return;
    const cost = end === 'good' ? tookMs : Math.max(tookMs, end === 'bad' ? failureMs : overloadMs);
    const faded = this.#faded(nowMs);
    this.#measuredMs = nowMs;
    if (cost > faded) this.#ewmaMs = cost;
    else {
      const keep = Math.exp(-Math.max(1, tookMs) / tauMs);
      this.#ewmaMs = faded * keep + cost * (1 - keep);
    }
  }

  /** The other side asked to be left alone for a while: it counts as that slow. */
  pushedBack(nowMs: number, forMs: number): void {
    this.#ewmaMs = Math.max(this.#faded(nowMs), Math.min(forMs, pushbackMaxMs));
    this.#measuredMs = nowMs;
  }

  /** What one more call would cost here, the lower the better. */
  cost(nowMs: number, slowStartMs: number): number {
    const faded = this.#faded(nowMs);
    const one = this.#measuredMs === 0 && this.inFlight > 0 ? unknownMs : faded;
    return ((one + 1e-6) * (this.inFlight + 1)) / (this.weight * this.share(nowMs, slowStartMs));
  }

  /** 0.1 to 1: how much of its share an endpoint gets that was added not long ago. */
  share(nowMs: number, slowStartMs: number): number {
    const age = nowMs - this.addedMs;
    return age >= slowStartMs ? 1 : Math.max(0.1, age / slowStartMs);
  }

  breaker(key: string, make: (instance: string) => Breaker): Breaker {
    this.#breakers ??= new Map();
    let breaker = this.#breakers.get(key);
    if (breaker === undefined) {
      // A policy whose parameters change has another key: what the former one remembered is of no use.
      if (this.#breakers.size >= 32) this.#breakers.clear();
      this.#breakers.set(key, (breaker = make(this.endpoint.instance)));
    }
    return breaker;
  }

  #faded(nowMs: number): number {
    return this.#ewmaMs === 0 ? 0 : this.#ewmaMs * Math.exp(-(nowMs - this.#measuredMs) / tauMs);
  }
}
