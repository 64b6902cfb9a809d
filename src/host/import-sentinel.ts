import { templateError } from '../mesh/policy/path-template.ts';

type Json = Readonly<Record<string, unknown>>;
type Spec = Record<string, unknown>;

/** What came of rules: Policy documents as plain values, and what could not be said in them. */
export interface Imported {
  readonly policies: readonly Json[];
  readonly notes: readonly string[];
}

/** Fields of each kind of rule (Sentinel 1.8.9); `key` tells it from the others. */
const kinds = {
  param: {
    key: 'paramIdx',
    fields: [
      'grade',
      'paramIdx',
      'count',
      'controlBehavior',
      'maxQueueingTimeMs',
      'burstCount',
      'durationInSec',
      'paramFlowItemList',
      'clusterMode',
      'clusterConfig',
    ],
  },
  gateway: {
    key: 'resourceMode',
    fields: ['resourceMode', 'grade', 'count', 'intervalSec', 'controlBehavior', 'burst', 'maxQueueingTimeoutMs', 'paramItem'],
  },
  degrade: { key: 'timeWindow', fields: ['grade', 'count', 'timeWindow', 'minRequestAmount', 'slowRatioThreshold', 'statIntervalMs'] },
  system: { key: 'highestSystemLoad', fields: ['highestSystemLoad', 'highestCpuUsage', 'qps', 'avgRt', 'maxThread'] },
  flow: {
    key: 'grade',
    fields: [
      'grade',
      'count',
      'strategy',
      'refResource',
      'controlBehavior',
      'warmUpPeriodSec',
      'maxQueueingTimeMs',
      'clusterMode',
      'clusterConfig',
    ],
  },
  authority: { key: 'strategy', fields: ['strategy'] },
} as const;
const common = ['id', 'resource', 'limitApp', 'regex'];

export type SentinelKind = keyof typeof kinds;

/** The kinds by name, in the order in which they are guessed. */
export const sentinelKinds = Object.keys(kinds) as SentinelKind[];

/**
 * Translates rules of Sentinel for the app `app`: a list of one kind (guessed from its fields unless given), or an object of lists by kind. What has no
 * counterpart is named in the notes and never dropped silently. Fails with an Error for what is no list of rules.
 */
export function importSentinel(rules: unknown, app: string, kind?: SentinelKind): Imported {
  const importing = new Importing(app);
  const lists: readonly (readonly [SentinelKind | undefined, unknown])[] = Array.isArray(rules)
    ? [[kind, rules]]
    : Object.entries((rules ?? {}) as Json).map(
        ([name, list]) => [sentinelKinds.includes(name as SentinelKind) ? (name as SentinelKind) : undefined, list] as const,
      );
  if (lists.length === 0) throw new Error('the file holds neither a list of rules nor lists by kind');
  for (const [given, list] of lists) {
    if (!Array.isArray(list)) throw new Error('the file holds neither a list of rules nor lists by kind');
    for (const [i, rule] of list.entries()) {
      if (typeof rule !== 'object' || rule === null || Array.isArray(rule)) throw new Error(`rule ${i + 1} is no object`);
      importing.add(rule as Json, given, list as Json[]);
    }
  }
  return importing.result();
}

class Importing {
  readonly #app: string;
  readonly #specs = new Map<string, Spec>();
  readonly #notes: string[] = [];

  constructor(app: string) {
    this.#app = app;
  }

  add(rule: Json, given: SentinelKind | undefined, siblings: readonly Json[]): void {
    const kind =
      given ??
      sentinelKinds.find((name) => kinds[name].key in rule) ??
      (Object.keys(rule).some((name) => kinds.system.fields.includes(name as never)) ? 'system' : undefined);
    const name = text(rule['resource']).trim() || (kind === 'system' ? 'the system' : 'a rule without a resource');
    if (kind === undefined) return this.#note(name, 'its kind cannot be told from its fields: give it');
    const known: readonly string[] = [...common, ...kinds[kind].fields];
    for (const field of Object.keys(rule)) if (!known.includes(field)) this.#note(name, `unknown field ${field}`);
    if (rule['regex'] === true)
      return this.#note(name, 'regular expressions over resources are not imported: write a policy with a path template');
    const wrong = invalid(rule, kind);
    if (wrong !== undefined) return this.#note(name, wrong);
    const about = { rule, name, siblings };
    if (kind === 'flow') this.#flow(about);
    else if (kind === 'degrade') this.#degrade(about);
    else if (kind === 'system') this.#system(about);
    else if (kind === 'authority') this.#authority(about);
    else if (kind === 'param') this.#param(about);
    else this.#gateway(about);
  }

