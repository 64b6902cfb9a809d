import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StateStore } from '../../contracts/state.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { ageRedis, askRedis, type RedisSentinels, startRedis, startRedisCluster, startRedisSentinel } from '../../testing/redis-server.ts';
import { startMute } from '../../testing/mute-server.ts';
import { findProgram, type ServerProcess } from '../../testing/server-process.ts';
import { bytes, textOf } from '../../testing/state-suite-rig.ts';
import { stateSuite } from '../../testing/state-suite.ts';
import driver from './index.ts';
import { redisCapabilities } from './redis-store.ts';

const redis = findProgram('redis-server');
if (redis === undefined) console.log('skipped: redis-server not found');

const context = testDriverContext({ clock: nodeClock });
const open = (metadata: Record<string, string>): Promise<StateStore> => driver.open(v.parse(driver.config, metadata), context);
const failed = (work: Promise<unknown>): Promise<Error & { code?: string }> =>
  work.then(
    () => new Error('it succeeded'),
    (error: unknown) => error as Error,
  );

describe.runIf(redis !== undefined)('state.redis, the real server', () => {
  let server: ServerProcess;
  let guarded: ServerProcess;
  const address = () => ({ redisHost: `127.0.0.1:${server.port}` });
  beforeAll(async () => {
    server = await startRedis(redis as string);
    guarded = await startRedis(redis as string, ['--requirepass', 'canary']);
  });
  afterAll(() => Promise.all([server.destroy(), guarded.destroy()]));

  stateSuite({
    name: 'state.redis',
    capabilities: redisCapabilities,
    async open() {
      await askRedis(server.port, 'flushall');
      const store = await open(address());
      return { store, advance: (ms) => ageRedis(server.port, ms), destroy: () => store.close() };
    },
  });

  it('keeps Dapr’s layout, and reads what Dapr wrote', async () => {
    const store = await open(address());
    await store.set({ key: 'app||k', data: bytes('{"a":1}') });
    expect(JSON.parse(await askRedis(server.port, 'hkeys', 'app||k'))).toEqual(['data', 'version']);
    expect(await askRedis(server.port, 'hget', 'app||k', 'data')).toBe('{"a":1}');
    const { etag } = (await store.get({ key: 'app||k' })) ?? {};
    await store.set({ key: 'app||k', data: bytes('2'), etag: etag as string, concurrency: 'first-write', ttlSeconds: 100 });
    expect(JSON.parse(await askRedis(server.port, 'hkeys', 'app||k'))).toEqual(['data', 'version', 'first-write']);
    expect(Number(await askRedis(server.port, 'hget', 'app||k', 'version'))).toBe(Number(etag) + 1);
    expect(Number(await askRedis(server.port, 'ttl', 'app||k'))).toBeGreaterThan(90);

    await askRedis(server.port, 'hset', 'dapr', 'data', '"x"', 'version', 7);
    expect(await store.get({ key: 'dapr' })).toMatchObject({ etag: '7' });
    await store.set({ key: 'dapr', data: bytes('3'), etag: '7' });
    expect(await store.get({ key: 'dapr' })).toMatchObject({ etag: '8' });

    await askRedis(server.port, 'set', 'old', 'plain');
    expect(textOf((await store.get({ key: 'old' }))?.data)).toBe('plain');
    await store.set({ key: 'old', data: bytes('new'), etag: '0' });
    expect(textOf((await store.get({ key: 'old' }))?.data)).toBe('new');
    await expect(store.set({ key: 'old', data: bytes('x'), etag: 'seven' })).rejects.toMatchObject({ kind: 'invalid' });
    expect((await store.bulkSet([{ key: 'old', data: bytes('x'), etag: 'seven' }]))[0]?.error).toMatchObject({ kind: 'invalid' });
    await askRedis(server.port, 'rpush', 'list', 'x');
    await expect(store.get({ key: 'list' })).rejects.toThrow(/holds a list/);
    await store.close();
  });

  it('gives values without a time to live the component’s, unless they say never', async () => {
    const store = await open({ ...address(), ttlInSeconds: '100' });
    await store.set({ key: 'a', data: bytes('1') });
    await store.set({ key: 'b', data: bytes('1'), ttlSeconds: 1_000 });
    await store.set({ key: 'c', data: bytes('1'), metadata: { ttlInSeconds: '-1' } });
    const left = async (key: string) => Number(await askRedis(server.port, 'ttl', key));
    expect(await left('a')).toBeLessThanOrEqual(100);
    expect(await left('a')).toBeGreaterThan(0);
    expect(await left('b')).toBeGreaterThan(900);
    expect(await left('c')).toBe(-1);
    await store.close();
  });

  it('keeps databases apart, and knows users and passwords', async () => {
    const [zero, one] = [await open(address()), await open({ ...address(), redisDB: '1' })];
    await one.set({ key: 'apart', data: bytes('1') });
    expect(await zero.get({ key: 'apart' })).toBeUndefined();
    await Promise.all([zero.close(), one.close()]);
    const place = { redisHost: `127.0.0.1:${guarded.port}` };
    const store = await open({ ...place, redisPassword: 'canary' });
    await store.set({ key: 'k', data: bytes('1') });
    await store.close();
    for (const wrong of [{}, { redisPassword: 'wrong' }, { redisUsername: 'nobody', redisPassword: 'canary' }]) {
      const error = await failed(open({ ...place, ...wrong }));
      expect(error).toMatchObject({ code: 'component.init-failed' });
      expect(error.message).toMatch(/NOAUTH|WRONGPASS/);
      expect(error.message).not.toContain('canary');
    }
  });

  it('says when nobody is there, goes on when the server is back, and never guesses what became of a write', async () => {
    const own = await startRedis(redis as string);
    const store = await open({ redisHost: `127.0.0.1:${own.port}`, dialTimeout: '3s' });
    await store.set({ key: 'k', data: bytes('1') });
    await own.stop();
    for (const work of [store.get({ key: 'k' }), store.set({ key: 'k', data: bytes('2') })]) {
      expect(['unavailable', 'engine.outcome-unknown']).toContain((await failed(work)).code);
    }
    expect(await failed(store.set({ key: 'k', data: bytes('2') }))).toMatchObject({ code: 'unavailable' });
    await own.start();
    await expect.poll(() => store.get({ key: 'k' }).catch(() => 'down')).toBeUndefined();
    await store.set({ key: 'k', data: bytes('3') });
    expect(textOf((await store.get({ key: 'k' }))?.data)).toBe('3');
    await store.close();
    expect(await failed(store.get({ key: 'k' }))).toMatchObject({ code: 'unavailable' });
    await own.destroy();
    expect(await failed(open({ redisHost: `127.0.0.1:${own.port}` }))).toMatchObject({ message: expect.stringContaining('ECONNREFUSED') });
  });

  it('tells a write that may have happened from one that did not', async () => {
    const between = await startMute(server.port);
    const store = await open({ redisHost: `127.0.0.1:${between.port}`, readTimeout: '2s', redisMaxRetries: '1' });
    await store.set({ key: 'slow', data: bytes('1') });
    between.mute = true;
    expect(await failed(store.set({ key: 'slow', data: bytes('2') }))).toMatchObject({ code: 'engine.outcome-unknown' });
    expect(await failed(store.get({ key: 'slow' }))).toMatchObject({ code: 'unavailable' });
    between.mute = false;
    const cut = store.set({ key: 'slow', data: bytes('3') });
    between.cut();
    expect(['engine.outcome-unknown', undefined, 'unavailable']).toContain((await failed(cut)).code);
    await expect
      .poll(() =>
        store.get({ key: 'slow' }).then(
          (found) => found !== undefined,
          () => false,
        ),
      )
      .toBe(true);
    await store.close();
    await between.close();
  });
});

