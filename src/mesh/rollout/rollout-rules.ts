import type { PolicyDocument, PolicyRule } from '../policy/model.ts';
import { percentOf, type Rollout } from './rollout.ts';
import type { VersionTally } from './version-tally.ts';

/** Who counts the calls of the two versions. */
export interface StepCounters {
  readonly from: VersionTally;
  readonly to: VersionTally;
}

/** The policies of an app with a split for each rollout, which goes before a split that a file sets for the same calls. */
export function withRollouts(
  document: PolicyDocument,
  rollouts: readonly Rollout[],
  countersOf: (rollout: Rollout) => StepCounters | undefined,
): PolicyDocument {
  if (rollouts.length === 0) return document;
  return { ...document, rules: [...rollouts.map((rollout) => ruleOf(rollout, countersOf(rollout))), ...document.rules] };
}

function ruleOf(rollout: Rollout, counters: StepCounters | undefined): PolicyRule {
  const { app, from, to, steps, step, state, sticky } = rollout;
  const percent = percentOf(rollout);
  // The new version has the high numbers: as its share grows, nobody who had it loses it.
  const targets = [
    { to: { version: from }, weight: 100 - percent, ...(counters && { tally: counters.from }) },
    { to: { version: to }, weight: percent, ...(counters && { tally: counters.to }) },
  ];
  return {
    resource: `Rollout "${app}"`,
    target: { kind: 'app', app, at: 'caller' },
    settings: { split: { targets, ...(sticky !== undefined && { sticky }) } },
    origins: { split: state === 'running' ? `step ${step + 1} of ${steps.length}` : state },
    rank: 'named',
  };
}
