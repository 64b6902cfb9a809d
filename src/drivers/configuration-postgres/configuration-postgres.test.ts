import pg from 'pg';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConfigurationItems } from '../../contracts/configuration.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { configurationSuite, settleOnServer } from '../../testing/configuration-suite.ts';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { findPostgres, type PostgresServer, startPostgres } from '../../testing/postgres-server.ts';
import driver from './index.ts';

const bin = findPostgres();
if (bin === undefined) console.log('skipped: postgres not found');

const lines: string[] = [];
const context = testDriverContext({ clock: nodeClock, log: recordingLogger(lines) });
const open = (metadata: Record<string, string>) => driver.open(v.parse(driver.config, metadata), context);

describe.runIf(bin !== undefined)('configuration.postgresql, the real server', () => {
  let server: PostgresServer;
  let client: pg.Client;
  let tables = 0;
  const address = () => ({ host: server.address.host, user: server.address.user, database: 'postgres' });
  const connect = async (): Promise<void> => {
    client = new pg.Client(server.address);
    client.on('error', () => {});
    await client.connect();
  };
  const make = async (): Promise<string> => {
    const table = `c${++tables}`;
    // The trigger that Dapr's documentation asks for, in short.
    await client.query(`create table ${table} (key varchar not null primary key, value varchar not null, version varchar not null, metadata json);
      create function ${table}_tell() returns trigger language plpgsql as $$
      begin perform pg_notify('${table}_changed', json_build_object('action', tg_op)::text); return null; end $$;
      create trigger t after insert or update or delete on ${table} for each row execute function ${table}_tell()`);
    return table;
  };
  const write = (table: string) => async (items: Readonly<Record<string, string | undefined>>) => {
    for (const [key, value] of Object.entries(items)) {
      if (value === undefined) await client.query(`delete from ${table} where key = $1`, [key]);
      else
        await client.query(
          `insert into ${table} values ($1, $2, '1', '{"m": "1"}') on conflict (key) do update set value = excluded.value, version = (${table}.version::int + 1)::text`,
          [key, value],
        );
    }
  };
  beforeAll(async () => {
    server = await startPostgres(bin as string);
    await connect();
  });
  afterAll(async () => {
    await client.end();
    await server.destroy();
  });

  configurationSuite({
    name: 'configuration.postgresql',
    async open() {
      const table = await make();
      const store = await open({ ...address(), table, notifyChannel: `${table}_changed` });
      return { store, write: write(table), settle: settleOnServer, destroy: () => store.close() };
    },
  });

  it('hears on the channel that the subscriber names, of a value that changes under its version, and after a restart', async () => {
    const table = await make();
    await write(table)({ k: 'a' });
    const store = await open({ ...address(), table });
    const heard: ConfigurationItems[] = [];
    await store.subscribe(['k'], { pgnotifychannel: `${table}_CHANGED` }, (items) => heard.push(items));
    await client.query(`update ${table} set value = 'b'`);
    await expect.poll(() => heard.at(-1)?.['k']).toEqual({ value: 'b', version: '1', metadata: { m: '1' } });
    await server.restart();
    await connect();
    await write(table)({ k: 'c' });
    await expect.poll(() => heard.at(-1)?.['k']?.value).toBe('c');
    await expect(store.subscribe([], { pgNotifyChannel: 'a; drop table b' }, () => {})).rejects.toMatchObject({ code: 'bad-request' });
    await store.close();
  });

  it('takes a table without versions or metadata for what it is', async () => {
    await client.query(
      `create table bare (key text, value text, version int, metadata text); insert into bare values ('a', null, null, 'no json'), (null, 'x', 1, null)`,
    );
    const store = await open({ ...address(), table: 'bare' });
    expect({ ...(await store.get([], {})) }).toEqual({ a: { value: '', version: '', metadata: {} } });
    await store.close();
  });

  it('refuses a table that is not there or has other columns', async () => {
    await expect(open({ ...address(), table: 'missing' })).rejects.toMatchObject({
      code: 'component.init-failed',
      message: expect.stringContaining('missing'),
    });
    await client.query('create table other (name text)');
    await expect(open({ ...address(), table: 'other' })).rejects.toMatchObject({ code: 'component.init-failed' });
    expect(v.safeParse(driver.config, { table: 'a; drop table b' }).success).toBe(false);
    expect(v.safeParse(driver.config, { table: 'a', notifyChannel: 'a b' }).success).toBe(false);
  });
});
