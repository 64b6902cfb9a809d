import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../contracts/engine.ts';
import type { ShardTimers } from '../../contracts/timers.ts';
import { createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import { silentLogger } from '../../kernel/log.ts';
import { changedEngine } from '../../testing/changed-engine.ts';
import { createFakeClock, type FakeClock } from '../../testing/fake-clock.ts';
import { takeShard } from '../../testing/shard-owner.ts';
import { settle } from '../../testing/test-process.ts';
import { createShardTimers } from './index.ts';

const group = 'test';
const second = 1_000;

let clock: FakeClock;
let engine: Engine;
let timers: ShardTimers;
let fired: string[];

beforeEach(() => {
  clock = createFakeClock();
  engine = createMemoryEngine({ clock });
  fired = [];
});

afterEach(() => timers.close());

/** Timers over an engine whose reads of logs are the test's. */
async function begin(shards: number, readLog: Engine['readLog']): Promise<void> {
  const fire = async (_: unknown, batch: readonly { readonly id: string }[]): Promise<void> =>
    void fired.push(...batch.map(({ id }) => id));
  timers = createShardTimers({ engine: changedEngine(engine, { readLog }), clock, log: silentLogger, group, fire });
  for (let index = 0; index < shards; index++) timers.open(await takeShard(engine, group, index));
  await pass(second);
}

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    clock.advance(250);
    await settle();
  }
}

describe('an engine that is away', () => {
  const shards = 64;

  /** All shards of a runtime, and an engine whose reads of logs are counted and fail as the test says. */
  async function many() {
    const state: { error: ProaError | undefined; reads: number } = { error: undefined, reads: 0 };
    const readLog: Engine['readLog'] = (log, after, limit) => {
      state.reads++;
      return state.error === undefined ? engine.readLog(log, after, limit) : Promise.reject(state.error);
    };
    await begin(shards, readLog);
    state.reads = 0;
    return state;
  }

  it('is asked as often as one shard would ask, however many there are', async () => {
    const state = await many();
    state.error = new ProaError('engine.unavailable', 'away');
    await pass(120 * second);
    // Each once, when it went away, and then one after the other.
    expect(state.reads).toBeLessThanOrEqual(shards + 20);
    expect(state.reads).toBeGreaterThan(shards);
  });

  it('is read again by all of them once it is back', async () => {
    const state = await many();
    state.error = new ProaError('engine.unavailable', 'away');
    await pass(60 * second);
    for (let index = 0; index < shards; index++) await engine.commit({ append: [timers.append(index, { id: `t${index}`, dueMs: 1 })] });
    state.error = undefined;
    await pass(21 * second);
    expect(fired).toHaveLength(shards);
  });

  it('is not what keeps a shard from being read whose own log is damaged, nor the others', async () => {
    const damaged = new ProaError('engine.corrupt', 'bad entry');
    const readLog: Engine['readLog'] = (log, after, limit) => {
      return log === timers.append(1, { id: 'x', dueMs: 1 }).log ? Promise.reject(damaged) : engine.readLog(log, after, limit);
    };
    await begin(3, readLog);
    await pass(60 * second);
    for (const index of [0, 2]) {
      const append = timers.append(index, { id: `t${index}`, dueMs: 1 });
      await engine.commit({ append: [append] });
      timers.armed(index, append);
    }
    await settle();
    expect(fired.toSorted()).toEqual(['t0', 't2']);
  });
});