  result(): Imported {
    const policies = [...this.#specs.values()].map((spec, i) => ({
      apiVersion: 'proa.dev/v1alpha1',
      kind: 'Policy',
      metadata: { name: `sentinel-${i + 1}` },
      spec,
    }));
    return { policies, notes: this.#notes };
  }

  #note(name: string, what: string): void {
    this.#notes.push(`${name}: ${what}`);
  }

  /** The policy for a resource at a side; rules of one resource come together. */
  #spec(name: string, at: 'caller' | 'callee', more: Json = {}): Spec {
    const match = { ...this.#matchOf(name), ...more };
    const key = JSON.stringify([at, match]);
    let spec = this.#specs.get(key);
    if (spec === undefined) {
      spec = { target: { app: this.#app, at }, ...(Object.keys(match).length > 0 && { match }) };
      this.#specs.set(key, spec);
    }
    return spec;
  }

  #limit(spec: Spec, limit: Json): void {
    spec['limits'] = [...((spec['limits'] as Json[] | undefined) ?? []), limit];
  }

  /** `/path` or `GET:/path`; other names are taken as a path of one segment. */
  #matchOf(name: string): Json {
    const [, method, path] = /^(?:([A-Z]+):)?(\/.*)$/.exec(name) ?? [undefined, undefined, undefined];
    if (path !== undefined && templateError(path) === undefined) return { ...(method !== undefined && { methods: [method] }), path };
    const plain = `/${encodeURIComponent(name)}`;
    this.#note(name, `the resource is no path; its policy is for the method ${plain}`);
    return { path: plain };
  }

  #flow({ rule, name, siblings }: About): void {
    const [grade, count, strategy, behaviour] = [
      number(rule['grade'], 1),
      number(rule['count'], 0),
      number(rule['strategy'], 0),
      number(rule['controlBehavior'], 0),
    ];
    const rate = rateOf(count, 1_000);
    const limit: Spec = { ...(grade === 0 ? { concurrent: Math.max(1, Math.floor(count)) } : rate) };
    if (grade === 1 && behaviour > 0 && strategy !== 1) {
      limit['mode'] = (['reject', 'warm-up', 'queue', 'warm-up-queue'] as const)[behaviour] ?? 'reject';
      if (behaviour !== 2) limit['warmUp'] = `${number(rule['warmUpPeriodSec'], 10)}s`;
      if (behaviour !== 1) limit['maxWait'] = `${Math.max(1, number(rule['maxQueueingTimeMs'], 500))}ms`;
    } else if (behaviour > 0)
      this.#note(
        name,
        `controlBehavior ${behaviour} does not go with ${grade === 0 ? 'threads' : 'a related resource'}: calls are refused`,
      );
    Object.assign(limit, this.#callersOf(rule, siblings));
    if (strategy === 1) limit['whileBusy'] = (this.#matchOf(text(rule['refResource']))['path'] as string) ?? '/**';
    if (strategy === 2) {
      limit['callers'] = [text(rule['refResource'])];
      this.#note(name, `the entrance ${text(rule['refResource'])} (strategy 2) is taken as the calling app`);
    }
    this.#cluster(rule, name, limit);
    this.#limit(this.#spec(name, 'callee'), limit);
  }

  #callersOf(rule: Json, siblings: readonly Json[]): Json {
    const origin = text(rule['limitApp']) || 'default';
    if (origin === 'default') return {};
    if (origin !== 'other') return { callers: origin.split(',').map((each) => each.trim()) };
    const named = siblings.filter(({ resource }) => resource === rule['resource']).flatMap(({ limitApp }) => text(limitApp).split(','));
    return { exceptCallers: [...new Set(named.map((each) => each.trim()))].filter((each) => !['', 'default', 'other'].includes(each)) };
  }

  /** A threshold of the whole cluster becomes a shared quota, where the limit is a plain rate. */
  #cluster(rule: Json, name: string, limit: Spec): void {
    if (rule['clusterMode'] !== true) return;
    const config = (rule['clusterConfig'] ?? {}) as Json;
    if (number(config['thresholdType'], 0) !== 1)
      return this.#note(name, 'clusterMode with an average threshold is the same as a limit per runtime');
    const plain =
      limit['requests'] !== undefined && limit['mode'] === undefined && limit['by'] === undefined && limit['whileBusy'] === undefined;
    if (plain) limit['quota'] = `sentinel-${text(config['flowId']) || name}`;
    else this.#note(name, 'the threshold of the whole cluster (clusterMode) is counted per runtime: divide it by their number');
  }

  #degrade({ rule, name }: About): void {
    const [grade, count] = [number(rule['grade'], 0), number(rule['count'], 0)];
    const spec = this.#spec(name, 'caller');
    if (spec['breaker'] !== undefined) this.#note(name, 'there is more than one degrade rule: their conditions are put into one breaker');
    const before = (spec['breaker'] ?? { per: 'target', consecutive: 0 }) as Spec;
    const condition =
      grade === 0
        ? { slowRatio: number(rule['slowRatioThreshold'], 1), slow: `${Math.max(1, count)}ms` }
        : grade === 1
          ? { errorRatio: Math.min(1, count) }
          : { consecutive: Math.max(1, Math.floor(count)) };
    if (grade === 2) this.#note(name, 'a count of exceptions becomes a count of failures in a row');
    const openS = Math.max(1, number(rule['timeWindow'], 1));
    spec['breaker'] = {
      ...before,
      ...condition,
      minRequests: Math.max(1, number(rule['minRequestAmount'], 5)),
      window: `${Math.max(10, number(rule['statIntervalMs'], 1_000))}ms`,
      open: `${openS}s`,
      maxOpen: `${openS}s`,
      ramp: '1s',
    };
  }

  #system({ rule }: About): void {
    const limits: Spec = {};
    const set = (field: string, put: (value: number) => void): void => {
      const value = number(rule[field], -1);
      if (value >= 0) put(value);
    };
    set('highestCpuUsage', (value) => (limits['maxUtilisation'] = Math.min(1, Math.max(0.01, value))));
    set('qps', (value) => (limits['maxRequests'] = Math.max(1, Math.floor(value))));
    set('avgRt', (value) => (limits['maxAverage'] = `${Math.max(1, value)}ms`));
    set('maxThread', (value) => (limits['maxConcurrent'] = Math.max(1, Math.floor(value))));
    set('highestSystemLoad', () => this.#note('the system', 'highestSystemLoad has no counterpart: use maxUtilisation of the event loop'));
    if (Object.keys(limits).length === 0) return;
    const key = 'system';
    const spec = this.#specs.get(key) ?? { target: { app: this.#app, at: 'callee' } };
    spec['system'] = { ...(spec['system'] as Json | undefined), ...limits };
    this.#specs.set(key, spec);
  }

  #authority({ rule, name }: About): void {
    const callers = text(rule['limitApp'])
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '');
    const white = number(rule['strategy'], 0) === 0;
    this.#spec(name, 'callee', { callers })['authorise'] = { action: white ? 'allow' : 'deny' };
    if (!white) this.#spec(name, 'callee')['authorise'] ??= { action: 'allow' };
    this.#note(name, 'as soon as one policy of an app sets authorise, its other methods need policies that allow them, too');
  }

  #param({ rule, name }: About): void {
    const index = number(rule['paramIdx'], 0);
    const periodMs = number(rule['durationInSec'], 1) * 1_000;
    const grade = number(rule['grade'], 1);
    const limit: Spec = {
      ...(grade === 0 ? { concurrent: Math.max(1, number(rule['count'], 1)) } : rateOf(number(rule['count'], 0), periodMs)),
      by: { query: `arg${index}` },
    };
    if (grade === 1 && number(rule['controlBehavior'], 0) === 2)
      Object.assign(limit, { mode: 'queue', maxWait: `${Math.max(1, number(rule['maxQueueingTimeMs'], 0))}ms` });
    if (number(rule['burstCount'], 0) > 0)
      this.#note(name, `burstCount ${number(rule['burstCount'], 0)} has no counterpart: raise requests`);
    const items = (rule['paramFlowItemList'] ?? []) as Json[];
    if (items.length > 0) limit['items'] = items.map(({ object, count }) => ({ value: text(object), limit: Math.floor(number(count, 0)) }));
    this.#note(
      name,
      `argument ${index} has no name: put the header, cookie or query parameter that carries it in place of \`query: arg${index}\``,
    );
    this.#cluster(rule, name, limit);
    this.#limit(this.#spec(name, 'callee'), limit);
  }

  #gateway({ rule, name }: About): void {
    if (number(rule['resourceMode'], 0) === 1)
      this.#note(name, 'API groups (resourceMode 1) are not imported: the name is taken as a path');
    const [grade, periodMs] = [number(rule['grade'], 1), number(rule['intervalSec'], 1) * 1_000];
    const limit: Spec = {
      ...(grade === 0 ? { concurrent: Math.max(1, number(rule['count'], 1)) } : rateOf(number(rule['count'], 0), periodMs)),
    };
    if (grade === 1 && number(rule['controlBehavior'], 0) === 2)
      Object.assign(limit, { mode: 'queue', maxWait: `${Math.max(1, number(rule['maxQueueingTimeoutMs'], 500))}ms` });
    if (number(rule['burst'], 0) > 0) this.#note(name, `burst ${number(rule['burst'], 0)} has no counterpart: raise requests`);
    const item = rule['paramItem'] as Json | undefined;
    this.#limit(this.#spec(name, 'callee', item === undefined ? {} : this.#patternOf(item, name)), {
      ...limit,
      ...(item !== undefined && this.#keyOf(item, name)),
    });
  }

  #keyOf(item: Json, name: string): Json {
    const field = text(item['fieldName']);
    switch (number(item['parseStrategy'], 0)) {
      case 1:
        return { by: { header: 'host' } };
      case 2:
        return { by: { header: field } };
      case 3:
        return { by: { query: field } };
      case 4:
        return { by: { cookie: field } };
      default:
        this.#note(name, 'client addresses are not seen behind a runtime: calls are counted per calling app');
        return { by: { caller: true } };
    }
  }

  /** A pattern narrows the calls; only headers and cookies can be matched, exactly or by prefix. */
  #patternOf(item: Json, name: string): Json {
    const pattern = text(item['pattern']);
    if (pattern === '') return {};
    const [parse, how] = [number(item['parseStrategy'], 0), number(item['matchStrategy'], 0)];
    const list = parse === 2 ? 'headers' : parse === 4 ? 'cookies' : undefined;
    if (list !== undefined && how <= 1) return { [list]: [{ name: text(item['fieldName']), [how === 0 ? 'exact' : 'prefix']: pattern }] };
    this.#note(name, `the pattern "${pattern}" (matchStrategy ${how}) has no counterpart: all values are limited`);
    return {};
  }
}

/** Why Sentinel takes no such rule: a count that stands for nothing would be a limit of 0 here. */
function invalid(rule: Json, kind: SentinelKind): string | undefined {
  if (kind === 'system') return undefined;
  if (text(rule['resource']).trim() === '') return `its kind is ${kind}: it is left out`;
  if (kind === 'authority' || number(rule['count'], -1) >= 0) return undefined;
  const count = rule['count'];
  return `its count ${count === undefined ? 'is missing' : `is ${JSON.stringify(count)}, and no number from 0`}: it is left out`;
}

interface About {
  readonly rule: Json;
  readonly name: string;
  readonly siblings: readonly Json[];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

function number(value: unknown, fallback: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : fallback;
}

/** A rate in whole calls: half a call per second is one in two. */
function rateOf(count: number, periodMs: number): Json {
  if (count <= 0) return { requests: 0 };
  if (Number.isInteger(count)) return { requests: count, ...(periodMs !== 1_000 && { per: `${periodMs}ms` }) };
  const requests = Math.max(1, Math.floor(count));
  return { requests, per: `${Math.round((requests / count) * periodMs)}ms` };
}
