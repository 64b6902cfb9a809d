import * as v from 'valibot';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { StateOperation, StateStore, StateValue } from '../../contracts/state.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { type MongoFault, type MongoReplicaSet, startMongoReplicaSet } from '../../testing/mongo-replica-set.ts';
import { seededRandom } from '../../testing/simulator/disk.ts';
import { bytes, textOf, upsert } from '../../testing/state-suite-rig.ts';
import { stateSuite } from '../../testing/state-suite.ts';
import driver from './index.ts';
import { mongoCapabilities, singleServerCapabilities } from './mongo-store.ts';

// Transactions, against the replica set of the tests: src/testing/mongo-replica-set.ts says what it is.
const context = testDriverContext({ clock: nodeClock, random: createNodeRandom() });
const open = (metadata: Record<string, string>): Promise<StateStore> => driver.open(v.parse(driver.config, metadata), context);

describe('state.mongodb, a replica set', () => {
  let server: MongoReplicaSet;
  const address = () => ({ host: `127.0.0.1:${server.port}` });
  beforeAll(async () => {
    server = await startMongoReplicaSet();
  });
  afterAll(() => server.close());

  stateSuite({
    name: 'state.mongodb',
    capabilities: mongoCapabilities,
    async open() {
      server.clear();
      const store = await open(address());
      return { store, advance: (ms) => server.age(ms), destroy: () => store.close() };
    },
  });
  describe('its transactions', () => {
    let store: StateStore;
    const read = async (key: string): Promise<string | undefined> => textOf((await store.get({ key }))?.data);
    const transact = async (operations: readonly StateOperation[]): Promise<void> => store.transact?.(operations, {});
    const both = (value: string) => transact([upsert('a', value), upsert('b', value)]);
    const sent = (name: string): number => server.commands.filter((each) => each === name).length;
    const opened = async (more: Record<string, string> = {}): Promise<void> => {
      server.clear();
      store = await open({ ...address(), ...more });
      server.commands.length = 0;
    };
    afterEach(() => {
      expect(server.faults.splice(0)).toEqual([]);
      return store.close();
    });

    it('stay whole in a race, and let one of many takers win', async () => {
      await opened();
      await Promise.all(
        Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? both(String(index)) : transact([upsert('b', 'x'), upsert('a', 'x')]))),
      );
      expect(await read('a')).toBe(await read('b'));
      const etag = (await store.get({ key: 'a' }))?.etag as string;
      const takers = await Promise.allSettled(
        Array.from({ length: 6 }, (_, index) => transact([upsert('a', `taker${index}`, { etag }), upsert('b', `taker${index}`)])),
      );
      expect(takers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await read('a')).toBe(await read('b'));
    });

    it('are judged again when a write without one came in between', async () => {
      await opened();
      await store.set({ key: 'a', data: bytes('1') });
      const etag = (await store.get({ key: 'a' }))?.etag as string;
      const [transaction, write] = await Promise.allSettled([
        transact([upsert('a', '2', { etag }), upsert('b', '2')]),
        store.set({ key: 'a', data: bytes('3'), etag }),
      ]);
      expect([transaction.status, write.status].toSorted()).toEqual(['fulfilled', 'rejected']);
      expect(await read('b')).toBe(transaction.status === 'fulfilled' ? '2' : undefined);
    });

    it('keep a key free that is made and unmade in them', async () => {
      await opened();
      const pass = [upsert('a', '1', { concurrency: 'first-write' }), { kind: 'delete', key: 'a' } as const, upsert('b', '1')];
      await transact(pass);
      expect([await read('a'), await read('b')]).toEqual([undefined, '1']);
      await store.set({ key: 'a', data: bytes('there') });
      await expect(transact(pass)).rejects.toMatchObject({ kind: 'mismatch' });
      expect(await read('a')).toBe('there');
    });

    it.each([
      ['a commit that the server could not take yet', { command: 'commitTransaction', code: 251, labels: ['TransientTransactionError'] }],
      ['a connection that broke on the way', { command: 'update', lose: 'command' }],
      ['a connection that broke after the server had written', { command: 'update', lose: 'answer' }],
    ] as const)('are tried again after %s', async (_what, fault) => {
      await opened();
      server.faults.push(fault);
      await both('1');
      expect([await read('a'), await read('b')]).toEqual(['1', '1']);
      expect(sent('update')).toBe(2);
    });

    it('ask for the end of a commit whose answer was lost, and say so when nobody knows it', async () => {
      await opened();
      server.faults.push({ command: 'commitTransaction', lose: 'answer' });
      await both('1');
      expect([await read('a'), sent('commitTransaction')]).toEqual(['1', 2]);
      const lost = { command: 'commitTransaction', lose: 'answer' } as const;
      server.faults.push(lost, lost);
      await expect(both('2')).rejects.toMatchObject({ code: 'engine.outcome-unknown' });
      expect(await read('a')).toBe('2');
      server.faults.push({ command: 'commitTransaction', lose: 'command' }, { command: 'commitTransaction', lose: 'command' });
      await expect(both('3')).rejects.toMatchObject({ code: 'engine.outcome-unknown' });
    });

    it('end as unavailable when something is in their way for too long', async () => {
      await opened({ operationTimeout: '1s' });
      const faults = Array.from({ length: 1_000 }, () => ({ command: 'update', code: 112, labels: ['TransientTransactionError'] }));
      server.faults.push(...faults);
      await expect(both('1')).rejects.toMatchObject({ code: 'unavailable' });
      expect(server.faults.splice(0).length).toBeLessThan(999);
      expect(server.documents()).toEqual([]);
    });

    it('are not needed for one key', async () => {
      await opened();
      await transact([upsert('a', '1'), upsert('a', '2')]);
      expect(sent('commitTransaction')).toBe(0);
      expect(await read('a')).toBe('2');
    });

    it('are whole and happen once, whatever breaks meanwhile', async () => {
      const seed = createNodeRandom().u32();
      const random = seededRandom(seed);
      const among = <T>(items: readonly T[]): T => items[random.u32() % items.length] as T;
      await opened();
      const [accounts, start] = [['a', 'b', 'c'], 100];
      for (const key of accounts) await store.set({ key, data: bytes(String(start)) });
      const faults: readonly MongoFault[] = [
        ...(['update', 'commitTransaction', 'find'] as const).flatMap((command) => [
          { command, lose: 'answer' } as const,
          { command, lose: 'command' } as const,
        ]),
        { command: 'update', code: 112, labels: ['TransientTransactionError'] },
        { command: 'commitTransaction', code: 251, labels: ['TransientTransactionError'] },
      ];
      const done: string[] = [];
      const unknown: string[] = [];
      const move = async (id: string): Promise<void> => {
        const [from, to] = accounts.toSorted(() => (random.u32() % 2 === 0 ? 1 : -1)) as [string, string];
        const [a, b] = (await store.bulkGet([{ key: from }, { key: to }])).map(({ value }) => value as StateValue) as [
          StateValue,
          StateValue,
        ];
        const put = (key: string, { data, etag }: StateValue, by: number) => upsert(key, String(Number(textOf(data)) + by), { etag });
        await transact([put(from, a, -1), put(to, b, 1), upsert(id, JSON.stringify({ from, to }), { concurrency: 'first-write' })]);
      };
      const worker = async (name: number): Promise<void> => {
        for (let n = 0; n < 12; n++) {
          const id = `move-${name}-${n}`;
          if (random.u32() % 8 === 0) server.faults.push(among(faults));
          const error: unknown = await move(id).catch((thrown: unknown) => thrown);
          if (error === undefined) done.push(id);
          else if ((error as { code?: string }).code === 'engine.outcome-unknown') unknown.push(id);
          else
            expect(`${seed}: ${String((error as { kind?: string; code?: string }).kind ?? (error as { code?: string }).code)}`).toMatch(
              /: (mismatch|unavailable)$/,
            );
        }
      };
      await Promise.all(Array.from({ length: 5 }, (_, name) => worker(name)));
      server.faults.length = 0;
      const moves = server.documents().filter(({ _id }) => _id.startsWith('move-'));
      const happened = moves.map(({ _id }) => _id);
      expect(happened, `seed ${seed}`).toEqual(expect.arrayContaining(done));
      expect([...done, ...unknown], `seed ${seed}`).toEqual(expect.arrayContaining(happened));
      for (const key of accounts) {
        const through = moves.map(({ value }) => value as { readonly from: string; readonly to: string });
        const balance = through.reduce((sum, { from, to }) => sum + Number(to === key) - Number(from === key), start);
        expect(await read(key), `seed ${seed}`).toBe(String(balance));
      }
      expect(done.length, `seed ${seed}`).toBeGreaterThan(0);
    });

    it('are not believed of a server that only has the name of a replica set', async () => {
      server.faults.push({ command: 'commitTransaction', code: 59 });
      await opened();
      expect(store.transact).toBeUndefined();
      expect(store.capabilities).toEqual(singleServerCapabilities);
    });

    it('are not given up for a server that is between two primaries when the component starts', async () => {
      await opened();
      server.faults.push({ command: 'commitTransaction', code: 251, labels: ['TransientTransactionError'] });
      await expect(open(address())).rejects.toMatchObject({ code: 'component.init-failed' });
    });
  });

  it('tells writes that did not happen from those that may have, and sends none twice', async () => {
    server.clear();
    const store = await open(address());
    server.commands.length = 0;
    const set = (value: string) => store.set({ key: 'k', data: bytes(value) });
    server.faults.push({ command: 'update', lose: 'answer' });
    await expect(set('1')).rejects.toMatchObject({ code: 'engine.outcome-unknown' });
    expect(textOf((await store.get({ key: 'k' }))?.data)).toBe('1');
    server.faults.push({ command: 'update', code: 10_107 });
    await expect(set('2')).rejects.toMatchObject({ code: 'unavailable' });
    server.faults.push({ command: 'update', code: 11_602 });
    await expect(set('3')).rejects.toMatchObject({ code: 'engine.outcome-unknown' });
    server.faults.push({ command: 'update', code: 13 });
    await expect(set('4')).rejects.toThrow('MongoDB: a fault of the test (13)');
    server.faults.push({ command: 'find', lose: 'answer' });
    expect(textOf((await store.get({ key: 'k' }))?.data)).toBe('1');
    expect(server.commands.filter((name) => name === 'update')).toHaveLength(4);
    await store.close();
  });

  it('tells of a bulk which of its writes failed', async () => {
    server.clear();
    const store = await open(address());
    server.faults.push({ command: 'update', lose: 'answer' });
    const outcomes = await store.bulkSet([upsert('a', '1'), upsert('b', '1')]);
    expect(outcomes.map(({ error }) => (error as { code?: string }).code)).toEqual(['engine.outcome-unknown', 'engine.outcome-unknown']);
    // The bulk, then each of it by itself.
    server.faults.push({ command: 'update', code: 13 }, { command: 'update', code: 13 });
    const again = await store.bulkSet([upsert('a', '2'), upsert('b', '2')]);
    expect(again.map(({ error }) => error?.message)).toEqual(['MongoDB: a fault of the test (13)', undefined]);
    await store.close();
  });
  it('goes by the server’s clock, whatever its own says', async () => {
    server.clear();
    const ahead = { ...nodeClock, now: () => nodeClock.now() + 3_600_000 };
    const store = await driver.open(v.parse(driver.config, address()), testDriverContext({ clock: ahead, random: createNodeRandom() }));
    await store.set({ key: 'k', data: bytes('1'), ttlSeconds: 600 });
    const ends = server.documents()[0]?.['_ttl'] as Date;
    expect(Math.abs(ends.getTime() - nodeClock.now() - 600_000)).toBeLessThan(300_000);
    expect(textOf((await store.get({ key: 'k' }))?.data)).toBe('1');
    await store.close();
  });

  it('asks for the time again when it could not be had', async () => {
    server.clear();
    const store = await open(address());
    const set = () => store.set({ key: 'k', data: bytes('1'), ttlSeconds: 600 });
    server.faults.push({ command: 'hello', code: 13 });
    await expect(set()).rejects.toThrow('a fault of the test');
    await set();
    expect(server.documents()).toHaveLength(1);
    await store.close();
  });
});
