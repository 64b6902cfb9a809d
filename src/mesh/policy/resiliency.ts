import {
  builtInServiceRetries,
  type CountingBreakerSettings,
  type PolicyClass,
  type PolicyDocument,
  type PolicyRule,
  type RetrySettings,
  type RuleTarget,
  type Settings,
} from './model.ts';

/** Policies as Dapr reference 10.3 writes them, checked; durations in milliseconds. */
export interface RetryPolicy {
  readonly policy: 'constant' | 'exponential';
  readonly durationMs: number;
  readonly maxIntervalMs: number;
  /** -1: for ever. */
  readonly maxRetries: number;
  readonly matching?: { readonly httpStatusCodes?: string; readonly gRPCStatusCodes?: string };
}

export interface BreakerPolicy {
  readonly maxRequests: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** CEL over the counters; absent: more than five failures in a row. */
  readonly trip?: string;
}

export interface PolicyNames {
  readonly timeout?: string;
  readonly retry?: string;
  readonly circuitBreaker?: string;
}

/** What a Resiliency says; `name` and `originOf` tell where. */
export interface ResiliencySpec {
  readonly name: string;
  readonly timeoutsMs: Readonly<Record<string, number>>;
  readonly retries: Readonly<Record<string, RetryPolicy>>;
  readonly circuitBreakers: Readonly<Record<string, BreakerPolicy>>;
  readonly apps: Readonly<Record<string, PolicyNames & { readonly circuitBreakerCacheSize: number }>>;
  readonly actors: Readonly<
    Record<string, PolicyNames & { readonly circuitBreakerScope?: 'type' | 'id' | 'both'; readonly circuitBreakerCacheSize: number }>
  >;
  readonly components: Readonly<Record<string, { readonly outbound?: PolicyNames; readonly inbound?: PolicyNames }>>;
  /** `apps.orders` and the like to `file:line`. */
  readonly origins: Readonly<Record<string, string>>;
}

interface Merged {
  /** Of every policy's values, by path. */
  readonly origins: Readonly<Record<string, string>>;
  readonly timeoutsMs: Readonly<Record<string, number>>;
  readonly retries: Readonly<Record<string, RetryPolicy>>;
  readonly circuitBreakers: Readonly<Record<string, BreakerPolicy>>;
}

/** How long an exponential retry goes on (the default of Dapr's retry configuration). */
const exponentialElapsedMs = 15 * 60_000;
const exponential = { kind: 'exponential', initialMs: 500, factor: 1.5, jitter: 'around' } as const;

function retryOf(policy: RetryPolicy): RetrySettings {
  const { matching } = policy;
  return {
    backoff:
      policy.policy === 'constant' ? { kind: 'constant', delayMs: policy.durationMs } : { ...exponential, maxMs: policy.maxIntervalMs },
    retriesMax: policy.maxRetries < 0 ? Infinity : policy.maxRetries,
    elapsedMaxMs: policy.policy === 'constant' ? Infinity : exponentialElapsedMs,
    when: 'dapr',
    ...(matching?.httpStatusCodes !== undefined && { httpCodes: matching.httpStatusCodes }),
    ...(matching?.gRPCStatusCodes !== undefined && { grpcCodes: matching.gRPCStatusCodes }),
  };
}

function breakerOf(policy: BreakerPolicy, { size: cacheSize, per }: BreakerUse): CountingBreakerSettings {
  return {
    kind: 'counting',
    per,
    requestsMax: Math.max(1, policy.maxRequests),
    intervalMs: policy.intervalMs,
    openMs: policy.timeoutMs,
    cacheSize,
    ...(policy.trip !== undefined && { trip: policy.trip }),
  };
}

/** What breakers of a target are for, and how many are kept. */
interface BreakerUse {
  readonly size: number;
  readonly per: CountingBreakerSettings['per'];
}

const single: BreakerUse = { size: 1, per: 'method' };
const ofScope = { type: 'target', id: 'id', both: 'both' } as const;

