import { describe, expect, it } from 'vitest';
import { memoryStage } from '../../../test/fixtures/durable-stages.ts';
import type { Commit, Engine } from '../../contracts/engine.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import { changedEngine } from '../../testing/changed-engine.ts';
import { createPlacementRig, indices, type PlacementRig, type PlacementRuntime } from '../../testing/placement-rig.ts';
import { settle } from '../../testing/test-process.ts';
import { placementKeys } from './group-table.ts';
import { createPlacement } from './index.ts';

const ttlMs = 3_000;
const group = 'actors/default/cart';

function createRig(): PlacementRig {
  return createPlacementRig({ stage: memoryStage(), open: (options) => createPlacement({ ...options, ttlMs }), group });
}

/** Operations that wait, while it is shut, before they reach the engine or with their answer. */
class Gate {
  shut = false;
  #waiting: (() => void)[] = [];

  get waiting(): number {
    return this.#waiting.length;
  }

  open(): void {
    this.shut = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  pass(): Promise<void> | undefined {
    return this.shut ? new Promise((resolve) => this.#waiting.push(resolve)) : undefined;
  }
}

const strikes = (commit: Commit): boolean => commit.delete !== undefined;
const claims = (commit: Commit): boolean => commit.if?.some(({ kind }) => kind === 'exists') === true;
const releases = (commit: Commit): boolean => commit.put?.[0]?.value.length === 0;

/** Commits of a kind pass two gates: one on their way to the engine, one on the way back. */
function gated(which: (commit: Commit) => boolean, { there = new Gate(), back = new Gate() }: { there?: Gate; back?: Gate }) {
  return (engine: Engine): Engine =>
    changedEngine(engine, {
      async commit(commit) {
        if (!which(commit)) return engine.commit(commit);
        await there.pass();
        const result = await engine.commit(commit);
        await back.pass();
        return result;
      },
    });
}

/** Shards in which a runtime believes although their records name another epoch. */
async function wronglyBelieved({ engine }: PlacementRig, shards: Iterable<OwnedShard>): Promise<number[]> {
  const wrong: number[] = [];
  for (const shard of shards) {
    const record = await engine.get(placementKeys.shard(group, shard.index));
    if (shard.alive && record?.version !== shard.epoch) wrong.push(shard.index);
  }
  return wrong;
}

/** Passes time until it is so. */
async function until(rig: PlacementRig, holds: () => boolean): Promise<void> {
  for (let passed = 0; !holds(); passed += 100) {
    expect(passed).toBeLessThan(20 * ttlMs);
    await rig.pass(100);
  }
}

const shardsOf = (runtime: PlacementRuntime): OwnedShard[] => Array.from(runtime.owned.values());

/** A runtime that has all shards, hears no hints, and is frozen until another one is about to do what the gate holds up. */
async function overtaken(rig: PlacementRig, gate: Gate, which: (commit: Commit) => boolean) {
  const [a, b] = [rig.runtime('a', { deaf: true }), rig.runtime('b', { through: gated(which, { there: gate }) })];
  await a.join();
  const former = shardsOf(a);
  a.process.frozen = true;
  gate.shut = true;
  b.join().catch(() => {});
  await until(rig, () => gate.waiting > 0);
  return { a, b, former };
}

/** The former owner believes in some of its shards again, and only then the other gets through: nothing is believed in wrongly. */
async function wonBack(rig: PlacementRig, gate: Gate, former: readonly OwnedShard[]): Promise<void> {
  await until(rig, () => former.some(({ alive }) => alive));
  gate.open();
  await settle();
  expect(await wronglyBelieved(rig, former)).toEqual([]);
}

/** When things have calmed down, every shard has one of the two as its owner. */
async function allOwned(rig: PlacementRig, a: PlacementRuntime, b: PlacementRuntime): Promise<void> {
  await rig.pass(2 * ttlMs);
  expect(indices(a).length + indices(b).length).toBe(16);
}

/** The same, and the newcomer has its share. */
async function bothShare(rig: PlacementRig, a: PlacementRuntime, b: PlacementRuntime): Promise<void> {
  await allOwned(rig, a, b);
  expect(b.owned.size).toBeGreaterThan(0);
}

describe('a runtime whose lease has run out', () => {
  it('does not come back while another strikes it off', async () => {
    const rig = createRig();
    const gate = new Gate();
    const { a, b, former } = await overtaken(rig, gate, strikes);
    a.process.frozen = false;
    await rig.pass(ttlMs / 3);
    const believed = former.filter(({ alive }) => alive).length;
    gate.open();
    await settle();
    expect([believed, await wronglyBelieved(rig, former)]).toEqual([0, []]);
    await allOwned(rig, a, b);
  });

  it('and who is back before it was struck off is struck off no more', async () => {
    const rig = createRig();
    const gate = new Gate();
    const { a, b, former } = await overtaken(rig, gate, strikes);
    a.process.frozen = false;
    // The other stands still, too: its hold on the lease runs out.
    b.process.frozen = true;
    await wonBack(rig, gate, former);
    expect(await rig.engine.get(placementKeys.member(group, 'a'))).toBeDefined();
    b.process.frozen = false;
    await bothShare(rig, a, b);
  });

  it('keeps what was not claimed before it was a member again', async () => {
    const rig = createRig();
    const gate = new Gate();
    const { a, b, former } = await overtaken(rig, gate, claims);
    expect(await rig.engine.get(placementKeys.member(group, 'a'))).toBeUndefined();
    a.process.frozen = false;
    await wonBack(rig, gate, former);
    await bothShare(rig, a, b);
  });

  it('believes in nothing before it is a member again, however often it reads the table', async () => {
    const rig = createRig();
    const renewals = new Gate();
    let cut = false;
    const a = rig.runtime('a', {
      through: (engine) =>
        changedEngine(engine, {
          commit: (commit) => (cut ? Promise.reject(new Error('cut')) : engine.commit(commit)),
          async renewLease(lease, ms) {
            await renewals.pass();
            return engine.renewLease(lease, ms);
          },
        }),
    });
    const claiming = new Gate();
    const b = rig.runtime('b', { through: gated(claims, { there: claiming }) });
    await a.join();
    const former = shardsOf(a);
    a.process.frozen = true;
    claiming.shut = true;
    b.join().catch(() => {});
    await until(rig, () => claiming.waiting > 0);
    // It takes its lease anew and cannot become a member; then its renewals are late for more than two thirds of the TTL, and it reads the table.
    cut = true;
    a.process.frozen = false;
    await until(rig, () => former[0]?.lapses === 1);
    renewals.shut = true;
    await rig.pass((2 * ttlMs) / 3);
    await rig.engine.commit({ put: [{ key: placementKeys.group(group), value: Buffer.from('16') }] });
    await settle();
    renewals.open();
    await settle();
    claiming.open();
    await settle();
    expect(indices(b)).toHaveLength(16);
    expect(former.filter(({ alive }) => alive)).toEqual([]);
  });

  it('does not believe in what it claimed before, when the answer comes after', async () => {
    const rig = createRig();
    const [answers, tables] = [new Gate(), new Gate()];
    const a = rig.runtime('a', {
      deaf: true,
      through: (engine) =>
        changedEngine(gated(claims, { back: answers })(engine), {
          async range(query) {
            await tables.pass();
            return engine.range(query);
          },
        }),
    });
    const b = rig.runtime('b');
    answers.shut = true;
    const joining = a.join();
    await until(rig, () => answers.waiting === 16);
    a.process.frozen = true;
    await b.join();
    await until(rig, () => indices(b).length === 16);
    a.process.frozen = false;
    await rig.pass(ttlMs);
    tables.shut = true;
    answers.open();
    await settle();
    expect(indices(a)).toHaveLength(16);
    expect(await wronglyBelieved(rig, shardsOf(a))).toEqual([]);
    tables.open();
    await joining;
    await allOwned(rig, a, b);
  });
});

describe('a shard that is given up', () => {
  it('is believed in no more from the moment when its record may have changed', async () => {
    const rig = createRig();
    const answers = new Gate();
    const [a, b] = [rig.runtime('a', { through: gated(releases, { back: answers }) }), rig.runtime('b')];
    await a.join();
    const former = shardsOf(a);
    answers.shut = true;
    await b.join();
    await until(rig, () => b.owned.size > 0);
    expect(answers.waiting).toBe(b.owned.size);
    expect(await wronglyBelieved(rig, former)).toEqual([]);
    answers.open();
  });
});

describe('a join that fails', () => {
  it('goes on with nothing, although a hint had asked for another look', async () => {
    const rig = createRig();
    const first = new Gate();
    first.shut = true;
    let reads = 0;
    const a = rig.runtime('a', {
      through: (engine) =>
        changedEngine(engine, {
          async range(query) {
            if (reads++ > 0) return engine.range(query);
            await first.pass();
            throw new Error('cut');
          },
        }),
    });
    const joining = a.join().catch((error: Error) => error.message);
    await until(rig, () => first.waiting > 0);
    await rig.engine.commit({ put: [{ key: placementKeys.group(group), value: Buffer.from('16') }] });
    first.open();
    expect(await joining).toBe('cut');
    await rig.pass(ttlMs);
    expect(shardsOf(a)).toEqual([]);
    await a.join();
    expect(indices(a)).toHaveLength(16);
    expect(shardsOf(a).every(({ alive }) => alive)).toBe(true);
  });
});
