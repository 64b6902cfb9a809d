import { describe, expect, it } from 'vitest';
import { createCall } from '../../kernel/call.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import { fixedComponents, type Component } from '../../contracts/component-set.ts';
import type { Target } from '../../contracts/governance.ts';
import { noMetrics } from '../../contracts/metrics.ts';
import type { SecretScope } from '../../contracts/resources.ts';
import type { SecretStore } from '../../contracts/secrets.ts';
import { recordingLogger, testPorts } from '../../testing/driver-context.ts';
import { createSecretsBlock } from './index.ts';

const values: Record<string, string> = { alpha: 'canary-1', beta: 'canary-2', gamma: 'canary-3' };

function store(name: string, driver: Partial<SecretStore> = {}): Component<'secretstores'> {
  const all: SecretStore = {
    capabilities: [],
    get: async (secret) => (values[secret] === undefined ? undefined : { [secret]: values[secret] }),
    bulkGet: async () => Object.fromEntries(Object.entries(values).map(([secret, value]) => [secret, { [secret]: value }])),
    close: async () => {},
    ...driver,
  };
  return {
    name,
    type: 'secretstores.test',
    version: 'v1',
    properties: {},
    definition: {} as Component<'secretstores'>['definition'],
    driver: all,
  };
}

function rig(stores: Component<'secretstores'>[], scopes: SecretScope[] = []) {
  const lines: string[] = [];
  const targets: Target[] = [];
  const context: BlockContext = {
    ports: testPorts(),
    log: recordingLogger(lines),
    metrics: noMetrics,
    appId: 'app',
    namespace: 'default',
    govern: (target, service) => {
      targets.push(target);
      return service;
    },
  };
  const block = createSecretsBlock(context, { stores: fixedComponents(stores), scopes: () => scopes });
  const operation = { block: 'secrets', name: 'get', idempotent: true };
  return {
    lines,
    targets,
    get: (name: string, from = 'vault') => block.get(createCall(operation, { store: from, name, metadata: {} })),
    bulk: (from = 'vault') => block.bulkGet(createCall(operation, { store: from, metadata: {} })),
  };
}

const scope = (changes: Partial<SecretScope>): SecretScope => ({
  store: 'vault',
  defaultAccess: 'allow',
  allowed: [],
  denied: [],
  ...changes,
});

describe('secret scopes', () => {
  const cases: [string, SecretScope[], string[]][] = [
    ['no scope allows all', [], ['alpha', 'beta', 'gamma']],
    ['the scope of another store does not count', [scope({ store: 'other', defaultAccess: 'deny' })], ['alpha', 'beta', 'gamma']],
    ['the default denies', [scope({ defaultAccess: 'deny' })], []],
    ['a deny list takes from the default', [scope({ denied: ['beta'] })], ['alpha', 'gamma']],
    ['an allow list decides alone', [scope({ allowed: ['beta'], denied: ['beta'], defaultAccess: 'deny' })], ['beta']],
    ['an allow list beats the default too', [scope({ allowed: ['alpha'] })], ['alpha']],
  ];
  it.each(cases)('%s', async (_name, scopes, readable) => {
    const { get, bulk, lines } = rig([store('vault')], scopes);
    for (const name of Object.keys(values)) {
      if (readable.includes(name)) expect(await get(name)).toEqual({ [name]: values[name] });
      else
        await expect(get(name)).rejects.toMatchObject({
          code: 'secrets.denied',
          message: `access denied by policy to get "${name}" from "vault"`,
        });
    }
    expect(Object.keys(await bulk())).toEqual(readable);
    expect(lines).toHaveLength(2 * (3 - readable.length));
    expect(lines.join()).not.toContain('canary');
  });

  it('are asked before the store, so that a denied name does not reveal whether it exists', async () => {
    const { get } = rig([store('vault', { get: () => Promise.reject(new Error('asked')) })], [scope({ defaultAccess: 'deny' })]);
    await expect(get('nothing')).rejects.toMatchObject({ code: 'secrets.denied' });
  });
});

describe('secrets block', () => {
  it('tells no store at all (500) from an unknown one (401)', async () => {
    await expect(rig([]).get('a')).rejects.toMatchObject({ code: 'secrets.not-configured', message: 'secret store is not configured' });
    const unknown = rig([store('vault')]).bulk('nope');
    await expect(unknown).rejects.toMatchObject({ code: 'secrets.not-found', message: 'failed finding secret store with key nope' });
  });

  it('says that a secret is not there, as daprd does: an error, or an empty value where the store says so', async () => {
    await expect(rig([store('vault')]).get('nothing')).rejects.toMatchObject({
      code: 'secrets.get',
      message: 'failed getting secret with key nothing from secret store vault: secret nothing not found',
    });
    expect(await rig([store('vault', { absentIsEmpty: true })]).get('nothing')).toEqual({ nothing: '' });
  });

  it('wraps failures of the store', async () => {
    const broken = rig([
      store('vault', { get: () => Promise.reject(new Error('sealed')), bulkGet: () => Promise.reject(new Error('sealed')) }),
    ]);
    await expect(broken.get('a')).rejects.toMatchObject({
      code: 'secrets.get',
      message: 'failed getting secret with key a from secret store vault: sealed',
    });
    await expect(broken.bulk()).rejects.toMatchObject({
      code: 'secrets.get',
      message: 'failed getting secrets from secret store vault: sealed',
    });
  });

  it('compiles one stack per store and operation', async () => {
    const { get, bulk, targets } = rig([store('vault')]);
    await get('alpha');
    await get('beta');
    await bulk();
    expect(targets.map((target) => [target.name, target.operation, target.direction, target.componentType])).toEqual([
      ['vault', 'get', 'outbound', 'secretstores.test'],
      ['vault', 'bulk_get', 'outbound', 'secretstores.test'],
    ]);
  });
});