describe.runIf(redis !== undefined)('state.redis, several servers', () => {
  let cluster: Awaited<ReturnType<typeof startRedisCluster>>;
  let sentinels: RedisSentinels;
  beforeAll(async () => {
    [cluster, sentinels] = await Promise.all([startRedisCluster(redis as string), startRedisSentinel(redis as string)]);
  });
  afterAll(() => Promise.all([cluster.destroy(), sentinels.destroy()]));

  stateSuite({
    name: 'state.redis, a cluster',
    capabilities: ['ETAG', 'TTL'],
    async open() {
      const ports = cluster.hosts.split(',').map((host) => Number(host.split(':')[1]));
      for (const port of ports) await askRedis(port, 'flushall');
      const store = await open({ redisHost: cluster.hosts, redisType: 'cluster' });
      const advance = async (ms: number): Promise<void> => {
        for (const port of ports) await ageRedis(port, ms);
      };
      return { store, advance, destroy: () => store.close() };
    },
  });

  it('finds the master through sentinels, waits for its replicas, and follows a failover', async () => {
    const { host, masterName, master, replica } = sentinels;
    const store = await open({ redisHost: host, failover: 'true', sentinelMasterName: masterName });
    await store.set({ key: 'k', data: bytes('1'), consistency: 'strong' });
    expect(await askRedis(replica.port, 'hget', 'k', 'data')).toBe('1');
    await master.stop();
    const again = async (): Promise<string | undefined> => {
      await store.set({ key: 'k', data: bytes('2') });
      return textOf((await store.get({ key: 'k' }))?.data);
    };
    // A sentinel that stood still for two seconds does nothing for the next thirty.
    await expect.poll(() => again().catch(() => 'down'), { timeout: 100_000, interval: 200 }).toBe('2');
    expect(await askRedis(replica.port, 'hget', 'k', 'data')).toBe('2');
    await store.close();
    const unknown = await failed(open({ redisHost: host, failover: 'true', sentinelMasterName: 'other', dialTimeout: '1s' }));
    expect(unknown).toMatchObject({ code: 'component.init-failed' });
  });
});

describe('state.redis, its configuration', () => {
  it.each([
    [{ redisHost: 'a:b:c' }, /not host:port/],
    [{ redisHost: 'a:1,b:2' }, /several servers/],
    [{ redisHost: 'a:1', failover: 'true' }, /needs `sentinelMasterName`/],
    [{ redisHost: 'a:1', redisType: 'cluster', redisDB: '1' }, /only `redisDB` 0/],
    [{ redisHost: 'a:1', redisType: 'cluster', failover: 'true' }, /exclude each other/],
    [{ redisHost: 'a:1', clientCert: 'PEM' }, /need each other/],
  ])('refuses %j', async (metadata: Record<string, string>, message) => {
    await expect(open(metadata)).rejects.toMatchObject({
      code: 'component.init-failed',
      message: expect.stringMatching(message) as string,
    });
  });

  it('refuses queries, and values that are none', () => {
    expect(v.safeParse(driver.config, { redisHost: 'a', queryIndexes: '[{}]' }).issues?.[0]?.message).toMatch(/asks for queries/);
    expect(v.safeParse(driver.config, { redisHost: '' }).success).toBe(false);
    expect(v.safeParse(driver.config, { redisHost: 'a', redisType: 'ring' }).success).toBe(false);
    expect(v.safeParse(driver.config, { redisHost: 'a', redisHots: 'b' }).success).toBe(false);
  });
});
