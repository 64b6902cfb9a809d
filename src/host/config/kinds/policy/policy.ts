import type { PolicyClass, PolicyRule, RuleTarget, Settings } from '../../../../mesh/policy/model.ts';
import type { PolicyResource } from '../../model.ts';
import { filledText, object, optional, required, withDefault, word, wrongValue, type Reader, type Reading } from '../../shape.ts';
import { originOf } from '../../source.ts';
import { valueAt, type YamlNode } from '../../yaml.ts';
import { headFields, headOf } from '../head.ts';
import { admission, authorise, fault, mirror, priority, split } from './access.ts';
import { fallback, limits, system } from './flow.ts';
import { balance, breaker, bulkhead } from './guards.ts';
import { match } from './match.ts';
import { hedge, retry } from './retries.ts';
import { positiveDuration } from './values.ts';

type Side = 'caller' | 'callee' | 'outbound' | 'inbound';

interface ClassReader<C extends PolicyClass> {
  readonly read: Reader<NonNullable<Settings[C]>>;
  /** Where the class acts; elsewhere it is refused. */
  readonly sides: readonly Side[];
}

function within(map: (ms: number) => unknown): Reader<never> {
  return ((node, path, reading) => {
    const ms = positiveDuration(node, path, reading);
    return ms === undefined ? undefined : map(ms);
  }) as Reader<never>;
}

const everywhere: readonly Side[] = ['caller', 'callee', 'outbound', 'inbound'];
const calling: readonly Side[] = ['caller', 'outbound', 'inbound'];

/** Every class of a Policy: how it is read, and where it may stand. */
const classes: { readonly [C in PolicyClass]?: ClassReader<C> } = {
  deadline: { read: within((withinMs) => ({ withinMs })), sides: everywhere },
  timeout: { read: within((timeoutMs) => ({ timeoutMs })), sides: calling },
  retry: { read: retry, sides: calling },
  hedge: { read: hedge, sides: ['caller'] },
  balance: { read: balance, sides: ['caller'] },
  breaker: { read: breaker, sides: calling },
  bulkhead: { read: bulkhead, sides: everywhere },
  admission: { read: admission, sides: ['callee'] },
  priority: { read: priority, sides: ['callee'] },
  fault: { read: fault, sides: everywhere },
  authorise: { read: authorise, sides: ['callee'] },
  split: { read: split, sides: ['caller'] },
  mirror: { read: mirror, sides: ['caller'] },
  limits: { read: limits, sides: ['caller', 'callee'] },
  system: { read: system, sides: ['callee'] },
  fallback: { read: fallback, sides: ['caller', 'callee'] },
};
const names = Object.keys(classes) as PolicyClass[];

const targetShape = object({
  app: optional(filledText),
  at: withDefault(word('caller', 'callee'), 'caller'),
  component: optional(filledText),
  direction: withDefault(word('outbound', 'inbound'), 'outbound'),
});

const target: Reader<RuleTarget> = (node, path, reading) => {
  const written = targetShape(node, path, reading);
  if (written === undefined) return undefined;
  const { app, at, component, direction } = written;
  if ((app === undefined) === (component === undefined)) return wrongValue(reading, node.span, `${path} needs either app or component`);
  const stray = app === undefined ? valueAt(node, 'at') : valueAt(node, 'direction');
  if (stray !== undefined)
    return wrongValue(
      reading,
      stray.span,
      app === undefined
        ? `${path}.at belongs to apps; components have a direction`
        : `${path}.direction belongs to components; apps have \`at\``,
    );
  return app === undefined ? { kind: 'component', component: component as string, direction } : { kind: 'app', app, at };
};

const shape = object({
  ...headFields,
  spec: required(
    object({
      target: required(target),
      match: optional(match),
      ...Object.fromEntries(names.map((name) => [name, optional((classes[name] as ClassReader<PolicyClass>).read as Reader<unknown>)])),
    }),
  ),
});

/** Reads a Policy. Conflicts are found over all of them: `checkConflicts`. */
export function readPolicy(node: YamlNode, reading: Reading): PolicyResource | undefined {
  const written = shape(node, '', reading);
  if (written === undefined) return undefined;
  const spec = written.spec as { readonly target: RuleTarget; readonly match?: PolicyRule['match'] } & Settings;
  const settings = Object.fromEntries(names.filter((name) => spec[name] !== undefined).map((name) => [name, spec[name]])) as Settings;
  const head = headOf(written, valueAt(node, 'metadata', 'name')?.span ?? node.span);
  if (!fits(node, { ...spec, settings }, reading)) return undefined;
  const origins: Record<string, string> = {};
  for (const [path, origin] of reading.origins) if (path.startsWith('spec.')) origins[path.slice('spec.'.length)] = origin;
  const keys = valueAt(node, 'spec');
  if (keys?.kind === 'map') for (const { key, keySpan } of keys.entries) if (Object.hasOwn(settings, key)) origins[key] = originOf(keySpan);
  const rule: PolicyRule = {
    resource: `Policy "${head.name}"`,
    target: spec.target,
    ...(spec.match !== undefined && { match: spec.match }),
    settings,
    origins,
    rank: 'named',
  };
  return { ...head, rule };
}

function sideOf(of: RuleTarget): Side {
  return of.kind === 'app' ? of.at : of.kind === 'component' ? of.direction : 'caller';
}

/** What single values cannot tell: whether the classes and the parts of the match make sense for the target. */
function fits(
  node: YamlNode,
  written: { readonly target: RuleTarget; readonly match?: PolicyRule['match']; readonly settings: Settings },
  reading: Reading,
): boolean {
  const before = reading.problems.length;
  const side = sideOf(written.target);
  const used = Object.keys(written.settings) as PolicyClass[];
  if (used.length === 0)
    wrongValue(reading, valueAt(node, 'spec')?.span ?? node.span, `spec sets no policy; there are ${names.join(', ')}`);
  for (const name of used) {
    const { sides } = classes[name] as ClassReader<PolicyClass>;
    if (sides.includes(side)) continue;
    const where = sides.map((each) => (each === 'caller' || each === 'callee' ? `app at ${each}` : `component ${each}`)).join(', ');
    wrongValue(reading, valueAt(node, 'spec', name)?.span ?? node.span, `spec.${name} does not act at this target; it does at: ${where}`);
  }
  const parts = Object.keys(written.match ?? {});
  const strange = parts.find((part) => (written.target.kind === 'component') !== (part === 'operations'));
  if (strange !== undefined) {
    const what = written.target.kind === 'component' ? 'of components has operations only' : 'of apps has no operations';
    wrongValue(reading, valueAt(node, 'spec', 'match', strange)?.span ?? node.span, `spec.match ${what}`);
  }
  return reading.problems.length === before;
}
