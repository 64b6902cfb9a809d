import mysql from 'mysql2/promise';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StateStore } from '../../contracts/state.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { askMysql, startMysql } from '../../testing/mysql-server.ts';
import { findProgram, type ServerProcess } from '../../testing/server-process.ts';
import { bytes, textOf, upsert } from '../../testing/state-suite-rig.ts';
import { stateSuite } from '../../testing/state-suite.ts';
import driver from './index.ts';
import { mysqlCapabilities } from './mysql-store.ts';

const mariadb = findProgram('mariadbd');
if (mariadb === undefined) console.log('skipped: mariadbd not found');

const lines: string[] = [];
const context = testDriverContext({ clock: nodeClock, random: createNodeRandom(), log: recordingLogger(lines) });
const open = (metadata: Record<string, string>): Promise<StateStore> => driver.open(v.parse(driver.config, metadata), context);
const failed = (work: Promise<unknown>): Promise<Error & { code?: string }> =>
  work.then(
    () => new Error('it succeeded'),
    (error: unknown) => error as Error,
  );

describe.runIf(mariadb !== undefined)('state.mysql, MariaDB', () => {
  let server: ServerProcess;
  let tables = 0;
  const address = () => ({ connectionString: `root:canary@tcp(127.0.0.1:${server.port})/?allowNativePasswords=true` });
  const sql = (text: string) => askMysql(server.port, text);
  beforeAll(async () => {
    server = await startMysql(mariadb as string);
  });
  afterAll(() => server.destroy());

  stateSuite({
    name: 'state.mysql',
    capabilities: mysqlCapabilities,
    async open() {
      const tableName = `t${++tables}`;
      const store = await open({ ...address(), tableName });
      const advance = async (ms: number): Promise<void> =>
        void (await sql(
          `update dapr_state_store.${tableName} set expiredate = expiredate - interval ${ms / 1_000} second where expiredate is not null`,
        ));
      return { store, advance, destroy: () => store.close() };
    },
  });

  it('shares a table with Dapr, and says what is odd about its keys', async () => {
    // As Dapr made it before it knew times to live.
    await sql(`create database if not exists shared; create table shared.state (id varchar(255) not null primary key, value json not null,
      isbinary boolean not null, insertDate timestamp not null default current_timestamp,
      updateDate timestamp not null default current_timestamp on update current_timestamp, eTag varchar(36) not null);
      insert into shared.state (id, value, isbinary, eTag) values ('json', '{"a":1}', false, 'e1'), ('bytes', '"AP8="', true, 'e2')`);
    const store = await open({ ...address(), schemaName: 'shared' });
    expect(lines.at(-1)).toContain('was made by Dapr');
    expect(textOf((await store.get({ key: 'json' }))?.data)).toBe('{"a":1}');
    expect([...((await store.get({ key: 'bytes' }))?.data ?? [])]).toEqual([0, 255]);
    expect(await store.get({ key: 'JSON' })).toBeUndefined();
    await store.set({ key: 'json', data: bytes('2'), etag: 'e1', ttlSeconds: 60 });
    expect(await sql(`select value, isbinary, expiredate > now() as lives from shared.state where id = 'json'`)).toEqual([
      { value: `"${btoa('2')}"`, isbinary: 1, lives: 1 },
    ]);
    await store.close();
  });

  it('keeps racing transactions whole, and lets one of many takers win', async () => {
    const stores = await Promise.all(Array.from({ length: 4 }, () => open({ ...address(), tableName: 'race' })));
    const pair = (n: number) => [upsert('a', String(n)), upsert('b', String(n))];
    await Promise.all(
      stores.map(async (store, index) => {
        for (let n = 0; n < 10; n++) await store.transact?.(n % 2 === 0 ? pair(index) : pair(index).toReversed(), {});
      }),
    );
    const [a, b] = await (stores[0] as StateStore).bulkGet([{ key: 'a' }, { key: 'b' }]);
    expect(textOf(a?.value?.data)).toBe(textOf(b?.value?.data));
    const etag = a?.value?.etag as string;
    const takers = await Promise.allSettled(
      stores.map(async (store) => store.transact?.([upsert('a', '1', { etag }), upsert('b', '1')], {})),
    );
    expect(takers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await Promise.all(stores.map((store) => store.close()));
  });

  it('removes expired rows', async () => {
    const store = await open({ ...address(), tableName: 'clean', cleanupInterval: '1s' });
    await store.set({ key: 'kept', data: bytes('1') });
    await store.set({ key: 'k', data: bytes('1'), ttlSeconds: 60 });
    await sql(`update dapr_state_store.clean set expiredate = now() - interval 1 second where id = 'k'`);
    await expect.poll(() => sql('select count(*) as n from dapr_state_store.clean')).toEqual([{ n: 1 }]);
    await store.close();
  });

  it('tells a slow server from a refusal, and goes on after a restart', async () => {
    // Short, but not so short that a machine which stands still for a moment looks like a slow server.
    const store = await open({ ...address(), tableName: 'slow', timeout: '2s' });
    await store.set({ key: 'k', data: bytes('1') });
    const blocker = await mysql.createConnection({ host: '127.0.0.1', port: server.port, user: 'root', password: 'canary' });
    await blocker.query('lock tables dapr_state_store.slow write');
    expect(await failed(store.set({ key: 'k', data: bytes('2') }))).toMatchObject({ code: 'engine.outcome-unknown' });
    expect(await failed(store.get({ key: 'k' }))).toMatchObject({ code: 'unavailable' });
    blocker.destroy();
    const tooLong = await failed(store.set({ key: 'k'.repeat(1_021), data: bytes('2') }));
    expect(tooLong.message).toContain('too long');
    await server.stop();
    expect(['unavailable', 'engine.outcome-unknown']).toContain((await failed(store.set({ key: 'k', data: bytes('2') }))).code);
    expect(['unavailable', 'engine.outcome-unknown']).toContain((await failed(store.get({ key: 'k' }))).code);
    await server.start();
    await expect.poll(() => store.set({ key: 'k', data: bytes('4') }).catch((error: Error) => error.message)).toBeUndefined();
    expect(textOf((await store.get({ key: 'k' }))?.data)).toBe('4');
    await store.close();
  });

  it('says what the server says when it lets nobody in', async () => {
    const wrong = await failed(open({ connectionString: `root:wrong-canary@tcp(127.0.0.1:${server.port})/` }));
    expect(wrong).toMatchObject({ code: 'component.init-failed', message: expect.stringContaining('Access denied') });
    expect(wrong.message).not.toContain('canary');
  });
});

describe('state.mysql, its configuration', () => {
  it.each([
    ['root@tcp(127.0.0.1:3306)', /must hold a slash/],
    ['root:p@/w@host/', /tcp\(host:port\)/],
    ['root@tcp(a:b:c)/', /tcp\(host:port\)/],
    ['root@tcp(127.0.0.1:1)/?tsl=true', /parameter tsl/],
    ['root@tcp(127.0.0.1:1)/?tls=maybe', /tls=maybe/],
    ['root@tcp(127.0.0.1:1)/?tls=custom', /`pemPath` and tls=custom/],
    ['root@tcp(127.0.0.1:1)/?parseTime=true', /ECONNREFUSED/],
    ['root@unix(/no/such/socket)/', /ENOENT/],
  ])('refuses %s', async (connectionString, message) => {
    await expect(open({ connectionString })).rejects.toMatchObject({
      code: 'component.init-failed',
      message: expect.stringMatching(message) as string,
    });
  });

  it('takes only identifiers as names', () => {
    for (const tableName of ['', 'a;', 'a.b', '`x`'])
      expect(v.safeParse(driver.config, { connectionString: 'x', tableName }).success).toBe(false);
  });
});
