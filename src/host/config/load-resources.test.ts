import { createSecret, reveal } from '../../kernel/secret.ts';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { defineDriver, type DriverDefinition } from '../../contracts/driver.ts';
import { durationMs, oneOf, secretText, text, wholeNumber } from '../../kernel/schema.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import type { DriverIndex } from './check-component.ts';
import { loadResources, type LoadOptions } from './load-resources.ts';
import { problemsToError, problemToJson, renderProblem } from './problem.ts';
import { openingOrder, resolveComponent } from './resolve-component.ts';

const never = (): never => {
  throw new Error('not opened in these tests');
};
const fake = (kind: 'state' | 'secretstores' | 'pubsub', type: string): DriverDefinition =>
  defineDriver({
    kind,
    types: [type],
    versions: ['v1'],
    status: 'stable',
    capabilities: [],
    config: v.strictObject({
      redisHost: text(),
      redisPassword: v.optional(secretText()),
      maxRetries: v.optional(wholeNumber(0, 10)),
      timeout: v.optional(durationMs(), '3s'),
      mode: v.optional(oneOf('single', 'cluster')),
      redisToken: v.optional(v.pipe(secretText(), v.minLength(20, 'is too short'))),
    }),
    open: never,
  }) as DriverDefinition;
const simple = (kind: 'state' | 'secretstores' | 'pubsub', type: string): DriverDefinition =>
  defineDriver({
    kind,
    types: [type],
    versions: ['v1'],
    status: 'stable',
    capabilities: [],
    config: v.strictObject({}),
    open: never,
  }) as DriverDefinition;

const drivers: DriverIndex = {
  'state.redis': { kind: 'state', load: async () => fake('state', 'state.redis') },
  'state.proa': { kind: 'state', load: async () => simple('state', 'state.proa') },
  'pubsub.proa': { kind: 'pubsub', load: async () => simple('pubsub', 'pubsub.proa') },
  'secretstores.local.env': { kind: 'secretstores', load: async () => simple('secretstores', 'secretstores.local.env') },
};

const load = (files: Record<string, string>, more: Partial<LoadOptions> = {}) =>
  loadResources({ disk: createMemoryDisk(files), paths: ['/r'], appId: 'orders', drivers, ...more });

const component = (name: string, metadata: string, more = ''): string => `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: ${name} }
spec:
  type: state.redis
  version: v1
  metadata:
${metadata}
${more}`;
const host = '  - { name: redisHost, value: "localhost:6379" }\n';

