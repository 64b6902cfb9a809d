import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../contracts/engine.ts';
import type { DurableTimer, ShardTimers } from '../../contracts/timers.ts';
import { createMemoryContents, createMemoryEngine, type MemoryContents } from '../../drivers/engine-memory/memory-engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import { silentLogger } from '../../kernel/log.ts';
import { changedEngine } from '../../testing/changed-engine.ts';
import { createFakeClock, type FakeClock } from '../../testing/fake-clock.ts';
import { keptBytes } from '../../testing/kept-memory.ts';
import { takeShard, type TestShard } from '../../testing/shard-owner.ts';
import { createShardTimers, type TimersOptions } from './index.ts';

const group = 'test';
const second = 1_000;
const hour = 3_600 * second;
const day = 24 * hour;

let clock: FakeClock;
let contents: MemoryContents;
let engine: Engine;
let timers: ShardTimers;
let shard: TestShard;
/** What was fired, and when. */
let fired: { readonly id: string; readonly dueMs: number; readonly atMs: number }[];

beforeEach(async () => {
  clock = createFakeClock();
  contents = createMemoryContents();
  engine = createMemoryEngine({ clock, contents });
  fired = [];
  shard = await takeShard(engine, group, 0);
});

afterEach(() => timers.close());

function begin(options: Partial<TimersOptions> = {}): ShardTimers {
  timers = createShardTimers({ engine, clock, log: silentLogger, group, fire: async (_, batch) => note(batch), ...options });
  return timers;
}

function note(batch: readonly DurableTimer[]): void {
  for (const { id, dueMs } of batch) fired.push({ id, dueMs, atMs: engine.now() });
}

async function put(id: string, dueMs: number, data?: string): Promise<void> {
  const append = timers.append(0, { id, dueMs, ...(data !== undefined && { data }) });
  await engine.commit({ append: [append] });
  timers.armed(0, append);
}

/** Lets what is under way come to its end. */
async function rest(): Promise<void> {
  for (let i = 0; i < 12; i++) await new Promise(setImmediate);
}

async function pass(ms: number, stepMs = 250): Promise<void> {
  await rest();
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(stepMs, left));
    await rest();
  }
}

const ids = (): string[] => fired.map(({ id }) => id);
const entriesLeft = (): number => Array.from(contents.logs.values()).reduce((sum, log) => sum + log.entries.length, 0);

describe('firing', () => {
  it('fires each timer once, in order, at its time and never before, with what was given', async () => {
    const batches: DurableTimer[] = [];
    begin({ fire: async (_, batch) => (note(batch), void batches.push(...batch)) }).open(shard);
    const now = engine.now();
    for (const delay of [400, 90, 30, 12, 3, 0.5, 150, -5]) await put(`t${delay}`, now + delay * second, `data ${delay}`);
    await pass(401 * second, 50);
    expect(ids()).toEqual(['t-5', 't0.5', 't3', 't12', 't30', 't90', 't150', 't400']);
    for (const { dueMs, atMs } of fired) expect(atMs - dueMs).toBeGreaterThanOrEqual(0);
    for (const { dueMs, atMs } of fired.slice(1)) expect(atMs - dueMs).toBeLessThanOrEqual(50);
    expect(batches.at(-1)).toEqual({ id: 't400', dueMs: now + 400 * second, data: 'data 400' });
    expect(batches[0]).toMatchObject({ data: 'data -5' });
  });

  it('keeps those of hours, months and years, and leaves nothing behind', async () => {
    begin().open(shard);
    const now = engine.now();
    const delays = [2 * hour, 3 * day, 40 * day, 400 * day, 3_000 * day];
    for (const delay of delays) await put(`t${delay / day}`, now + delay);
    for (const delay of delays) {
      await pass(now + delay - 20 * second - engine.now(), Math.max(30 * second, delay / 400));
      await pass(21 * second, second);
      expect(ids().at(-1)).toBe(`t${delay / day}`);
    }
    expect(fired.map(({ atMs, dueMs }) => atMs - dueMs).every((late) => late >= 0 && late <= second)).toBe(true);
    await pass(60 * second);
    expect([fired.length, entriesLeft()]).toEqual([delays.length, 0]);
  });

  it('has a bounded number of logs, however long it runs', async () => {
    begin().open(shard);
    for (let i = 0; i < 300; i++) {
      for (const delay of [20 * second, hour, 3 * day, 90 * day]) await put('t', engine.now() + delay + i);
      clock.jump(day / 3 + 777);
      await pass(5 * second, second);
    }
    expect(engine.stats().logs).toBeLessThanOrEqual(5 * 48 + 1);
  });

  it('fires those that were made before anybody owned the shard', async () => {
    begin();
    await put('early', engine.now() + 100 * second);
    await put('late', engine.now() + hour);
    await pass(200 * second, 10 * second);
    expect(fired).toEqual([]);
    timers.open(shard);
    await rest();
    expect(ids()).toEqual(['early']);
    await pass(hour, 10 * second);
    expect(ids()).toEqual(['early', 'late']);
  });

  it('does not fire while the owner may have been taken over', async () => {
    begin().open(shard);
    await put('t', engine.now() + second);
    shard.alive = false;
    await pass(5 * second);
    expect(fired).toEqual([]);
    shard.alive = true;
    await pass(second);
    expect(ids()).toEqual(['t']);
  });

  it('lets one batch per so many wait for a slow owner, and goes on with the rest', async () => {
    const waiting: (() => void)[] = [];
    const fire: TimersOptions['fire'] = (_, batch) => {
      note(batch);
      return new Promise((resolve) => waiting.push(resolve));
    };
    begin({ fire, limits: { batch: 10, laneBatches: 2 } }).open(shard);
    const due = engine.now() + 3 * second;
    for (let i = 0; i < 45; i++) await put(`t${i}`, due);
    await pass(4 * second);
    expect([waiting.length, fired.length]).toEqual([2, 20]);
    waiting.shift()?.();
    await rest();
    expect([waiting.length, fired.length]).toEqual([2, 30]);
    for (let resolve = waiting.shift(); resolve !== undefined; resolve = waiting.shift()) await rest().then(resolve);
    await pass(3 * second);
    expect([fired.length, entriesLeft()]).toEqual([45, 0]);
  });
});

