import { closest } from '../../../kernel/closest.ts';
import type { BreakerPolicy, PolicyNames, RetryPolicy } from '../../../mesh/policy/resiliency.ts';
import { parseCodes } from '../../../mesh/policy/status-codes.ts';
import { compileTrip, type Trips } from '../../../mesh/policy/trip.ts';
import type { ResiliencyResource } from '../model.ts';
import {
  durationOrMs,
  object,
  optional,
  record,
  required,
  text,
  whole,
  withDefault,
  word,
  wrongValue,
  type Reader,
  type Reading,
} from '../shape.ts';
import { originOf } from '../source.ts';
import { valueAt, type YamlNode } from '../yaml.ts';
import { headFields, headOf } from './head.ts';

/** `429,500-599`: numbers and ranges within limits, in any order; as written. */
export function codes(min: number, max: number): Reader<string> {
  return (node, path, reading) => {
    const written = text(node, path, reading);
    if (written === undefined) return undefined;
    return parseCodes(written, min, max) !== undefined
      ? written
      : wrongValue(reading, node.span, `${path} must be codes and ranges from ${min} to ${max}, such as "${min}-${max}"`);
  };
}

const retry = object({
  policy: withDefault(word('constant', 'exponential'), 'constant'),
  duration: withDefault(durationOrMs, 5000),
  maxInterval: withDefault(durationOrMs, 60_000),
  maxRetries: withDefault(whole(-1, 1_000_000), -1),
  matching: optional(object({ httpStatusCodes: optional(codes(100, 599)), gRPCStatusCodes: optional(codes(0, 16)) })),
});
const breaker = object({
  maxRequests: withDefault(whole(0, 1_000_000), 1),
  interval: withDefault(durationOrMs, 0),
  timeout: withDefault(durationOrMs, 60_000),
  trip: optional(text),
});
const names = { timeout: optional(text), retry: optional(text), circuitBreaker: optional(text) } as const;
const cacheMax = 1_000_000;

const shape = object({
  ...headFields,
  spec: required(
    object({
      policies: withDefault(
        object({ timeouts: optional(record(durationOrMs)), retries: optional(record(retry)), circuitBreakers: optional(record(breaker)) }),
        {},
      ),
      targets: withDefault(
        object({
          apps: optional(record(object({ ...names, circuitBreakerCacheSize: withDefault(whole(0, cacheMax), 100) }))),
          actors: optional(
            record(
              object({
                ...names,
                circuitBreakerScope: optional(word('type', 'id', 'both')),
                circuitBreakerCacheSize: withDefault(whole(0, cacheMax), 5000),
              }),
            ),
          ),
          components: optional(record(object({ outbound: optional(object(names)), inbound: optional(object(names)) }))),
        }),
        {},
      ),
    }),
  ),
});

function mapValues<In, Out>(from: Readonly<Record<string, In>>, change: (value: In) => Out): Record<string, Out> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, change(value)]));
}

/** Reads a Resiliency. Whether the policies that targets name exist is checked over all of them: `checkPolicyNames`. */
export function readResiliency(node: YamlNode, reading: Reading): ResiliencyResource | undefined {
  const written = shape(node, '', reading);
  if (written === undefined) return undefined;
  const { policies, targets } = written.spec;
  const resource: ResiliencyResource = {
    ...headOf(written, valueAt(node, 'metadata', 'name')?.span ?? node.span),
    timeoutsMs: policies.timeouts ?? {},
    retries: mapValues(policies.retries ?? {}, ({ duration: durationMs, maxInterval: maxIntervalMs, ...rest }): RetryPolicy => {
      return { ...rest, durationMs, maxIntervalMs };
    }),
    circuitBreakers: mapValues(policies.circuitBreakers ?? {}, ({ interval: intervalMs, timeout: timeoutMs, ...rest }): BreakerPolicy => {
      return { ...rest, intervalMs, timeoutMs };
    }),
    apps: mapValues(targets.apps ?? {}, (use) => ({ ...use, circuitBreakerCacheSize: use.circuitBreakerCacheSize || 100 })),
    actors: mapValues(targets.actors ?? {}, (use) => ({ ...use, circuitBreakerCacheSize: use.circuitBreakerCacheSize || 5000 })),
    components: targets.components ?? {},
    origins: { ...targetOrigins(node), ...policyOrigins(reading) },
  };
  return checkScopes(resource, node, reading) ? resource : undefined;
}

/** Where each target stands. */
function targetOrigins(node: YamlNode): Record<string, string> {
  const origins: Record<string, string> = {};
  for (const kind of ['apps', 'actors', 'components']) {
    const targets = valueAt(node, 'spec', 'targets', kind);
    if (targets?.kind !== 'map') continue;
    for (const { key, keySpan } of targets.entries) origins[`${kind}.${key}`] = originOf(keySpan);
  }
  return origins;
}

