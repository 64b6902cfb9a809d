import { closest } from '../../../../kernel/closest.ts';
import type { PolicyClass, PolicyRule } from '../../../../mesh/policy/model.ts';
import { matchesMax, selectorKey } from '../../../../mesh/policy/rule-set.ts';
import type { PolicyResource, ResiliencyResource } from '../../model.ts';
import type { Reading } from '../../shape.ts';
import type { RolloutResource } from '../rollout.ts';
import type { Span } from '../../source.ts';
import { valueAt, type YamlNode } from '../../yaml.ts';

export interface ReadPolicies {
  readonly policies: readonly { readonly resource: PolicyResource; readonly node: YamlNode }[];
  /** Rules of Resiliency resources. */
  readonly others: readonly PolicyRule[];
}

/** Refuses policies that set the same class for exactly the same calls, with both places. */
export function checkConflicts({ policies, others }: ReadPolicies, reading: Reading): void {
  const first = new Map<string, PolicyRule>();
  for (const rule of others)
    for (const name of Object.keys(rule.settings)) if (rule.rank === 'named') first.set(`${name} ${selectorKey(rule)}`, rule);
  const matches = new Map<string, number>();
  for (const { resource, node } of policies) {
    const { rule } = resource;
    for (const name of Object.keys(rule.settings) as PolicyClass[]) {
      const key = `${name} ${selectorKey(rule)}`;
      const other = first.get(key);
      first.set(key, other ?? rule);
      if (other === undefined) continue;
      reading.problems.push({
        severity: 'error',
        code: 'config.policy-conflict',
        message: `Policy "${resource.name}" sets \`${name}\` for calls for which ${other.resource} sets it too`,
        at: valueAt(node, 'spec', name)?.span ?? node.span,
        notes: [`the other is in ${other.origins[name] ?? 'another file'}`],
      });
    }
    countMatch({ resource, node }, matches, reading);
  }
}

function countMatch({ resource, node }: ReadPolicies['policies'][number], matches: Map<string, number>, reading: Reading): void {
  const { target, match } = resource.rule;
  if (match === undefined) return;
  const name = target.kind === 'app' ? target.app : target.kind === 'component' ? target.component : target.type;
  const count = (matches.get(name) ?? 0) + 1;
  matches.set(name, count);
  if (count !== matchesMax + 1) return;
  const at = valueAt(node, 'spec', 'match')?.span ?? node.span;
  reading.problems.push({
    severity: 'error',
    code: 'config.wrong-value',
    message: `more than ${matchesMax} policies with a match for "${name}"`,
    at,
  });
}

/** Warns about priorities that nothing looks at: they order the admission of the same app. */
export function checkPriorities(policies: ReadPolicies['policies'], reading: Reading): void {
  const admitted = new Set(
    policies.flatMap(({ resource: { rule } }) =>
      rule.settings.admission !== undefined && rule.target.kind === 'app' ? [rule.target.app] : [],
    ),
  );
  for (const { resource, node } of policies) {
    const { target, settings } = resource.rule;
    if (settings.priority === undefined || target.kind !== 'app' || admitted.has(target.app) || admitted.has('*') || target.app === '*')
      continue;
    reading.problems.push({
      severity: 'warning',
      code: 'config.ignored',
      message: `Policy "${resource.name}": \`priority\` has no effect, because no policy of app "${target.app}" sets \`admission\``,
      at: valueAt(node, 'spec', 'priority')?.span ?? node.span,
    });
  }
}

export interface KnownTargets {
  /** Absent: apps may come and go, so nothing can be said. */
  readonly apps?: readonly string[];
  readonly components: readonly string[];
  readonly endpoints: readonly string[];
}

/** Warns about targets that nobody has. */
export function checkKnown(policies: ReadPolicies['policies'], known: KnownTargets, reading: Reading): void {
  for (const { resource, node } of policies) {
    const { target } = resource.rule;
    if (target.kind === 'actor') continue;
    const kind = target.kind;
    const name = target.kind === 'app' ? target.app : target.component;
    const at = valueAt(node, 'spec', 'target', kind)?.span ?? node.span;
    report({ kind, name, at, who: `Policy "${resource.name}"` }, known, reading);
  }
}

/** The same for the targets of Resiliency resources. */
export function checkKnownTargets(
  read: readonly { readonly resource: ResiliencyResource; readonly node: YamlNode }[],
  known: KnownTargets,
  reading: Reading,
): void {
  for (const { resource, node } of read) {
    const who = `Resiliency "${resource.name}"`;
    for (const [kind, key] of [
      ['app', 'apps'],
      ['component', 'components'],
    ] as const)
      for (const name of Object.keys(resource[key]))
        report({ kind, name, who, at: valueAt(node, 'spec', 'targets', key, name)?.span ?? node.span }, known, reading);
  }
}

/** Refuses a second rollout of an app, with both places; warns about apps that nobody has. */
export function checkRollouts(
  rollouts: readonly { readonly resource: RolloutResource; readonly node: YamlNode }[],
  known: KnownTargets,
  reading: Reading,
): void {
  const first = new Map<string, RolloutResource>();
  for (const { resource, node } of rollouts) {
    const { app } = resource.declared.plan;
    const at = valueAt(node, 'spec', 'app')?.span ?? node.span;
    const other = first.get(app);
    first.set(app, other ?? resource);
    if (other !== undefined) {
      reading.problems.push({
        severity: 'error',
        code: 'config.policy-conflict',
        message: `Rollout "${resource.name}" is of app "${app}", of which Rollout "${other.name}" is too`,
        at,
        notes: [`the other is in ${other.declared.origin}`],
      });
      continue;
    }
    report({ kind: 'app', name: app, at, who: `Rollout "${resource.name}"` }, known, reading);
  }
}

function report(of: { kind: 'app' | 'component'; name: string; at: Span; who: string }, known: KnownTargets, reading: Reading): void {
  const { kind, name, at, who } = of;
  const list = kind === 'component' ? known.components : known.apps && [...known.apps, ...known.endpoints];
  if (list === undefined || name === '*' || list.includes(name) || /^https?:/.test(name) || (kind === 'app' && name.includes('.'))) return;
  const guess = closest(name, list);
  reading.problems.push({
    severity: 'warning',
    code: 'config.unknown-target',
    message: `${who}: there is no ${kind} named "${name}"`,
    at,
    notes: [`known: ${[...new Set(list)].join(', ') || 'none'}`],
    ...(guess !== undefined && { help: `did you mean \`${guess}\`?` }),
  });
}
