import { describe, expect, it } from 'vitest';
import type { StateOperation } from './state.ts';
import { planOf } from './state-plan.ts';

const data = new Uint8Array(0);
const set = (key: string, more: object = {}): StateOperation => ({ kind: 'upsert', key, data, ...more });
const remove = (key: string, more: object = {}): StateOperation => ({ kind: 'delete', key, ...more });
const create = (key: string): StateOperation => set(key, { concurrency: 'first-write' });
const plan = (...operations: readonly StateOperation[]) => {
  const { sets, creates, etags, ...rest } = planOf(operations, /^\d$/);
  const keys = (list: readonly { readonly key: string }[]) => list.map(({ key }) => key);
  return { ...rest, sets: keys(sets), creates: keys(creates), etags: [...etags] };
};
const nothing = { sets: [], creates: [], deletes: [], absent: [], etags: [] };

describe('the plan of a transaction', () => {
  it('touches every key once, with the condition of its first operation', () => {
    expect(plan(set('a', { etag: '1' }), remove('a'), set('a'))).toEqual({ ...nothing, sets: ['a'], etags: [['a', '1']] });
    expect(plan(remove('a', { etag: '1' }), create('a'))).toEqual({ ...nothing, sets: ['a'], etags: [['a', '1']] });
    expect(plan(set('a'), set('b'), remove('a'))).toEqual({ ...nothing, sets: ['b'], deletes: ['a'] });
    expect(plan(create('a'), set('a'))).toEqual({ ...nothing, creates: ['a'] });
    expect(plan(create('a'), remove('a'))).toEqual({ ...nothing, absent: ['a'] });
    expect(plan(remove('a'), create('a'))).toEqual({ ...nothing, sets: ['a'] });
    expect(plan()).toEqual(nothing);
  });

  it('refuses conditions that cannot hold', () => {
    expect(() => plan(set('a'), set('a', { etag: '1' }))).toThrow(expect.objectContaining({ kind: 'mismatch' }));
    expect(() => plan(set('a'), create('a'))).toThrow(expect.objectContaining({ kind: 'mismatch' }));
    expect(() => plan(remove('a'), remove('a', { etag: '1' }))).toThrow(expect.objectContaining({ kind: 'mismatch' }));
    expect(() => plan(set('a', { etag: 'x' }))).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });
});
