import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Append, Engine } from '../contracts/engine.ts';
import type { OwnedShard } from '../contracts/placement.ts';
import type { DurableTimer, ShardTimers, ShardTimersOptions } from '../contracts/timers.ts';
import { silentLogger, type Logger } from '../kernel/log.ts';
import type { Clock } from '../kernel/ports.ts';
import { tuple } from '../kernel/tuple.ts';
import type { DurableStage } from './durable-stage.ts';
import { takeShard, type TestShard } from './shard-owner.ts';
import { createTestProcess, type TestProcess } from './test-process.ts';

export interface TimersSuiteOptions {
  readonly name: string;
  openStage(): DurableStage | Promise<DurableStage>;
  createTimers(
    options: ShardTimersOptions & { readonly engine: Engine; readonly clock: Clock; readonly log: Logger; readonly group: string },
  ): ShardTimers;
}

interface Fired {
  readonly id: string;
  readonly dueMs: number;
  readonly atMs: number;
  readonly by: string;
}

/** A process that fires timers of the shard: each batch is one commit under the shard's condition, as that of a real owner. */
interface Owner {
  readonly process: TestProcess;
  readonly timers: ShardTimers;
  readonly shard: TestShard;
  /** What was given to it with each batch. */
  readonly batches: DurableTimer[];
}

const group = 'suite';
const second = 1_000;
const hour = 3_600 * second;
const day = 24 * hour;

