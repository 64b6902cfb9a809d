import pg from 'pg';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StateStore } from '../../contracts/state.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { findPostgres, type PostgresServer, startPostgres } from '../../testing/postgres-server.ts';
import { bytes, textOf, upsert } from '../../testing/state-suite-rig.ts';
import { stateSuite } from '../../testing/state-suite.ts';
import driver from './index.ts';
import { postgresCapabilities } from './postgres-store.ts';

const bin = findPostgres();
if (bin === undefined) console.log('skipped: postgres not found');

const open = (metadata: Record<string, string>, version = 'v2'): Promise<StateStore> =>
  driver.open(v.parse(driver.config, metadata), testDriverContext({ clock: nodeClock, version }));
const failed = (work: Promise<unknown>): Promise<Error & { code?: string }> =>
  work.then(
    () => new Error('it succeeded'),
    (error: unknown) => error as Error,
  );

describe.runIf(bin !== undefined)('state.postgresql, the real server', () => {
  let server: PostgresServer;
  let tables = 0;
  const address = () => ({ connectionString: server.connectionString });
  const v1 = (tableName: string, more: Record<string, string> = {}) =>
    open({ ...address(), tableName, metadataTableName: `${tableName}_m`, ...more }, 'v1');
  const v2 = (tablePrefix: string, more: Record<string, string> = {}) => open({ ...address(), tablePrefix, ...more });
  beforeAll(async () => {
    server = await startPostgres(bin as string);
  });
  afterAll(() => server.destroy());

  stateSuite({
    name: 'state.postgresql v2',
    capabilities: postgresCapabilities,
    async open() {
      const prefix = `t${++tables}_`;
      const store = await v2(prefix);
      const advance = async (ms: number): Promise<void> =>
        void (await server.sql(`update ${prefix}state set expires_at = expires_at - interval '${ms} ms' where expires_at is not null`));
      return { store, advance, destroy: () => store.close() };
    },
  });

  stateSuite({
    name: 'state.postgresql v1',
    capabilities: postgresCapabilities,
    async open() {
      const table = `t${++tables}`;
      const store = await v1(table);
      const advance = async (ms: number): Promise<void> =>
        void (await server.sql(`update ${table} set expiredate = expiredate - interval '${ms} ms' where expiredate is not null`));
      return { store, advance, destroy: () => store.close() };
    },
  });

  it('takes words that SQL reserves for names of its tables, and capitals as SQL does', async () => {
    for (const [tableName, metadataTableName] of [
      ['user', 'Order'],
      ['Orders', 'Orders_M'],
    ] as const) {
      const store = await open({ ...address(), tableName, metadataTableName }, 'v1');
      await store.set({ key: 'k', data: Buffer.from('1') });
      expect(Buffer.from((await store.get({ key: 'k' }))?.data ?? []).toString()).toBe('1');
      await store.close();
      expect(await server.sql(`select key from "${tableName.toLowerCase()}"`)).toEqual([{ key: 'k' }]);
    }
    expect(await server.sql(`select key from "order" where key = 'migrations'`)).toEqual([{ key: 'migrations' }]);
  });

  it('shares tables of version v2 with Dapr', async () => {
    // As Dapr makes them, its counter of migrations included.
    await server.sql(`create table shared_state (key text not null primary key, value bytea not null, etag uuid not null default gen_random_uuid(),
      created_at timestamp with time zone not null default now(), updated_at timestamp with time zone, expires_at timestamp with time zone);
      create table dapr_metadata_s (key text not null primary key, value text not null);
      insert into dapr_metadata_s values ('migrations-state-v2-shared_', '1');
      insert into shared_state (key, value, expires_at) values ('dapr', '{"a":1}', now() + interval '1 hour'), ('gone', 'x', now() - interval '1 s')`);
    const store = await v2('shared_', { metadataTableName: 'dapr_metadata_s' });
    const found = await store.get({ key: 'dapr' });
    expect(textOf(found?.data)).toBe('{"a":1}');
    expect(found?.metadata?.['ttlExpireTime']).toBeDefined();
    expect(await store.get({ key: 'gone' })).toBeUndefined();
    await store.set({ key: 'dapr', data: bytes('2'), etag: found?.etag as string });
    await store.set({ key: 'gone', data: bytes('3'), concurrency: 'first-write' });
    const rows = await server.sql(
      `select key, convert_from(value, 'UTF8') as value, etag::text, updated_at is not null as updated, expires_at from shared_state order by key`,
    );
    expect(rows).toEqual([
      { key: 'dapr', value: '2', etag: (await store.get({ key: 'dapr' }))?.etag, updated: true, expires_at: null },
      { key: 'gone', value: '3', etag: expect.any(String), updated: true, expires_at: null },
    ]);
    await store.close();
    const made = await v2('made_', { metadataTableName: 'dapr_metadata_s' });
    await made.close();
    expect(await server.sql(`select value from dapr_metadata_s where key = 'migrations-state-v2-made_'`)).toEqual([{ value: '1' }]);
  });

  it('shares tables of version v1 with Dapr, from every step of its migrations', async () => {
    await server.sql(`create table old (key text not null primary key, value jsonb not null, isbinary boolean not null,
      insertdate timestamp with time zone not null default now(), updatedate timestamp with time zone null);
      create table old_m (key text not null primary key, value text not null);
      insert into old_m values ('migrations', '1');
      insert into old (key, value, isbinary) values ('json', '{"a": [1, "x"]}', false), ('bytes', '"AP8="', true)`);
    const store = await v1('old');
    expect(JSON.parse(textOf((await store.get({ key: 'json' }))?.data) as string)).toEqual({ a: [1, 'x'] });
    expect([...((await store.get({ key: 'bytes' }))?.data ?? [])]).toEqual([0, 255]);
    await store.set({ key: 'new', data: new Uint8Array(100).fill(255), ttlSeconds: 60 });
    expect(await server.sql(`select value #>> '{}' as value, isbinary, expiredate > now() as lives from old where key = 'new'`)).toEqual([
      { value: Buffer.alloc(100, 255).toString('base64'), isbinary: true, lives: true },
    ]);
    expect(await server.sql(`select value from old_m`)).toEqual([{ value: '2' }]);
    await store.close();
  });

  it('refuses tables of a newer format, and properties of the other version', async () => {
    await (await v2('newer_')).close();
    await server.sql(`update dapr_metadata set value = '2' where key = 'migrations-state-v2-newer_'`);
    expect(await failed(v2('newer_'))).toMatchObject({
      code: 'component.init-failed',
      message: expect.stringContaining('newer than the 1'),
    });
    expect((await failed(open({ ...address(), tableName: 'x' }))).message).toContain('`tableName` is a property of version v1');
    expect((await failed(open({ ...address(), tablePrefix: 'x' }, 'v1'))).message).toContain('`tablePrefix` is a property of version v2');
  });

  it('opens many times at once, and keeps racing transactions whole', async () => {
    const stores = await Promise.all(Array.from({ length: 6 }, () => v2('race_')));
    const pair = (n: number) => [upsert('a', String(n)), upsert('b', String(n))];
    const writers = stores.map(async (store, index) => {
      for (let n = 0; n < 10; n++) await store.transact?.(n % 2 === 0 ? pair(index) : pair(index).toReversed(), {});
    });
    const reader = async (): Promise<void> => {
      for (let n = 0; n < 20; n++) {
        const [a, b] = await (stores[0] as StateStore).bulkGet([{ key: 'a' }, { key: 'b' }]);
        expect(textOf(a?.value?.data)).toBe(textOf(b?.value?.data));
      }
    };
    await Promise.all([...writers, reader()]);
    const { etag } = (await stores[0]?.get({ key: 'a' })) ?? {};
    const takers = await Promise.allSettled(
      stores.map(async (store) => store.transact?.([upsert('a', '1', { etag: etag as string }), upsert('b', '1')], {})),
    );
    expect(takers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await Promise.all(stores.map((store) => store.close()));
  });

  it('fails only the item that the database cannot take', async () => {
    const store = await v2('items_');
    const outcomes = await store.bulkSet([upsert('a', '1'), upsert('nul\u0000', '2'), upsert('c', '3')]);
    expect(outcomes.map(({ error }) => error?.message ?? 'fine')).toEqual(['fine', expect.stringContaining('PostgreSQL'), 'fine']);
    expect(await failed(store.set({ key: 'a', data: bytes('1'), etag: 'no uuid' }))).toMatchObject({ kind: 'invalid' });
    await store.close();
  });

  it('removes expired rows, once for all who share the table', async () => {
    const [one, two] = [await v2('clean_', { cleanupInterval: '200ms' }), await v2('clean_', { cleanupInterval: '0' })];
    await two.set({ key: 'kept', data: bytes('1') });
    await two.set({ key: 'k', data: bytes('1'), ttlSeconds: 60 });
    await server.sql(`update clean_state set expires_at = now() - interval '1 s' where key = 'k'`);
    await expect.poll(() => server.sql(`select key from clean_state`)).toEqual([{ key: 'kept' }]);
    expect(await server.sql(`select count(*)::int from dapr_metadata where key = 'last-cleanup-state-v2-dapr_metadata'`)).toEqual([
      { count: 1 },
    ]);
    await Promise.all([one.close(), two.close()]);
  });

  it('tells a slow server from a refusal, and goes on after a restart', async () => {
    // Short, but not so short that a machine which stands still for a moment looks like a slow server.
    const store = await v2('slow_', { timeout: '2s' });
    await store.set({ key: 'k', data: bytes('1') });
    const blocker = new pg.Client(server.address);
    await blocker.connect();
    await blocker.query('begin; lock table slow_state');
    expect(await failed(store.set({ key: 'k', data: bytes('2') }))).toMatchObject({ code: 'engine.outcome-unknown' });
    expect(await failed(store.get({ key: 'k' }))).toMatchObject({ code: 'unavailable' });
    const guarded = [upsert('k', '3', { etag: '00000000-0000-4000-8000-000000000000' }), upsert('l', '1')];
    // Lost before its commit: nothing of a transaction happened.
    expect(await failed(store.transact?.(guarded, {}) ?? Promise.resolve())).toMatchObject({ code: 'unavailable' });
    await blocker.end();
    await server.stop();
    expect(['unavailable', 'engine.outcome-unknown']).toContain((await failed(store.get({ key: 'k' }))).code);
    expect(['unavailable', 'engine.outcome-unknown']).toContain((await failed(store.set({ key: 'k', data: bytes('2') }))).code);
    await server.start();
    await expect.poll(() => store.set({ key: 'k', data: bytes('4') }).catch((error: Error) => error.message)).toBeUndefined();
    expect(textOf((await store.get({ key: 'k' }))?.data)).toBe('4');
    await store.close();
  });

  it('says what the server says when it lets nobody in', async () => {
    const wrong = await failed(open({ ...address(), user: 'nobody', password: 'canary' }));
    expect(wrong).toMatchObject({ code: 'component.init-failed', message: expect.stringContaining('role "nobody" does not exist') });
    expect(wrong.message).not.toContain('canary');
    expect((await failed(open({ ...address(), database: 'missing' }))).message).toContain('database "missing" does not exist');
  });
});

describe('state.postgresql, its configuration', () => {
  it.each([
    [{}, /must say where the server is/],
    [{ connectionString: 'host=a,b' }, /several hosts/],
    [{ connectionString: 'postgres://[' }, /not a valid URL/],
    [{ connectionString: 'nonsense' }, /neither a URL nor/],
    [{ connectionString: 'host=a sslmode=maybe' }, /sslmode maybe/],
    [{ connectionString: 'host=a hots=b' }, /parameter hots/],
    [{ connectionString: 'host=a port=x' }, /port of the connection string/],
    [{ connectionString: 'postgres://u:p@127.0.0.1:1/d' }, /ECONNREFUSED/],
    [{ connectionString: `host='127.0.0.1' port=1 password='it''s'` }, /neither a URL nor/],
    [{ connectionString: `host='127.0.0.1' port=1 password='it\\'s \\\\'` }, /ECONNREFUSED/],
  ])('refuses %j', async (metadata: Record<string, string>, message) => {
    await expect(open(metadata)).rejects.toMatchObject({
      code: 'component.init-failed',
      message: expect.stringMatching(message) as string,
    });
  });

  it('takes only identifiers as names of tables', () => {
    for (const tablePrefix of ['a;', 'a b', 'a.b.c', '"x"']) expect(v.safeParse(driver.config, { tablePrefix }).success).toBe(false);
    for (const tableName of ['', 'a;', '1a', 'a-b']) expect(v.safeParse(driver.config, { tableName }).success).toBe(false);
    expect(v.safeParse(driver.config, { tableName: 'own.state', metadataTableName: 'own.meta' }).success).toBe(true);
  });
});
