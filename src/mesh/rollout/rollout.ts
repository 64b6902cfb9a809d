import { formatDuration } from '../../kernel/duration.ts';
import type { StickyKey } from '../balance/plan.ts';
import { quantileOf, type Tally } from './version-tally.ts';

/** A share of the calls for the new version, and how long it must do well with it. */
export interface RolloutStep {
  readonly percent: number;
  readonly holdMs: number;
}

/** What the new version must hold to at every step, as the runtimes of its callers count it. */
export interface RolloutGates {
  /** Share of good calls, 0 to 1. */
  readonly successMin: number;
  readonly latency?: { readonly quantile: number; readonly maxMs: number };
  /** What it must hold to beside the old version, as far as that gets calls during the step. */
  readonly beside?: RelativeGates;
  /** No step is judged, or passed, on fewer calls. */
  readonly requestsMin: number;
}

/** Bounds that move with the old version: what troubles both is not the new one's fault. */
export interface RelativeGates {
  /** Most that the share of bad calls may lie above the old version's, 0 to 1. */
  readonly errorsAbove?: number;
  /** A quantile of the times may be at most this many times the old version's. */
  readonly latency?: { readonly quantile: number; readonly factorMax: number };
}

/** How a new version of an app takes over. */
export interface RolloutPlan {
  readonly app: string;
  readonly namespace: string;
  readonly from: string;
  readonly to: string;
  readonly steps: readonly RolloutStep[];
  readonly gates: RolloutGates;
  /** Absent: each call by itself. */
  readonly sticky?: StickyKey;
}

/** Where a rollout stands. `promoted`: the new version has all calls; `aborted` and `rolled-back`: the old one. */
export interface Rollout extends RolloutPlan {
  /** Of this rollout alone: what was counted for another one does not count. */
  readonly id: string;
  readonly state: 'running' | 'promoted' | 'aborted' | 'rolled-back';
  readonly step: number;
  /** Engine time. */
  readonly stepBeganMs: number;
  /** Why it is where it is. */
  readonly why: string;
  /** Which declaration of a file it is (`declared.ts`); absent: it was begun by hand. */
  readonly declaration?: string;
  /** Every declaration that the app has had, the latest last. */
  readonly declarations?: readonly string[];
}

/** What was counted during the present step. */
export interface StepTallies {
  readonly from: Tally;
  readonly to: Tally;
}

/** What to do with a rollout: nothing, with the reason, or what it becomes. */
export type Verdict = { readonly wait: string } | { readonly become: Pick<Rollout, 'state' | 'step' | 'why'> };

/** Share of the calls for the new version, in percent. */
export function percentOf({ state, steps, step }: Rollout): number {
  if (state !== 'running') return state === 'promoted' ? 100 : 0;
  return steps[step]?.percent ?? 0;
}

/**
 * Judges the present step. A gate that fails on enough calls rolls back at once; a step passes when its time is over and enough was seen, of the old version
 * too when gates compare with it, unless the step leaves it no calls.
 */
export function judge(rollout: Rollout, tallies: StepTallies, nowMs: number): Verdict {
  const { gates, steps, step, stepBeganMs } = rollout;
  const failed = failedGate(rollout, tallies);
  if (failed !== undefined) return { become: { state: 'rolled-back', step, why: failed } };
  const { percent, holdMs } = steps[step] as RolloutStep;
  const leftMs = stepBeganMs + holdMs - nowMs;
  if (leftMs > 0) return { wait: `${percent} % for another ${formatDuration(Math.ceil(leftMs / 1_000) * 1_000)}` };
  const waiting = missing(rollout, tallies, percent);
  if (waiting !== undefined) return { wait: `${percent} % until ${waiting}` };
  const why = `${callsOf(tallies.to)} calls at ${percent} %: ${textOf(tallies.to, gates)}`;
  if (step + 1 === steps.length) return { become: { state: 'promoted', step, why } };
  return { become: { state: 'running', step: step + 1, why } };
}

/** Whose calls do not suffice to pass a step. */
function missing({ from, to, gates: { requestsMin, beside } }: Rollout, tallies: StepTallies, percent: number): string | undefined {
  const tooFew = (version: string, calls: number): string | undefined =>
    calls < requestsMin ? `version ${version} has had ${requestsMin} calls; it had ${calls}` : undefined;
  const compared = beside !== undefined && percent < 100;
  return tooFew(to, callsOf(tallies.to)) ?? (compared ? tooFew(from, callsOf(tallies.from)) : undefined);
}

function failedGate({ to, from, gates }: Rollout, tallies: StepTallies): string | undefined {
  const calls = callsOf(tallies.to);
  if (calls < gates.requestsMin) return undefined;
  const asked = failedBound(gates, tallies.to) ?? (callsOf(tallies.from) < gates.requestsMin ? undefined : failedBeside(gates, tallies));
  if (asked === undefined) return undefined;
  const beside = callsOf(tallies.from) === 0 ? '' : ` (version ${from}: ${textOf(tallies.from, gates)})`;
  return `version ${to}: ${textOf(tallies.to, gates)} of ${calls} calls, ${asked} is asked for${beside}`;
}

function failedBound({ successMin, latency }: RolloutGates, to: Tally): string | undefined {
  if (1 - badShare(to) < successMin) return `at least ${percentText(successMin)} %`;
  if (latency !== undefined && quantileOf(to, latency.quantile) > latency.maxMs) return `at most ${latency.maxMs} ms`;
  return undefined;
}

function failedBeside({ beside = {} }: RolloutGates, { from, to }: StepTallies): string | undefined {
  const { errorsAbove, latency } = beside;
  if (errorsAbove !== undefined && badShare(to) - badShare(from) > errorsAbove)
    return `at most ${percentText(errorsAbove)} percentage points more bad calls than those of the old version`;
  if (latency !== undefined && quantileOf(to, latency.quantile) > quantileOf(from, latency.quantile) * latency.factorMax)
    return `at most ${latency.factorMax} times p${percentText(latency.quantile)} of the old version`;
  return undefined;
}

/** A tally in words, as far as gates look at it. */
export function textOf(tally: Tally, { latency, beside }: RolloutGates): string {
  if (callsOf(tally) === 0) return 'no calls';
  const share = `${Math.floor((1 - badShare(tally)) * 10_000) / 100} % good`;
  const quantiles = new Set([latency, beside?.latency].flatMap((gate) => (gate === undefined ? [] : [gate.quantile])));
  const times = [...quantiles].map((quantile) => `p${percentText(quantile)} ${Math.round(quantileOf(tally, quantile) * 10) / 10} ms`);
  return [share, ...times].join(', ');
}

function callsOf({ good, bad }: Tally): number {
  return good + bad;
}

function badShare({ good, bad }: Tally): number {
  return bad / Math.max(1, good + bad);
}

function percentText(share: number): string {
  return String(Math.round(share * 1e6) / 1e4);
}
