import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { actorDefaults, createActorsBlock, type ActorsBlock } from '../../src/blocks/actors/index.ts';
import { createJobsBlock } from '../../src/blocks/jobs/index.ts';
import { createPlacement } from '../../src/blocks/placement/index.ts';
import { createShardTimers } from '../../src/blocks/timers/index.ts';
import type { AppChannel, AppJob } from '../../src/contracts/app-channel.ts';
import type { BlockContext } from '../../src/contracts/block-context.ts';
import type { Engine } from '../../src/contracts/engine.ts';
import { ungoverned } from '../../src/contracts/governance.ts';
import { noMetrics } from '../../src/contracts/metrics.ts';
import type { OwnedShard, Placement } from '../../src/contracts/placement.ts';
import type { DurableTimer } from '../../src/contracts/timers.ts';
import { openPostgresEngine } from '../../src/drivers/engine-postgres/engine-postgres.ts';
import { createEngineStore } from '../../src/drivers/state-engine/engine-store.ts';
import { createCall } from '../../src/kernel/call.ts';
import { ProaError } from '../../src/kernel/errors.ts';
import { silentLogger } from '../../src/kernel/log.ts';
import { tuple } from '../../src/kernel/tuple.ts';
import { nodePorts } from '../../src/ports/node/index.ts';
import { callOf, TestActorHost } from '../../src/testing/actors-rig.ts';
import { findPostgres, type PostgresServer, startPostgres } from '../../src/testing/postgres-server.ts';
import { takeShard } from '../../src/testing/shard-owner.ts';
import { mortalEngine } from '../fixtures/durable-runtime.ts';

// What workflows, actors and jobs stand on, and these themselves, in two runtimes on one PostgreSQL, of which one dies: its calls to the engine are never answered again.
const bin = findPostgres();
if (bin === undefined) console.log('skipped: postgres not found');
const ports = nodePorts();
const { clock, random } = ports;
// Nobody's share lapses while the machine stalls for a moment: then a job would rightly run once more.
const ttlMs = 6_000;
const log = silentLogger;
let server: PostgresServer;
let schemas = 0;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  if (bin !== undefined) server = await startPostgres(bin);
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => server?.destroy());

interface Runtime {
  readonly name: string;
  /** As the runtime uses it. */
  readonly engine: Engine;
  /** Answers also when the runtime is dead. */
  readonly inner: Engine;
  readonly placement: Placement;
  readonly context: BlockContext;
  dead: boolean;
}

async function open(name: string, schema: string): Promise<Runtime> {
  const inner = await openPostgresEngine({ ports: { clock, random }, address: server.address, schema, pollMs: 50, connectionsMax: 2 });
  const mortal = mortalEngine(inner);
  const { engine } = mortal;
  const endpoint = { appId: 'shop', namespace: 'default', instance: name, local: { path: `/${name}` } };
  const placement = createPlacement({ engine, clock, log, endpoint: () => endpoint, machine: 'here', ttlMs });
  const context = { ports, log, metrics: noMetrics, appId: 'shop', namespace: 'default', govern: ungoverned };
  const runtime: Runtime = {
    ...{ name, engine, inner, placement, context },
    get dead() {
      return mortal.dead;
    },
    set dead(dead) {
      mortal.dead = dead;
    },
  };
  closing.push(async () => {
    if (!runtime.dead) await placement.close();
    await inner.close();
  });
  return runtime;
}

async function pair(): Promise<readonly [Runtime, Runtime]> {
  const schema = `t${++schemas}`;
  return [await open('a', schema), await open('b', schema)];
}

const patience = { timeout: 60_000 };

