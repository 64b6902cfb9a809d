import { describe, expect, it } from 'vitest';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { loadResources } from './load-resources.ts';
import { diffResources } from './watch-resources.ts';

const policy = (spec: string, more = ''): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: WorkflowAccessPolicy\nmetadata: { name: access }\n${more}spec: ${spec}\n`;
const load = (text: string) =>
  loadResources({ disk: createMemoryDisk({ '/r/a.yaml': text }), paths: ['/r'], appId: 'orders', drivers: {} });
const good =
  '{ rules: [{ callers: [{ appID: web }], workflows: [{ name: "order-*", operations: [schedule, get] }], activities: [{ name: charge }] }] }';

describe('WorkflowAccessPolicies of files', () => {
  it('are read, and apply to the apps of their scopes', async () => {
    const { workflowAccess, problems } = await load(policy(good));
    expect(problems).toEqual([]);
    expect(workflowAccess).toMatchObject([
      {
        name: 'access',
        rules: [{ callers: ['web'], workflows: [{ name: 'order-*', operations: ['schedule', 'get'] }], activities: ['charge'] }],
      },
    ]);
    expect((await load(policy(good, 'scopes: [billing]\n'))).workflowAccess).toEqual([]);
  });

  it('that differ are exchanged without a restart', async () => {
    const [one, other] = [await load(policy(good)), await load(policy(good.replace('charge', 'refund')))];
    expect(diffResources(one, other)).toMatchObject({ policies: true, restart: false });
    expect(diffResources(one, await load(policy(good)))).toBeUndefined();
  });

  it.each([
    ['{}', 'spec: `rules` is missing'],
    ['{ rules: [] }', 'spec.rules must not be empty'],
    ['{ rules: all }', 'spec.rules must be a list, not a text'],
    ['{ rules: [{ workflows: [] }] }', 'spec.rules[0].workflows must not be empty', 'spec.rules[0]: `callers` is missing'],
    ['{ rules: [{ callers: [{ appID: web }] }] }', 'spec.rules[0] allows nothing: it needs workflows or activities'],
    ['{ rules: [{ callers: [web], activities: [{ name: a }] }] }', 'spec.rules[0].callers[0] must be a map, not a text'],
    [
      '{ rules: [{ callers: [{ appId: web }], activities: [{ name: a }] }] }',
      'spec.rules[0].callers[0]: unknown key `appId`',
      'spec.rules[0].callers[0]: `appID` is missing',
    ],
    ['{ rules: [{ callers: [{ appID: web }], workflows: [{ name: a }] }] }', 'spec.rules[0].workflows[0]: `operations` is missing'],
    [
      '{ rules: [{ callers: [{ appID: web }], workflows: [{ name: a, operations: [start] }] }] }',
      'spec.rules[0].workflows[0].operations[0] must be one of schedule, terminate, raise, pause, resume, purge, get, rerun',
    ],
    ['{ rules: [{ callers: [{ appID: web }], activities: [{ name: "" }] }] }', 'spec.rules[0].activities[0].name must not be empty'],
    [
      '{ rules: [{ callers: [{ appID: web }], activities: [{ name: a, operations: [get] }] }] }',
      'spec.rules[0].activities[0].operations[0] must be one of schedule',
    ],
  ])('that are wrong are refused with the place: %s', async (spec, ...expected) => {
    const { workflowAccess, problems } = await load(policy(spec));
    expect(workflowAccess).toEqual([]);
    const told = problems.map(({ message }) => message);
    for (const message of expected) expect(told).toContain(message);
    expect(told).toHaveLength(expected.length);
  });
});
