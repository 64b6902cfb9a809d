import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askRedis, startRedis } from '../../src/testing/redis-server.ts';
import { startMongo, withMongo } from '../../src/testing/mongo-server.ts';
import { findProgram, type ServerProcess } from '../../src/testing/server-process.ts';
import { component, createMachine, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// Stores of others through the built command: its bundles find the package that the user installed, and mistakes in a component are told with a guess.
const redis = findProgram('redis-server');
if (redis === undefined) console.log('skipped: redis-server not found');
const ferretdb = findProgram('ferretdb');
if (ferretdb === undefined) console.log('skipped: ferretdb not found');

describe.runIf(redis !== undefined)('Redis behind a sidecar', () => {
  let server: ServerProcess;
  let machine: TestMachine;
  let sidecar: TestSidecar | undefined;
  beforeAll(async () => {
    server = await startRedis(redis as string);
    machine = createMachine();
  });
  afterAll(async () => {
    await sidecar?.stop();
    machine.remove();
    await server.destroy();
  });

  it('keeps state, locks and configuration where Dapr keeps them', async () => {
    const place = { redisHost: `127.0.0.1:${server.port}` };
    sidecar = await startSidecar({
      appId: 'shop',
      machine,
      resources: {
        'state.yaml': component('store', 'state.redis', place),
        'lock.yaml': component('locks', 'lock.redis', place),
        'configuration.yaml': component('config', 'configuration.redis', place),
      },
    });
    const post = (body: unknown): RequestInit => ({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const item = { key: 'k', value: { a: 1 }, options: { concurrency: 'first-write' } };
    expect((await sidecar.get('/v1.0/state/store', post([item]))).status).toBe(204);
    expect((await sidecar.get('/v1.0/state/store', post([item]))).status).toBe(409);
    expect(await (await sidecar.get('/v1.0/state/store/k')).json()).toEqual({ a: 1 });
    expect(await askRedis(server.port, 'hget', 'shop||k', 'data')).toBe('{"a":1}');
    const lock = post({ resourceId: 'r', lockOwner: 'me', expiryInSeconds: 60 });
    expect(await (await sidecar.get('/v1.0-alpha1/lock/locks', lock)).json()).toMatchObject({ success: true });
    expect(await (await sidecar.get('/v1.0-alpha1/lock/locks', lock)).json()).toMatchObject({ success: false });
    await askRedis(server.port, 'set', 'color', 'red||2');
    const items = await (await sidecar.get('/v1.0/configuration/config?key=color')).json();
    expect(items).toMatchObject({ color: { value: 'red', version: '2' } });
  });

  it('refuses a component with a property that is none, and one that finds nobody', async () => {
    const failing = (metadata: Record<string, string>) =>
      startSidecar({ appId: 'wrong', machine, resources: { 'state.yaml': component('store', 'state.redis', metadata) } }).then(
        () => 'it started',
        (error: unknown) => String(error),
      );
    expect(await failing({ redisHost: 'localhost', redisPasword: 'x' })).toContain('did you mean `redisPassword`?');
    expect(await failing({ redisHost: '127.0.0.1:1' })).toMatch(/Redis at 127\.0\.0\.1:1 cannot be used: .*ECONNREFUSED/);
  });
});

describe.runIf(ferretdb !== undefined)('MongoDB behind a sidecar', () => {
  it('keeps state where Dapr keeps it, and answers queries over it', async () => {
    const server = await startMongo(ferretdb as string);
    const machine = createMachine();
    const sidecar = await startSidecar({
      appId: 'shop',
      machine,
      resources: { 'state.yaml': component('store', 'state.mongodb', { host: `127.0.0.1:${server.port}` }) },
    });
    try {
      const post = (body: string): RequestInit => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body });
      const items = '[{"key":"a","value":{ "city": "Bonn", "n": 1.0 }},{"key":"b","value":{"city":"Kiel"}}]';
      expect((await sidecar.get('/v1.0/state/store', post(items))).status).toBe(204);
      expect(await (await sidecar.get('/v1.0/state/store/a')).json()).toEqual({ city: 'Bonn', n: 1 });
      const stored = await withMongo(server.port, 'daprStore', (db) =>
        db.collection<{ _id: string }>('daprCollection').findOne({ _id: 'shop||a' }),
      );
      expect(stored).toMatchObject({ value: { city: 'Bonn', n: 1 }, _ttl: null });
      const found = await sidecar.get('/v1.0-alpha1/state/store/query', post('{"filter":{"EQ":{"city":"Bonn"}}}'));
      expect(await found.json()).toMatchObject({ results: [{ key: 'a', data: { city: 'Bonn', n: 1 } }] });
      const operations =
        '{"operations":[{"operation":"upsert","request":{"key":"a","value":1}},{"operation":"delete","request":{"key":"b"}}]}';
      const refused = await sidecar.get('/v1.0/state/store/transaction', post(operations));
      expect([refused.status, await refused.text()]).toEqual([500, expect.stringContaining('ERR_STATE_STORE_NOT_SUPPORTED')]);
    } finally {
      await sidecar.stop();
      machine.remove();
      await server.destroy();
    }
  });
});
