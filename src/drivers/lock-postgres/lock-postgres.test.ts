import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeClock } from '../../ports/node/clock.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { lockSuite } from '../../testing/lock-suite.ts';
import { findPostgres, type PostgresServer, startPostgres } from '../../testing/postgres-server.ts';
import driver from './index.ts';

const bin = findPostgres();
if (bin === undefined) console.log('skipped: postgres not found');

const context = testDriverContext({ clock: nodeClock });
const open = (metadata: Record<string, string>) => driver.open(v.parse(driver.config, metadata), context);

describe.runIf(bin !== undefined)('lock.postgresql, the real server', () => {
  let server: PostgresServer;
  let tables = 0;
  const address = () => ({ connectionString: server.connectionString });
  beforeAll(async () => {
    server = await startPostgres(bin as string);
  });
  afterAll(() => server.destroy());

  lockSuite({
    name: 'lock.postgresql',
    fencing: true,
    server: () => server,
    async open() {
      const tableName = `locks${tables++}`;
      // At once: the table is made once.
      const [store, second] = await Promise.all([open({ ...address(), tableName }), open({ ...address(), tableName })]);
      return {
        store,
        second,
        advance: async (ms) => void (await server.sql(`update ${tableName} set expires = expires - interval '${ms} milliseconds'`)),
        destroy: async () => void (await Promise.all([store.close(), second.close()])),
      };
    },
  });

  it('takes a word that SQL reserves for the name of its table', async () => {
    const store = await open({ ...address(), tableName: 'order' });
    expect(await store.tryLock('r', 'a', 60)).toBeDefined();
    expect(await server.sql('select resource from "order"')).toEqual([{ resource: 'r' }]);
    await store.close();
  });

  it('leaves no rows of locks that ended by themselves', async () => {
    const store = await open({ ...address(), tableName: 'swept' });
    for (let i = 0; i < 10; i++) await store.tryLock(`r${i}`, 'a', 1);
    await server.sql(`update swept set expires = expires - interval '1 hour'`);
    await store.tryLock('another', 'a', 60);
    expect(await server.sql('select resource from swept')).toEqual([{ resource: 'another' }]);
    await store.close();
  });

  it('refuses a table whose name is none, and a database that does not let it make one', async () => {
    expect(v.safeParse(driver.config, { ...address(), tableName: 'a; drop' }).success).toBe(false);
    await server.sql('create role guest login');
    const guest = { connectionString: `host=${server.address.host} user=guest dbname=postgres`, tableName: 'secret.locks' };
    await expect(open(guest)).rejects.toMatchObject({ code: 'component.init-failed', message: expect.stringContaining('secret.locks') });
  });
});
