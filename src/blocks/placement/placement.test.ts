import { describe, expect, it } from 'vitest';
import { memoryStage } from '../../../test/fixtures/durable-stages.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import { tuple } from '../../kernel/tuple.ts';
import { createPlacementRig, indices, type PlacementRig, type PlacementRuntime } from '../../testing/placement-rig.ts';
import { createPlacement } from './index.ts';

const ttlMs = 3_000;
const group = 'actors/default/cart';

function createRig(): PlacementRig {
  return createPlacementRig({ stage: memoryStage(), open: (options) => createPlacement({ ...options, ttlMs }), group });
}

const all16 = Array.from({ length: 16 }, (_, index) => index);

describe('the TTL', () => {
  it.each([299, 600_001, Number.NaN])('of %s ms is refused', (given) => {
    const rig = createPlacementRig({ stage: memoryStage(), group, open: (options) => createPlacement({ ...options, ttlMs: given }) });
    expect(() => rig.runtime('a')).toThrow('the TTL of placement is 300 ms to 10 min');
  });

  it('of a runtime says when its shards go to others', async () => {
    for (const [given, kept, gone] of [
      [600, 500, 1_200],
      [30_000, 25_000, 60_000],
    ] as const) {
      const rig = createPlacementRig({ stage: memoryStage(), group, open: (options) => createPlacement({ ...options, ttlMs: given }) });
      const [a, b] = [rig.runtime('a'), rig.runtime('b')];
      await a.join();
      await b.join();
      await rig.settle();
      a.process.frozen = true;
      a.process.down = true;
      await rig.pass(kept);
      expect(indices(b).length).toBeLessThan(16);
      await rig.pass(gone - kept);
      expect(indices(b)).toEqual(all16);
    }
  });
});

describe('a runtime that comes back from a freeze', () => {
  it('believes in none of its shards before it has read again whose they are', async () => {
    const rig = createRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    await a.join();
    const mine = Array.from(a.owned.values());
    a.process.frozen = true;
    const joining = b.join();
    await rig.pass(3 * ttlMs);
    await joining;
    expect(indices(b)).toEqual(all16);
    a.process.frozen = false;
    let alive = 0;
    for (let passed = 0; passed < 2 * ttlMs; passed += 100) {
      rig.clock.advance(100);
      for (let turn = 0; turn < 200; turn++) {
        await Promise.resolve();
        if (mine.some((shard) => shard.alive)) alive++;
      }
    }
    expect(alive).toBe(0);
    expect(mine[0]?.lapses).toBe(1);
  });

  it('keeps what nobody took, and believes in it again', async () => {
    const rig = createRig();
    const a = rig.runtime('a');
    await a.join();
    const shard = a.owned.get(0) as OwnedShard;
    a.process.frozen = true;
    await rig.pass(3 * ttlMs);
    a.process.frozen = false;
    await rig.pass(2 * ttlMs);
    expect([shard.alive, a.lost]).toEqual([true, []]);
    expect(await a.commit(shard)).toMatchObject({ status: 'done' });
  });
});