/** A name that no policy has is as good as none, as in Dapr; loading has warned about it. */
function settingsOf(merged: Merged, names: PolicyNames, use: BreakerUse = single): Settings {
  const timeoutMs = merged.timeoutsMs[names.timeout ?? ''];
  const retry = merged.retries[names.retry ?? ''];
  const breaker = merged.circuitBreakers[names.circuitBreaker ?? ''];
  return {
    ...(timeoutMs !== undefined && timeoutMs > 0 && { timeout: { timeoutMs } }),
    ...(retry !== undefined && { retry: retryOf(retry) }),
    ...(breaker !== undefined && { breaker: breakerOf(breaker, use) }),
  };
}

/** The class was chosen where the target names a policy; its values stand in that policy. */
function originsOf(
  settings: Settings,
  { origin, merged, names }: { readonly origin: string; readonly merged: Merged; readonly names: PolicyNames },
): PolicyRule['origins'] {
  const origins: Record<string, string> = {};
  for (const name of Object.keys(settings)) origins[name] = origin;
  const take = (group: string, policy: string | undefined, name: PolicyClass): void => {
    if (policy === undefined || settings[name] === undefined) return;
    const path = `policies.${group}.${policy}`;
    for (const [written, at] of Object.entries(merged.origins))
      // A policy that is a single value has no keys of its own: it is named as its class.
      if (written === path) origins[`${name}.${name}`] = at;
      else if (written.startsWith(`${path}.`)) origins[`${name}${written.slice(path.length)}`] = at;
  };
  take('timeouts', names.timeout, 'timeout');
  take('retries', names.retry, 'retry');
  take('circuitBreakers', names.circuitBreaker, 'breaker');
  return origins;
}

/** Which policies a target uses, and where it says so. */
interface Use {
  readonly names: PolicyNames;
  readonly breakers?: BreakerUse;
  readonly key: string;
}

/** Rules of the targets that a resource names. */
function namedRules(spec: ResiliencySpec, merged: Merged): PolicyRule[] {
  const rule = (target: RuleTarget, { names, breakers, key }: Use): PolicyRule => {
    const settings = settingsOf(merged, names, breakers);
    const origins = originsOf(settings, { origin: spec.origins[key] ?? '', merged, names });
    return { resource: `Resiliency "${spec.name}"`, target, settings, origins, rank: 'named' };
  };
  const apps = Object.entries(spec.apps).map(([app, names]) =>
    rule(
      { kind: 'app', app, at: 'caller' },
      { names, breakers: { size: names.circuitBreakerCacheSize, per: 'method' }, key: `apps.${app}` },
    ),
  );
  const actors = Object.entries(spec.actors).map(([type, names]) =>
    rule(
      { kind: 'actor', type },
      {
        names,
        breakers: { size: names.circuitBreakerCacheSize, per: ofScope[names.circuitBreakerScope ?? 'type'] },
        key: `actors.${type}`,
      },
    ),
  );
  const components = Object.entries(spec.components).flatMap(([component, use]) =>
    (['outbound', 'inbound'] as const).flatMap((direction) => {
      const names = use[direction];
      if (names === undefined) return [];
      return [rule({ kind: 'component', component, direction }, { names, key: `components.${component}` })];
    }),
  );
  return [...apps, ...actors, ...components];
}

/** Dapr's types of components by our blocks. */
const componentTypes = {
  state: 'Statestore',
  pubsub: 'Pubsub',
  bindings: 'Binding',
  secrets: 'Secretstore',
  configuration: 'Configuration',
  lock: 'Lock',
  crypto: 'Crypto',
} as const;

/** The default policy of a kind: the most special level that has one (reference 10.4). */
function defaultName(
  known: Readonly<Record<string, unknown>>,
  levels: readonly string[],
  kind: 'Timeout' | 'Retry' | 'CircuitBreaker',
): string | undefined {
  return [...levels, ''].map((level) => `Default${level}${kind}Policy`).find((name) => Object.hasOwn(known, name));
}