describe('failures of the owner', () => {
  it('come again with growing pauses, and the one that always fails does not hold up the others', async () => {
    const attempts: number[] = [];
    const fire: TimersOptions['fire'] = async (_, batch) => {
      if (batch.some(({ id }) => id === 'bad')) {
        attempts.push(batch.length);
        throw new Error('it cannot be done');
      }
      note(batch);
    };
    begin({ fire }).open(shard);
    const due = engine.now() + 3 * second;
    for (let i = 0; i < 8; i++) await put(i === 5 ? 'bad' : `t${i}`, due);
    await pass(6 * second);
    expect(ids().toSorted()).toEqual(['t0', 't1', 't2', 't3', 't4', 't6', 't7']);
    expect(attempts.slice(0, 4)).toEqual([8, 4, 2, 1]);
    const early = attempts.length;
    await pass(120 * second, second);
    expect(attempts.length - early).toBeLessThan(12);
    expect(attempts.length - early).toBeGreaterThan(3);
    // It is still there for whoever comes next.
    expect(entriesLeft()).toBeGreaterThan(0);
  });

  it('do not split a batch when the engine is what failed', async () => {
    const sizes: number[] = [];
    const down = Object.assign(new Error('engine down'), { code: 'engine.unavailable' });
    let failing = true;
    const fire: TimersOptions['fire'] = async (_, batch) => {
      sizes.push(batch.length);
      if (failing) throw down;
      note(batch);
    };
    begin({ fire }).open(shard);
    const due = engine.now() + 3 * second;
    for (let i = 0; i < 8; i++) await put(`t${i}`, due);
    await pass(3.5 * second, 50);
    failing = false;
    await pass(3 * second);
    expect(fired.length).toBe(8);
    expect(sizes).toContain(8);
  });
});

