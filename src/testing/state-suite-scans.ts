import { describe, expect, it } from 'vitest';
import type { StateCapability, StateQuery, StateQueryPage } from '../contracts/state.ts';
import { bytes, type StateRig } from './state-suite-rig.ts';

interface ScanSuiteOptions {
  readonly can: (capability: StateCapability) => boolean;
  readonly rig: () => StateRig;
}

const people = [
  { key: '1', value: { person: { org: 'A', id: 10 }, city: 'Kiel', tags: ['x'] } },
  { key: '2', value: { person: { org: 'B', id: 2 }, city: 'Bonn' } },
  { key: '3', value: { person: { org: 'A', id: 30 }, city: 'Bonn', old: true } },
  { key: '4', value: { person: { org: 'C', id: 4 }, city: 'Aachen' } },
];

/** Queries, keys by prefix and deletes by prefix; part of the state suite. */
export function stateScanSuite({ can, rig }: ScanSuiteOptions): void {
  const fill = async (keys: readonly string[]): Promise<void> => {
    for (const key of keys) await rig().store.set({ key, data: bytes('1') });
  };

  if (can('QUERY_API'))
    describe('queries', () => {
      const query = async (more: Partial<StateQuery>): Promise<StateQueryPage> => {
        const answer = await rig().store.query?.({ sort: [], ...more }, {});
        if (answer === undefined) throw new Error('no query');
        return answer;
      };
      const keysOf = async (more: Partial<StateQuery>): Promise<string[]> => (await query(more)).items.map(({ key }) => key);
      const load = async (): Promise<void> => {
        for (const { key, value } of people) await rig().store.set({ key, data: bytes(JSON.stringify(value)) });
        await rig().store.set({ key: '5', data: bytes('not JSON') });
      };

      it('filter by every operator', async () => {
        await load();
        const path = 'person.id';
        expect(await keysOf({ filter: { op: 'EQ', path: 'person.org', value: 'A' } })).toEqual(['1', '3']);
        expect(await keysOf({ filter: { op: 'IN', path: 'city', values: ['Bonn', 'Ulm'] } })).toEqual(['2', '3']);
        expect(await keysOf({ filter: { op: 'GT', path, value: 4 } })).toEqual(['1', '3']);
        expect(await keysOf({ filter: { op: 'GTE', path, value: 4 } })).toEqual(['1', '3', '4']);
        expect(await keysOf({ filter: { op: 'LT', path, value: 4 } })).toEqual(['2']);
        expect(await keysOf({ filter: { op: 'LTE', path, value: 4 } })).toEqual(['2', '4']);
        const bonn = { op: 'EQ', path: 'city', value: 'Bonn' } as const;
        expect(await keysOf({ filter: { op: 'AND', filters: [bonn, { op: 'NEQ', path: 'person.org', value: 'A' }] } })).toEqual(['2']);
        expect(await keysOf({ filter: { op: 'OR', filters: [bonn, { op: 'EQ', path: 'old', value: true }] } })).toEqual(['2', '3']);
        expect(await keysOf({ filter: { op: 'EQ', path: '__proto__.x', value: 1 } })).toEqual([]);
      });

      it('sort, and page without losing or repeating an item', async () => {
        await load();
        const sort = [
          { path: 'city', order: 'ASC' },
          { path: 'person.id', order: 'DESC' },
        ] as const;
        const filter = { op: 'NEQ', path: 'city', value: 'Ulm' } as const;
        const first = await query({ filter, sort, limit: 3 });
        const second = await query({ filter, sort, limit: 3, token: first.token ?? '' });
        const all = [...first.items, ...second.items].map(({ key }) => key).filter((key) => key !== '5');
        expect(all).toEqual(['4', '3', '2', '1']);
        expect(second.token).toBeUndefined();
        await expect(query({ limit: 1, token: 'bad token' })).rejects.toThrow('token');
      });

      it('see only keys below the given prefix, with their etags', async () => {
        await fill(['app||1', 'app||2', 'apple||1', 'other||1']);
        const { items } = await query({ keyPrefix: 'app||' });
        expect(items.map(({ key }) => key)).toEqual(['app||1', 'app||2']);
        expect(items[0]?.etag).toBe((await rig().store.get({ key: 'app||1' }))?.etag);
      });
    });

  if (can('DELETE_WITH_PREFIX'))
    describe('delete by prefix', () => {
      it('deletes exactly what begins with it', async () => {
        const { store } = rig();
        await fill(['a||1', 'a||2', 'a||b||3', 'ab', 'a', 'A||1', 'a%||1']);
        expect(await store.deleteWithPrefix?.('a||')).toBe(3);
        const left = await store.bulkGet(['a||1', 'a||2', 'a||b||3', 'ab', 'a', 'A||1', 'a%||1'].map((key) => ({ key })));
        expect(left.map(({ value }) => value !== undefined)).toEqual([false, false, false, true, true, true, true]);
        expect(await store.deleteWithPrefix?.('a||')).toBe(0);
        await expect(store.deleteWithPrefix?.('')).rejects.toThrow('prefix');
      });
    });

  if (can('KEYS_LIKE'))
    describe('keys by prefix', () => {
      it('page through all keys once', async () => {
        const { store } = rig();
        const wanted = Array.from({ length: 7 }, (_, index) => `p||${index}`);
        await fill([...wanted, 'q||1', 'p', 'P||1', 'p_|1']);
        const found: string[] = [];
        let token: string | undefined;
        for (let pages = 0; pages < 9; pages++) {
          const page = await store.keys?.('p||', { limit: 3, ...(token !== undefined && { token }) });
          found.push(...(page?.keys ?? []));
          token = page?.token;
          if (token === undefined) break;
        }
        expect(found.toSorted()).toEqual(wanted);
        expect((await store.keys?.('none', { limit: 3 }))?.keys).toEqual([]);
      });
    });
}
