import { describe, expect, it } from 'vitest';
import type { Commit, CommitResult, Engine } from '../../contracts/engine.ts';
import type { OwnedShard, Placement } from '../../contracts/placement.ts';
import { createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { silentLogger } from '../../kernel/log.ts';
import type { Clock } from '../../kernel/ports.ts';
import { tuple } from '../../kernel/tuple.ts';
import { seededRandom } from '../../testing/simulator/disk.ts';
import { createSimulatedTime, type SimulatedTime } from '../../testing/simulator/time.ts';
import { placementKeys } from './group-table.ts';
import { createPlacement } from './index.ts';

const group = 'workflows/default/shop';
const shards = 12;
const ttlMs = 1_500;

interface World {
  readonly time: SimulatedTime;
  readonly memory: Engine;
  readonly dice: (sides: number) => number;
  /** While true, requests and answers get lost. */
  lossy: boolean;
  /** Answers that were given out without asking the engine, and those of them that another owner's record contradicted at that instant. */
  readonly answers: { given: number; readonly stale: string[] };
}

interface Runtime {
  readonly name: string;
  readonly placement: Placement;
  /** Everything that it ever owned and was not yet told to have lost: it tries to commit under all of it, whatever `alive` says. */
  readonly believed: Map<number, OwnedShard>;
}

function createWorld(seed: number): World {
  const time = createSimulatedTime(seed);
  const random = seededRandom(seed);
  return {
    time,
    memory: createMemoryEngine({ clock: time.clock('engine') }),
    dice: (sides) => random.u32() % sides,
    lossy: true,
    answers: { given: 0, stale: [] },
  };
}

/** The engine as one process reaches it: requests and answers take time, and some are lost. */
function remote(world: World, clock: Clock): Engine {
  const { memory, time, dice } = world;
  const far = time.clock('engine');
  const wait = (on: Clock): Promise<void> => new Promise((resolve) => void on.timer(dice(20), resolve));
  const lost = (): boolean => world.lossy && dice(25) === 0;
  const over = async <T>(call: () => Promise<T>, unknown: () => T): Promise<T> => {
    await wait(clock);
    if (lost()) return unknown();
    await wait(far);
    const answer = await call();
    // The answer comes back to a process that may stand still.
    await wait(clock);
    return lost() ? unknown() : answer;
  };
  const fail = (): never => {
    throw new Error('the engine was not reached');
  };
  return {
    ...memory,
    kind: 'remote',
    now: () => memory.now(),
    commit: (commit: Commit) =>
      over<CommitResult>(
        () => memory.commit(commit),
        () => ({ status: 'unknown', cause: 'lost' }),
      ),
    get: (key) => over(() => memory.get(key), fail),
    getMany: (keys) => over(() => memory.getMany(keys), fail),
    range: (query) => over(() => memory.range(query), fail),
    readLog: (log, after, limit) => over(() => memory.readLog(log, after, limit), fail),
    trim: (log, upTo) => over(() => memory.trim(log, upTo), fail),
    acquireLease: (key, owner, ms) => over(() => memory.acquireLease(key, owner, ms), fail),
    renewLease: (lease, ms) => over(() => memory.renewLease(lease, ms), fail),
    releaseLease: (lease) => over(() => memory.releaseLease(lease), fail),
    watch: (prefix, changed) => memory.watch(prefix, () => void (dice(3) > 0 && clock.timer(dice(20), changed))),
    onAppend: (log, appended) => memory.onAppend(log, appended),
    stats: () => memory.stats(),
    close: async () => {},
  };
}

function openRuntime(world: World, name: string): Runtime {
  const clock = world.time.clock(name);
  const engine = remote(world, clock);
  const believed = new Map<number, OwnedShard>();
  const placement = createPlacement({
    engine,
    clock,
    log: silentLogger,
    endpoint: () => ({ appId: 'shop', namespace: 'default', instance: name, local: { path: `/${name}` } }),
    machine: 'one',
    ttlMs,
  });
  const forget = (shard: OwnedShard): void => {
    if (believed.get(shard.index) === shard) believed.delete(shard.index);
  };
  const join = (): void => {
    const options = {
      group,
      shards,
      claimed: (shard: OwnedShard) => void believed.set(shard.index, shard),
      drain: (shard: OwnedShard) =>
        new Promise<void>((resolve) => {
          clock.timer(world.dice(2 * ttlMs), () => {
            forget(shard);
            resolve();
          });
        }),
      lost: forget,
    };
    placement.join(options).catch(() => void clock.timer(200, join));
  };
  join();
  const work = (): void => {
    clock.timer(10 + world.dice(40), work);
    for (const shard of believed.values()) void engine.commit(entryUnder(shard, name));
  };
  work();
  const read = (): void => {
    clock.timer(10 + world.dice(40), read);
    const shard = believed.get(world.dice(shards));
    if (shard?.alive === true) answer(world, { name, shard, clock });
  };
  read();
  return { name, placement, believed };
}

/** A turn that writes nothing: what it answers counts without a commit when the shard is held at its end, as it was when it began. */
function answer(
  { answers, memory, time, dice }: World,
  { name, shard, clock }: { readonly name: string; readonly shard: OwnedShard; readonly clock: Clock },
): void {
  const { lapses } = shard;
  clock.timer(dice(8) === 0 ? dice(2 * ttlMs) : dice(5), () => {
    if (!shard.alive || shard.lapses !== lapses) return;
    answers.given++;
    void memory.get(placementKeys.shard(group, shard.index)).then((record) => {
      if (record?.version === shard.epoch) return;
      answers.stale.push(
        `${time.nowMs.toFixed(1)} ms: ${name} answered for shard ${shard.index} of epoch ${shard.epoch}, not ${record?.version}`,
      );
    });
  });
}

const logOf = (index: number): string => tuple('work', index);

function entryUnder(shard: OwnedShard, name: string): Commit {
  const data = Buffer.from(JSON.stringify({ name, epoch: shard.epoch }));
  return { if: [shard.condition], append: [{ log: logOf(shard.index), entries: [{ data }] }] };
}

interface Written {
  readonly name: string;
  readonly epoch: number;
}

async function written(memory: Engine, index: number): Promise<Written[]> {
  const all: Written[] = [];
  for (let after = 0; ;) {
    const { entries, head } = await memory.readLog(logOf(index), after);
    all.push(...entries.map(({ data }) => JSON.parse(Buffer.from(data).toString()) as Written));
    after = entries.at(-1)?.sequence ?? head;
    if (after >= head) return all;
  }
}

/** Runtimes come, stand still for a while, and die, for a minute; then three that live have time to find themselves. */
async function play(seed: number): Promise<{ world: World; living: Runtime[] }> {
  const world = createWorld(seed);
  const { time, dice } = world;
  const living: Runtime[] = [];
  let born = 0;
  for (let step = 0; step < 60; step++) {
    const any = living[dice(Math.max(1, living.length))];
    const what = dice(10);
    if (living.length < 3 || (what === 0 && living.length < 5)) living.push(openRuntime(world, `r${++born}`));
    else if (what === 1 && any !== undefined) {
      time.kill(any.name);
      living.splice(living.indexOf(any), 1);
    } else if (what < 5 && any !== undefined) {
      time.freeze(any.name);
      time.clock('stage').timer(dice(3 * ttlMs), () => time.thaw(any.name));
    }
    await time.run(1_000);
  }
  world.lossy = false;
  await time.run(8 * ttlMs);
  return { world, living };
}

describe('placement among runtimes that stand still, die and lose messages', () => {
  it.each([11, 12, 13, 108, 115, 118, 132])('never lets two owners commit or answer under one shard, and heals (seed %i)', async (seed) => {
    const { world, living } = await play(seed);
    let changes = 0;
    for (let index = 0; index < shards; index++) {
      const entries = await written(world.memory, index);
      const names = new Map<number, string>();
      let last = 0;
      for (const { name, epoch } of entries) {
        expect(epoch).toBeGreaterThanOrEqual(last);
        expect(names.get(epoch) ?? name).toBe(name);
        if (epoch > last) changes++;
        names.set(epoch, name);
        last = epoch;
      }
      const owners = living.filter(({ believed }) => believed.get(index)?.alive === true);
      expect(owners.map(({ name }) => name)).toEqual([entries.at(-1)?.name]);
    }
    // The run was worth something: shards changed hands, also between runtimes that both believed.
    expect(changes).toBeGreaterThan(3 * shards);
    expect(world.answers.stale).toEqual([]);
    expect(world.answers.given).toBeGreaterThan(1_000);
    const asked = Promise.all(living.map(({ placement }) => placement.locate(group, 'some key')));
    await world.time.run(1_000);
    const instances = new Set((await asked).map((located) => located?.endpoint.instance));
    expect(instances.size).toBe(1);
    expect(instances.has(undefined)).toBe(false);
  });

  it('is a function of its seed', async () => {
    const traces = [];
    for (let i = 0; i < 2; i++) traces.push((await play(3)).world.time.trace);
    expect(traces[0]).toBe(traces[1]);
  });
});
