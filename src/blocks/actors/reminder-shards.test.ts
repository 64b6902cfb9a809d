import { describe, expect, it } from 'vitest';
import type { Engine } from '../../contracts/engine.ts';
import { createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { silentLogger } from '../../kernel/log.ts';
import { tuple } from '../../kernel/tuple.ts';
import { changedEngine } from '../../testing/changed-engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { settle } from '../../testing/test-process.ts';
import { ReminderShards } from './reminder-shards.ts';

const prefix = tuple('reminders', 'Cat');
const quietMs = 300_000;

/** Actors are named by the shard that they lie in. */
function createRig(methods: (engine: Engine) => Partial<Engine> = () => ({})) {
  const clock = createFakeClock();
  const engine = createMemoryEngine({ clock });
  let changes = 0;
  let looks = 0;
  let known = true;
  const seen = changedEngine(engine, methods(engine));
  const shards = new ReminderShards({
    engine: changedEngine(seen, {
      range(query) {
        looks++;
        return seen.range(query);
      },
    }),
    clock,
    log: silentLogger,
    prefix,
    shardOf: (id) => (known ? Number(id.split('-')[0]) : undefined),
    changed: () => changes++,
  });
  const key = (id: string): string => prefix + tuple(id, 'r');
  return {
    clock,
    shards,
    changes: () => changes,
    looks: () => looks,
    know: (is: boolean) => (known = is),
    put: (...ids: string[]) => engine.commit({ put: ids.map((id) => ({ key: key(id), value: new Uint8Array(0) })) }),
    drop: (...ids: string[]) => engine.commit({ delete: ids.map(key) }),
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 5_000) {
        clock.advance(Math.min(left, 5_000));
        await settle();
      }
    },
  };
}

const awake = ({ shards }: ReturnType<typeof createRig>): number[] => Array.from({ length: 64 }, (_, i) => i).filter((i) => shards.has(i));
const many = Array.from({ length: 65 }, (_, i) => `3-${i}`);

describe('the shards that have reminders', () => {
  it('are none at first, and each from its first reminder on until it has had none for minutes', async () => {
    const rig = createRig();
    rig.shards.begin();
    rig.shards.begin();
    await settle();
    expect([awake(rig), rig.looks(), rig.clock.waiting]).toEqual([[], 1, 1]);
    await rig.put('7-a');
    await settle();
    await rig.put('9-a', '9-b');
    await settle();
    expect([awake(rig), rig.changes()]).toEqual([[7, 9], 2]);
    await rig.drop('7-a', '9-a');
    await rig.pass(quietMs - 5_000);
    expect(awake(rig)).toEqual([7, 9]);
    await rig.pass(10_000);
    expect([awake(rig), rig.changes()]).toEqual([[9], 3]);
    await rig.put('7-b');
    await settle();
    expect(awake(rig)).toEqual([7, 9]);
    rig.shards.close();
    expect(rig.clock.waiting).toBe(0);
  });

  it('are all when there are many, and some again when there have been few for minutes; nobody listens meanwhile', async () => {
    const rig = createRig();
    await rig.put(...many);
    rig.shards.begin();
    await settle();
    expect([awake(rig).length, rig.looks()]).toEqual([64, 1]);
    await rig.put('5-a');
    await rig.drop('3-0');
    await settle();
    expect(rig.looks()).toBe(1);
    await rig.drop(...many.slice(1));
    await rig.pass(quietMs - 60_000);
    expect(awake(rig)).toHaveLength(64);
    await rig.pass(60_000);
    expect(awake(rig)).toEqual([5]);
    await rig.put('6-a');
    await settle();
    expect(awake(rig)).toEqual([5, 6]);
    await rig.put(...many);
    await settle();
    expect(awake(rig)).toHaveLength(64);
    rig.shards.close();
  });

  it('are known at once to who registers a reminder, also while they are looked for', async () => {
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const rig = createRig((engine) => ({
      async range(query) {
        const page = await engine.range(query);
        await held;
        return page;
      },
    }));
    rig.shards.begin();
    rig.shards.seen(4);
    rig.shards.seen(4);
    expect([awake(rig), rig.changes()]).toEqual([[4], 1]);
    await rig.put('4-a', '8-a');
    release();
    await settle();
    expect([awake(rig), rig.changes()]).toEqual([[4, 8], 2]);
    rig.shards.close();
    rig.shards.seen(1);
    expect(rig.changes()).toBe(2);
  });

  it('are found soon after it is known where actors lie', async () => {
    const rig = createRig();
    await rig.put('7-a');
    rig.know(false);
    rig.shards.begin();
    await settle();
    expect(awake(rig)).toEqual([]);
    rig.know(true);
    rig.clock.advance(50);
    await settle();
    expect(awake(rig)).toEqual([7]);
    rig.shards.close();
  });

  it('are found without a hint, and after a look that failed', async () => {
    let cut = true;
    const rig = createRig((engine) => ({
      watch: () => () => {},
      range: (query) => (cut ? Promise.reject(new Error('the owner is gone')) : engine.range(query)),
    }));
    rig.shards.begin();
    await settle();
    await rig.put('7-a');
    cut = false;
    expect(awake(rig)).toEqual([]);
    await rig.pass(5_000);
    expect(awake(rig)).toEqual([7]);
    await rig.put('8-a');
    await rig.pass(5_000);
    expect(awake(rig)).toEqual([7, 8]);
    rig.shards.close();
    await rig.pass(10_000);
    expect([rig.looks(), rig.clock.waiting]).toEqual([3, 0]);
  });
});
