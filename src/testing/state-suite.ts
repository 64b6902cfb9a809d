import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StateCapability, StateOperation, StateStore } from '../contracts/state.ts';
import { bytes, type StateRig, textOf, upsert } from './state-suite-rig.ts';
import { stateScanSuite } from './state-suite-scans.ts';

export interface StateSuiteOptions {
  readonly name: string;
  /** What the driver declares; sections follow from it, and what is missing must not be there. */
  readonly capabilities: readonly StateCapability[];
  /** The largest value to try; default 1 KB above the engine's limit, so that a store which splits values is caught. */
  readonly largeBytes?: number;
  open(): Promise<StateRig>;
}

const mismatch = { kind: 'mismatch' };

/** What every state store promises (contracts/state). Certifies drivers from outside too. */
export function stateSuite(options: StateSuiteOptions): void {
  const can = (capability: StateCapability): boolean => options.capabilities.includes(capability);
  let rig: StateRig;
  let store: StateStore;

  const read = async (key: string): Promise<string | undefined> => textOf((await store.get({ key }))?.data);
  const etagOf = async (key: string): Promise<string> => (await store.get({ key }))?.etag ?? '';

  describe(`state store ${options.name}`, () => {
    beforeEach(async () => {
      rig = await options.open();
      store = rig.store;
    });
    afterEach(() => rig.destroy());

    it('reports what it declares, and has exactly the methods for it', () => {
      expect([...store.capabilities].toSorted()).toEqual([...options.capabilities].toSorted());
      expect(store.transact !== undefined).toBe(can('TRANSACTIONAL'));
      expect(store.query !== undefined).toBe(can('QUERY_API'));
      expect(store.deleteWithPrefix !== undefined).toBe(can('DELETE_WITH_PREFIX'));
      expect(store.keys !== undefined).toBe(can('KEYS_LIKE'));
      expect(can('ACTOR')).toBe(can('ETAG') && can('TRANSACTIONAL'));
    });

    it('keeps bytes as they are, from nothing to large', async () => {
      const large = new Uint8Array(options.largeBytes ?? 1_049_600).map((_, index) => (index * 31) % 251);
      for (const data of [new Uint8Array(0), new Uint8Array([0, 255, 128, 10]), bytes('{"a":1}'), large]) {
        await store.set({ key: 'k', data, contentType: 'application/octet-stream' });
        const found = await store.get({ key: 'k' });
        expect(Buffer.from(found?.data ?? []).equals(data)).toBe(true);
        expect(found?.data.length).toBe(data.length);
      }
      await store.set({ key: 'k', data: bytes('small again') });
      expect(await read('k')).toBe('small again');
      await store.delete({ key: 'k' });
      expect(await store.get({ key: 'k' })).toBeUndefined();
    });

    it('is not affected by what the caller does to the bytes afterwards', async () => {
      const data = bytes('before');
      await store.set({ key: 'k', data });
      data.fill(0);
      expect(await read('k')).toBe('before');
    });

    it('peeks at what get answers, or at nothing', async () => {
      const peek = (key: string) => store.peek?.(key);
      for (const data of [bytes('one'), new Uint8Array(0), new Uint8Array(options.largeBytes ?? 1_049_600).fill(7)]) {
        await store.set({ key: 'k', data, contentType: 'text/x' });
        const read = await store.get({ key: 'k' });
        const seen = peek('k');
        if (seen !== undefined) expect([seen, peek('k')]).toEqual([read, read]);
      }
      await store.delete({ key: 'k' });
      expect(peek('k')).toBeUndefined();
      expect(peek('never')).toBeUndefined();
    });

    it('keeps keys apart, whatever is in them', async () => {
      const keys = ['a', 'a||b', 'a||b||c', 'A', 'ä', 'a%', 'a_', "a'", 'a"', 'a\\', ' a', '__proto__', 'constructor', '€uro/😀', 'a/../b'];
      for (const key of keys) await store.set({ key, data: bytes(`value of ${key}`) });
      for (const key of keys) expect(await read(key)).toBe(`value of ${key}`);
      await store.delete({ key: 'a' });
      expect(await read('a||b')).toBe('value of a||b');
      expect(await store.get({ key: 'toString' })).toBeUndefined();
    });

    it('answers bulk operations in request order, each item on its own', async () => {
      expect(await store.bulkSet([upsert('a', '1'), upsert('b', '2'), upsert('a', '3')])).toEqual([
        { key: 'a' },
        { key: 'b' },
        { key: 'a' },
      ]);
      const found = await store.bulkGet([{ key: 'b' }, { key: 'missing' }, { key: 'a' }, { key: 'b' }], 2);
      expect(found.map(({ key, value, error }) => [key, textOf(value?.data), error])).toEqual([
        ['b', '2', undefined],
        ['missing', undefined, undefined],
        ['a', '3', undefined],
        ['b', '2', undefined],
      ]);
      expect(await store.bulkDelete([{ key: 'a' }, { key: 'missing' }])).toEqual([{ key: 'a' }, { key: 'missing' }]);
      expect(await read('a')).toBeUndefined();
      const large = new Uint8Array(options.largeBytes ?? 1_049_600);
      await store.bulkSet([{ key: 'a', data: large }, upsert('a', 'last')]);
      expect(await read('a')).toBe('last');
      expect(await store.bulkGet([])).toEqual([]);
      expect(await store.bulkSet([])).toEqual([]);
    });

    it('deletes what is not there without an error', async () => {
      await expect(store.delete({ key: 'missing' })).resolves.toBeUndefined();
    });

    if (can('ETAG'))
      describe('etags', () => {
        it('change with every write and guard sets and deletes', async () => {
          await store.set({ key: 'k', data: bytes('1') });
          const first = await etagOf('k');
          expect(first).not.toBe('');
          await store.set({ key: 'k', data: bytes('2'), etag: first });
          const second = await etagOf('k');
          expect(second).not.toBe(first);
          await expect(store.set({ key: 'k', data: bytes('3'), etag: first })).rejects.toMatchObject(mismatch);
          await expect(store.delete({ key: 'k', etag: first })).rejects.toMatchObject(mismatch);
          expect(await read('k')).toBe('2');
          await store.delete({ key: 'k', etag: second });
          expect(await read('k')).toBeUndefined();
        });

        it('do not match what is gone, and are not given again after a delete', async () => {
          await store.set({ key: 'k', data: bytes('1') });
          const etag = await etagOf('k');
          await store.delete({ key: 'k' });
          await expect(store.set({ key: 'k', data: bytes('2'), etag })).rejects.toMatchObject(mismatch);
          await expect(store.delete({ key: 'k', etag })).rejects.toMatchObject(mismatch);
          await store.set({ key: 'k', data: bytes('1') });
          expect(await etagOf('k')).not.toBe(etag);
        });

        it('that are none of the store are refused', async () => {
          await store.set({ key: 'k', data: bytes('1') });
          for (const etag of ['bad etag', '-1', '1e3', '0', "' OR 1=1"]) {
            await expect(store.set({ key: 'k', data: bytes('2'), etag })).rejects.toMatchObject({
              kind: expect.stringMatching('mismatch|invalid'),
            });
          }
          expect(await read('k')).toBe('1');
        });

        it('first-write without an etag only creates', async () => {
          await store.set({ key: 'k', data: bytes('1'), concurrency: 'first-write' });
          await expect(store.set({ key: 'k', data: bytes('2'), concurrency: 'first-write' })).rejects.toMatchObject(mismatch);
          await store.set({ key: 'k', data: bytes('3'), concurrency: 'first-write', etag: await etagOf('k') });
          await store.set({ key: 'k', data: bytes('4'), concurrency: 'last-write' });
          expect(await read('k')).toBe('4');
        });

        it('let one of many racing writers win', async () => {
          const race = Array.from({ length: 8 }, (_, index) =>
            store.set({ key: 'k', data: bytes(String(index)), concurrency: 'first-write' }),
          );
          const results = await Promise.allSettled(race);
          const winners = results.flatMap((result, index) => (result.status === 'fulfilled' ? [String(index)] : []));
          expect(winners).toHaveLength(1);
          expect(await read('k')).toBe(winners[0]);
        });

        it('fail only their item of a bulk', async () => {
          await store.set({ key: 'b', data: bytes('1') });
          const outcomes = await store.bulkSet([upsert('a', '1'), upsert('b', '2', { concurrency: 'first-write' }), upsert('c', '3')]);
          expect(outcomes.map(({ error }) => error === undefined)).toEqual([true, false, true]);
          expect(outcomes[1]?.error).toMatchObject(mismatch);
          expect([await read('a'), await read('b'), await read('c')]).toEqual(['1', '1', '3']);
          const deleted = await store.bulkDelete([{ key: 'a', etag: await etagOf('b') }, { key: 'c' }]);
          expect(deleted.map(({ error }) => error === undefined)).toEqual([false, true]);
        });
      });

    if (can('TRANSACTIONAL'))
      describe('transactions', () => {
        const transact = (operations: readonly StateOperation[]): Promise<void> => store.transact?.(operations, {}) ?? Promise.reject();

        it('apply everything, the last operation on a key last', async () => {
          await store.set({ key: 'gone', data: bytes('1') });
          await transact([
            upsert('a', '1'),
            { kind: 'delete', key: 'gone' },
            upsert('a', '2'),
            upsert('b', '1'),
            { kind: 'delete', key: 'b' },
          ]);
          expect([await read('a'), await read('gone'), await read('b')]).toEqual(['2', undefined, undefined]);
          await expect(transact([])).resolves.toBeUndefined();
        });

        if (can('ETAG'))
          it('apply nothing when one etag does not match', async () => {
            await store.set({ key: 'guarded', data: bytes('1') });
            const etag = await etagOf('guarded');
            await store.set({ key: 'guarded', data: bytes('2') });
            await expect(transact([upsert('a', '1'), { kind: 'delete', key: 'guarded', etag }])).rejects.toMatchObject(mismatch);
            await expect(transact([upsert('a', '1'), upsert('guarded', '3', { etag })])).rejects.toMatchObject(mismatch);
            await expect(transact([upsert('a', '1'), upsert('guarded', '3', { concurrency: 'first-write' })])).rejects.toMatchObject(
              mismatch,
            );
            expect([await read('a'), await read('guarded')]).toEqual([undefined, '2']);
            await transact([upsert('a', '1'), upsert('guarded', '4', { etag: await etagOf('guarded') })]);
            expect([await read('a'), await read('guarded')]).toEqual(['1', '4']);
          });

        it('take as many operations as they promise', async () => {
          const count = Math.min(store.transactionOperationsMax ?? 200, 200);
          await transact(
            Array.from({ length: count }, (_, index) =>
              upsert(`k${index}`, String(index), can('ETAG') ? { concurrency: 'first-write' } : {}),
            ),
          );
          expect(await read(`k${count - 1}`)).toBe(String(count - 1));
        });

        it('carry large values', async () => {
          const data = new Uint8Array(options.largeBytes ?? 1_049_600).fill(7);
          await transact([upsert('small', '1'), { kind: 'upsert', key: 'large', data }]);
          expect((await store.get({ key: 'large' }))?.data.length).toBe(data.length);
        });
      });

    if (can('TTL'))
      describe('time to live', () => {
        it('is told in the metadata, and ends with a write without one', async () => {
          await store.set({ key: 'k', data: bytes('1'), ttlSeconds: 60 });
          expect((await store.get({ key: 'k' }))?.metadata?.['ttlExpireTime']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
          expect((await store.bulkGet([{ key: 'k' }]))[0]?.value?.metadata?.['ttlExpireTime']).toBeDefined();
          await store.set({ key: 'k', data: bytes('2') });
          expect((await store.get({ key: 'k' }))?.metadata?.['ttlExpireTime']).toBeUndefined();
        });

        it('removes values for every kind of read, and for first-write', async (context) => {
          const { advance } = rig;
          if (advance === undefined) return context.skip('the rig cannot move the store’s clock');
          await store.set({ key: 'k', data: bytes('1'), ttlSeconds: 100 });
          await store.set({ key: 'kept', data: bytes('1') });
          const etag = await etagOf('k');
          await advance(50_000);
          expect(await read('k')).toBe('1');
          await advance(60_000);
          expect(await read('k')).toBeUndefined();
          expect((await store.bulkGet([{ key: 'k' }]))[0]).toEqual({ key: 'k' });
          if (can('ETAG')) {
            await expect(store.set({ key: 'k', data: bytes('2'), etag })).rejects.toMatchObject(mismatch);
            await store.set({ key: 'k', data: bytes('2'), concurrency: 'first-write' });
            expect(await read('k')).toBe('2');
          }
          expect(await read('kept')).toBe('1');
        });
      });

    stateScanSuite({ can, rig: () => rig });
  });
}
