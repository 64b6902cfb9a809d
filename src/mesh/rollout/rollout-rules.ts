import type { PolicyDocument, PolicyRule } from '../policy/model.ts';
import { declarationOf } from './declared.ts';
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
  return { ...document, rules: [...rollouts.map((rollout) => ruleOf(rollout, document, countersOf(rollout))), ...document.rules] };
}

/** The policies as they are when the rollouts of files begin: for whoever has no engine to ask where they stand. */
export function withPlannedRollouts(document: PolicyDocument, namespace: string): PolicyDocument {
  const planned = document.rollouts.map((declared): Rollout => ({
    ...declared.plan,
    namespace,
    id: '',
    state: declared.state,
    step: 0,
    stepBeganMs: 0,
    why: '',
    declaration: declarationOf(declared),
  }));
  return withRollouts(document, planned, () => undefined);
}

/** Where the plan is written, and where it stands. */
function originOf({ state, step, steps, declaration }: Rollout, { rollouts }: PolicyDocument): string {
  const stands = state === 'running' ? `step ${step + 1} of ${steps.length}` : state;
  const declared = declaration === undefined ? undefined : rollouts.find((each) => declarationOf(each) === declaration);
  return declared === undefined ? stands : `${declared.origin}, ${stands}`;
}

function ruleOf(rollout: Rollout, document: PolicyDocument, counters: StepCounters | undefined): PolicyRule {
  const { app, from, to, sticky } = rollout;
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
    origins: { split: originOf(rollout, document) },
    rank: 'named',
  };
}