describe('outages and clocks', () => {
  it('lets overdue timers through at a bounded rate, oldest first, and what is due now is not held up', async () => {
    begin({ limits: { overdueRate: 100, batch: 50 } });
    const start = engine.now();
    for (let i = 0; i < 1_000; i++) await put(`old ${i}`, start + 10 * second + i * 500);
    clock.advance(2 * hour);
    timers.open(shard);
    await rest();
    const perSecond: number[] = [];
    for (let i = 0; i < 12; i++) {
      await put(`now ${i}`, engine.now() + 500);
      const before = fired.length;
      await pass(second, 100);
      perSecond.push(fired.length - before);
    }
    expect(fired.length).toBe(1_012);
    expect(Math.max(...perSecond)).toBeLessThanOrEqual(100 + 50 + 1);
    const fresh = fired.filter(({ id }) => id.startsWith('now'));
    for (const { dueMs, atMs } of fresh) expect(atMs - dueMs).toBeLessThanOrEqual(200);
    // But for the first batch, which goes out before everything was read.
    const old = fired.filter(({ id }) => id.startsWith('old')).map(({ dueMs }) => dueMs);
    expect(old.slice(50)).toEqual(old.slice(50).toSorted((a, b) => a - b));
  });

  it('comes within two seconds once the engine is back, however long it was away', async () => {
    let away = true;
    begin({
      fire: async (_, batch) => {
        if (away) throw new ProaError('engine.unavailable', 'nobody answers');
        note(batch);
      },
    }).open(shard);
    await put('a', engine.now() + second);
    await pass(5 * 60 * second);
    expect(fired).toEqual([]);
    away = false;
    await pass(2 * second + 250);
    expect(ids()).toEqual(['a']);
  });

  it('takes a jump of the clock forwards as an outage, within seconds, and one backwards as a pause', async () => {
    begin({ limits: { overdueRate: 20, batch: 10 } }).open(shard);
    const start = engine.now();
    for (let i = 0; i < 40; i++) await put(`soon ${i}`, start + 3 * second + i * 1_000);
    await put('year', start + 365 * day);
    await pass(second);
    clock.jump(hour);
    await pass(second);
    expect(fired.length).toBeLessThanOrEqual(30);
    await pass(8 * second);
    expect(fired.length).toBe(40);
    await put('next', engine.now() + 2 * second);
    const at = engine.now();
    clock.jump(-hour);
    await pass(10 * second);
    expect([engine.now(), ids().at(-1)]).toEqual([at, 'soon 39']);
    clock.jump(hour);
    await pass(3 * second);
    expect(ids().at(-1)).toBe('next');
    clock.jump(366 * day);
    await pass(6 * second);
    expect(ids().at(-1)).toBe('year');
    for (const { dueMs, atMs } of fired) expect(atMs).toBeGreaterThanOrEqual(dueMs);
  });

  it('holds a bounded number of timers in memory, however many are due at once', async () => {
    let reads = 0;
    let most = 0;
    const counted = changedEngine(engine, {
      readLog: async (log, after, limit) => {
        const page = await engine.readLog(log, after, limit);
        reads += page.entries.length;
        most = Math.max(most, reads - fired.length);
        return page;
      },
    });
    begin({ engine: counted, limits: { heldMax: 500 } }).open(shard);
    await rest();
    const due = engine.now() + 20 * second;
    for (let i = 0; i < 5_000; i++) await engine.commit({ append: [timers.append(0, { id: `t${i}`, dueMs: due + (i % 100) })] });
    await pass(30 * second);
    expect(new Set(ids()).size).toBe(5_000);
    expect(most).toBeLessThanOrEqual(500 + 3 * 400);
  });
});