describe('loading resources', () => {
  it('reads several documents and folders, filters by scope and namespace, and keeps texts as written', async () => {
    const loaded = await load(
      {
        '/r/a.yaml': `${component('one', `${host}  - { name: maxRetries, value: 010 }\n`)}\n---\n${component('other', host, 'scopes: [billing]')}`,
        '/r/b.yml': component('two', host).replace('name: two', 'name: two, namespace: prod'),
        '/r/c.json': 'not read',
        '/s/d.yaml': component('three', host).replace('name: three', 'name: three, namespace: test'),
      },
      { paths: ['/r', '/s'], namespace: 'prod' },
    );
    expect(loaded.problems).toEqual([]);
    expect(loaded.components.map(({ name }) => name)).toEqual(['one', 'two']);
    expect(loaded.components[0]?.properties[1]?.source).toEqual({ from: 'literal', value: '010' });
    expect(loaded.components[0]?.origin).toBe('/r/a.yaml:3');
  });

  it('reports every problem at once, with place, caret and a guess', async () => {
    const { problems, components } = await load({
      '/r/a.yaml': component('one', '  - { name: redisHots, value: x }\n  - { name: maxRetries, value: lots }\n').replace(
        '  version:',
        '  versoin:',
      ),
      '/r/b.yaml': component(
        'two',
        '  - { name: redisHots, value: x }\n  - { name: maxretries, value: "11" }\n  - { name: mode, value: singel }\n',
      ),
      '/r/c.yaml': 'apiVersion: dapr.io/v1alpha1\nkind: Componnet\nmetadata: {name: x}\n',
      '/r/d.yaml': 'a: [1\n',
      '/r/e.yaml': component('three', host).replace('state.redis', 'state.rediss'),
      '/r/f.yaml': component('three', host),
    });
    expect(components).toEqual([]);
    const texts = problems.map(renderProblem);
    expect(texts.find((rendered) => rendered.includes('versoin'))).toBe(
      [
        'error[config.unknown-key]: spec: unknown key `versoin`',
        '  ┌─ /r/a.yaml:6:3',
        '6 │   versoin: v1',
        '  │   ^^^^^^^',
        '  = known keys: type, version, ignoreErrors, initTimeout, metadata',
        '  help: did you mean `version`?',
        '  docs: proa explain config.unknown-key',
      ].join('\n'),
    );
    const all = texts.join('\n');
    expect(all).toContain('did you mean `redisHost`?');
    expect(all).toContain('metadata property `redisHost` of state.redis is missing');
    expect(all).toContain('`maxretries` must be at most 10');
    expect(all).toContain('`mode` must be one of single, cluster');
    expect(all).toContain('did you mean `Component`?');
    expect(all).toContain('did you mean `state.redis`?');
    expect(all).toMatch(/config\.yaml.*\n.*d\.yaml/);
    expect(all).toContain('there is another Component named "three"');
    expect(problemToJson(problems[0]!)).toMatchObject({ severity: 'error', file: '/r/a.yaml', line: 6, column: 3 });
    expect(problemsToError(problems)?.code).toBe('config.invalid');
  });

  it('names the first token that does not fit and not those behind it, and says what braces in braces need', async () => {
    const policy = (match: string): string =>
      `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\nspec:\n  target: { app: orders }\n  match: ${match}\n  deadline: 3s\n  retry: { maxRetries: 2 }\n`;
    const { problems } = await load({ '/r/p.yaml': policy('{ methods: [GET], path: /items/{id} }') });
    expect(problems.map(problemToJson)).toEqual([
      expect.objectContaining({ code: 'config.yaml', line: 6, column: 41, help: expect.stringContaining("'/items/{id}'") as unknown }),
    ]);
    expect(
      (await load({ '/r/p.yaml': policy("{ methods: [GET], path: '/items/{id}' }") })).problems.filter(
        ({ severity }) => severity === 'error',
      ),
    ).toEqual([]);
    // Keys that stand twice have nothing to do with each other.
    expect((await load({ '/r/p.yaml': 'a: 1\na: 2\nb: 1\nb: 2\n' })).problems).toHaveLength(2);
  });

  it('never prints the value of a sensitive property', async () => {
    const { problems } = await load({ '/r/a.yaml': component('one', `${host}  - { name: redisToken, value: hunter2 }\n`) });
    expect(problems).toHaveLength(1);
    expect(renderProblem(problems[0]!)).toContain('/r/a.yaml:9');
    expect(renderProblem(problems[0]!)).not.toContain('hunter2');
  });

  it('turns errors of a component with ignoreErrors into warnings and leaves it out', async () => {
    const { problems, components } = await load({
      '/r/a.yaml': component('one', '  - { name: nope, value: x }\n').replace('version: v1', 'ignoreErrors: true'),
    });
    expect(problems.every(({ severity }) => severity === 'warning')).toBe(true);
    expect(components).toEqual([]);
  });

  it('refuses hostile YAML: alias bombs, tags, merge keys, depth, size, bad UTF-8', async () => {
    const bomb = [
      'a: &a [x, x]',
      ...'bcdefghijk'.split('').map((name, index) => `${name}: &${name} [*${'abcdefghij'[index]}, *${'abcdefghij'[index]}]`),
    ].join('\n');
    const { problems } = await load({
      '/r/bomb.yaml': bomb,
      '/r/deep.yaml': `${'['.repeat(200)}${']'.repeat(200)}`,
      '/r/large.yaml': `# ${'x'.repeat(1024 * 1024)}`,
      '/r/merge.yaml': 'x: &x {a: 1}\ny: { <<: *x }\n',
      '/r/tag.yaml': 'x: !!js/function "evil"\n',
    });
    const all = problems.filter(({ severity }) => severity === 'error').map(({ message }) => message);
    expect(all).toEqual([
      'more than 100 aliases',
      'nested more than 64 levels deep',
      'merge keys (<<) are not supported',
      'tags are not supported',
      '/r/large.yaml is larger than 1 MiB',
    ]);
  });

  it('says so when a folder is missing, an unsupported kind is there, or a foreign resource', async () => {
    const { problems } = await load(
      { '/r/a.yaml': 'apiVersion: dapr.io/v1alpha1\nkind: MCPServer\n---\napiVersion: apps/v1\nkind: Deployment\n' },
      { paths: ['/r', '/gone'] },
    );
    expect(problems.map(({ severity, code }) => [severity, code])).toEqual([
      ['warning', 'config.not-supported'],
      ['warning', 'config.ignored'],
      ['error', 'config.file'],
    ]);
  });

  it('adds embedded components as asked, and never beside a kind or name that files define', async () => {
    const empty = createMemoryDisk({ '/r/x.yaml': '' });
    const names = async (defaults: 'never' | 'when-empty' | 'missing-kinds', disk = empty) =>
      (await loadResources({ disk, paths: ['/r'], appId: 'orders', drivers, defaults })).components.map(({ name }) => name);
    expect(await names('never')).toEqual([]);
    expect(await names('when-empty')).toEqual(['statestore', 'pubsub', 'secretstore']);
    const own = createMemoryDisk({ '/r/x.yaml': component('mine', host) });
    expect(await names('when-empty', own)).toEqual(['mine']);
    expect(await names('missing-kinds', own)).toEqual(['mine', 'pubsub', 'secretstore']);
    const scoped = createMemoryDisk({ '/r/x.yaml': component('pubsub', host, 'scopes: [other]') });
    expect(await names('missing-kinds', scoped)).toEqual(['secretstore']);
  });
});

