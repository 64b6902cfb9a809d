import { describe, expect, it } from 'vitest';
import { nodePorts } from '../ports/node/index.ts';
import { createMemoryDisk } from '../testing/memory-disk.ts';
import { explainCall, explainComponentOf } from './explain.ts';

const yaml = [
  'apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: { name: shop }\nscopes: [web]\nspec: { policies: { retries: { r: { maxRetries: 2 } } }, targets: { apps: { orders: { retry: r } } } }\n',
  'apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: pay }\nspec: { target: { app: orders }, match: { path: "/pay/{id}", methods: [POST] }, timeout: 2s }\n',
  'apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: own }\nspec: { target: { app: orders, at: callee }, match: { callers: [web] }, authorise: { action: allow } }\n',
].join('---\n');

const explain = (caller: string, path: string) =>
  explainCall({
    ports: { ...nodePorts(), disk: createMemoryDisk({ '/r/all.yaml': yaml }) },
    paths: ['/r'],
    configPaths: [],
    namespace: '',
    caller,
    app: 'orders',
    httpMethod: 'POST',
    path,
    headers: [],
  });

describe('the explanation of a call', () => {
  it('tells each layer of both sides with its parameters and where they were written', async () => {
    const { caller, callee, problems } = await explain('web', 'pay/7');
    expect(problems).toEqual([]);
    expect(caller.map(({ role, parameters }) => [role, parameters['from']])).toEqual([
      ['metrics', undefined],
      ['deadline', 'built in'],
      ['retry', 'Resiliency "shop", /r/all.yaml:5'],
      ['attempt', 'Policy "pay", /r/all.yaml:10'],
    ]);
    expect(callee.map(({ role }) => role)).toEqual(['trace', 'metrics', 'deadline', 'access']);
    expect(callee[3]?.parameters).toMatchObject({ rules: 'Policy "own": allow', otherwise: 'denied' });
    expect(caller.every(({ why }) => why.length > 10)).toBe(true);
  });

  it('depends on who calls and what', async () => {
    const { caller, callee } = await explain('other', 'read');
    expect(caller.map(({ role, parameters }) => [role, parameters['retries']])).toEqual([
      ['metrics', undefined],
      ['deadline', undefined],
      ['retry', 3],
    ]);
    expect(callee[3]?.parameters).toMatchObject({ rules: 'none matches', otherwise: 'denied' });
  });
});

const components = [
  'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: store }\nspec: { type: state.in-memory, version: v1 }\n',
  'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: bus }\nspec: { type: pubsub.in-memory, version: v1 }\n',
  'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: upper }\nspec: { type: middleware.http.uppercase, version: v1 }\n',
  'apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: all }\nspec: { target: { component: store }, timeout: 2s }\n',
  'apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: sets }\nspec: { target: { component: store }, match: { operations: [set, delete] }, timeout: 9s }\n',
  'apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: { name: shop }\nspec: { policies: { retries: { r: { maxRetries: 2 } } }, targets: { components: { bus: { inbound: { retry: r } } } } }\n',
].join('---\n');

describe('the explanation of a component', () => {
  const ask = async (component: string, operation?: string) => {
    const ports = { ...nodePorts(), disk: createMemoryDisk({ '/r/all.yaml': components }) };
    const question = { component, ...(operation !== undefined && { operation }) };
    const { problems, explained } = await explainComponentOf({ ports, paths: ['/r'], configPaths: [], namespace: '' }, 'web', question);
    expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    return explained;
  };
  const roles = ({ layers }: Awaited<ReturnType<typeof ask>>['stacks'][number]) =>
    layers.map(({ role, parameters, origins }) => [
      role,
      parameters['timeout'] ?? parameters['retries'],
      origins['timeout'] ?? origins['retries'],
    ]);

  it('tells the layers of each operation that a policy names, and of the others', async () => {
    const { app, type, stacks } = await ask('store');
    expect({ app, type }).toEqual({ app: 'web', type: 'state.in-memory' });
    expect(stacks.map(({ direction, operation }) => [direction, operation])).toEqual([
      ['outbound', undefined],
      ['outbound', 'delete'],
      ['outbound', 'set'],
    ]);
    const [others, , set] = stacks as [(typeof stacks)[number], unknown, (typeof stacks)[number]];
    expect(roles(others)).toContainEqual(['attempt', '2s', '/r/all.yaml:19']);
    expect(roles(set)).toContainEqual(['attempt', '9s', '/r/all.yaml:24']);
    expect(set.layers.every(({ why }) => why.length > 10)).toBe(true);
    expect((await ask('store', 'set')).stacks).toEqual([set]);
    expect((await ask('store', 'get')).stacks).toEqual([{ ...others, operation: 'get' }]);
  });

  it('tells both directions where there are two', async () => {
    const { stacks } = await ask('bus');
    expect(stacks.map(({ direction }) => direction)).toEqual(['outbound', 'inbound']);
    expect(roles(stacks[1] as never)).toContainEqual(['retry', 2, '/r/all.yaml:29']);
    expect(roles(stacks[0] as never).map(([role]) => role)).not.toContain('retry');
  });

  it('says what is not there, and what has no stack', async () => {
    await expect(ask('stroe')).rejects.toMatchObject({ code: 'not-found', hint: 'did you mean store?' });
    await expect(ask('upper')).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining('middleware.http.uppercase'),
    });
  });
});
