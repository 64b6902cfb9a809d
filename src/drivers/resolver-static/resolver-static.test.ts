import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { testDriverContext } from '../../testing/driver-context.ts';
import driver from './index.ts';

const open = (apps: unknown) => driver.open(v.parse(driver.config, { apps: JSON.stringify(apps) }), testDriverContext());

describe('a static list of endpoints', () => {
  it('answers what the list says, in the namespace that was asked for unless an entry names its own', async () => {
    const registry = await open({
      shop: ['10.0.0.1:7000', { address: '[fd00::1]:7001', zone: 'west', weight: 3, version: 'v2', metadata: { rack: '9' } }],
      billing: [{ address: 'billing.corp:7000', namespace: 'finance' }],
    });
    expect(await registry.resolve('shop', 'prod')).toEqual({
      source: 'static',
      endpoints: [
        { appId: 'shop', namespace: 'prod', instance: '10.0.0.1:7000', mesh: { host: '10.0.0.1', port: 7_000 } },
        {
          appId: 'shop',
          namespace: 'prod',
          instance: 'fd00::1:7001',
          mesh: { host: 'fd00::1', port: 7_001 },
          zone: 'west',
          weight: 3,
          version: 'v2',
          metadata: { rack: '9' },
        },
      ],
    });
    expect((await registry.resolve('billing', 'prod')).endpoints).toEqual([]);
    expect((await registry.resolve('billing', 'finance')).endpoints).toHaveLength(1);
    expect((await registry.resolve('nobody', 'prod')).endpoints).toEqual([]);
    expect(await registry.list()).toHaveLength(3);
    registry.onChange(() => {})();
    await (
      await registry.announce({ appId: 'x', namespace: 'n', instance: 'i' })
    )();
    await registry.close();
  });

  it.each([
    ['not JSON', '{'],
    ['a list', '[]'],
    ['no list below an app', '{"a":"10.0.0.1:1"}'],
    ['an address without a port', '{"a":["10.0.0.1"]}'],
    ['a port that cannot be', '{"a":["10.0.0.1:70000"]}'],
    ['an unknown key', '{"a":[{"address":"h:1","zon":"w"}]}'],
    ['a weight that cannot be', '{"a":[{"address":"h:1","weight":-1}]}'],
  ])('refuses %s', (_what, apps) => {
    const read = v.safeParse(driver.config, { apps });
    expect(read.success).toBe(false);
    expect(read.issues?.[0]?.message).toContain('host:port');
  });
});
