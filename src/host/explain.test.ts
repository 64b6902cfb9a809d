import { describe, expect, it } from 'vitest';
import { nodePorts } from '../ports/node/index.ts';
import { createMemoryDisk } from '../testing/memory-disk.ts';
import { explainCall } from './explain.ts';

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
