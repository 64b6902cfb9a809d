import { afterEach, describe, expect, it } from 'vitest';
import { chain, openWorkflows, scriptedWorker, type WorkflowRuntime } from '../../../test/fixtures/workflow-rig.ts';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import type { Commit, Engine } from '../../contracts/engine.ts';
import type { JoinOptions, OwnedShard, Placement } from '../../contracts/placement.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import { silentLogger } from '../../kernel/log.ts';
import { tuple } from '../../kernel/tuple.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { createPlacement, shardOf } from '../placement/index.ts';
import { changedEngine } from '../../testing/changed-engine.ts';

const open: WorkflowRuntime[] = [];
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

/** A placement whose only member loses shards and claims them again when it is told to. */
interface Shaky {
  readonly placement: Placement;
  lose(index: number): Promise<void>;
  claim(index: number): Promise<void>;
}

function shakyPlacement(engine: Engine): Shaky {
  const held = new Map<number, OwnedShard>();
  let member: JoinOptions | undefined;
  const rewrite = async (index: number): Promise<OwnedShard> => {
    const key = tuple('shaky', index);
    const result = await engine.commit({ put: [{ key, value: new Uint8Array(0) }] });
    if (result.status !== 'done') throw new Error(`the shard was not written: ${result.status}`);
    const version = result.versions[0] as number;
    return { group: 'shaky', index, epoch: version, condition: { kind: 'version', key, version }, alive: true, lapses: 0 };
  };
  const claim = async (index: number): Promise<void> => {
    const shard = await rewrite(index);
    held.set(index, shard);
    member?.claimed(shard);
  };
  return {
    claim,
    async lose(index) {
      const shard = held.get(index) as OwnedShard;
      await rewrite(index);
      held.delete(index);
      member?.lost(shard);
    },
    placement: {
      ttlMs: 3_000,
      async join(options) {
        member = options;
        for (let index = 0; index < options.shards; index++) await claim(index);
        return {
          shards: options.shards,
          shardOf: (key) => shardOf(key, options.shards),
          owned: (index) => held.get(index),
          leave: async () => held.clear(),
        };
      },
      locate: async () => undefined,
      refused: () => {},
      close: async () => {},
    },
  };
}

type Hook = (commit: Commit) => { readonly before?: () => Promise<unknown>; readonly after?: () => Promise<unknown> } | undefined;

/** An engine whose commits can be held up, before or after they take effect. */
function hookedEngine(engine: Engine): { readonly engine: Engine; hook: Hook } {
  const made = {
    hook: (() => undefined) as Hook,
    engine: changedEngine(engine, {
      async commit(commit: Commit) {
        const around = made.hook(commit);
        await around?.before?.();
        const result = await engine.commit(commit);
        await around?.after?.();
        return result;
      },
    }),
  };
  return made;
}

const shards = 64;

function rig() {
  const bare = freshEngine();
  const shaky = shakyPlacement(bare);
  const hooked = hookedEngine(bare);
  const made = openWorkflows({ engine: hooked.engine, deps: { placement: shaky.placement } });
  open.push(made);
  return { ...shaky, bare, hooked, block: made.block };
}