function defaultRule(merged: Merged, target: RuleTarget, levels: readonly string[]): PolicyRule[] {
  const [timeout, retry, circuitBreaker] = [
    defaultName(merged.timeoutsMs, levels, 'Timeout'),
    defaultName(merged.retries, levels, 'Retry'),
    defaultName(merged.circuitBreakers, levels, 'CircuitBreaker'),
  ];
  const names = {
    ...(timeout !== undefined && { timeout }),
    ...(retry !== undefined && { retry }),
    ...(circuitBreaker !== undefined && { circuitBreaker }),
  };
  const settings = settingsOf(merged, names, target.kind === 'app' ? { size: 100, per: 'method' } : { size: 5_000, per: 'target' });
  if (Object.keys(settings).length === 0) return [];
  const used = { ...(timeout && { timeout }), ...(retry && { retry }), ...(circuitBreaker && { breaker: circuitBreaker }) };
  const origins = { ...originsOf(settings, { origin: '', merged, names }), ...used };
  return [{ resource: 'Resiliency (default policies)', target, settings, origins, rank: 'default' }];
}

function defaultRules(merged: Merged): PolicyRule[] {
  const components = Object.entries(componentTypes).flatMap(([block, type]) =>
    (['outbound', 'inbound'] as const).flatMap((direction) => {
      const way = direction === 'outbound' ? 'Outbound' : 'Inbound';
      const levels = [`${type}Component${way}`, `Component${way}`, 'Component'];
      return defaultRule(merged, { kind: 'component', component: '*', direction, block }, levels);
    }),
  );
  return [
    ...defaultRule(merged, { kind: 'app', app: '*', at: 'caller' }, ['App']),
    ...defaultRule(merged, { kind: 'actor', type: '*' }, ['Actor']),
    ...components,
  ];
}

/** An override of a built-in retry keeps at least three repetitions. */
function overridden(merged: Merged, name: string, builtIn: RetrySettings): RetrySettings {
  const policy = merged.retries[name];
  if (policy === undefined) return builtIn;
  const written = retryOf(policy);
  return { ...written, when: builtIn.when, retriesMax: Math.max(3, written.retriesMax) };
}

/** Reminders repeat every failure, so that only how often and how far apart is taken from the policy, and which codes it names. */
function reminderRetries(merged: Merged): Pick<PolicyDocument['builtIn'], 'reminderRetries'> {
  const policy = merged.retries['DaprBuiltInActorReminderRetries'];
  if (policy === undefined) return {};
  const written = retryOf(policy);
  return { reminderRetries: { ...written, retriesMax: Math.max(3, written.retriesMax) } };
}

/**
 * What several Resiliency resources say together, as rules: policies of all of them share one name space, a later one wins, and targets of all of them
 * apply (Dapr reference 10.3, 10.4).
 */
export function resiliencyRules(specs: readonly ResiliencySpec[]): Pick<PolicyDocument, 'rules' | 'builtIn'> {
  const merged: Merged = {
    origins: Object.assign({}, ...specs.map(({ origins }) => origins)) as Merged['origins'],
    timeoutsMs: Object.assign(Object.create(null), ...specs.map(({ timeoutsMs }) => timeoutsMs)) as Merged['timeoutsMs'],
    retries: Object.assign(Object.create(null), ...specs.map(({ retries }) => retries)) as Merged['retries'],
    circuitBreakers: Object.assign(
      Object.create(null),
      ...specs.map(({ circuitBreakers }) => circuitBreakers),
    ) as Merged['circuitBreakers'],
  };
  return {
    rules: [...specs.flatMap((spec) => namedRules(spec, merged)), ...defaultRules(merged)],
    builtIn: {
      serviceRetries: overridden(merged, 'DaprBuiltInServiceRetries', builtInServiceRetries),
      actorRetries: overridden(merged, 'DaprBuiltInActorRetries', builtInServiceRetries),
      ...reminderRetries(merged),
    },
  };
}