describe('other kinds', () => {
  it('reads subscriptions of both versions, endpoints and resiliency', async () => {
    const loaded = await load({
      '/r/a.yaml': `
apiVersion: dapr.io/v1alpha1
kind: Subscription
metadata: { name: s1 }
spec: { pubsubname: p, topic: t, route: /x, deadLetterTopic: dead, bulkSubscribe: { enabled: true } }
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: { name: s2 }
spec: { pubsubname: p, topic: t2, routes: { rules: [{ match: event.type == "a", path: /a }], default: /d } }
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: { name: s3 }
spec: { pubsubname: p, topic: t2, route: /x }
---
apiVersion: dapr.io/v1alpha1
kind: HTTPEndpoint
metadata: { name: github }
spec: { baseUrl: "https://api.github.com", headers: [{ name: accept, value: "*/*" }] }
---
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: { name: r }
spec:
  policies:
    timeouts: { fast: 500ms }
    retries: { some: { policy: exponential, maxRetries: 3, matching: { httpStatusCodes: "429,500-599" } } }
    circuitBreakers: { cb: { trip: consecutiveFailures > 3 } }
  targets:
    apps: { billing: { timeout: fast, retry: smoe, circuitBreaker: cb } }
`,
    });
    expect(loaded.subscriptions.map(({ spec }) => spec)).toEqual([
      {
        pubsub: 'p',
        topic: 't',
        metadata: {},
        rules: [],
        defaultPath: '/x',
        deadLetterTopic: 'dead',
        bulk: { maxMessages: 100, maxAwaitMs: 1000 },
        kind: 'DECLARATIVE',
      },
      {
        pubsub: 'p',
        topic: 't2',
        metadata: {},
        rules: [{ match: 'event.type == "a"', path: '/a' }],
        defaultPath: '/d',
        kind: 'DECLARATIVE',
      },
    ]);
    expect(loaded.httpEndpoints[0]).toMatchObject({ name: 'github', baseUrl: 'https://api.github.com' });
    expect(loaded.resiliencies[0]).toMatchObject({ timeoutsMs: { fast: 500 }, retries: { some: { durationMs: 5000, maxRetries: 3 } } });
    expect(loaded.problems.map(({ severity, message }) => `${severity}: ${message}`)).toEqual([
      'error: spec: `routes` is missing',
      'error: spec: unknown key `route`',
      'warning: spec.targets.apps.billing: there is no retry policy "smoe"',
    ]);
  });

  it('overlays configurations, knows where each value came from, and applies none that was not asked for', async () => {
    const base = `
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: { name: base }
spec:
  tracing: { samplingRate: "1", otel: { endpointAddress: "localhost:4317", isSecure: false, protocol: grpc } }
  features: [{ name: HotReload, enabled: false }]
  secrets: { scopes: [{ storeName: s, defaultAccess: deny, allowedSecrets: [a] }] }
  accessControl: { policies: [{ appId: a, trustDomain: public, namespace: default, operations: [{ name: /x, httpVerb: [post], action: allow }] }] }
`;
    const over = base
      .replace(/spec:[^]*/, 'spec: { tracing: { samplingRate: 0.5 }, features: [{ name: X, enabled: true }] }')
      .replace('name: base', 'name: over');
    const files = { '/c/base.yaml': base, '/c/over.yaml': over, '/r/x.yaml': base.replace('name: base', 'name: stray') };
    const loaded = await load(files, { configPaths: ['/c/base.yaml', '/c/over.yaml'] });
    const { configuration } = loaded;
    expect(configuration.tracing).toMatchObject({ samplingRate: 0.5, otel: { endpointAddress: 'localhost:4317' } });
    expect(configuration.features).toEqual({ HotReload: true, WorkflowsRemoteActivityReminder: true, X: true });
    expect(configuration.secretScopes).toEqual([{ store: 's', defaultAccess: 'deny', allowed: ['a'], denied: [] }]);
    expect(configuration.accessControl).toMatchObject({
      defaultAction: 'deny',
      trustDomain: 'public',
      policies: [{ operations: [{ httpVerbs: ['POST'] }] }],
    });
    expect(configuration.origins.get('spec.tracing.samplingRate')).toBe('/c/over.yaml:5');
    expect(configuration.origins.get('spec.tracing.otel.isSecure')).toBe('/c/base.yaml:6');
    expect(loaded.problems.map(({ message }) => message)).toEqual(['Configuration "stray" is not applied']);
    expect((await load(files, { configPaths: ['stray'] })).configuration.name).toBe('stray');
    expect((await load(files, { configPaths: ['/c/none.yaml'] })).problems.at(-1)?.message).toBe('/c/none.yaml does not exist');
  });

  it('denies component types that the configuration forbids', async () => {
    const config =
      'apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec: { components: { deny: [state.redis] } }\n';
    const { problems } = await load({ '/r/a.yaml': component('one', host), '/c.yaml': config }, { configPaths: ['/c.yaml'] });
    expect(problems.map(({ code }) => code)).toEqual(['config.denied-type']);
  });
});

