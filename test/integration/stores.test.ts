import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askRedis, startRedis } from '../../src/testing/redis-server.ts';
import { findProgram, type ServerProcess } from '../../src/testing/server-process.ts';
import { component, createMachine, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// Stores of others through the built command: its bundles find the package that the user installed, and mistakes in a component are told with a guess.
const redis = findProgram('redis-server');
if (redis === undefined) console.log('skipped: redis-server not found');

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
