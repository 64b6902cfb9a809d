import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import dnsDriver from '../drivers/resolver-dns/index.ts';
import kubernetesDriver from '../drivers/resolver-kubernetes/index.ts';
import nameformatDriver from '../drivers/resolver-nameformat/index.ts';
import { silentLogger } from '../kernel/log.ts';
import { testDriverContext } from '../testing/driver-context.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { createMemoryDns } from '../testing/memory-names.ts';
import { resolverSuite } from '../testing/resolver-suite.ts';
import { createDnsRegistry, fillName } from './dns-registry.ts';
import type { Endpoint } from './resolver.ts';

function names() {
  const clock = createFakeClock();
  const dns = createMemoryDns();
  const pass = async (ms: number) => {
    clock.advance(ms);
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const context = testDriverContext({ clock, dns });
  return { clock, dns, pass, context };
}

resolverSuite({
  name: 'DNS addresses',
  can: ['stale'],
  leaseMs: 40_000,
  rig: async () => {
    const { clock, dns, pass } = names();
    const write = (change: (addresses: string[]) => string[]) => {
      const now = dns.hosts.get('a.n.test');
      const left = change(now === undefined || now instanceof Error ? [] : [...now.addresses]);
      if (left.length === 0) dns.hosts.delete('a.n.test');
      else dns.hosts.set('a.n.test', { addresses: left, ttlSeconds: 5 });
    };
    return {
      open: async () =>
        createDnsRegistry({
          dns,
          clock,
          log: silentLogger,
          source: 'dns',
          question: (appId, namespace) => ({ name: fillName('{appid}.{namespace}.test', appId, namespace), port: 50_002 }),
          refreshMaxMs: 30_000,
        }),
      async place({ mesh }: Endpoint) {
        const host = mesh !== undefined && 'host' in mesh ? mesh.host : '';
        write((addresses) => [...addresses, host]);
        return async () => write((addresses) => addresses.filter((address) => address !== host));
      },
      pass,
      async fail() {
        const before = dns.hosts.get('a.n.test');
        dns.hosts.set('a.n.test', new Error('SERVFAIL'));
        return async () => void (before === undefined ? dns.hosts.delete('a.n.test') : dns.hosts.set('a.n.test', before));
      },
      close: async () => {},
    };
  },
});

describe('names as registries', () => {
  it('asks again when the TTL is over, at once where it is 0, and not later than asked to', async () => {
    const { dns, pass, context } = names();
    const registry = await kubernetesDriver.open(v.parse(kubernetesDriver.config, {}), context);
    dns.hosts.set('shop-dapr.prod.svc.cluster.local', { addresses: ['10.1.0.1'], ttlSeconds: 5 });
    await registry.resolve('shop', 'prod');
    await pass(4_999);
    expect(dns.asked).toHaveLength(1);
    dns.hosts.set('shop-dapr.prod.svc.cluster.local', { addresses: ['10.1.0.1'], ttlSeconds: 3_600 });
    await pass(1);
    expect(dns.asked).toHaveLength(2);
    dns.hosts.set('shop-dapr.prod.svc.cluster.local', { addresses: ['10.1.0.1'], ttlSeconds: 0 });
    await pass(30_000);
    expect(dns.asked).toHaveLength(3);
    await pass(1_000);
    expect(dns.asked).toHaveLength(4);
    await registry.close();
  });

  it('takes the order of an answer for no change, and a pod of a headless service for an endpoint', async () => {
    const { dns, pass, context } = names();
    const registry = await kubernetesDriver.open(v.parse(kubernetesDriver.config, { port: '7000', clusterDomain: 'corp' }), context);
    dns.hosts.set('shop-dapr.prod.svc.corp', { addresses: ['10.1.0.2', 'fd00::1', '10.1.0.1'], ttlSeconds: 1 });
    const changes: string[] = [];
    registry.onChange((appId) => changes.push(appId));
    const { endpoints } = await registry.resolve('shop', 'prod');
    expect(endpoints.map(({ instance }) => instance)).toEqual(['10.1.0.1:7000', '10.1.0.2:7000', '[fd00::1]:7000']);
    expect(endpoints[0]).toEqual({ appId: 'shop', namespace: 'prod', instance: '10.1.0.1:7000', mesh: { host: '10.1.0.1', port: 7_000 } });
    dns.hosts.set('shop-dapr.prod.svc.corp', { addresses: ['fd00::1', '10.1.0.1', '10.1.0.2'], ttlSeconds: 1 });
    await pass(1_000);
    expect(changes).toEqual([]);
    await registry.close();
  });

  it('takes from SRV records the lowest priority that has addresses, with weights', async () => {
    const { dns, context } = names();
    const registry = await dnsDriver.open(v.parse(dnsDriver.config, { name: '_proa._tcp.{appid}.{namespace}.test' }), context);
    dns.srv.set('_proa._tcp.shop.prod.test', [
      { host: 'gone.test', port: 1, priority: 0, weight: 1 },
      { host: 'b.test', port: 7_002, priority: 10, weight: 0 },
      { host: 'a.test', port: 7_001, priority: 10, weight: 30 },
      { host: 'spare.test', port: 7_003, priority: 20, weight: 1 },
    ]);
    for (const [i, name] of ['a', 'b', 'spare'].entries())
      dns.hosts.set(`${name}.test`, { addresses: [`10.0.0.${i + 1}`], ttlSeconds: 60 });
    const { endpoints } = await registry.resolve('shop', 'prod');
    expect(endpoints.map(({ instance, weight }) => [instance, weight])).toEqual([
      ['10.0.0.1:7001', 30],
      ['10.0.0.2:7002', 1],
    ]);
    dns.srv.set('_proa._tcp.none.prod.test', [{ host: '.', port: 0, priority: 0, weight: 0 }]);
    expect((await registry.resolve('none', 'prod')).endpoints).toEqual([]);
    await registry.close();
  });

  it('makes names of app ids, with the port of the format', async () => {
    const { dns, context } = names();
    const open = (metadata: Record<string, string>) => nameformatDriver.open(v.parse(nameformatDriver.config, metadata), context);
    dns.hosts.set('shop.corp', { addresses: ['10.2.0.1'], ttlSeconds: 60 });
    expect((await (await open({ format: '{appid}.corp:81' })).resolve('shop', 'x')).endpoints[0]?.mesh).toEqual({
      host: '10.2.0.1',
      port: 81,
    });
    expect((await (await open({ format: '{AppID}.corp', port: '82' })).resolve('shop', 'x')).endpoints[0]?.mesh).toEqual({
      host: '10.2.0.1',
      port: 82,
    });
    await expect((await open({ format: '{appid}.corp:99999' })).resolve('shop', 'x')).rejects.toMatchObject({ code: 'unavailable' });
    expect(v.safeParse(nameformatDriver.config, { format: 'nothing.corp' }).success).toBe(false);
  });

  it('never asks for a name that an app id has bent', async () => {
    const { dns, context } = names();
    const registry = await kubernetesDriver.open(v.parse(kubernetesDriver.config, {}), context);
    for (const bad of ['evil.example', '', 'a b', '-a', 'x'.repeat(64), 'a\n'])
      await expect(registry.resolve(bad, 'prod')).rejects.toMatchObject({ code: 'unavailable' });
    expect(dns.asked).toEqual([]);
  });
});