/** Where each value of a policy stands. */
function policyOrigins({ origins }: Reading): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [path, origin] of origins) if (path.startsWith('spec.policies.')) found[path.slice('spec.'.length)] = origin;
  return found;
}

function checkScopes(resource: ResiliencyResource, node: YamlNode, reading: Reading): boolean {
  const wrong = Object.entries(resource.actors).filter(([, use]) => use.circuitBreaker && use.circuitBreakerScope === undefined);
  for (const [name] of wrong) {
    const at = valueAt(node, 'spec', 'targets', 'actors', name)?.span ?? node.span;
    wrongValue(reading, at, `spec.targets.actors.${name}: a circuitBreaker needs circuitBreakerScope (type, id or both)`);
  }
  return wrong.length === 0;
}

interface Use {
  readonly path: readonly string[];
  readonly names: PolicyNames;
}

function usesOf(resource: ResiliencyResource): Use[] {
  const flat = (target: 'apps' | 'actors'): Use[] =>
    Object.entries(resource[target]).map(([name, names]) => ({ path: ['spec', 'targets', target, name], names }));
  const components = Object.entries(resource.components).flatMap(([name, use]) =>
    (['outbound', 'inbound'] as const).map((way) => ({ path: ['spec', 'targets', 'components', name, way], names: use[way] ?? {} })),
  );
  return [...flat('apps'), ...flat('actors'), ...components];
}

/** Warns about targets that name policies which no Resiliency defines: Dapr goes on without them, which is rarely what was meant. */
export function checkPolicyNames(
  read: readonly { readonly resource: ResiliencyResource; readonly node: YamlNode }[],
  reading: Reading,
): void {
  const known = {
    timeout: read.flatMap(({ resource }) => Object.keys(resource.timeoutsMs)),
    retry: read.flatMap(({ resource }) => Object.keys(resource.retries)),
    circuitBreaker: read.flatMap(({ resource }) => Object.keys(resource.circuitBreakers)),
  } as const;
  for (const { resource, node } of read)
    for (const { path, names: use } of usesOf(resource))
      for (const kind of ['timeout', 'retry', 'circuitBreaker'] as const) {
        const name = use[kind];
        if (name === undefined || name === '' || known[kind].includes(name)) continue;
        const guess = closest(name, known[kind]);
        reading.problems.push({
          severity: 'warning',
          code: 'config.wrong-value',
          message: `${path.join('.')}: there is no ${kind} policy "${name}"`,
          at: valueAt(node, ...path, kind)?.span ?? node.span,
          notes: [`known: ${known[kind].join(', ') || 'none'}`],
          ...(guess !== undefined && { help: `did you mean \`${guess}\`?` }),
        });
      }
}

/** Compiles the trip conditions of every breaker; what is no condition is reported. */
export async function compileTrips(
  read: readonly { readonly resource: ResiliencyResource; readonly node: YamlNode }[],
  reading: Reading,
): Promise<Map<string, Trips>> {
  const trips = new Map<string, Trips>();
  for (const { resource, node } of read)
    for (const [name, { trip }] of Object.entries(resource.circuitBreakers)) {
      if (trip === undefined || trips.has(trip)) continue;
      try {
        trips.set(trip, await compileTrip(trip));
      } catch (error) {
        const at = valueAt(node, 'spec', 'policies', 'circuitBreakers', name, 'trip')?.span ?? node.span;
        const why = (error as Error).message.split('\n')[0];
        wrongValue(reading, at, `spec.policies.circuitBreakers.${name}.trip is no condition over the counters: ${why}`);
      }
    }
  return trips;
}

/** Warns about targets that two resources name: as in Dapr the later one wins, which is rarely what was meant. */
export function checkTargets(read: readonly { readonly resource: ResiliencyResource; readonly node: YamlNode }[], reading: Reading): void {
  const seen = new Map<string, string>();
  for (const { resource, node } of read)
    for (const [key, origin] of Object.entries(resource.origins)) {
      if (key.startsWith('policies.')) continue;
      const first = seen.get(key);
      seen.set(key, origin);
      if (first === undefined) continue;
      const [kind = '', ...rest] = key.split('.');
      reading.problems.push({
        severity: 'warning',
        code: 'config.policy-conflict',
        message: `Resiliency "${resource.name}" names the target ${key} again`,
        at: valueAt(node, 'spec', 'targets', kind, rest.join('.'))?.span ?? node.span,
        notes: [`the first is in ${first}; this one wins`],
      });
    }
}
