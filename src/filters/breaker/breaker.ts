export type BreakerState = 'closed' | 'open' | 'half-open';

/** How a call ended for its breaker; `ignored`: it says nothing about the target (the caller went away). */
export type Verdict = 'good' | 'bad' | 'ignored';

/** Stands before a target and refuses calls while it is likely that they would fail. */
export interface Breaker {
  /** A token for `leave`, or -1: refused. */
  enter(nowMs: number): number;
  /** Tells how an admitted call ended. */
  leave(token: number, verdict: Verdict, nowMs: number, tookMs: number): void;
  state(nowMs: number): BreakerState;
}
