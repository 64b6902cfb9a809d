export type BreakerState = 'closed' | 'open' | 'half-open';

/** How a call ended for its breaker; `slow`: well, but later than the breaker likes; `ignored`: it says nothing about the target (the caller went away). */
export type Verdict = 'good' | 'slow' | 'bad' | 'ignored';

/** Stands before a target and refuses calls while it is likely that they would fail. */
export interface Breaker {
  /** A token for `leave`, or -1: refused. */
  enter(nowMs: number): number;
  /** Tells how an admitted call ended. */
  leave(token: number, verdict: Verdict, nowMs: number): void;
  /** Good calls that take longer are `slow`; Infinity: it does not matter. */
  readonly slowMs: number;
  state(nowMs: number): BreakerState;
}
