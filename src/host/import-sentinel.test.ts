import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadYaml } from '../testing/simulator/governed-target.ts';
import { importSentinel } from './import-sentinel.ts';

/** The specs of what was imported; fails when a runtime would not take them. */
async function specs(rules: unknown, kind?: Parameters<typeof importSentinel>[2]) {
  const { policies, notes } = importSentinel(rules, 'orders', kind);
  const { problems } = await loadYaml(policies.map((policy) => stringify(policy)).join('---\n'));
  expect(problems.map(({ message }) => message)).toEqual([]);
  return { specs: policies.map(({ spec }) => spec), notes };
}

describe('rules of Sentinel', () => {
  it('of flow become limits: rates, threads, warm-up, queues, origins and relations', async () => {
    const { specs: found, notes } = await specs([
      { resource: '/orders', grade: 1, count: 100, limitApp: 'default' },
      { resource: '/orders', grade: 0, count: 20, limitApp: 'web, mobile' },
      { resource: '/orders', grade: 1, count: 5, limitApp: 'other' },
      { resource: 'GET:/orders/{id}', grade: 1, count: 0.5, controlBehavior: 2, maxQueueingTimeMs: 200 },
      { resource: '/slow', count: 10, grade: 1, controlBehavior: 1, warmUpPeriodSec: 30 },
      { resource: '/slow', count: 10, grade: 1, controlBehavior: 3 },
      { resource: '/read', grade: 1, count: 50, strategy: 1, refResource: '/write' },
      { resource: '/read', grade: 1, count: 50, strategy: 2, refResource: 'web' },
    ]);
    const target = { app: 'orders', at: 'callee' };
    expect(found).toEqual([
      {
        target,
        match: { path: '/orders' },
        limits: [{ requests: 100 }, { concurrent: 20, callers: ['web', 'mobile'] }, { requests: 5, exceptCallers: ['web', 'mobile'] }],
      },
      {
        target,
        match: { methods: ['GET'], path: '/orders/{id}' },
        limits: [{ requests: 1, per: '2000ms', mode: 'queue', maxWait: '200ms' }],
      },
      {
        target,
        match: { path: '/slow' },
        limits: [
          { requests: 10, mode: 'warm-up', warmUp: '30s' },
          { requests: 10, mode: 'warm-up-queue', warmUp: '10s', maxWait: '500ms' },
        ],
      },
      {
        target,
        match: { path: '/read' },
        limits: [
          { requests: 50, whileBusy: '/write' },
          { requests: 50, callers: ['web'] },
        ],
      },
    ]);
    expect(notes).toEqual(['/read: the entrance web (strategy 2) is taken as the calling app']);
  });

  it('of degradation become one breaker per resource at the caller', async () => {
    const { specs: found, notes } = await specs([
      { resource: '/a', grade: 0, count: 200, timeWindow: 10, slowRatioThreshold: 0.4, minRequestAmount: 8, statIntervalMs: 2_000 },
      { resource: '/a', grade: 1, count: 0.3, timeWindow: 10 },
      { resource: '/b', grade: 2, count: 7, timeWindow: 3 },
    ]);
    expect(found).toEqual([
      {
        target: { app: 'orders', at: 'caller' },
        match: { path: '/a' },
        breaker: {
          per: 'target',
          consecutive: 0,
          slowRatio: 0.4,
          slow: '200ms',
          errorRatio: 0.3,
          minRequests: 5,
          window: '1000ms',
          open: '10s',
          maxOpen: '10s',
          ramp: '1s',
        },
      },
      {
        target: { app: 'orders', at: 'caller' },
        match: { path: '/b' },
        breaker: { per: 'target', consecutive: 7, minRequests: 5, window: '1000ms', open: '3s', maxOpen: '3s', ramp: '1s' },
      },
    ]);
    expect(notes).toHaveLength(2);
  });

  it('of the system, of authority and of parameters', async () => {
    const { specs: found, notes } = await specs({
      system: [{ highestSystemLoad: 3, highestCpuUsage: 0.8, qps: 500, avgRt: -1, maxThread: 64 }],
      authority: [
        { resource: '/pay', strategy: 0, limitApp: 'web,admin' },
        { resource: '/free', strategy: 1, limitApp: 'bot' },
      ],
      param: [
        {
          resource: '/items',
          paramIdx: 0,
          grade: 1,
          count: 5,
          durationInSec: 10,
          paramFlowItemList: [{ object: 'gold', count: 50, classType: 'String' }],
          burstCount: 3,
        },
      ],
    });
    expect(found).toEqual([
      { target: { app: 'orders', at: 'callee' }, system: { maxUtilisation: 0.8, maxRequests: 500, maxConcurrent: 64 } },
      { target: { app: 'orders', at: 'callee' }, match: { path: '/pay', callers: ['web', 'admin'] }, authorise: { action: 'allow' } },
      { target: { app: 'orders', at: 'callee' }, match: { path: '/free', callers: ['bot'] }, authorise: { action: 'deny' } },
      { target: { app: 'orders', at: 'callee' }, match: { path: '/free' }, authorise: { action: 'allow' } },
      {
        target: { app: 'orders', at: 'callee' },
        match: { path: '/items' },
        limits: [{ requests: 5, per: '10000ms', by: { query: 'arg0' }, items: [{ value: 'gold', limit: 50 }] }],
      },
    ]);
    expect(notes.join('\n')).toContain('highestSystemLoad has no counterpart');
    expect(notes.join('\n')).toContain('argument 0 has no name');
    expect(notes.join('\n')).toContain('burstCount 3 has no counterpart');
  });

  it('of gateways', async () => {
    const { specs: found, notes } = await specs([
      {
        resource: '/api/**',
        resourceMode: 0,
        count: 10,
        intervalSec: 60,
        paramItem: { parseStrategy: 2, fieldName: 'X-Tenant', pattern: 'eu-', matchStrategy: 1 },
      },
      { resource: '/api/**', resourceMode: 1, count: 10, burst: 5, paramItem: { parseStrategy: 0, pattern: '1.*', matchStrategy: 2 } },
    ]);
    expect(found).toEqual([
      {
        target: { app: 'orders', at: 'callee' },
        match: { path: '/api/**', headers: [{ name: 'X-Tenant', prefix: 'eu-' }] },
        limits: [{ requests: 10, per: '60000ms', by: { header: 'X-Tenant' } }],
      },
      { target: { app: 'orders', at: 'callee' }, match: { path: '/api/**' }, limits: [{ requests: 10, by: { caller: true } }] },
    ]);
    expect(notes).toHaveLength(4);
  });

  it('names what it cannot say: unknown fields, regular expressions, names that are no paths, cluster thresholds', async () => {
    const { specs: found, notes } = await specs([
      { resource: '/x', grade: 1, count: 1, colour: 'red', clusterMode: true, clusterConfig: { thresholdType: 1, flowId: 7 } },
      { resource: '/y.*', grade: 1, count: 1, regex: true },
      { resource: 'com.shop.Orders:get', grade: 1, count: 1 },
      { resource: '/z' },
    ]);
    expect(found).toHaveLength(2);
    expect(found[0]).toMatchObject({ limits: [{ requests: 1, quota: 'sentinel-7' }] });
    expect(notes).toEqual([
      '/x: unknown field colour',
      '/y.*: regular expressions over resources are not imported: write a policy with a path template',
      'com.shop.Orders:get: the resource is no path; its policy is for the method /com.shop.Orders%3Aget',
      '/z: its kind cannot be told from its fields: give it',
    ]);
  });

  it('leaves out what Sentinel takes for no rule, and says so: no limit of nothing comes of it', async () => {
    const { specs: found, notes } = await specs([
      { resource: '/x', grade: 1, count: -1 },
      { resource: '/x', grade: 1, count: '20' },
      { resource: '/x', grade: 1 },
      { resorce: '/y', grade: 1, count: 1 },
      { resource: '/closed', grade: 1, count: 0 },
    ]);
    expect(found).toEqual([{ target: { app: 'orders', at: 'callee' }, match: { path: '/closed' }, limits: [{ requests: 0 }] }]);
    expect(notes).toEqual([
      '/x: its count is -1, and no number from 0: it is left out',
      '/x: its count is "20", and no number from 0: it is left out',
      '/x: its count is missing: it is left out',
      'a rule without a resource: unknown field resorce',
      'a rule without a resource: its kind is flow: it is left out',
    ]);
  });

  it.each([[null], [42], [{}], [{ flow: 1 }], [[1]], [[[]]]])('%j are none', (rules) => {
    expect(() => importSentinel(rules, 'orders')).toThrow(/neither a list|is no object/);
  });
});
