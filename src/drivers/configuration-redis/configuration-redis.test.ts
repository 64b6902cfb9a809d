import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConfigurationItems } from '../../contracts/configuration.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { configurationSuite, settleOnServer } from '../../testing/configuration-suite.ts';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { askRedis, startRedis } from '../../testing/redis-server.ts';
import { findProgram, type ServerProcess } from '../../testing/server-process.ts';
import driver from './index.ts';

const redis = findProgram('redis-server');
if (redis === undefined) console.log('skipped: redis-server not found');

const lines: string[] = [];
const context = testDriverContext({ clock: nodeClock, log: recordingLogger(lines) });
const open = (metadata: Record<string, string>) => driver.open(v.parse(driver.config, metadata), context);

describe.runIf(redis !== undefined)('configuration.redis, the real server', () => {
  let server: ServerProcess;
  let versions = 0;
  const address = () => ({ redisHost: `127.0.0.1:${server.port}` });
  const write = async (items: Readonly<Record<string, string | undefined>>): Promise<void> => {
    for (const [key, value] of Object.entries(items)) {
      if (value === undefined) await askRedis(server.port, 'del', key);
      else await askRedis(server.port, 'set', key, `${value}||${++versions}`);
    }
  };
  beforeAll(async () => {
    server = await startRedis(redis as string);
  });
  afterAll(() => server.destroy());

  configurationSuite({
    name: 'configuration.redis',
    async open() {
      await askRedis(server.port, 'flushall');
      const store = await open(address());
      return { store, write, settle: settleOnServer, destroy: () => store.close() };
    },
  });

  it('reads values with and without versions, and leaves keys of other kinds out', async () => {
    await askRedis(server.port, 'flushall');
    await askRedis(server.port, 'mset', 'plain', 'a', 'two', 'x||y||2');
    await askRedis(server.port, 'hset', 'hash', 'data', '1');
    const store = await open(address());
    const metadata = {};
    const found = { plain: { value: 'a', version: '', metadata }, two: { value: 'x||y', version: '2', metadata } };
    expect({ ...(await store.get([], {})) }).toEqual(found);
    expect({ ...(await store.get(['two', 'plain', 'hash'], {})) }).toEqual(found);
    await store.close();
  });

  it('hears of a value that changes under the same version, and again after the server was away', async () => {
    await askRedis(server.port, 'flushall');
    await askRedis(server.port, 'set', 'k', 'a');
    const store = await open(address());
    const heard: ConfigurationItems[] = [];
    await store.subscribe(['k'], {}, (items) => heard.push(items));
    await askRedis(server.port, 'set', 'k', 'b');
    await expect.poll(() => heard.at(-1)?.['k']?.value).toBe('b');
    await server.stop();
    await server.start();
    // The new server has neither the key nor notifications: the subscription finds out when it stands again.
    await expect.poll(() => heard.at(-1)?.['k']).toEqual({ value: '', version: '', metadata: {} });
    await store.close();
  });

  it('refuses a cluster, and says what it lacks when it may not configure the server', async () => {
    await expect(open({ ...address(), redisType: 'cluster' })).rejects.toMatchObject({ code: 'component.init-failed' });
    await askRedis(server.port, 'acl', 'setuser', 'reader', 'on', '>pw', '~*', '&*', '+@all', '-config');
    const store = await open({ ...address(), redisUsername: 'reader', redisPassword: 'pw' });
    await store.subscribe([], {}, () => {});
    expect(lines.some((line) => line.includes('notifications be switched on'))).toBe(true);
    await store.close();
  });
});
