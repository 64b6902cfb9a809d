import type { Outcome } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';

/** Calls of one version: how many ended well and badly, and how long they took. */
export interface Tally {
  readonly good: number;
  readonly bad: number;
  /** Calls per time class; class n ends at (2^((n+1)/4) - 1) / 10 ms, so a quantile is at most a fifth too high. */
  readonly bins: readonly number[];
}

/** A tally that counts. */
export interface VersionTally extends Tally {
  count(outcome: Outcome, tookMs: number): void;
}

const binsMax = 96;

/**
 * Begins to count. A status from 500, an error and an expired time are bad, and so is what a version's runtime refuses; a caller that gave up, and a call that its
 * own runtime refused for its own limits, count as nothing. `counted` is told of each call that counts.
 */
export function createVersionTally(counted: (good: boolean) => void = () => {}): VersionTally {
  const bins = Array.from({ length: binsMax }, () => 0);
  const tally = {
    good: 0,
    bad: 0,
    bins,
    count(outcome: Outcome, tookMs: number) {
      const good = isGood(outcome);
      if (good === undefined) return;
      if (good) tally.good++;
      else tally.bad++;
      counted(good);
      const bin = Math.min(binsMax - 1, Math.max(0, Math.floor(4 * Math.log2(tookMs * 10 + 1))));
      bins[bin] = (bins[bin] as number) + 1;
    },
  };
  return tally;
}

/** Undefined: it says nothing about the version. A breaker that is open speaks for the calls that opened it: were they not counted, nobody would judge a dead version. */
function isGood({ ok, status, error }: Outcome): boolean | undefined {
  if (error === undefined) return status === undefined ? ok : status >= 200 && status < 500;
  const { code, refusedAt } = ProaError.from(error);
  return code === 'cancelled' || (refusedAt === 'caller' && code !== 'circuit-open') ? undefined : false;
}

/** What several runtimes counted, together. */
export function sumOf(tallies: readonly Tally[]): Tally {
  return {
    good: tallies.reduce((sum, { good }) => sum + good, 0),
    bad: tallies.reduce((sum, { bad }) => sum + bad, 0),
    bins: Array.from({ length: binsMax }, (_, i) => tallies.reduce((sum, { bins }) => sum + (bins[i] ?? 0), 0)),
  };
}

/** Milliseconds within which the share `quantile` (0 to 1) of the calls ended; 0 when there was none. */
export function quantileOf({ bins }: Tally, quantile: number): number {
  const wanted = bins.reduce((sum, count) => sum + count, 0) * quantile;
  if (wanted === 0) return 0;
  let sum = 0;
  const at = bins.findIndex((count) => (sum += count) >= wanted);
  return (2 ** ((at + 1) / 4) - 1) / 10;
}
