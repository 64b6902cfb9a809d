import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OwnedShard } from '../contracts/placement.ts';
import type { DurableStage } from './durable-stage.ts';
import { createPlacementRig, indices, type PlacementRig, type PlacementRigOptions, type PlacementRuntime } from './placement-rig.ts';

export interface PlacementSuiteOptions {
  readonly name: string;
  openStage(): DurableStage | Promise<DurableStage>;
  readonly open: PlacementRigOptions['open'];
  /** Of the placements that it opens. */
  readonly ttlMs: number;
}

const group = 'suite/default/cart';
const all16 = Array.from({ length: 16 }, (_, index) => index);

/** Defines the tests of what `contracts/placement.ts` promises, for one engine. */
export function placementSuite({ name, openStage, open, ttlMs }: PlacementSuiteOptions): void {
  describe(`placement: ${name}`, () => {
    let stage: DurableStage;
    let rig: PlacementRig;
    let runtimes: PlacementRuntime[];

    beforeEach(async () => {
      stage = await openStage();
      rig = createPlacementRig({ stage, open, group });
      runtimes = [];
    });
    afterEach(async () => {
      for (const { process } of runtimes) process.down = process.frozen = false;
      await Promise.all([...runtimes.map(({ placement }) => placement.close()), stage.pass(2 * ttlMs)]);
      await stage.close();
    });

    function runtime(...given: Parameters<PlacementRig['runtime']>): PlacementRuntime {
      const made = rig.runtime(...given);
      runtimes.push(made);
      return made;
    }

    /** Each shard has one owner, and everybody has some. */
    const shared = (...among: readonly PlacementRuntime[]): boolean => {
      const owned = among.flatMap(indices).toSorted((a, b) => a - b);
      return among.every((each) => each.owned.size > 0) && JSON.stringify(owned) === JSON.stringify(all16);
    };
    /** What each commit under a shard's condition comes to. */
    const statuses = async (by: PlacementRuntime, shards: Iterable<OwnedShard>): Promise<string[]> => {
      const results = await Promise.all(Array.from(shards, (shard) => by.commit(shard)));
      return Array.from(new Set(results.map(({ status }) => status)));
    };
    async function pair(): Promise<readonly [PlacementRuntime, PlacementRuntime]> {
      const [a, b] = [runtime('a'), runtime('b')];
      await a.join();
      expect(indices(a)).toEqual(all16);
      await b.join();
      await rig.until(() => shared(a, b));
      return [a, b];
    }

    it('gives each shard to one of those that are there, draining it before it moves, and moves no other', async () => {
      const [a, b] = await pair();
      expect(a.drained.toSorted((x, y) => x - y)).toEqual(indices(b));
      const [before, inB] = [indices(a), indices(b)];
      const c = runtime('c');
      const membership = await c.join();
      await rig.until(() => shared(a, b, c));
      expect(indices(a).every((index) => before.includes(index))).toBe(true);
      expect(indices(b).every((index) => inB.includes(index))).toBe(true);
      for (const each of [a, b, c]) expect(await statuses(each, each.owned.values())).toEqual(['done']);
      await membership.leave();
      await rig.until(() => shared(a, b));
      expect([indices(a), indices(b), c.owned.size, a.lost, b.lost]).toEqual([before, inB, 0, [], []]);
    });

    it('lets the last commits of a shard be made before it is handed over, and none after it', async () => {
      let finish = (): void => {};
      const drained = new Promise<void>((resolve) => (finish = resolve));
      const [a, b] = [runtime('a', { drain: () => drained }), runtime('b')];
      const membership = await a.join();
      await b.join();
      await rig.until(() => all16.some((index) => membership.owned(index) === undefined));
      const leaving = all16.filter((index) => membership.owned(index) === undefined).map((index) => a.owned.get(index) as OwnedShard);
      expect([b.owned.size, await statuses(a, leaving)]).toEqual([0, ['done']]);
      finish();
      await rig.until(() => shared(a, b));
      expect(indices(b)).toEqual(leaving.map(({ index }) => index));
      expect([await statuses(a, leaving), leaving.some(({ alive }) => alive)]).toEqual([['conflict'], false]);
    });

    it('gives the shards of a runtime that died to the others, and its commits count for nothing', async () => {
      const [a, b] = await pair();
      const before = Array.from(a.owned.values());
      a.process.frozen = true;
      a.process.down = true;
      // Nobody takes what may still be held.
      await rig.pass((2 * ttlMs) / 3);
      expect(indices(b).length).toBeLessThan(16);
      await rig.until(() => indices(b).length === 16);
      expect(before.some(({ alive }) => alive)).toBe(false);
      expect([await statuses(a, before), await statuses(b, b.owned.values())]).toEqual([['conflict'], ['done']]);
    });

    it('takes a runtime back that stood still: it believes in nothing that it had, is told what it lost, and gets its share', async () => {
      const [a, b] = await pair();
      const before = Array.from(a.owned.values());
      a.process.frozen = true;
      await rig.until(() => indices(b).length === 16);
      expect(await statuses(a, before)).toEqual(['conflict']);
      a.process.frozen = false;
      expect(before.some(({ alive }) => alive)).toBe(false);
      await rig.until(() => shared(a, b));
      expect(a.lost.toSorted((x, y) => x - y)).toEqual(before.map(({ index }) => index).toSorted((x, y) => x - y));
      expect(before.some(({ alive }) => alive)).toBe(false);
      for (const each of [a, b]) expect(await statuses(each, each.owned.values())).toEqual(['done']);
      for (const old of before) expect(a.owned.get(old.index)?.epoch ?? Infinity).toBeGreaterThan(old.epoch);
    });

    it('leaves all shards where they are when the engine was away for everybody, however long, and when nobody else was there', async () => {
      const [a, b] = await pair();
      const held = (): OwnedShard[] => [a, b].flatMap(({ owned }) => Array.from(owned.values()));
      const before = [indices(a), indices(b)];
      for (const { process } of [a, b]) process.down = true;
      await rig.pass(5 * ttlMs);
      expect(held().some(({ alive }) => alive)).toBe(false);
      for (const { process } of [a, b]) process.down = false;
      await rig.until(() => held().every(({ alive }) => alive));
      await rig.pass(3 * ttlMs);
      expect([indices(a), indices(b), a.lost, b.lost]).toEqual([...before, [], []]);
      for (const each of [a, b]) expect(await statuses(each, each.owned.values())).toEqual(['done']);
      await b.placement.close();
      await rig.until(() => indices(a).length === 16);
      a.process.frozen = true;
      await rig.pass(3 * ttlMs);
      a.process.frozen = false;
      await rig.until(() => held().every(({ alive }) => alive));
      expect([a.lost, await statuses(a, a.owned.values())]).toEqual([[], ['done']]);
    });

    it('leaves all shards where they are when the clock of the engine jumps beyond every lease', async () => {
      const [a, b] = await pair();
      const before = [indices(a), indices(b)];
      await rig.jump(10 * ttlMs);
      await rig.pass(3 * ttlMs);
      expect([indices(a), indices(b), a.lost, b.lost]).toEqual([...before, [], []]);
      for (const each of [a, b]) expect(await statuses(each, each.owned.values())).toEqual(['done']);
      await rig.jump(-20 * ttlMs);
      await rig.pass(3 * ttlMs);
      expect([indices(a), indices(b), a.lost, b.lost]).toEqual([...before, [], []]);
    });

    it('takes over from who died while the engine was away, although everybody else has to come back first', async () => {
      const [a, b] = await pair();
      for (const { process } of [a, b]) process.down = true;
      a.process.frozen = true;
      await rig.pass(5 * ttlMs);
      b.process.down = false;
      await rig.until(() => indices(b).length === 16);
      expect(await statuses(b, b.owned.values())).toEqual(['done']);
    });

    it('tells everybody where a key is, also after its owner went', async () => {
      const [a, b] = await pair();
      const asker = runtime('asker', { machine: 'elsewhere' });
      const at = async (from: PlacementRuntime): Promise<string | undefined> =>
        (await from.placement.locate(group, 'cart-1'))?.endpoint.instance;
      const first = await at(asker);
      expect([await at(a), await at(b)]).toEqual([first, first]);
      const [gone, other] = first === 'a' ? [a, 'b'] : [b, 'a'];
      await gone.placement.close();
      await rig.until(async () => (await at(asker)) === other);
      const seen = await asker.placement.locate(group, 'cart-1');
      expect([seen?.here, seen?.endpoint.local]).toEqual([false, undefined]);
    });
  });
}
