import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StateStore } from '../../contracts/state.ts';
import { createHttpClient } from '../../host/http-client.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { ageEtcd, askEtcd, startEtcd } from '../../testing/etcd-server.ts';
import { findProgram, type ServerProcess } from '../../testing/server-process.ts';
import { bytes, textOf } from '../../testing/state-suite-rig.ts';
import { stateSuite } from '../../testing/state-suite.ts';
import { etcdCapabilities } from './etcd-store.ts';
import driver from './index.ts';

const etcd = findProgram('etcd');
if (etcd === undefined) console.log('skipped: etcd not found');

const ports = nodePorts();
const http = createHttpClient({ ports });
afterAll(() => http.close());
const open = (metadata: Record<string, string>, version: string): Promise<StateStore> =>
  driver.open(v.parse(driver.config, metadata), testDriverContext({ clock: ports.clock, network: ports.network, http, version }));

describe.runIf(etcd !== undefined)('state.etcd, the real server', () => {
  let server: ServerProcess;
  const address = () => ({ endpoints: `127.0.0.1:${server.port}` });
  beforeAll(async () => {
    server = await startEtcd(etcd as string);
  });
  afterAll(() => server.destroy());

  let prefixes = 0;
  for (const version of ['v1', 'v2'])
    stateSuite({
      name: `state.etcd ${version}`,
      capabilities: etcdCapabilities,
      async open() {
        const store = await open({ ...address(), keyPrefixPath: `suite${prefixes++}` }, version);
        return { store, advance: ageEtcd(server.port), destroy: () => store.close() };
      },
    });

  it('keeps Dapr’s formats, and reads what Dapr wrote', async () => {
    const stored = async (key: string): Promise<Buffer> => {
      const { kvs } = (await askEtcd(server.port, 'kv/range', { key: btoa(key) })) as { kvs: { value: string }[] };
      return Buffer.from(kvs[0]?.value ?? '', 'base64');
    };
    const [v1, v2] = [await open({ ...address(), keyPrefixPath: 'old' }, 'v1'), await open({ ...address(), keyPrefixPath: 'new' }, 'v2')];
    await v1.set({ key: 'app||k', data: bytes('{"a":1}') });
    expect((await stored('old/app||k')).toString()).toBe('{"a":1}');
    await v2.set({ key: 'k', data: bytes('ab'), ttlSeconds: 60 });
    // data = "ab"; ts; ttl { seconds = 60 }
    expect((await stored('new/k')).toString('hex')).toMatch(/^0a026162 ?12[0-9a-f]{2}08[0-9a-f]+1a02083c$/);
    // A value without a time to live, as Dapr writes it: with a duration of zero.
    await askEtcd(server.port, 'kv/put', {
      key: btoa('new/dapr'),
      value: Buffer.from('0a0178120608aed9ecb1061a00', 'hex').toString('base64'),
    });
    const found = await v2.get({ key: 'dapr' });
    expect([textOf(found?.data), found?.metadata]).toEqual(['x', undefined]);
    await askEtcd(server.port, 'kv/put', { key: btoa('new/none'), value: btoa('{"no":"envelope"}') });
    await expect(v2.get({ key: 'none' })).rejects.toThrow('not in the format of version v2');
  });

  it('answers with what the server said, knows nothing happened when nobody listens, and goes on when it is back', async () => {
    const store = await open({ ...address(), keyPrefixPath: 'away' }, 'v2');
    await expect(store.set({ key: 'k', data: new Uint8Array(3_000_000) })).rejects.toThrow(/large/);
    await store.set({ key: 'k', data: bytes('1') });
    await server.stop();
    await expect(store.set({ key: 'k', data: bytes('2') })).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.get({ key: 'k' })).rejects.toMatchObject({ code: 'unavailable' });
    await server.start();
    expect(textOf((await store.get({ key: 'k' }))?.data)).toBe('1');
    await store.set({ key: 'k', data: bytes('3') });
  });

  it('knows users and passwords', async () => {
    const refused = await open({ ...address(), username: 'u', password: 'canary' }, 'v1').catch((error: unknown) => error as Error);
    expect(refused).toMatchObject({ code: 'component.init-failed', message: expect.stringContaining('refuses the user') });
    expect((refused as Error).message).not.toContain('canary');
  });
});

describe('state.etcd, its configuration', () => {
  it.each([
    [{ endpoints: ' , ' }, /names no member/],
    [{ endpoints: 'a:1', cert: 'PEM' }, /need each other/],
    [{ endpoints: 'a:1', username: 'u' }, /need each other/],
    [{ endpoints: '127.0.0.1:1' }, /cannot connect/],
    [{ endpoints: 'http://u:p@a' }, /credentials/],
  ])('refuses %j', async (metadata: Record<string, string>, message) => {
    await expect(open(metadata, 'v1')).rejects.toMatchObject({
      code: 'component.init-failed',
      message: expect.stringMatching(message) as string,
    });
  });
});
