import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../contracts/resolver.ts';
import { createHttpClient } from '../../host/http-client.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { askEtcd, startEtcd } from '../../testing/etcd-server.ts';
import { resolverSuite } from '../../testing/resolver-suite.ts';
import { findProgram, type ServerProcess } from '../../testing/server-process.ts';
import driver from './index.ts';

const etcd = findProgram('etcd');
if (etcd === undefined) console.log('skipped: etcd not found');

const ports = nodePorts();
const http = createHttpClient({ ports });
afterAll(() => http.close());
const lines: string[] = [];
const context = testDriverContext({ clock: ports.clock, network: ports.network, http, log: recordingLogger(lines) });
const open = (metadata: Record<string, string>) => driver.open(v.parse(driver.config, metadata), context);
const wait = (ms: number) => new Promise<void>((resolve) => void ports.clock.timer(ms, resolve));
const endpoint: Endpoint = { appId: 'a', namespace: 'n', instance: 'one', mesh: { host: '10.0.0.1', port: 1 } };

describe.runIf(etcd !== undefined)('etcd, the real server', () => {
  let server: ServerProcess;
  let prefixes = 0;
  const url = () => `http://127.0.0.1:${server.port}`;
  beforeAll(async () => {
    server = await startEtcd(etcd as string);
  });
  afterAll(() => server.destroy());

  resolverSuite({
    name: 'etcd',
    can: ['announce', 'namespaces', 'facts', 'list', 'stale'],
    leaseMs: 12_000,
    rig: async () => {
      const prefix = `/suite/${prefixes++}`;
      return {
        open: () => open({ endpoints: url(), prefix, ttl: '6s' }),
        pass: wait,
        async fail() {
          await server.stop();
          return () => server.start();
        },
        close: async () => {},
      };
    },
  });

  it('goes on with the next member when one does not answer', async () => {
    const registry = await open({ endpoints: `http://127.0.0.1:1,${url()}`, prefix: '/members' });
    await registry.announce(endpoint);
    expect((await registry.resolve('a', 'n')).endpoints).toEqual([endpoint]);
    await registry.close();
  });

  it('leaves out what strangers wrote, and keeps names that would be paths apart', async () => {
    const registry = await open({ endpoints: url(), prefix: '/strangers/' });
    const put = (key: string, value: string) =>
      fetch(`${url()}/v3/kv/put`, { method: 'POST', body: JSON.stringify({ key: btoa(key), value: btoa(value) }) });
    await put('/strangers/n/a/x', 'no json');
    await put('/strangers/n/a/y', JSON.stringify({ ...endpoint, http: { path: '/etc/socket' }, mesh: { host: 'h', port: 0 } }));
    await put('/strangers/n/a/z', JSON.stringify({ ...endpoint, http: { path: '/etc/socket' } }));
    await registry.announce({ ...endpoint, appId: 'a/b', namespace: 'n/../m' });
    expect((await registry.resolve('a', 'n')).endpoints).toEqual([endpoint]);
    expect((await registry.resolve('a/b', 'n/../m')).endpoints).toHaveLength(1);
    expect((await registry.resolve('b', 'n/../m/a')).endpoints).toEqual([]);
    await registry.close();
  });

  it('writes its keys again when the server has forgotten the lease', async () => {
    const registry = await open({ endpoints: url(), prefix: '/forgotten', ttl: '2s' });
    await registry.announce(endpoint);
    // When its key was made, in revisions of the server; 0 while there is none.
    const made = async (): Promise<number> => {
      const { kvs } = await askEtcd(server.port, 'kv/range', { key: btoa('/forgotten/'), range_end: btoa('/forgotten0') });
      return Number((kvs as { create_revision: string }[] | undefined)?.[0]?.create_revision ?? 0);
    };
    const before = await made();
    expect(before).toBeGreaterThan(0);
    const { leases } = (await askEtcd(server.port, 'lease/leases', {})) as { leases: { ID: string }[] };
    for (const { ID } of leases) await askEtcd(server.port, 'lease/revoke', { ID });
    await expect.poll(made).toBeGreaterThan(before);
    expect(await registry.list()).toHaveLength(1);
    await registry.close();
  });

  it('answers with what the server said when it refuses', async () => {
    const registry = await open({ endpoints: url(), username: 'u', password: 'canary' });
    const failure = await registry.announce(endpoint).catch((error: unknown) => error as Error);
    expect(String(failure)).toMatch(/refuses the user/);
    expect(String(failure)).not.toContain('canary');
    await registry.close();
  });
});

describe('etcd, its configuration', () => {
  it.each([
    [{ endpoints: ' , ' }, /names no member/],
    [{ endpoints: 'localhost:2379' }, /neither http nor https/],
    [{ username: 'u' }, /need each other/],
    [{ certificate: 'PEM' }, /need each other/],
  ])('refuses %j', async (metadata: Record<string, string>, message) => {
    await expect(open(metadata)).rejects.toMatchObject({
      code: 'component.init-failed',
      message: expect.stringMatching(message) as string,
    });
  });

  it('tells that it cannot be asked when nobody listens', async () => {
    const registry = await open({ endpoints: 'http://127.0.0.1:1' });
    await expect(registry.resolve('a', 'n')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(registry.announce({ appId: 'a', namespace: 'n', instance: 'i' })).rejects.toThrow('no address for other machines');
    await registry.close();
    expect(lines.some((line) => line.includes('the watch of etcd broke'))).toBe(true);
  });
});