describe.runIf(bin !== undefined)('on PostgreSQL', () => {
  it('shards have one owner each; those of a dead runtime go to the other, and what it believes counts for nothing', async () => {
    const [a, b] = await pair();
    const owned = { a: new Map<number, OwnedShard>(), b: new Map<number, OwnedShard>() };
    const join = ({ name, placement }: Runtime) => {
      const mine = owned[name as 'a' | 'b'];
      const gone = ({ index }: OwnedShard): void => void mine.delete(index);
      const drain = async (shard: OwnedShard): Promise<void> => gone(shard);
      return placement.join({ group: 'g', shards: 16, claimed: (shard) => void mine.set(shard.index, shard), drain, lost: gone });
    };
    await Promise.all([join(a), join(b)]);
    const all = (): number[] => [...owned.a.keys(), ...owned.b.keys()].toSorted((x, y) => x - y);
    await expect.poll(() => owned.a.size > 0 && owned.b.size > 0 && all(), patience).toEqual(Array.from({ length: 16 }, (_, i) => i));
    const write = ({ condition }: OwnedShard) =>
      a.inner.commit({ if: [condition], put: [{ key: tuple('work'), value: new Uint8Array(1) }] });
    // While a machine stalls, shards may change hands once more.
    let frozen: OwnedShard | undefined;
    const wrote = async (): Promise<unknown> => {
      [frozen] = owned.a.values();
      return frozen === undefined ? 'none is owned' : write(frozen);
    };
    await expect.poll(wrote, patience).toMatchObject({ status: 'done' });
    a.dead = true;
    await expect.poll(() => owned.b.size, patience).toBe(16);
    expect(await write(frozen as unknown as OwnedShard)).toMatchObject({ status: 'conflict', failed: 0 });
  });

  it('timers come once their time has come, each of them, also when their owner dies amidst', async () => {
    const [a, b] = await pair();
    const fired = new Set<string>();
    let early = 0;
    const take = async (runtime: Runtime) => {
      const { engine } = runtime;
      const fire = async (shard: OwnedShard, timers: readonly DurableTimer[]): Promise<void> => {
        early += timers.filter(({ dueMs }) => dueMs > engine.now()).length;
        const put = timers.map(({ id }) => ({ key: tuple('fired', id), value: new Uint8Array(0) }));
        const result = await engine.commit({ if: [shard.condition], put });
        if (result.status !== 'done') throw new ProaError('unavailable', 'not the owner any more');
        for (const { id } of timers) fired.add(id);
      };
      const timers = createShardTimers({ engine, clock, log, group: 'timers', fire });
      closing.push(() => (runtime.dead ? Promise.resolve() : timers.close()));
      timers.open(await takeShard(engine, 'timers', 0));
      return timers;
    };
    const first = await take(a);
    const begunMs = a.engine.now();
    for (let i = 0; i < 300; i += 20) {
      const batch = Array.from({ length: 20 }, (_, j) => first.append(0, { id: `${i + j}`, dueMs: begunMs + 200 + (i + j) * 5 }));
      expect(await a.engine.commit({ append: batch })).toMatchObject({ status: 'done' });
      for (const append of batch) first.armed(0, append);
    }
    await expect.poll(() => fired.size, patience).toBeGreaterThan(50);
    a.dead = true;
    await take(b);
    await expect.poll(() => fired.size, patience).toBe(300);
    expect(early).toBe(0);
  });

  it('jobs run at their times and not before, and go on in the other runtime', async () => {
    const runtimes = await pair();
    const runs: { readonly atMs: number; readonly by: Runtime }[] = [];
    const blocks = runtimes.map((runtime) => {
      const channel = {
        reachable: () => Promise.resolve(true),
        job(_call: { readonly input: AppJob }) {
          if (!runtime.dead) runs.push({ atMs: runtime.engine.now(), by: runtime });
          return Promise.resolve({ status: 'done' });
        },
      } as unknown as AppChannel;
      const block = createJobsBlock(runtime.context, { engine: runtime.engine, placement: runtime.placement, channel: () => channel });
      block.start();
      closing.push(() => (runtime.dead ? Promise.resolve() : block.close()));
      return block;
    });
    const begunMs = runtimes[0].engine.now();
    const job = { name: 'tick', schedule: '@every 1s', repeats: 5 };
    await blocks[0]?.schedule(createCall({ block: 'jobs', name: 'test', idempotent: false }, { job, overwrite: false }));
    await expect.poll(() => runs.length, patience).toBeGreaterThanOrEqual(2);
    const owner = (runs[0] as (typeof runs)[number]).by;
    owner.dead = true;
    const before = runs.length;
    await expect.poll(() => runs.length, patience).toBeGreaterThanOrEqual(5);
    const other = blocks[runtimes.indexOf(owner) === 0 ? 1 : 0];
    const got = other?.get(createCall({ block: 'jobs', name: 'test', idempotent: true }, { name: 'tick' }));
    await expect.poll(() => got?.then(String, ({ code }: ProaError) => code), patience).toBeDefined();
    expect(new Set(runs.slice(before).map(({ by }) => by.name))).not.toContain(owner.name);
    // At least once each: the run whose end its owner could not note comes again.
    expect(runs.length).toBeLessThanOrEqual(6);
    for (const [i, { atMs }] of runs.slice(0, before).entries()) expect(atMs).toBeGreaterThanOrEqual(begunMs + (i + 1) * 1_000 - 1);
  });

  it('actors and their reminders go on in the other runtime, with what was committed', async () => {
    const runtimes = await pair();
    const blocks = new Map<string, ActorsBlock>();
    const hosts = new Map<string, TestActorHost>();
    for (const runtime of runtimes) {
      const { name, engine, placement, context } = runtime;
      const store = createEngineStore({ engine, random, log, namespace: 'default', space: 'actors' });
      const host = new TestActorHost(name);
      const block = createActorsBlock(context, {
        ...{ engine, placement, store: () => store, answerBytesMax: 1024 * 1024 },
        send(to, call) {
          const target = runtimes.find((each) => each.name === to.instance);
          if (target === undefined || target.dead)
            return Promise.reject(new ProaError('invoke.unreachable', `${to.instance} is not there`));
          return (blocks.get(to.instance) as ActorsBlock).receive(call);
        },
      });
      blocks.set(name, block);
      hosts.set(name, host);
      closing.push(() => (runtime.dead ? Promise.resolve() : block.close()));
      await block.serve([{ ...actorDefaults, type: 'Cart' }], host);
    }
    const invoke = async (through: string, id: string): Promise<string> => {
      const input = { type: 'Cart', id, method: 'get', httpMethod: 'POST', query: '', headers: [], data: new Uint8Array(0) };
      return Buffer.from((await (blocks.get(through) as ActorsBlock).invoke(callOf(input))).data).toString();
    };
    const ids = Array.from({ length: 20 }, (_, i) => `c${i}`);
    const hostOf = async (id: string): Promise<string> => (await invoke('a', id)).slice(0, 1);
    await expect.poll(async () => new Set(await Promise.all(ids.map(hostOf))).size, patience).toBe(2);
    const victims: string[] = [];
    const block = blocks.get('a') as ActorsBlock;
    const saves = (id: string): Promise<boolean> => {
      const operations = [{ kind: 'upsert' as const, key: 'total', value: Buffer.from(id), metadata: {} }];
      return block.transact(callOf({ type: 'Cart', id, operations })).then(
        () => true,
        () => false,
      );
    };
    for (const id of ids) {
      // The last ones of the share may just be on their way to the other runtime.
      if ((await hostOf(id)) !== 'a' || !(await saves(id))) continue;
      await block.registerReminder(callOf({ type: 'Cart', id, name: 'later', dueTime: '3s' }));
      victims.push(id);
    }
    expect(victims).not.toEqual([]);
    (runtimes[0] as Runtime).dead = true;
    const survivor = blocks.get('b') as ActorsBlock;
    for (const id of victims) {
      await expect.poll(() => invoke('b', id).catch((error: ProaError) => error.code), patience).toBe(`b:${id}`);
      const value = await survivor.getState(callOf({ type: 'Cart', id, key: 'total' }));
      expect(Buffer.from(value?.data ?? []).toString()).toBe(id);
    }
    // On a slow machine the first ones may have come before.
    const reminded = (): string[] => [...hosts.values()].flatMap((host) => host.log.filter((line) => line.startsWith('remind')));
    await expect.poll(() => new Set(reminded()).size, patience).toBe(victims.length);
  });
});
