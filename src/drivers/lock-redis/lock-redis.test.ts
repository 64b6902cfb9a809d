import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeClock } from '../../ports/node/clock.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { lockSuite } from '../../testing/lock-suite.ts';
import { ageRedis, askRedis, startRedis } from '../../testing/redis-server.ts';
import { findProgram, type ServerProcess } from '../../testing/server-process.ts';
import driver from './index.ts';

const redis = findProgram('redis-server');
if (redis === undefined) console.log('skipped: redis-server not found');

const context = testDriverContext({ clock: nodeClock });
const open = (metadata: Record<string, string>) => driver.open(v.parse(driver.config, metadata), context);

describe.runIf(redis !== undefined)('lock.redis, the real server', () => {
  let server: ServerProcess;
  const address = () => ({ redisHost: `127.0.0.1:${server.port}` });
  beforeAll(async () => {
    server = await startRedis(redis as string);
  });
  afterAll(() => server.destroy());

  lockSuite({
    name: 'lock.redis',
    fencing: true,
    async open() {
      await askRedis(server.port, 'flushall');
      const [store, second] = [await open(address()), await open(address())];
      const destroy = async (): Promise<void> => void (await Promise.all([store.close(), second.close()]));
      return { store, second, advance: (ms) => ageRedis(server.port, ms), destroy };
    },
  });

  it('keeps a lock as Dapr does', async () => {
    const store = await open(address());
    await store.tryLock('lock||r', 'me', 100);
    expect(await askRedis(server.port, 'get', 'lock||r')).toBe('me');
    expect(Number(await askRedis(server.port, 'pttl', 'lock||r'))).toBeGreaterThan(10_000);
    await askRedis(server.port, 'set', 'lock||other', 'dapr');
    expect(await store.tryLock('lock||other', 'me', 10)).toEqual({ success: false });
    expect(await store.unlock('lock||other', 'dapr')).toBe(0);
    await store.close();
  });

  it('gives rising tokens also after the server lost everything', async () => {
    const store = await open(address());
    const { fencingToken: first = Infinity } = await store.tryLock('lost', 'a', 10);
    await server.stop();
    await server.start();
    const again = () => store.tryLock('lost', 'a', 10).catch(() => ({ success: false, fencingToken: 0 }));
    let token = 0;
    await expect.poll(async () => (token = (await again()).fencingToken ?? 0)).toBeGreaterThan(0);
    expect(token).toBeGreaterThan(first);
    await store.close();
  });

  it('refuses servers on which a lock could be forgotten', async () => {
    const replica = await startRedis(redis as string, ['--replicaof', '127.0.0.1', String(server.port)]);
    await expect.poll(() => askRedis(server.port, 'info', 'replication')).toContain('connected_slaves:1');
    await expect(open(address())).rejects.toMatchObject({ code: 'component.init-failed', message: expect.stringContaining('1 replicas') });
    await replica.destroy();
    await expect(open({ ...address(), redisType: 'cluster' })).rejects.toThrow(/a cluster would forget/);
  });
});