/** A promise that is resolved from outside. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let resolve!: () => void;
  const opened = new Promise<void>((done) => (resolve = done));
  return { opened, open: resolve };
}

const concerns = (commit: Commit, id: string): boolean => commit.put?.some(({ key }) => key.includes(id)) === true;
const done = { status: 'COMPLETED', output: 'done' };

describe('workflows whose shard is lost and claimed again by the same runtime', () => {
  for (const claimedWhen of ['before', 'after'] as const) {
    it(`go on when their start was answered late, ${claimedWhen} the shard was there again`, async () => {
      const { block, hooked, lose, claim } = rig();
      block.attach(scriptedWorker({ workflows: { chain: chain('work', 1) }, activities: { work: () => 'done' } }));
      await block.wait(await block.start({ name: 'chain' }), 'completed', neverCancelled);
      const index = shardOf('late', shards);
      let started = false;
      hooked.hook = (commit) => {
        if (started || !concerns(commit, 'late')) return undefined;
        started = true;
        return {
          async after() {
            await lose(index);
            if (claimedWhen === 'before') await claim(index);
          },
        };
      };
      await block.start({ name: 'chain', instanceId: 'late' });
      if (claimedWhen === 'after') await claim(index);
      expect(started).toBe(true);
      expect(await block.wait('late', 'completed', neverCancelled)).toMatchObject(done);
    });
  }

  it('go on when a turn of the former ownership ends beside the new copy', async () => {
    const { block, lose, claim } = rig();
    const [asked, answered] = [gate(), gate()];
    let turns = 0;
    const script = scriptedWorker({
      turnsMax: 1,
      workflows: {
        slow: async () => {
          if (turns++ === 0) {
            asked.open();
            await answered.opened;
          }
          return { actions: [{ id: 0, type: 'complete', status: 'COMPLETED', result: 'done' }] };
        },
      },
    });
    block.attach(script);
    await block.start({ name: 'slow', instanceId: 'slow-1' });
    await asked.opened;
    await lose(shardOf('slow-1', shards));
    await claim(shardOf('slow-1', shards));
    // Its look has loaded the new copy, which waits for the only place of the worker: the turn of the old one has it.
    await idle();
    answered.open();
    expect(await block.wait('slow-1', 'completed', neverCancelled)).toMatchObject(done);
  });

  it('execute what waited for a place when the shard was lost', async () => {
    const { block, lose, claim } = rig();
    const [busy, free] = [gate(), gate()];
    const script = scriptedWorker({
      activitiesMax: 1,
      workflows: {
        step: ({ all, results }) => {
          if (results.length === 1) return [{ id: 1, type: 'complete', status: 'COMPLETED', result: 'done' }];
          return all.some(({ type }) => type === 'taskScheduled') ? [] : [{ id: 0, type: 'scheduleTask', name: 'work' }];
        },
      },
      activities: {
        async work({ instance }) {
          if (instance.instanceId === 'first') {
            busy.open();
            await free.opened;
          }
          return 'done';
        },
      },
    });
    block.attach(script);
    await block.start({ name: 'step', instanceId: 'first' });
    await busy.opened;
    await block.start({ name: 'step', instanceId: 'second' });
    await block.wait('second', 'started', neverCancelled);
    expect(shardOf('first', shards)).not.toBe(shardOf('second', shards));
    await lose(shardOf('second', shards));
    await claim(shardOf('second', shards));
    // It has a new copy in memory once it saw this.
    await block.raise('second', 'hello', undefined);
    await expect.poll(async () => (await block.history('second')).some(({ type }) => type === 'eventRaised')).toBe(true);
    free.open();
    expect(await block.wait('second', 'completed', neverCancelled)).toMatchObject(done);
  });
});

describe('workflows whose lease is late', () => {
  it('go on after a lease that was late for an instant, whenever somebody looked just then', async () => {
    const engine = freshEngine();
    let looks = Infinity;
    const late = (shard: OwnedShard): OwnedShard => ({
      ...shard,
      get alive() {
        return looks-- !== 0 && shard.alive;
      },
    });
    const placement = createPlacement({
      engine,
      clock: nodePorts().clock,
      log: silentLogger,
      machine: 'here',
      endpoint: () => ({ appId: 'app', namespace: '', instance: 'app-late', local: { path: '/nowhere/late' } }),
    });
    const join: Placement['join'] = async (options) => {
      const member = await placement.join(options);
      const owned = (index: number): OwnedShard | undefined => {
        const shard = member.owned(index);
        return shard === undefined ? undefined : late(shard);
      };
      return { shards: member.shards, shardOf: (key) => member.shardOf(key), owned, leave: () => member.leave() };
    };
    const watched: Placement = {
      ttlMs: placement.ttlMs,
      join,
      locate: (group, key) => placement.locate(group, key),
      refused: (group, key) => placement.refused(group, key),
      close: () => placement.close(),
    };
    const { block } = openWorkflows({ engine, deps: { placement: watched } });
    block.attach(scriptedWorker({ workflows: { chain: chain('work', 1) }, activities: { work: () => 'done' } }));
    await block.wait(await block.start({ name: 'chain' }), 'completed', neverCancelled);
    for (let look = 0; look < 16; look++) {
      looks = look;
      const id = await block.start({ name: 'chain' });
      expect(await block.wait(id, 'completed', neverCancelled), `look ${look}`).toMatchObject({ output: 'done' });
    }
    await block.close(1_000);
    await placement.close();
  });
});

/** What is ready to run has run, the reads of an engine in memory included. */
async function idle(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}
