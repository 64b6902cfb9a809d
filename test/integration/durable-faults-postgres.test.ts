import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openPostgresEngine } from '../../src/drivers/engine-postgres/engine-postgres.ts';
import { neverCancelled } from '../../src/kernel/cancel.ts';
import { isProaError } from '../../src/kernel/errors.ts';
import type { Clock } from '../../src/kernel/ports.ts';
import { nodePorts } from '../../src/ports/node/index.ts';
import { callOf } from '../../src/testing/actors-rig.ts';
import { findPostgres, type PostgresServer, startPostgres } from '../../src/testing/postgres-server.ts';
import { askJobs, type DurableRuntime, invokeCart, mortalEngine, openDurableRuntime } from '../fixtures/durable-runtime.ts';
import { fullDisk, roomAgain } from '../fixtures/full-disk.ts';
import { openFront, type PostgresFront } from '../fixtures/postgres-front.ts';
import { chain, scriptedWorker } from '../fixtures/workflow-rig.ts';

// Jobs, actors with reminders and workflows of two runtimes on one PostgreSQL, under load, with real clocks, while everything goes wrong that can: each job runs and none early, what an actor
// has acknowledged is there and nothing is there twice, each reminder comes as often as it says, all workflows complete.
const bin = findPostgres();
if (bin === undefined) console.log('skipped: postgres not found');
const { clock, random } = nodePorts();
const ttlMs = 2_000;
const patience = { timeout: 120_000, interval: 50 };
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

let server: PostgresServer;
let front: PostgresFront;
let closing: (() => Promise<unknown>)[];

beforeAll(async () => {
  if (bin !== undefined) server = await startPostgres(bin);
});
beforeEach(async () => {
  closing = [];
  front = await openFront(server.address);
});
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  await front.close();
  await server.sql('drop schema if exists proa cascade');
});
afterAll(() => server?.destroy());

/** As a client does: until it is done. */
async function again<T>(work: () => Promise<T>, doneBefore: readonly string[] = []): Promise<T | undefined> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (isProaError(error) && doneBefore.includes(error.code)) return undefined;
      await pause(50);
    }
  }
}

/** The load of a test, and what came of it. */
class Play {
  readonly all = new Map<string, DurableRuntime>();
  /** Per job: when it may run first, in the engine's time, and when it ran. */
  readonly jobs = new Map<string, { readonly dueMs: number; readonly runsMs: number[] }>();
  /** Per reminder of an actor: the same. */
  readonly reminders = new Map<string, { readonly dueMs: number; readonly firedMs: number[] }>();
  /** Turns that were acknowledged to their callers, per actor. */
  readonly acknowledged = new Map<string, string[]>();
  readonly carts = Array.from({ length: 8 }, (_, i) => `cart-${i}`);
  readonly #flows = Array.from({ length: 30 }, (_, i) => `flow-${i}`);
  #stopped = false;
  #callers: Promise<void> | undefined;
  #turns = 0;

  get living(): DurableRuntime {
    return Array.from(this.all.values()).find(({ engine }) => !engine.dead) as DurableRuntime;
  }

  get turns(): number {
    return Array.from(this.acknowledged.values()).reduce((sum, { length }) => sum + length, 0);
  }

  async open(name: string, skewMs = 0): Promise<DurableRuntime> {
    const skewed: Clock = { ...clock, now: () => clock.now() + skewMs };
    const inner = await openPostgresEngine({
      ports: { clock: skewed, random },
      address: front.address,
      connectionsMax: 3,
      statementTimeoutMs: 5_000,
    });
    const engine = mortalEngine(inner);
    const job = ({ name: of }: { readonly name: string }): void => void this.jobs.get(of)?.runsMs.push(inner.now());
    const runtime = openDurableRuntime({ name, engine, clock: skewed, ttlMs, all: this.all, job });
    closing.push(async () => {
      await runtime.close();
      await inner.close();
    });
    const { actors, host } = runtime;
    host.onDue = ({ id, name: of }) => (this.reminders.get(`${id} ${of}`)?.firedMs.push(inner.now()), false);
    host.methods.set('add', async ({ id }) => {
      const key = { type: 'Cart', id, key: 'turns' };
      const turn = `turn-${++this.#turns}`;
      const before = await actors.getState(callOf(key));
      const turns = before === undefined ? [] : (JSON.parse(Buffer.from(before.data).toString()) as string[]);
      const value = Buffer.from(JSON.stringify([...turns, turn]));
      await actors.transact(callOf({ type: 'Cart', id, operations: [{ kind: 'upsert', key: 'turns', value, metadata: {} }] }));
      return turn;
    });
    host.methods.set('turns', async ({ id }) =>
      Buffer.from((await actors.getState(callOf({ type: 'Cart', id, key: 'turns' })))?.data ?? []).toString(),
    );
    runtime.workflows.block.attach(
      scriptedWorker({ workflows: { chain: chain('step', 3) }, activities: { step: ({ input }) => `${input}.` } }),
    );
    await again(() => runtime.serve());
    return runtime;
  }

