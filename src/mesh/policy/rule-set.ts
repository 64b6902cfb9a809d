import type { Target } from '../../contracts/governance.ts';
import { compileMatch, matchKey, matchRank, type Matcher } from './match.ts';
import type { PolicyClass, PolicyRule, RuleTarget, Settings } from './model.ts';

/** What applies to a call: each class with its parameters, the rule that set it, and where that was written. */
export type Effective = {
  readonly [C in PolicyClass]?: { readonly value: NonNullable<Settings[C]>; readonly rule: PolicyRule; readonly key: string };
};

/** The rules of authorisation that match a call, and what holds where none does. */
export interface Access {
  readonly grants: readonly { readonly value: NonNullable<Settings['authorise']>; readonly rule: PolicyRule }[];
  /** Some rule of the target, matching or not, is in force; some is on trial. */
  readonly enforced: boolean;
  readonly onTrial: boolean;
  /** One of the rules, to name in metrics. */
  readonly any: PolicyRule | undefined;
}

/** A path, and the window over which its calls count. */
export interface Related {
  readonly path: string;
  readonly perMs: number;
}

/** The rules of one target, most special first. */
export interface TargetRules {
  /** True when a rule names the target (Dapr's built-in retries then give way). */
  readonly named: boolean;
  /** Tests of the rules that do not apply to every call; the i-th decides bit i of a mask. */
  readonly matchers: readonly Matcher[];
  /** Paths whose calls are counted, because limits of other calls look at them. */
  readonly related: readonly Related[];
  /** Who may call, when exactly the rules of the mask match; undefined: no rule is about that. */
  access(mask: number): Access | undefined;
  /** What applies when exactly the rules of the mask match. */
  effective(mask: number): Effective;
}

/** Rules with a match that one target may have: the mask is a small integer. */
export const matchesMax = 20;

/** A text for what a rule applies to: rules with the same text and class conflict. */
export function selectorKey({ target, match, rank }: PolicyRule): string {
  return `${targetKey(target)} ${matchKey(match)} ${rank}`;
}

/** A text for a target. */
export function targetKey(target: RuleTarget): string {
  if (target.kind === 'app') return `app ${target.app} at ${target.at}`;
  if (target.kind === 'actor') return `actor ${target.type}`;
  return `component ${target.component} ${target.direction} ${target.block ?? ''}`;
}

function concerns(rule: PolicyRule, target: Target): boolean {
  const wanted = rule.target;
  if (wanted.kind === 'app') {
    // Of jobs nothing is known that a match could look at.
    if (target.block === 'jobs')
      return wanted.at === 'caller' && rule.match === undefined && (wanted.app === '*' || wanted.app === target.name);
    if (target.block !== 'invoke' && !receivesActors(target)) return false;
    const at = target.direction === 'outbound' ? 'caller' : 'callee';
    return wanted.at === at && (wanted.app === '*' || wanted.app === target.name);
  }
  if (wanted.kind === 'actor')
    return target.block === 'actors' && !receivesActors(target) && (wanted.type === '*' || wanted.type === target.name);
  if (target.block === 'invoke' || target.block === 'actors' || wanted.direction !== target.direction) return false;
  if (wanted.component !== '*' && wanted.component !== target.name) return false;
  if (wanted.block !== undefined && wanted.block !== target.block) return false;
  return rule.match?.operations === undefined || rule.match.operations.includes(target.operation);
}

/** What comes in for the actors of an app: the same callers, and the same refusals, as for its methods. */
function receivesActors({ block, operation }: Target): boolean {
  return block === 'actors' && operation === 'receive';
}

/** The classes that refuse; those that change or repeat calls are for the methods of apps. */
const refusing: ReadonlySet<string> = new Set(['authorise', 'admission', 'priority', 'limits', 'system', 'bulkhead', 'deadline']);

/** Of a rule what holds at this place of an actor's call: repetitions and the breaker before the actor's lock, the timeout after it (Dapr reference 5.3). */
function settingsAt({ settings }: PolicyRule, target: Target): Settings {
  // Each attempt of a job has the app's timeout; what is repeated, and when, the job says itself.
  if (target.block === 'jobs') return settings.timeout === undefined ? {} : { timeout: settings.timeout };
  if (target.block !== 'actors') return settings;
  const holds = receivesActors(target)
    ? (name: string): boolean => refusing.has(name)
    : (name: string): boolean => (name === 'timeout') === (target.operation !== 'call');
  return Object.fromEntries(Object.entries(settings).filter(([name]) => holds(name)));
}

/** The operations of a component that some rule names, in order of their names; the target's own operation does not matter. */
export function operationsNamed(rules: readonly PolicyRule[], target: Target): string[] {
  const named = rules.flatMap((rule) => {
    const { operations = [] } = rule.match ?? {};
    return operations.filter((operation) => concerns(rule, { ...target, operation }));
  });
  return [...new Set(named)].toSorted();
}

function rankOf({ target, match, rank }: PolicyRule): number {
  const open =
    (target.kind === 'app' && target.app === '*') ||
    (target.kind === 'actor' && target.type === '*') ||
    (target.kind === 'component' && target.component === '*');
  // The name of the target decides before what its calls are like.
  return (rank === 'default' ? -2e9 : open ? 0 : 2e9) + matchRank(match);
}

function accessOf(matching: readonly PolicyRule[], all: readonly PolicyRule[]): Access | undefined {
  const concerned = all.filter(({ settings }) => settings.authorise !== undefined);
  if (concerned.length === 0) return undefined;
  return {
    grants: matching.flatMap((rule) => (rule.settings.authorise === undefined ? [] : [{ value: rule.settings.authorise, rule }])),
    enforced: concerned.some(({ settings }) => settings.authorise?.dryRun === false),
    onTrial: concerned.some(({ settings }) => settings.authorise?.dryRun === true),
    any: concerned[0],
  };
}

function relatedOf(rules: readonly PolicyRule[]): Related[] {
  const found = new Map<string, Related>();
  for (const { settings } of rules)
    for (const { whileBusy, perMs } of settings.limits ?? [])
      if (whileBusy !== undefined) found.set(`${whileBusy} ${perMs}`, { path: whileBusy, perMs });
  return [...found.values()];
}

/** The rules that concern a target; undefined when none does. */
export function rulesFor(rules: readonly PolicyRule[], target: Target): TargetRules | undefined {
  const found = rules.filter((rule) => concerns(rule, target));
  const named = found.some(({ rank, resource }) => rank === 'named' && resource.startsWith('Resiliency'));
  const sorted = found.filter(({ rank }) => rank === 'named' || !named).toSorted((a, b) => rankOf(b) - rankOf(a));
  if (sorted.length === 0) return undefined;
  const matchers: Matcher[] = [];
  const bits = sorted.map((rule) => {
    const matcher = compileMatch(rule.match);
    return matcher === undefined ? -1 : matchers.push(matcher) - 1;
  });
  return {
    named,
    matchers,
    related: target.block === 'jobs' ? [] : relatedOf(sorted),
    access: (mask) =>
      accessOf(
        sorted.filter((_rule, i) => (bits[i] as number) < 0 || (mask & (1 << (bits[i] as number))) !== 0),
        sorted,
      ),
    effective(mask) {
      const effective: Record<string, unknown> = {};
      sorted.forEach((rule, i) => {
        const bit = bits[i] as number;
        if (bit >= 0 && (mask & (1 << bit)) === 0) return;
        for (const [name, value] of Object.entries(settingsAt(rule, target))) effective[name] ??= { value, rule, key: selectorKey(rule) };
      });
      return effective as Effective;
    },
  };
}
