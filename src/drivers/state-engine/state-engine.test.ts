import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../kernel/log.ts';
import { prefixEnd, tuple } from '../../kernel/tuple.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { stateSuite } from '../../testing/state-suite.ts';
import { createMemoryContents, createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { createEngineStore, engineCapabilities } from './engine-store.ts';
import { valueBytesMax } from './large-values.ts';

const rig = () => {
  const clock = createFakeClock();
  const engine = createMemoryEngine({ clock, contents: createMemoryContents() });
  const store = (space = 'statestore') =>
    createEngineStore({ engine, random: createNodeRandom(), log: silentLogger, namespace: 'default', space });
  const count = async (space: string) => {
    const from = tuple(space);
    return (await engine.range({ from, to: prefixEnd(from), keysOnly: true })).entries.length;
  };
  return { clock, engine, store, count };
};

stateSuite({
  name: 'state.proa',
  capabilities: engineCapabilities,
  async open() {
    const { clock, engine, store } = rig();
    return { store: store(), advance: clock.advance, destroy: () => engine.close() };
  },
});

const large = (fill: number, size = 2_500_000) => new Uint8Array(size).fill(fill);

describe('state over the engine', () => {
  it('keeps the content type, and the stores apart', async () => {
    const { store } = rig();
    await store('one').set({ key: 'k', data: large(1, 10), contentType: 'text/ünicode' });
    expect(await store('one').get({ key: 'k' })).toMatchObject({ contentType: 'text/ünicode', etag: expect.stringMatching(/^\d+$/) });
    expect(await store('two').get({ key: 'k' })).toBeUndefined();
    expect((await store('two').keys?.('', { limit: 9 }))?.keys).toEqual([]);
  });

  it('writes small values with one commit and without a read', async () => {
    const { engine, store } = rig();
    const before = engine.stats().commits;
    const get = engine.get.bind(engine);
    engine.get = () => Promise.reject(new Error('read'));
    await store().set({ key: 'k', data: large(1, 10) });
    engine.get = get;
    expect(engine.stats().commits - before).toBe(1);
  });

  it('leaves no part of a large value behind, whatever replaces it', async () => {
    const { clock, store, count } = rig();
    const s = store();
    await s.set({ key: 'k', data: large(1) });
    expect(await count('state-chunk')).toBe(5);
    await s.set({ key: 'k', data: large(2) });
    expect(await count('state-chunk')).toBe(5);
    expect(await count('state-staging')).toBe(0);
    await s.set({ key: 'k', data: large(3, 10) });
    expect(await count('state-chunk')).toBe(0);
    await s.set({ key: 'k', data: large(4), ttlSeconds: 5 });
    clock.advance(6_000);
    expect(await count('state-chunk')).toBe(0);
    await s.set({ key: 'k||1', data: large(5) });
    expect(await s.deleteWithPrefix?.('k||')).toBe(1);
    expect(await count('state-chunk')).toBe(0);
    await s.set({ key: 'k', data: large(6, 10) });
    await expect(s.set({ key: 'k', data: large(7), concurrency: 'first-write' })).rejects.toMatchObject({ kind: 'mismatch' });
    expect([await count('state-chunk'), await count('state-staging')]).toEqual([0, 0]);
  });

  it('shows readers whole values while writers race', async () => {
    const { store } = rig();
    const s = store();
    const writes = [1, 2, 3].map((fill) => s.set({ key: 'k', data: large(fill) }));
    const reads = Array.from({ length: 6 }, () => s.get({ key: 'k' }));
    const found = [...(await Promise.all(reads)), (await Promise.all(writes), await s.get({ key: 'k' }))];
    for (const value of found) {
      if (value === undefined) continue;
      expect(value.data.every((byte) => byte === value.data[0])).toBe(true);
      expect(value.data.length).toBe(2_500_000);
    }
    expect(found.at(-1)).toBeDefined();
  });

  it('removes at its opening what a write left that never finished', async () => {
    const { clock, engine, store, count } = rig();
    const commit = engine.commit.bind(engine);
    let commits = 0;
    engine.commit = (request) => (++commits > 1 ? Promise.resolve({ status: 'unknown', cause: undefined }) : commit(request));
    await expect(store().set({ key: 'k', data: large(1) })).rejects.toMatchObject({ code: 'engine.outcome-unknown' });
    engine.commit = commit;
    expect([await count('state-chunk'), await count('state-staging')]).toEqual([5, 1]);
    await store().close();
    expect(await count('state-chunk')).toBe(5);
    clock.advance(2 * 60 * 60_000);
    await store().close();
    expect([await count('state-chunk'), await count('state-staging')]).toEqual([0, 0]);
  });

  it('says clearly where its limits are', async () => {
    const { store } = rig();
    const s = store();
    await expect(s.set({ key: 'k', data: new Uint8Array(valueBytesMax + 1) })).rejects.toMatchObject({ code: 'engine.limit' });
    await expect(s.get({ key: 'k'.repeat(1_200) })).rejects.toMatchObject({ code: 'engine.limit' });
    await expect(s.set({ key: 'k', data: large(1, 1), contentType: 't'.repeat(2_000) })).rejects.toMatchObject({ code: 'engine.limit' });
  });
});