describe('patterns of paths in metrics', () => {
  it('are refused where they hold something else than variables', async () => {
    const config =
      'apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec: { metrics: { http: { pathMatching: ["/a/{b-c}"] } } }\n';
    const { problems } = await load({ '/r/a.yaml': component('one', host), '/c.yaml': config }, { configPaths: ['/c.yaml'] });
    expect(problems.map(({ severity, message }) => `${severity}: ${message}`)).toEqual([
      'error: spec.metrics.http.pathMatching[0] is no pattern of paths: "{b-c}" is no variable: write {name}, of letters, digits and _, as a whole segment',
    ]);
  });
});

describe('resolving components', () => {
  const context = (env: Record<string, string>, warnings: string[] = []) => {
    let uuids = 0;
    return {
      appId: 'orders',
      namespace: 'prod',
      env: (name: string) => env[name],
      uuid: () => `u${++uuids}`,
      secret: async (store: string, name: string, key: string) => (name === 'gone' ? undefined : createSecret(`${store}/${name}/${key}`)),
      warn: (message: string) => void warnings.push(message),
    };
  };
  const vault = 'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: vault }\nspec: { type: secretstores.local.env }\n';

  it('fills references, templates and types, matching names without regard to case', async () => {
    const metadata = [
      '  - { name: REDISHOST, value: "{appID}.{namespace}-{uuid}-{uuid}-{podName}" }',
      '  - { name: redisPassword, secretKeyRef: { name: pw } }',
      '  - { name: keyPrefix, envRef: PREFIX }',
      '  - { name: outboxPubsub, envRef: DAPR_API_TOKEN }',
      '  - { name: timeout, value: 1m }',
    ].join('\n');
    const loaded = await load({ '/r/a.yaml': component('one', metadata, 'auth: { secretStore: vault }'), '/r/b.yaml': vault });
    expect(loaded.problems).toEqual([]);
    const warnings: string[] = [];
    const env = { POD_NAME: 'pod', PREFIX: 'pre', DAPR_API_TOKEN: 'secret' };
    const resolved = await resolveComponent(loaded.components[0]!, fake('state', 'state.redis'), context(env, warnings));
    expect(resolved.config).toEqual({ redisHost: 'orders.prod.orders-u1-u2-pod', redisPassword: 'vault/pw/pw', timeout: 60_000 });
    // Whoever prints it learns nothing of what did not stand in the YAML.
    expect(JSON.parse(JSON.stringify(resolved.properties))).toMatchObject({ redisPassword: '***', keyPrefix: '***', timeout: '1m' });
    const revealed = Object.fromEntries(Object.entries(resolved.properties).map(([name, value]) => [name, reveal(value)]));
    expect(revealed).toMatchObject({ redisPassword: 'vault/pw/pw', keyPrefix: 'pre', outboxPubsub: '' });
    expect(warnings).toHaveLength(1);
    const limited = await resolveComponent(
      loaded.components[0]!,
      fake('state', 'state.redis'),
      context({ ...env, DAPR_ENV_KEYS: 'OTHER' }),
    );
    expect(reveal(limited.properties['keyPrefix'] ?? 'none')).toBe('');
    await expect(resolveComponent(loaded.components[0]!, fake('state', 'state.redis'), context({}))).rejects.toThrow('POD_NAME is not set');
  });

  it('names what is wrong with secrets before and while it resolves them', async () => {
    const without = await load({ '/r/a.yaml': component('one', '  - { name: redisHost, secretKeyRef: { name: gone } }\n') });
    expect(without.problems.map(({ message }) => message)).toEqual(['component "one" refers to secret "gone", but names no secret store']);
    const misnamed = await load({
      '/r/a.yaml': component('one', '  - { name: redisHost, secretKeyRef: { name: gone } }\n', 'auth: { secretStore: volt }'),
      '/r/b.yaml': vault,
    });
    expect(misnamed.problems[0]).toMatchObject({ code: 'config.secret', help: 'add `auth: { secretStore: vault }`' });
    const sound = await load({
      '/r/a.yaml': component('one', '  - { name: redisHost, secretKeyRef: { name: gone } }\n', 'auth: { secretStore: vault }'),
      '/r/b.yaml': vault,
    });
    expect(openingOrder(sound.components).map(({ name }) => name)).toEqual(['vault', 'one']);
    await expect(resolveComponent(sound.components[0]!, fake('state', 'state.redis'), context({}))).rejects.toMatchObject({
      code: 'component.init-failed',
    });
  });
});

