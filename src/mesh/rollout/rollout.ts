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
  /** No step is judged, or passed, on fewer calls. */
  readonly requestsMin: number;
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

/** Judges the present step. A gate that fails on enough calls rolls back at once; a step passes when its time is over and enough was seen. */
export function judge(rollout: Rollout, tallies: StepTallies, nowMs: number): Verdict {
  const { to, gates, steps, step, stepBeganMs } = rollout;
  const calls = tallies.to.good + tallies.to.bad;
  const { requestsMin } = gates;
  const failed = calls >= requestsMin ? failedGate(rollout, tallies) : undefined;
  if (failed !== undefined) return { become: { state: 'rolled-back', step, why: failed } };
  const { percent, holdMs } = steps[step] as RolloutStep;
  const leftMs = stepBeganMs + holdMs - nowMs;
  if (leftMs > 0) return { wait: `${percent} % for another ${formatDuration(Math.ceil(leftMs / 1_000) * 1_000)}` };
  if (calls < requestsMin) return { wait: `${percent} % until version ${to} has had ${requestsMin} calls; it had ${calls}` };
  const why = `${calls} calls at ${percent} %: ${textOf(tallies.to, gates)}`;
  if (step + 1 === steps.length) return { become: { state: 'promoted', step, why } };
  return { become: { state: 'running', step: step + 1, why } };
}

function failedGate({ to, from, gates }: Rollout, tallies: StepTallies): string | undefined {
  const { successMin, latency } = gates;
  const beside = tallies.from.good + tallies.from.bad === 0 ? '' : ` (version ${from}: ${textOf(tallies.from, gates)})`;
  const calls = tallies.to.good + tallies.to.bad;
  if (tallies.to.good / Math.max(1, calls) < successMin)
    return `version ${to}: ${textOf(tallies.to, gates)} of ${calls} calls, at least ${successMin * 100} % is asked for${beside}`;
  if (latency !== undefined && quantileOf(tallies.to, latency.quantile) > latency.maxMs)
    return `version ${to}: ${textOf(tallies.to, gates)} of ${calls} calls, at most ${latency.maxMs} ms is asked for${beside}`;
  return undefined;
}

/** A tally in words, as far as gates look at it. */
export function textOf(tally: Tally, { latency }: RolloutGates): string {
  const share = `${Math.floor((tally.good / Math.max(1, tally.good + tally.bad)) * 10_000) / 100} % good`;
  if (latency === undefined) return share;
  return `${share}, p${latency.quantile * 100} ${Math.round(quantileOf(tally, latency.quantile) * 10) / 10} ms`;
}
