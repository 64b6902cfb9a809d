import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { base64 } from '../../clients/etcd/encoding.ts';
import type { EtcdClient } from '../../clients/etcd/etcd-client.ts';
import type { ConfigurationItems } from '../../contracts/configuration.ts';
import { createHttpClient } from '../../host/http-client.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { configurationSuite, settleOnServer } from '../../testing/configuration-suite.ts';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { askEtcd, startEtcd } from '../../testing/etcd-server.ts';
import { findProgram, type ServerProcess } from '../../testing/server-process.ts';
import { createEtcdConfiguration } from './etcd-configuration.ts';
import driver from './index.ts';

const etcd = findProgram('etcd');
if (etcd === undefined) console.log('skipped: etcd not found');

const ports = nodePorts();
const http = createHttpClient({ ports });
afterAll(() => http.close());
const lines: string[] = [];
const context = testDriverContext({ clock: ports.clock, network: ports.network, http, log: recordingLogger(lines) });
const open = (metadata: Record<string, string>) => driver.open(v.parse(driver.config, metadata), context);

describe.runIf(etcd !== undefined)('configuration.etcd, the real server', () => {
  let server: ServerProcess;
  let prefixes = 0;
  const place = () => ({ endpoints: `127.0.0.1:${server.port}`, keyPrefixPath: `suite${++prefixes}` });
  const writer = (prefix: string) => async (items: Readonly<Record<string, string | undefined>>) => {
    for (const [name, value] of Object.entries(items)) {
      const key = base64(`${prefix}/${name}`);
      if (value === undefined) await askEtcd(server.port, 'kv/deleterange', { key });
      else await askEtcd(server.port, 'kv/put', { key, value: base64(value) });
    }
  };
  beforeAll(async () => {
    server = await startEtcd(etcd as string);
  });
  afterAll(() => server.destroy());

  configurationSuite({
    name: 'configuration.etcd',
    async open() {
      const where = place();
      const store = await open(where);
      return { store, write: writer(where.keyPrefixPath), settle: settleOnServer, destroy: () => store.close() };
    },
  });

  it('reads more items than a page and a transaction have, as they were at one moment, and refuses too many', async () => {
    const where = place();
    const store = await open(where);
    const put = (from: number, to: number) =>
      askEtcd(server.port, 'kv/txn', {
        success: Array.from({ length: to - from }, (_, i) => ({
          request_put: { key: base64(`${where.keyPrefixPath}/k${from + i}`), value: base64(`${from + i}`) },
        })),
      });
    for (let at = 0; at < 10_000; at += 100) await put(at, at + 100);
    const all = await store.get([], {});
    expect(Object.keys(all)).toHaveLength(10_000);
    expect(all['k9999']?.value).toBe('9999');
    const some = await store.get(
      Array.from({ length: 250 }, (_, i) => `k${i}`),
      {},
    );
    expect(Object.keys(some)).toHaveLength(250);
    await put(10_000, 10_001);
    await expect(store.get([], {})).rejects.toMatchObject({ code: 'overloaded' });
    await store.close();
  });

  it('hears what came while the server was away and its history was compacted', async () => {
    const where = place();
    const write = writer(where.keyPrefixPath);
    await write({ k: 'a', gone: 'x' });
    // The first member is nobody: another one is asked, and watched.
    const store = await open({ ...where, endpoints: `127.0.0.1:1,${where.endpoints}` });
    const heard: ConfigurationItems[] = [];
    await store.subscribe([], {}, (items) => heard.push(items));
    await write({ k: 'b' });
    await expect.poll(() => heard.at(-1)?.['k']?.value).toBe('b');
    await server.stop();
    await expect.poll(() => lines.some((line) => line.includes('the watch of etcd broke'))).toBe(true);
    await server.start();
    await write({ k: 'c', gone: undefined });
    const { header } = (await askEtcd(server.port, 'kv/range', { key: base64('k') })) as { header: { revision: string } };
    await askEtcd(server.port, 'kv/compaction', { revision: header.revision });
    await expect
      .poll(() => Object.assign({}, ...heard) as ConfigurationItems)
      .toMatchObject({
        k: { value: 'c' },
        gone: { value: '', version: '' },
      });
    await store.close();
  });

  it('says what is wrong with its properties', async () => {
    await expect(open({ endpoints: ',' })).rejects.toMatchObject({ code: 'component.init-failed' });
    await expect(open({ endpoints: '127.0.0.1:1' })).rejects.toMatchObject({ code: 'component.init-failed' });
    expect(v.safeParse(driver.config, {}).success).toBe(false);
  });
});

describe('the watch of configuration.etcd', () => {
  it('begins again behind what is there when etcd compacted what it asked for, and everybody looks', async () => {
    const clock = createFakeClock();
    let value = 'a';
    const asked: { readonly start_revision?: string }[] = [];
    let revision = 7;
    const client: EtcdClient = {
      call: async () => ({
        header: { revision: String(revision) },
        kvs: [{ key: base64('/k'), value: base64(value), mod_revision: String(revision) }],
      }),
      write: () => Promise.reject(new Error('configuration is not written here')),
      async stream(_path, message, { document, cancel }) {
        asked.push((message as { create_request: object }).create_request);
        if (asked.length === 1) document({ result: { canceled: true, compact_revision: '9' } });
        document({ result: { created: true } });
        await new Promise((_resolve, reject) => cancel.onCancel(reject));
      },
    };
    const log = recordingLogger(lines);
    const store = createEtcdConfiguration({ client, clock, log, prefix: '/' });
    const heard: ConfigurationItems[] = [];
    await store.subscribe([], {}, (items) => heard.push(items));
    [value, revision] = ['b', 12];
    await expect
      .poll(() => {
        clock.advance(100);
        return heard.at(-1)?.['k']?.value;
      })
      .toBe('b');
    await expect
      .poll(() => {
        clock.advance(100);
        return asked.length;
      })
      .toBe(2);
    expect(asked[1]?.start_revision).toBe('13');
    await store.close();
  });
});
