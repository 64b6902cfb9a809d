import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../kernel/log.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { stateSuite } from '../../testing/state-suite.ts';
import { hasSqlite, openDatabase } from './database.ts';
import driver from './index.ts';
import { sqliteCapabilities, SqliteStore } from './sqlite-store.ts';

const options = { connectionString: ':memory:', busyTimeout: 2_000, disableWAL: false, tableName: 'state', metadataTableName: 'metadata' };
const surroundings = { nodeVersion: process.versions.node, path: (path: string) => path };

const open = (cleanupInterval = 0) => {
  const clock = createFakeClock();
  const database = openDatabase(options, surroundings);
  const store = new SqliteStore({ database, clock, random: createNodeRandom(), log: silentLogger, tableName: 'state', cleanupInterval });
  return { clock, database, store };
};

// Node 20 has no SQLite: there only the error can be tested. The suite runs on newer Node (CI's second leg).
if (hasSqlite())
  describe('with node:sqlite', () => {
    stateSuite({
      name: 'state.sqlite',
      capabilities: sqliteCapabilities,
      async open() {
        const { clock, store } = open();
        return { store, advance: clock.advance, destroy: () => store.close() };
      },
    });

    it('keeps rows in Dapr’s format, and reads rows that Dapr wrote', async () => {
      const { database, store } = open();
      await store.set({ key: 'text', data: new TextEncoder().encode('{"a":1}'), ttlSeconds: 60 });
      await store.set({ key: 'bytes', data: new Uint8Array([0, 255]) });
      const rows = database.prepare('SELECT key, value, is_binary, expiration_time FROM state ORDER BY key').all();
      expect(rows.map((row) => ({ ...row }))).toEqual([
        { key: 'bytes', value: 'AP8=', is_binary: 1, expiration_time: null },
        { key: 'text', value: '{"a":1}', is_binary: 0, expiration_time: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/) },
      ]);
      database.exec("INSERT INTO state (key, value, is_binary, etag) VALUES ('dapr', 'aGVsbG8=', 1, 'e')");
      expect(Buffer.from((await store.get({ key: 'dapr' }))?.data ?? []).toString()).toBe('hello');
    });

    it('keeps state in a file, by its path and as file:, over a restart and beside another process', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'proa-sqlite-'));
      const file = join(folder, 'state.db');
      const opened = (connectionString: string) =>
        driver.open(
          v.parse(driver.config, { connectionString }),
          testDriverContext({ clock: createFakeClock(), random: createNodeRandom() }),
        );
      const [one, two] = [await opened(file), await opened(`file:${file}`)];
      await one.set({ key: 'k', data: new TextEncoder().encode('1') });
      expect(Buffer.from((await two.get({ key: 'k' }))?.data ?? []).toString()).toBe('1');
      await Promise.all([one.close(), two.close()]);
      const readOnly = await opened(`file:${file}?mode=ro`);
      expect(await readOnly.get({ key: 'k' })).toBeDefined();
      await expect(readOnly.set({ key: 'k', data: new Uint8Array(0) })).rejects.toThrow(/readonly/);
      await readOnly.close();
      rmSync(folder, { recursive: true });
    });

    it('removes expired rows when asked to', async () => {
      const { clock, database, store } = open(60_000);
      await store.set({ key: 'k', data: new Uint8Array(1), ttlSeconds: 10 });
      clock.advance(61_000);
      expect(database.prepare('SELECT key FROM state').all()).toHaveLength(0);
      await store.close();
      expect(clock.waiting).toBe(0);
    });

    it.each([
      ['state.db?_pragma=journal_mode(OFF)', '_pragma'],
      ['file:/no/such/folder/x.db', 'cannot be opened'],
    ])('refuses %s', (connectionString, why) => {
      expect(() => openDatabase({ ...options, connectionString }, surroundings)).toThrow(
        expect.objectContaining({ code: 'component.init-failed', message: expect.stringContaining(why) }),
      );
    });
  });

if (!hasSqlite())
  it('says which Node it needs', () => {
    expect(open).toThrow(expect.objectContaining({ code: 'component.init-failed', message: expect.stringContaining('Node 22.13') }));
  });
