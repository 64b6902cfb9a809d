import { expect, it } from 'vitest';
import type { AccessControl } from '../contracts/resources.ts';
import { createMetricsRegistry } from '../telemetry/metrics-registry.ts';
import { governTarget } from '../testing/simulator/governed-target.ts';

const accessControl: AccessControl = {
  defaultAction: 'deny',
  trustDomain: 'public',
  policies: [
    {
      appId: 'web',
      namespace: '',
      trustDomain: 'public',
      defaultAction: 'deny',
      operations: [{ name: '/orders/*', httpVerbs: ['GET'], action: 'allow' }],
    },
  ],
};

it('lets the app call itself, whatever the list says of others', async () => {
  const { answer } = await governTarget({ yaml: '', target: { direction: 'inbound' }, accessControl });
  expect((await answer({ path: 'orders', caller: 'target' })).status).toBe(200);
  await expect(answer({ path: 'orders', caller: 'guest' })).rejects.toMatchObject({ code: 'invoke.denied' });
});

it('decisions of access control are counted by what decided and how', async () => {
  const registry = createMetricsRegistry({});
  let resolved = 0;
  const metrics = {
    ...registry,
    counter(name: string, labels: Readonly<Record<string, string>>) {
      resolved += Number(name.includes('_acl_'));
      return registry.counter(name, labels);
    },
  };
  const { call, pass } = await governTarget({ yaml: '', target: { direction: 'inbound' }, accessControl, metrics });
  for (let i = 0; i < 3; i++) call({ path: `orders/${i}` });
  call({ path: 'orders' });
  for (let i = 0; i < 2; i++) call({ path: 'orders/1', caller: 'guest' });
  await pass(10);
  const counted = registry
    .print('prometheus')
    .split('\n')
    .filter((line) => line.includes('_acl_') && !line.startsWith('#'));
  expect(counted).toEqual([
    'dapr_runtime_acl_app_policy_action_allowed_total{trustDomain="public"} 3',
    'dapr_runtime_acl_app_policy_action_blocked_total{trustDomain="public"} 1',
    'dapr_runtime_acl_global_policy_action_blocked_total{trustDomain="public"} 2',
  ]);
  // Each was put into words once.
  expect(resolved).toBe(3);
});
