import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPlacement } from '../placement/index.ts';
import type { AppChannel, JobVerdict } from '../../contracts/app-channel.ts';
import type { Engine } from '../../contracts/engine.ts';
import { ungoverned } from '../../contracts/governance.ts';
import { noMetrics } from '../../contracts/metrics.ts';
import { createMemoryContents, createMemoryEngine, type MemoryContents } from '../../drivers/engine-memory/memory-engine.ts';
import { createCall } from '../../kernel/call.ts';
import { silentLogger } from '../../kernel/log.ts';
import type { Ports } from '../../kernel/ports.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { changedEngine } from '../../testing/changed-engine.ts';
import { createFakeClock, type FakeClock } from '../../testing/fake-clock.ts';
import { createJobsBlock, type JobsBlock } from './index.ts';

const second = 1_000;
const minute = 60 * second;

let clock: FakeClock;
let contents: MemoryContents;
let engine: Engine;
/** Reads of logs since this was set to 0: timers are read by whoever owns shards. */
let reads: number;
let runs: { readonly name: string; readonly atMs: number }[];
let answer: () => JobVerdict | Promise<JobVerdict>;
let closing: (() => Promise<void>)[];

beforeEach(() => {
  clock = createFakeClock();
  contents = createMemoryContents();
  const memory = createMemoryEngine({ clock, contents });
  engine = changedEngine(memory, {
    readLog(...asked) {
      reads++;
      return memory.readLog(...asked);
    },
  });
  runs = [];
  answer = () => ({ status: 'done' });
  closing = [];
});

afterEach(async () => {
  const closed = Promise.all(closing.map((close) => close()));
  await pass(20 * second, second);
  await closed;
});

/** A runtime of the app, which takes jobs. */
function start(name: string): JobsBlock {
  const app: Pick<AppChannel, 'job' | 'reachable'> = {
    reachable: () => Promise.resolve(true),
    async job({ input }) {
      runs.push({ name: input.name, atMs: engine.now() });
      return answer();
    },
  };
  const ports = { clock, random: createNodeRandom() } as unknown as Ports;
  const context = { ports, log: silentLogger, metrics: noMetrics, appId: 'shop', namespace: 'default', govern: ungoverned };
  const endpoint = { appId: 'shop', namespace: 'default', instance: name };
  const placement = createPlacement({ engine, clock, log: silentLogger, endpoint: () => endpoint, machine: 'here' });
  const block = createJobsBlock(context, { engine, placement, channel: () => app as AppChannel });
  closing.push(() => block.close().then(() => placement.close()));
  block.start();
  return block;
}

const operation = { block: 'jobs', name: 'test', idempotent: false };
const schedule = (block: JobsBlock, name: string, dueTime: string): Promise<void> =>
  block.schedule(createCall(operation, { job: { name, dueTime }, overwrite: false }));

async function pass(ms: number, stepMs = 250): Promise<void> {
  for (let left = ms; left >= 0; left -= stepMs) {
    for (let i = 0; i < 15; i++) await new Promise(setImmediate);
    clock.advance(Math.min(left, stepMs));
  }
}

async function readsIn(ms: number): Promise<number> {
  reads = 0;
  await pass(ms, second);
  return reads;
}

describe('runtimes whose app has no job any more', () => {
  it('read nothing after a while, and run the next one at its time, whoever makes it', async () => {
    const makers = [start('a'), start('b'), start('c')];
    await schedule(makers[0] as JobsBlock, 'far', '10m');
    await pass(6 * minute, second);
    // One that waits for its time keeps them.
    expect(await readsIn(minute)).toBeGreaterThan(16);
    await pass(7 * minute, second);
    expect(runs.map(({ name }) => name)).toEqual(['far']);
    expect(await readsIn(5 * minute)).toBe(0);
    for (const [i, maker] of makers.entries()) {
      runs = [];
      const due = engine.now() + 3 * second;
      await schedule(maker, `next-${i}`, '3s');
      await pass(15 * second);
      expect(runs.map(({ name, atMs }) => [name, atMs >= due && atMs <= due + second])).toEqual([[`next-${i}`, true]]);
      await pass(4 * minute, second);
      expect(await readsIn(minute)).toBe(0);
    }
  });

  it('wait for a run that is under way, although its job was deleted: a new job is not held up by it', async () => {
    const block = start('a');
    const finish: (() => void)[] = [];
    // Whenever the new one comes: a member that leaves would hold it up for half a minute.
    for (let afterMs = 60 * second; afterMs <= 200 * second; afterMs += 20 * second) {
      answer = () => new Promise((resolve) => finish.push(() => resolve({ status: 'done' })));
      await schedule(block, 'long', '1s');
      await pass(3 * second);
      await block.delete(createCall(operation, { name: 'long' }));
      await pass(afterMs, second);
      answer = () => ({ status: 'done' });
      await schedule(block, 'next', '1s');
      await pass(3 * second);
      expect([afterMs, ...runs.splice(0).map(({ name }) => name)]).toEqual([afterMs, 'long', 'next']);
      finish.shift()?.();
      await pass(5 * second);
    }
    expect(contents.keys.getRange('\x02jobs', '\x02jobt')).toEqual([]);
  });
});