describe('a group', () => {
  it('belongs to its first member alone, whose commits are accepted', async () => {
    const rig = createRig();
    const a = rig.runtime('a');
    const membership = await a.join();
    expect(indices(a)).toEqual(all16);
    expect(membership.shards).toBe(16);
    const shard = membership.owned(membership.shardOf('cart-1')) as OwnedShard;
    expect(shard).toMatchObject({ group, alive: true, index: membership.shardOf('cart-1') });
    expect(await a.commit(shard)).toMatchObject({ status: 'done' });
    await expect(a.join()).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('is shared out when a second member comes, and every shard has one owner', async () => {
    const rig = createRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    await a.join();
    await b.join();
    await rig.settle();
    expect([...indices(a), ...indices(b)].sort((x, y) => x - y)).toEqual(all16);
    expect(a.owned.size).toBeGreaterThan(0);
    expect(b.owned.size).toBeGreaterThan(0);
    expect(a.drained.sort((x, y) => x - y)).toEqual(indices(b));
    expect(a.lost).toEqual([]);
  });

  it('moves nothing but the shards of who comes and goes', async () => {
    const rig = createRig();
    const [a, b, c] = [rig.runtime('a'), rig.runtime('b'), rig.runtime('c')];
    await a.join();
    await b.join();
    await rig.settle();
    const before = indices(a);
    const membership = await c.join();
    await rig.settle();
    expect(indices(a).every((index) => before.includes(index))).toBe(true);
    expect([...indices(a), ...indices(b), ...indices(c)].sort((x, y) => x - y)).toEqual(all16);
    await membership.leave();
    await rig.settle();
    expect(indices(a)).toEqual(before);
    expect(c.owned.size).toBe(0);
  });

  it('keeps the number of shards that its first member gave', async () => {
    const rig = createRig();
    expect((await rig.runtime('a', { shards: 4 }).join()).shards).toBe(4);
    expect((await rig.runtime('b', { shards: 64 }).join()).shards).toBe(4);
  });

  it.each([
    { group: '', shards: 1 },
    { group: 'g'.repeat(257), shards: 1 },
    { group, shards: 0 },
    { group, shards: 1_025 },
    { group, shards: 1.5 },
  ])('refuses $shards shards and names out of bounds', async (bad) => {
    const { placement } = createRig().runtime('a');
    const ignore = { claimed() {}, lost() {}, drain: async () => {} };
    await expect(placement.join({ ...bad, ...ignore })).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('with many shards is shared about evenly', async () => {
    const rig = createRig();
    const runtimes = ['a', 'b', 'c', 'd', 'e'].map((name) => rig.runtime(name, { shards: 1_000 }));
    for (const runtime of runtimes) await runtime.join();
    await rig.pass(4_000);
    const sizes = runtimes.map(({ owned }) => owned.size);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(1_000);
    for (const size of sizes) expect(size).toBeGreaterThan(140);
  });
});

describe('a shard that another shall have', () => {
  it('is drained first: nobody has it meanwhile, and its last commits are accepted', async () => {
    const rig = createRig();
    let finish: () => void = () => {};
    const drained = new Promise<void>((resolve) => (finish = resolve));
    const a = rig.runtime('a', { drain: () => drained });
    const b = rig.runtime('b');
    const membership = await a.join();
    await b.join();
    await rig.settle();
    expect(b.owned.size).toBe(0);
    const leaving = all16.filter((index) => membership.owned(index) === undefined);
    const shard = a.owned.get(leaving[0] as number) as OwnedShard;
    expect(await a.commit(shard)).toMatchObject({ status: 'done' });
    finish();
    await rig.settle();
    expect(indices(b)).toEqual(leaving);
    expect(await a.commit(shard)).toMatchObject({ status: 'conflict' });
    expect(shard.alive).toBe(false);
  });

  it('is given up after the TTL although it was not drained, and its owner is told', async () => {
    const rig = createRig();
    const a = rig.runtime('a', { drain: () => new Promise(() => {}) });
    const b = rig.runtime('b');
    await a.join();
    await b.join();
    await rig.pass(ttlMs + 200);
    expect(b.owned.size).toBeGreaterThan(0);
    expect(a.lost.sort((x, y) => x - y)).toEqual(indices(b));
  });
});

describe('a runtime that dies', () => {
  it('leaves its shards to the others within the TTL and two looks', async () => {
    const rig = createRig();
    const [a, b, c] = [rig.runtime('a'), rig.runtime('b'), rig.runtime('c')];
    for (const runtime of [a, b, c]) await runtime.join();
    await rig.settle();
    a.process.frozen = true;
    a.process.down = true;
    b.process.frozen = true;
    b.process.down = true;
    await rig.pass(ttlMs + (2 * ttlMs) / 3);
    expect(indices(c)).toEqual(all16);
  });

  it('and comes back can commit nothing that it began before, takes its share anew, and is told what it lost', async () => {
    const rig = createRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    await a.join();
    await b.join();
    await rig.settle();
    const before = Array.from(a.owned.values());
    a.process.frozen = true;
    await rig.pass(2 * ttlMs);
    expect(indices(b)).toEqual(all16);
    for (const shard of before) {
      expect(shard.alive).toBe(false);
      expect(await a.commit(shard)).toMatchObject({ status: 'conflict', failed: 0 });
    }
    a.process.frozen = false;
    await rig.pass(ttlMs);
    expect(a.lost.sort((x, y) => x - y)).toEqual(before.map(({ index }) => index).sort((x, y) => x - y));
    expect([...indices(a), ...indices(b)].sort((x, y) => x - y)).toEqual(all16);
    for (const shard of a.owned.values()) expect(await a.commit(shard)).toMatchObject({ status: 'done' });
    for (const old of before) expect(a.owned.get(old.index)?.epoch ?? Infinity).toBeGreaterThan(old.epoch);
  });

  it('seems dead to itself before it is dead to others', async () => {
    const rig = createRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    const membership = await a.join();
    a.process.frozen = true;
    await rig.pass((2 * ttlMs) / 3);
    expect(membership.owned(0)?.alive).toBe(false);
    await b.join();
    expect(b.owned.size).toBe(0);
  });

  it('keeps what nobody took when it was alone', async () => {
    const rig = createRig();
    const a = rig.runtime('a');
    const membership = await a.join();
    a.process.frozen = true;
    await rig.pass(10 * ttlMs);
    a.process.frozen = false;
    await rig.pass(ttlMs);
    expect(a.lost).toEqual([]);
    expect(membership.owned(3)?.alive).toBe(true);
    expect(await a.commit(membership.owned(3) as OwnedShard)).toMatchObject({ status: 'done' });
  });
});

describe('two that believe', () => {
  it('to own one shard: only the commits of the later one count', async () => {
    const rig = createRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    await a.join();
    a.process.frozen = true;
    await rig.pass(ttlMs + 100);
    await b.join();
    await rig.settle();
    for (const index of all16) {
      const [old, now] = [a.owned.get(index) as OwnedShard, b.owned.get(index) as OwnedShard];
      expect(now.epoch).toBeGreaterThan(old.epoch);
      expect(await a.commit(old)).toMatchObject({ status: 'conflict' });
      expect(await b.commit(now)).toMatchObject({ status: 'done' });
    }
  });
});

describe('an engine that is down for a while', () => {
  it('stops work here, and nothing is lost when it is back before anybody took over', async () => {
    const rig = createRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    const membership = await a.join();
    await b.join();
    await rig.settle();
    const [mine] = indices(a);
    for (const runtime of [a, b]) runtime.process.down = true;
    await rig.pass(5 * ttlMs);
    expect(membership.owned(mine as number)?.alive).toBe(false);
    await expect(a.placement.locate('another', 'x')).rejects.toThrow('engine down');
    for (const runtime of [a, b]) runtime.process.down = false;
    await rig.pass(2 * ttlMs);
    expect([...indices(a), ...indices(b)].sort((x, y) => x - y)).toEqual(all16);
    for (const runtime of [a, b])
      for (const shard of runtime.owned.values()) expect(await runtime.commit(shard)).toMatchObject({ status: 'done' });
  });

  it('while a shard is handed over leaves it with nobody, and the next look hands it over', async () => {
    const rig = createRig();
    const a: PlacementRuntime = rig.runtime('a', {
      async drain() {
        a.process.down = true;
      },
    });
    const b = rig.runtime('b');
    await a.join();
    await b.join();
    await rig.settle();
    expect(b.owned.size).toBe(0);
    a.process.down = false;
    await rig.pass(ttlMs + 100);
    expect([...indices(a), ...indices(b)].sort((x, y) => x - y)).toEqual(all16);
    expect(b.owned.size).toBeGreaterThan(0);
  });
});

describe('an unknown outcome', () => {
  it('of a claim leaves no shard behind', async () => {
    const rig = createRig();
    const { engine } = rig;
    const a = rig.runtime('a');
    // What a claim whose answer was lost leaves: the record names the runtime, the runtime knows nothing of it.
    for (const index of all16)
      await engine.commit({ put: [{ key: tuple('placement', 'group', group, 1, index), value: Buffer.from('a') }] });
    await a.join();
    const b = rig.runtime('b');
    await b.join();
    await rig.settle();
    expect([...indices(a), ...indices(b)].sort((x, y) => x - y)).toEqual(all16);
    const owner = indices(b)[0] as number;
    await engine.commit({ put: [{ key: tuple('placement', 'group', group, 1, owner), value: Buffer.from('a') }] });
    await rig.pass(ttlMs + 100);
    expect(b.lost).toEqual([owner]);
    expect(indices(b)).toContain(owner);
  });
});

describe('a damaged record', () => {
  it('is told as such', async () => {
    const rig = createRig();
    await rig.engine.commit({ put: [{ key: tuple('placement', 'group', group, 0), value: Buffer.from('many') }] });
    await expect(rig.runtime('a').join()).rejects.toMatchObject({ code: 'engine.corrupt' });
    await expect(rig.runtime('b').placement.locate(group, 'x')).rejects.toMatchObject({ code: 'engine.corrupt' });
  });
});

it('leaves no timer behind when it closes', async () => {
  const rig = createRig();
  const [a, b] = [rig.runtime('a'), rig.runtime('b')];
  await a.join();
  await b.join();
  await a.placement.locate(group, 'x');
  await Promise.all([a.placement.close(), b.placement.close()]);
  await rig.settle();
  expect(rig.clock.waiting).toBe(0);
});