/** Defines the tests of what `contracts/timers.ts` promises, for one engine. */
export function timersSuite({ name, openStage, createTimers }: TimersSuiteOptions): void {
  describe(`durable timers: ${name}`, () => {
    let stage: DurableStage;
    let owners: Owner[];
    /** What was committed, in order: a timer whose commit was refused is none of it. */
    let fired: Fired[];
    /** A batch waits for it before its commit. */
    let held: Promise<void>;

    beforeEach(async () => {
      stage = await openStage();
      owners = [];
      fired = [];
      held = Promise.resolve();
    });
    afterEach(async () => {
      for (const { process } of owners) process.down = process.frozen = false;
      await Promise.all([...owners.map(({ timers }) => timers.close()), stage.pass(5 * second, second)]);
      await stage.close();
    });

    function commitOf(process: TestProcess, by: string, batches: DurableTimer[]): ShardTimersOptions['fire'] {
      return async (shard: OwnedShard, batch) => {
        batches.push(...batch);
        await held;
        const put = batch.map(({ id }) => ({ key: tuple('fired', id), value: new Uint8Array(0) }));
        const result = await process.engine.commit({ if: [shard.condition], put });
        if (result.status !== 'done') throw new Error('the shard belongs to somebody else');
        fired.push(...batch.map(({ id, dueMs }) => ({ id, dueMs, atMs: process.engine.now(), by })));
      };
    }

    /** Takes the shard for a process, from whoever had it. */
    async function own(by: string): Promise<Owner> {
      const process = createTestProcess({ engine: stage.engineOf(by), clock: stage.clock });
      const batches: DurableTimer[] = [];
      const fire = commitOf(process, by, batches);
      const timers = createTimers({ engine: process.engine, clock: process.clock, log: silentLogger, group, fire });
      const owner = { process, timers, shard: await takeShard(process.engine, group, 0), batches };
      timers.open(owner.shard);
      owners.push(owner);
      return owner;
    }

    async function put({ timers, process }: Pick<Owner, 'timers' | 'process'>, ...given: readonly DurableTimer[]): Promise<void> {
      const append = given.map((timer) => timers.append(0, timer));
      expect(await process.engine.commit({ append: merged(append) })).toMatchObject({ status: 'done' });
      for (const each of append) timers.armed(0, each);
    }

    // The engine of the test knows of a jump only once it was answered again; the stage moves both.
    const now = (): number => stage.clock.now();
    const ids = (): string[] => fired.map(({ id }) => id);
    const early = (): Fired[] => fired.filter(({ dueMs, atMs }) => atMs < dueMs);

    it('fires each timer once, in order, at its time and never before, with what was given', async () => {
      const a = await own('a');
      const begunMs = now();
      for (const delay of [400, 90, 30, 12, 3, 0.5, 150, -5])
        await put(a, { id: `t${delay}`, dueMs: begunMs + delay * second, data: `data ${delay}` });
      await stage.pass(401 * second, 500);
      expect(ids()).toEqual(['t-5', 't0.5', 't3', 't12', 't30', 't90', 't150', 't400']);
      expect(early()).toEqual([]);
      for (const { dueMs, atMs } of fired.slice(1)) expect(atMs - dueMs).toBeLessThanOrEqual(second);
      expect(a.batches.at(-1)).toEqual({ id: 't400', dueMs: begunMs + 400 * second, data: 'data 400' });
    });

    it('keeps those of hours, months and years, also while nobody is there', async () => {
      const a = await own('a');
      const begunMs = now();
      const delays = [2 * hour, 3 * day, 40 * day, 400 * day, 3_000 * day];
      for (const delay of delays) await put(a, { id: `t${delay / day}`, dueMs: begunMs + delay });
      let owner = a;
      for (const [i, delay] of delays.entries()) {
        // Some of the way nobody looks after them.
        await owner.timers.close();
        await stage.jump((begunMs + delay - now()) / 2);
        owner = await own(`b${i % 2}`);
        await stage.pass(10 * second, second);
        await stage.jump(begunMs + delay - 15 * second - now());
        await stage.pass(10 * second, second);
        expect(ids()).toEqual(delays.slice(0, i).map((each) => `t${each / day}`));
        await stage.until(() => fired.length === i + 1);
      }
      expect(ids()).toEqual(delays.map((delay) => `t${delay / day}`));
      expect(early()).toEqual([]);
    });

    it('fires what was made before anybody owned the shard, and what others make while it is owned', async () => {
      const maker = createTestProcess({ engine: stage.engineOf('maker'), clock: stage.clock });
      const outside = {
        process: maker,
        timers: createTimers({ ...maker, log: silentLogger, group, fire: () => Promise.reject(new Error('it owns nothing')) }),
      };
      await put(outside, { id: 'soon', dueMs: now() + 5 * second }, { id: 'later', dueMs: now() + 200 * second });
      await stage.pass(20 * second, second);
      await own('a');
      await stage.until(() => fired.length === 1);
      await put(outside, { id: 'now', dueMs: now() }, { id: 'next', dueMs: now() + 60 * second });
      await stage.until(() => fired.length === 4);
      expect(ids()).toEqual(['soon', 'now', 'next', 'later']);
      expect(early()).toEqual([]);
      await outside.timers.close();
    });

    it('lets the next owner go on where the one before stopped: nothing is lost, and nothing comes again', async () => {
      const a = await own('a');
      const begunMs = now();
      // Of several thousand in one bucket, read in pages that are fired in part, in whatever order they were made.
      const due = (i: number): number => begunMs + 12 * second + ((i * 7_919) % 5_000);
      const all = Array.from({ length: 3_000 }, (_, i) => ({ id: `t${i}`, dueMs: due(i) }));
      for (let i = 0; i < all.length; i += 500) await put(a, ...all.slice(i, i + 500));
      await put(a, { id: 'soon', dueMs: now() + 2 * second }, { id: 'next', dueMs: now() + 40 * second });
      let owner = a;
      for (const [i, enough] of [500, 1_500, 2_500].entries()) {
        await stage.until(() => fired.length >= enough);
        await owner.timers.close();
        const seen = new Set(ids());
        expect(fired.length).toBe(seen.size);
        owner = await own(`b${i % 2}`);
        await stage.settle();
        expect(owner.batches.filter(({ id }) => seen.has(id))).toEqual([]);
      }
      await stage.until(() => fired.length === 3_002);
      await stage.pass(10 * second, second);
      expect([fired.length, new Set(ids()).size, early()]).toEqual([3_002, 3_002, []]);
    });

    it('goes on where an owner died: nothing is lost, and what that owner committed is committed once', async () => {
      const a = await own('a');
      const begunMs = now();
      await put(a, ...Array.from({ length: 60 }, (_, i) => ({ id: `t${i}`, dueMs: begunMs + i * 2 * second })));
      await stage.until(() => fired.length >= 20);
      a.process.frozen = true;
      a.process.down = true;
      await stage.pass(10 * second, second);
      await own('b');
      await stage.until(() => new Set(ids()).size === 60);
      expect(early()).toEqual([]);
    });

    it('counts nothing of an owner that stood still and was overtaken', async () => {
      const a = await own('a');
      let open = (): void => {};
      held = new Promise((resolve) => (open = resolve));
      // Its first look at all logs is over: from here on nothing is put back.
      await stage.pass(3 * second);
      await put(a, { id: 'held', dueMs: now() + second }, { id: 'far', dueMs: now() + 300 * second });
      await stage.until(() => a.batches.length === 1);
      a.process.frozen = true;
      const b = await own('b');
      await stage.until(() => b.batches.length === 1);
      open();
      await stage.until(() => fired.length > 0);
      a.process.frozen = false;
      // It believes in the shard and deals its timers out, if it is let.
      await stage.pass(290 * second, second);
      await stage.until(() => ids().includes('far'));
      await stage.pass(20 * second, second);
      expect(fired.map(({ id, by }) => `${id} by ${by}`)).toEqual(['held by b', 'far by b']);
    });

    it('lets through what became overdue at a bounded rate, oldest first, and holds up nothing that is due now', async () => {
      const maker = createTestProcess({ engine: stage.engineOf('maker'), clock: stage.clock });
      const outside = createTimers({ ...maker, log: silentLogger, group, fire: () => Promise.reject(new Error('it owns nothing')) });
      const begunMs = now();
      for (let i = 0; i < 5_000; i += 500) {
        const batch = Array.from({ length: 500 }, (_, j) =>
          outside.append(0, { id: `old ${i + j}`, dueMs: begunMs + 15 * second + i + j }),
        );
        expect(await maker.engine.commit({ append: merged(batch) })).toMatchObject({ status: 'done' });
      }
      await stage.pass(hour, hour / 4);
      const a = await own('a');
      await stage.until(() => fired.length > 0);
      await put(a, { id: 'now', dueMs: now() + 500 });
      await stage.pass(800);
      expect(ids()).toContain('now');
      expect(fired.length).toBeLessThan(4_500);
      await stage.until(() => fired.length === 5_001);
      expect(new Set(ids()).size).toBe(5_001);
      expect(early()).toEqual([]);
      await outside.close();
    });

    it('finds a timer whose commit took longer than its bucket was open', async () => {
      const a = await own('a');
      const late = a.timers.append(0, { id: 'late', dueMs: now() + 20 * second });
      const unsaid = a.timers.append(0, { id: 'unsaid', dueMs: now() + 20 * second });
      await stage.pass(40 * second, second);
      await a.process.engine.commit({ append: [unsaid] });
      await a.process.engine.commit({ append: [late] });
      a.timers.armed(0, late);
      await stage.until(() => ids().includes('late'));
      await stage.until(() => ids().includes('unsaid'));
      expect(early()).toEqual([]);
    });
  });
}

/** A log once, as a commit wants it. */
function merged(appends: readonly Append[]): Append[] {
  const logs = new Map<string, Append['entries'][number][]>();
  for (const { log, entries } of appends) logs.set(log, [...(logs.get(log) ?? []), ...entries]);
  return Array.from(logs, ([log, entries]) => ({ log, entries }));
}
