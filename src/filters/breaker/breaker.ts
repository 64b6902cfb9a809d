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

/** Calls of other processes, as their breakers counted them. */
export interface VerdictCounts {
  readonly good: number;
  readonly slow: number;
  readonly bad: number;
  /** Failures in a row at the end. */
  readonly badAtEnd: number;
}

/** A breaker that several processes keep together, each with a copy of its own (`shared-breakers.ts`). */
export interface ReplicatedBreaker extends Breaker {
  /** While half-open it counts the calls that others let through: they have to be told at once. */
  readonly countsProbes: boolean;
  /** As in `Breaker`; false: the call began before the present state did, and says nothing. */
  leave(token: number, verdict: Verdict, nowMs: number): boolean;
  /** Calls of others count like own ones. */
  absorb(counts: VerdictCounts, nowMs: number): void;
  /** Another process lets a call through (1) or takes it back (-1) while half-open. Whether a copy counts them is its own matter. */
  probing(calls: number, nowMs: number): void;
  /** Others say that it is open for `leftMs` more, of `ofMs` altogether, or closed. */
  become(state: { readonly open: OpenTime } | 'closed', nowMs: number): void;
  /** For how long it is open. */
  openTime(nowMs: number): OpenTime;
}

export interface OpenTime {
  readonly leftMs: number;
  readonly ofMs: number;
}

/** News needs some time: copies that turn half-open within so much of each other do it together. */
export const newsMs = 100;