  /** Gives both runtimes their work; callers of actors go on until the end. */
  async begin(): Promise<void> {
    const [a, b] = Array.from(this.all.values()) as [DurableRuntime, DurableRuntime];
    this.#callers = Promise.all(this.carts.map((id, i) => this.#call(i % 2 === 0 ? a : b, id))).then(() => {});
    const beginMs = a.engine.engine.now();
    const jobs = Array.from({ length: 30 }, (_, i) => this.#schedule(i % 2 === 0 ? a : b, `job-${i}`, beginMs + 500 + i * 100));
    const reminders = this.carts.map((id) => this.#remind(a, id));
    const flows = this.#flows.map((id) => this.#start(id));
    await Promise.all([...jobs, ...reminders, ...flows]);
  }

  /** Everything has come to its end, and as it should. */
  async check(): Promise<void> {
    const { jobs, actors, workflows } = this.living;
    for (const id of this.#flows) {
      const state = await again(() => workflows.block.wait(id, 'completed', neverCancelled));
      expect(state).toMatchObject({ status: 'COMPLETED', output: `${id}...` });
    }
    for (const [name, { dueMs, runsMs }] of this.jobs) {
      await expect.poll(() => runsMs.length, patience).toBeGreaterThan(0);
      await again(() => askJobs(jobs.get, { name }).then(() => Promise.reject(new Error('it is still there'))), ['jobs.get']);
      expect([name, runsMs.filter((atMs) => atMs < dueMs)]).toEqual([name, []]);
    }
    await expect.poll(() => again(() => actors.listReminders(callOf({ type: 'Cart' }))), patience).toEqual([]);
    for (const [name, { dueMs, firedMs }] of this.reminders)
      expect([name, firedMs.length >= 3, firedMs.filter((atMs) => atMs < dueMs)]).toEqual([name, true, []]);
    const before = this.turns;
    await expect.poll(() => this.turns, patience).toBeGreaterThan(before);
    this.#stopped = true;
    await this.#callers;
    for (const id of this.carts) {
      const kept = JSON.parse((await again(() => invokeCart(this.living, id, 'turns'))) ?? '[]') as string[];
      expect([id, new Set(kept).size]).toEqual([id, kept.length]);
      expect(kept).toEqual(expect.arrayContaining(this.acknowledged.get(id) ?? []));
    }
  }

  async #call(from: DurableRuntime, id: string): Promise<void> {
    const acknowledged: string[] = [];
    this.acknowledged.set(id, acknowledged);
    while (!this.#stopped) {
      const through = from.engine.dead ? this.living : from;
      const turn = await Promise.race([invokeCart(through, id, 'add').catch(() => undefined), this.#deathOf(through)]);
      if (turn !== undefined) acknowledged.push(turn);
      await pause(15);
    }
  }

  /** A caller of a runtime that dies hears nothing any more. */
  async #deathOf({ engine }: DurableRuntime): Promise<undefined> {
    while (!engine.dead && !this.#stopped) await pause(50);
    if (!engine.dead) await pause(1_000);
    return undefined;
  }

  async #schedule({ jobs, engine }: DurableRuntime, name: string, dueMs: number): Promise<void> {
    this.jobs.set(name, { dueMs, runsMs: [] });
    // Its time is given as one: however long it takes until it is accepted, it is not due before that.
    const dueTime = new Date(dueMs).toISOString();
    await again(() => askJobs(jobs.schedule, { job: { name, dueTime }, overwrite: true }));
    expect(engine.dead).toBe(false);
  }

  async #remind({ actors, engine }: DurableRuntime, id: string): Promise<void> {
    this.reminders.set(`${id} r`, { dueMs: engine.engine.now() + 500, firedMs: [] });
    await again(() => actors.registerReminder(callOf({ type: 'Cart', id, name: 'r', dueTime: '500ms', period: 'R3/PT1S' })));
  }

  async #start(instanceId: string): Promise<void> {
    const input = instanceId;
    await again(() => this.living.workflows.block.start({ name: 'chain', instanceId, input, unique: true }), ['workflow.exists']);
  }
}

/** Two runtimes at work. */
async function playing(skewMs: readonly [number, number] = [0, 0]): Promise<Play> {
  const play = new Play();
  await play.open('a', skewMs[0]);
  await play.open('b', skewMs[1]);
  await play.begin();
  return play;
}

/** Until callers of actors have had so many answers more. */
async function moved(play: Play, turns = 5): Promise<void> {
  for (const before = play.turns; play.turns < before + turns;) await pause(5);
}

describe.runIf(bin !== undefined)('jobs, actors and workflows of two runtimes on PostgreSQL', () => {
  it('come through while the server restarts at once and one of them dies', async () => {
    const play = await playing();
    await moved(play);
    await server.restart('immediate');
    await moved(play);
    const restarting = server.restart('immediate');
    (play.all.get('a') as DurableRuntime).engine.dead = true;
    await restarting;
    await moved(play);
    await server.restart('immediate');
    await play.check();
  });

  it('come through when the server fails over to its standby', async () => {
    const standby = await startPostgres(bin as string, { primary: server.address });
    try {
      await server.sql("alter system set synchronous_standby_names = '*'");
      await server.sql('select pg_reload_conf()');
      const play = await playing();
      await moved(play);
      await server.kill();
      // Before it is promoted it answers, and refuses to write.
      front.lead(standby.address);
      await pause(300);
      await standby.sql('select pg_promote()');
      await play.check();
      for (const close of closing.splice(0).reverse()) await close();
    } finally {
      await standby.destroy();
      await server.start();
      await server.sql('alter system reset synchronous_standby_names');
      await server.sql('select pg_reload_conf()');
    }
  });

  it('come through a slow network, and a silence that is longer than every lease', async () => {
    front.delay(10);
    const play = await playing();
    await moved(play, 3);
    front.delay(3_000);
    await pause(3_000);
    front.delay(0);
    await play.check();
  });

  it('come through with clocks that are ten minutes apart', async () => {
    const play = await playing([300_000, -300_000]);
    await moved(play);
    await play.check();
  });

  it('come through a disk that is full for a while', async () => {
    const play = await playing();
    await moved(play);
    await server.sql(fullDisk('proa'));
    await pause(2_500);
    await server.sql(roomAgain('proa'));
    await play.check();
  });
});