describe('owners', () => {
  it('go on where another one stopped: nothing is lost, and what was fired and settled does not come again', async () => {
    begin().open(shard);
    const start = engine.now();
    for (let i = 0; i < 100; i++) await put(`t${i}`, start + i * 4 * second);
    await pass(200 * second, second);
    await timers.release(0);
    const seen = fired.length;
    await pass(60 * second, second);
    expect(fired.length).toBe(seen);
    timers.open(await takeShard(engine, group, 0));
    await pass(300 * second, second);
    expect(new Set(ids()).size).toBe(100);
    // Those of a page that was settled in part.
    expect(fired.length).toBeLessThanOrEqual(102);
  });

  it('leave the next owner no timers of later to read, however soon they die', async () => {
    begin().open(shard);
    const due = engine.now() + 30 * day;
    for (let i = 0; i < 100; i++) await put(`t${i}`, due + i);
    await pass(3 * second);
    let read = 0;
    const counting = changedEngine(engine, {
      async readLog(...asked) {
        const page = await engine.readLog(...asked);
        read += page.entries.length;
        return page;
      },
    });
    const next = createShardTimers({ engine: counting, clock, log: silentLogger, group, fire: async (_, batch) => note(batch) });
    next.open(await takeShard(engine, group, 0));
    await pass(10 * second);
    await next.close();
    expect([read, entriesLeft(), fired]).toEqual([0, 100, []]);
  });

  it('stop dealing out when the shard was taken over', async () => {
    begin().open(shard);
    await put('t', engine.now() + 300 * second);
    await rest();
    const taken = await takeShard(engine, group, 0);
    await pass(400 * second, second);
    // The frozen owner may fire (its commits would fail), but it moved nothing.
    await timers.release(0);
    fired = [];
    timers.open(taken);
    await pass(10 * second);
    expect(ids()).toEqual(['t']);
  });

  it('wait for what is being fired when they let a shard go, and fire nothing after it', async () => {
    let finish = (): void => {};
    const fire: TimersOptions['fire'] = (_, batch) => (note(batch), new Promise((resolve) => (finish = resolve)));
    begin({ fire }).open(shard);
    const now = engine.now();
    await put('a', now + second);
    await put('b', now + 2 * second);
    await pass(1_500);
    let released = false;
    const release = timers.release(0).then(() => (released = true));
    await pass(5 * second);
    expect([released, ids()]).toEqual([false, ['a']]);
    finish();
    await release;
    expect(ids()).toEqual(['a']);
    timers.open(await takeShard(engine, group, 0));
    await rest();
    expect(ids()).toEqual(['a', 'b']);
    finish();
  });

  it('find a timer whose commit took longer than its bucket was open, at once when its maker says so', async () => {
    begin().open(shard);
    const late = timers.append(0, { id: 'late', dueMs: engine.now() + 20 * second });
    const unsaid = timers.append(0, { id: 'unsaid', dueMs: engine.now() + 20 * second });
    await pass(40 * second, second);
    await engine.commit({ append: [unsaid] });
    await pass(second);
    expect(fired).toEqual([]);
    await engine.commit({ append: [late] });
    timers.armed(0, late);
    await pass(second);
    expect(ids()).toContain('late');
    // Without that it is found when its bucket closes.
    await pass(20 * second, second);
    expect(ids()).toContain('unsaid');
    await pass(300 * second, 5 * second);
    expect(ids().filter((id) => id === 'unsaid').length).toBe(1);
  });

  it.each(['jump', 'advance'] as const)(
    'find what they dealt out late as soon as the engine answers, however long they stood still before it was committed (%s)',
    async (stand) => {
      for (const stillMs of [20 * second, 60 * second, 5 * 60 * second, hour, 3 * day]) {
        fired = [];
        let stood = false;
        const still = changedEngine(engine, {
          async commit(commit) {
            // Between choosing the bucket and the commit; the next ones are as quick as ever.
            if (commit.append !== undefined && !stood) {
              stood = true;
              clock[stand](stillMs);
            }
            return engine.commit(commit);
          },
        });
        begin({ engine: still });
        const due = engine.now() + 200 * second;
        await engine.commit({ append: [timers.append(0, { id: 'dealt', dueMs: due })] });
        timers.open(await takeShard(engine, group, 0));
        while (!stood) await pass(second, second);
        const foundMs = Math.max(due, engine.now());
        await pass(foundMs - engine.now() + 3 * second, second);
        // After days the log that it came from is read once more before it was trimmed: a timer may come twice.
        expect([stillMs, ...new Set(ids())]).toEqual([stillMs, 'dealt']);
        expect(fired.every(({ atMs }) => atMs >= due && atMs - foundMs <= 3 * second)).toBe(true);
        const times = fired.length;
        await pass(600 * second, 5 * second);
        expect(fired).toHaveLength(times);
        await timers.close();
      }
    },
  );

  it('hold in memory what they fire soon, and not the pages that it was read with', async () => {
    const paged = changedEngine(engine, {
      async readLog(...asked) {
        const page = await engine.readLog(...asked);
        // As the journal reads: the entries of a page are parts of one piece of memory.
        const whole = Buffer.alloc(1024 * 1024);
        const entries = page.entries.map((entry, i) => {
          const data = whole.subarray(i * 200, i * 200 + entry.data.length);
          data.set(entry.data);
          return { ...entry, data };
        });
        return { ...page, entries };
      },
    });
    begin({ engine: paged });
    const due = engine.now() + 4 * second;
    for (let i = 0; i < 12_000; i++) await engine.commit({ append: [timers.append(0, { id: `timer ${i}`, dueMs: due })] });
    const bytes = await keptBytes(async () => {
      timers.open(shard);
      for (let i = 0; i < 60; i++) await rest();
    });
    // With their pages it would be 40 MB.
    expect(bytes).toBeLessThan(15_000_000);
    await pass(20 * second);
    expect(fired).toHaveLength(12_000);
  });

  it('notice without a hint what others put into the shard', async () => {
    begin({ engine: changedEngine(engine, { onAppend: () => () => {} }) }).open(shard);
    await pass(second);
    await engine.commit({ append: [timers.append(0, { id: 't', dueMs: engine.now() + 100 })] });
    await pass(6 * second);
    expect(ids()).toEqual(['t']);
  });

  it('skip damaged entries', async () => {
    begin();
    const append = timers.append(0, { id: 'good', dueMs: engine.now() + 30 * second });
    await engine.commit({ append: [{ log: append.log, entries: [{ data: Buffer.from('bad') }, ...append.entries] }] });
    timers.open(shard);
    await pass(40 * second, second);
    expect([ids(), entriesLeft()]).toEqual([['good'], 0]);
  });
});
