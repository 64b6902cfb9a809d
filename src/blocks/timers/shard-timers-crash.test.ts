import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Engine } from '../../contracts/engine.ts';
import type { ShardTimers } from '../../contracts/timers.ts';
import { createMemoryContents, createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { silentLogger } from '../../kernel/log.ts';
import { tuple } from '../../kernel/tuple.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { takeShard } from '../../testing/shard-owner.ts';
import { createShardTimers } from './index.ts';

const group = 'test';
const second = 1_000;

/** One way in which an owner ends: at which of its calls to the engine, and whether that one still had its effect. */
interface Crash {
  readonly atCall: number;
  readonly effect: boolean;
}

/** An engine client that fails from some call on, as that of a dead process; `died` is called once. */
function mortal(engine: Engine, crash: Crash | undefined, died: () => void): Engine {
  let calls = 0;
  const guarded = new Set<keyof Engine>(['commit', 'get', 'readLog', 'trim']);
  return new Proxy(engine, {
    get(target, name: keyof Engine) {
      const value = target[name];
      if (typeof value !== 'function') return value;
      if (!guarded.has(name)) return value.bind(target);
      return async (...parameters: unknown[]) => {
        calls++;
        if (crash === undefined || calls < crash.atCall) return (value as (...all: unknown[]) => unknown).apply(target, parameters);
        if (calls === crash.atCall) {
          if (crash.effect) await (value as (...all: unknown[]) => unknown).apply(target, parameters);
          died();
        }
        throw new Error('this process is dead');
      };
    },
  });
}

interface Outcome {
  readonly fired: ReadonlySet<string>;
  readonly early: number;
  readonly entriesLeft: number;
  readonly crashes: number;
}

/** Timers at those distances, one owner after another: each ends as told, the last one lives. Firing writes a key, as a real owner would. */
async function play(delaysMs: readonly number[], crashes: readonly Crash[], stepMs: number): Promise<Outcome> {
  const clock = createFakeClock();
  const contents = createMemoryContents();
  const engine = createMemoryEngine({ clock, contents });
  const owners: ShardTimers[] = [];
  let early = 0;
  let dead = true;
  let next = 0;
  const begin = async (): Promise<void> => {
    dead = false;
    const owned = await takeShard(engine, group, 0);
    const client = mortal(engine, crashes[next++], () => (dead = true));
    const timers = createShardTimers({
      engine: client,
      clock,
      log: silentLogger,
      group,
      async fire(shard, batch) {
        early += batch.filter(({ dueMs }) => dueMs > engine.now()).length;
        const put = batch.map(({ id }) => ({ key: tuple('fired', id), value: new Uint8Array(0) }));
        const result = await client.commit({ if: [shard.condition], put });
        if (result.status !== 'done') throw new Error('not the owner');
      },
    });
    owners.push(timers);
    timers.open(owned);
  };
  const maker = createShardTimers({ engine, clock, log: silentLogger, group, fire: async () => {} });
  const last = Math.max(...delaysMs);
  for (let i = 0; i < delaysMs.length; i++) {
    await engine.commit({ append: [maker.append(0, { id: `t${i}`, dueMs: engine.now() + (delaysMs[i] as number) })] });
  }
  // However many owners die, the last one has a minute.
  let bornMs = 0;
  for (let passed = 0; passed < last + 60 * second || passed < bornMs + 60 * second; passed += stepMs) {
    if (dead) {
      bornMs = passed;
      await begin();
    }
    for (let i = 0; i < 10; i++) await new Promise(setImmediate);
    clock.advance(stepMs);
  }
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  const keys = delaysMs.map((_, i) => `t${i}`).filter((id) => contents.keys.has(tuple('fired', id)));
  const entriesLeft = Array.from(contents.logs.values()).reduce((sum, log) => sum + log.entries.length, 0);
  engine.crash();
  void Promise.all(owners.map((owner) => owner.close()));
  return { fired: new Set(keys), early, entriesLeft, crashes: next - 1 };
}

it('loses no timer and fires none early, at whichever of its calls the owner dies', async () => {
  const delays = [0, 3, 8, 18, 21, 60, 61, 190, 215, 216, 300].map((seconds) => seconds * second);
  let crashes = 0;
  let steps = 0;
  for (const effect of [false, true]) {
    // A new owner looks into every log of the ring; a few of these calls are enough.
    for (let atCall = 1; ; atCall += atCall > 8 && atCall < 240 ? 29 : 1) {
      const outcome = await play(delays, [{ atCall, effect }], 5 * second);
      if (outcome.crashes === 0) break;
      crashes += outcome.crashes;
      steps = atCall;
      expect([outcome.fired.size, outcome.early, outcome.entriesLeft], `call ${atCall}, effect ${effect}`).toEqual([delays.length, 0, 0]);
    }
  }
  expect(steps).toBeGreaterThan(300);
  expect(crashes).toBeGreaterThan(150);
});

it('loses none when every owner dies at once but the last', async () => {
  const crash: Crash = { atCall: 1, effect: false };
  const outcome = await play([0], [crash, crash, crash, crash], 20 * second);
  expect([outcome.fired.size, outcome.early, outcome.crashes]).toEqual([1, 0, 4]);
});

it('loses none over many deaths either', async () => {
  const crash = fc.record({ atCall: fc.integer({ min: 1, max: 400 }), effect: fc.boolean() });
  const delay = fc.oneof(fc.nat(20), fc.nat(300), fc.nat(3_000)).map((seconds) => seconds * second);
  await fc.assert(
    fc.asyncProperty(fc.array(delay, { minLength: 1, maxLength: 40 }), fc.array(crash, { maxLength: 12 }), async (delays, crashes) => {
      const outcome = await play(delays, crashes, 20 * second);
      expect([outcome.fired.size, outcome.early]).toEqual([delays.length, 0]);
    }),
    { numRuns: 25 },
  );
});
