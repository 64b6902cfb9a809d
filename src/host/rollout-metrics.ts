import type { Metrics } from '../contracts/metrics.ts';
import { labelNames, metricNames } from '../kernel/names.ts';
import { percentOf, type Rollout } from '../mesh/rollout/rollout.ts';

const states: readonly Rollout['state'][] = ['running', 'promoted', 'aborted', 'rolled-back'];

/** Shows where the rollout of an app stands: step (from 1), the new version's share of the calls in percent, and 1 for the state that it is in. */
export function tellRollout(metrics: Metrics, rollout: Rollout): void {
  const app = { [labelNames.dstAppId]: rollout.app };
  metrics.gauge(metricNames.rolloutStep, app).set(rollout.step + 1);
  metrics.gauge(metricNames.rolloutPercent, app).set(percentOf(rollout));
  for (const state of states)
    metrics.gauge(metricNames.rolloutState, { ...app, [labelNames.state]: state }).set(Number(state === rollout.state));
}

/** Counts the calls of one version of an app while a rollout runs, as its gates see them. */
export function countCalls(metrics: Metrics, app: string, version: string): (good: boolean) => void {
  const [good, bad] = [true, false].map((success) =>
    metrics.counter(metricNames.rolloutCalls, {
      [labelNames.dstAppId]: app,
      [labelNames.version]: version,
      [labelNames.success]: String(success),
    }),
  );
  return (ended) => (ended ? good : bad)?.add(1);
}