describe('buckets of the latencies of workflows', () => {
  const loaded = (workflow: string): ReturnType<typeof load> => {
    const config = `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec: { metrics: { workflow: ${workflow} } }\n`;
    return load({ '/r/a.yaml': component('one', host), '/c.yaml': config }, { configPaths: ['/c.yaml'] });
  };

  it('are milliseconds, or as many of the duration that is their unit', async () => {
    const seconds = await loaded('{ latencyDistributionBuckets: [1, 30], latencyDistributionUnits: 1s }');
    expect(seconds.problems).toEqual([]);
    expect(seconds.configuration.metrics.workflowLatencyBuckets).toEqual([1_000, 30_000]);
    const plain = await loaded('{ latencyDistributionBuckets: [5, 10] }');
    expect(plain.configuration.metrics).toMatchObject({ workflowLatencyBuckets: [5, 10] });
    expect(plain.configuration.metrics.latencyBuckets).toBeUndefined();
  });

  it('have no unit of nothing', async () => {
    const { problems } = await loaded('{ latencyDistributionBuckets: [5], latencyDistributionUnits: 0s }');
    expect(problems.map(({ message }) => message)).toEqual(['spec.metrics.workflow.latencyDistributionUnits must be longer than nothing']);
  });
});

describe('files', () => {
  it('reports a file that the system cannot even look at, such as a link to itself, and reads the others', async () => {
    const disk = createMemoryDisk({ '/r/a.yaml': 'x', '/r/b.yaml': 'apiVersion: dapr.io/v1alpha1\nkind: Nothing\n' });
    const loop = Object.assign(new Error('too many symbolic links'), { code: 'ELOOP' });
    const stat = (path: string) => (path === '/r/a.yaml' ? Promise.reject(loop) : disk.stat(path));
    const { problems } = await loadResources({ disk: { ...disk, stat }, paths: ['/r'], appId: 'orders', drivers });
    expect(problems.map(({ message }) => message).toSorted()).toEqual(['/r/a.yaml too many symbolic links', 'unknown kind Nothing']);
  });
});

describe('how long finished workflows are kept', () => {
  const loaded = (workflow: string): ReturnType<typeof load> => {
    const config = `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec: { workflow: ${workflow} }\n`;
    return load({ '/r/a.yaml': component('one', host), '/c.yaml': config }, { configPaths: ['/c.yaml'] });
  };

  it('is said in general and by the name of the workflow', async () => {
    const { problems, configuration } = await loaded(
      '{ stateRetentionPolicy: { completed: 168h, failed: 720h }, workflowRetentionPolicies: [{ name: audit, anyTerminal: 1h }, { name: pay, terminated: 2s }] }',
    );
    expect(problems).toEqual([]);
    const names = new Map([
      ['audit', { anyTerminalMs: 3_600_000 }],
      ['pay', { terminatedMs: 2_000 }],
    ]);
    expect(configuration.workflow.retention).toEqual({ completedMs: 604_800_000, failedMs: 2_592_000_000, names });
  });

  it('is for ever where nothing is said, and a policy without a name is none', async () => {
    expect((await loaded('{}')).configuration.workflow.retention).toEqual({ names: new Map() });
    const { problems } = await loaded('{ workflowRetentionPolicies: [{ completed: 1h }] }');
    expect(problems.map(({ message }) => message)).toEqual(['spec.workflow.workflowRetentionPolicies[0]: `name` is missing']);
  });
});
