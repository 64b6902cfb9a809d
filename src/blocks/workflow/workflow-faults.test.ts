import { describe, expect, it } from 'vitest';
import { complete, chain, openWorkflows, scriptedWorker, type WorkflowRuntime } from '../../../test/fixtures/workflow-rig.ts';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import { openedWorkflows } from '../../../test/fixtures/opened-workflows.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import { type ActivityTask, type Turn, type TurnAnswer, type WorkflowAction, workflowLimits } from '../../contracts/workflow.ts';

const never = <T>(): Promise<T> => new Promise(() => {});

describe('workflows whose workers fail', () => {
  it('give what a worker held to the next one, activities with the same idempotency key', async () => {
    const { block } = openedWorkflows();
    const keys: string[] = [];
    const hangs = {
      ...scriptedWorker({ workflows: { chain: chain('work', 1) } }),
      activity: (task: ActivityTask) => (keys.push(task.idempotencyKey), never<never>()),
    };
    const detach = block.attach(hangs);
    const id = await block.start({ name: 'chain', input: '1' });
    await expect.poll(() => keys.length).toBe(1);
    detach();
    block.attach(
      scriptedWorker({ workflows: { chain: chain('work', 1) }, activities: { work: (task) => (keys.push(task.idempotencyKey), 'done') } }),
    );
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ output: 'done' });
    expect(keys[1]).toBe(keys[0]);
  });

  it('run a turn again when a worker rejects it, and ignore what it says afterwards', async () => {
    const { block } = openedWorkflows();
    let turns = 0;
    const settled: boolean[] = [];
    const worker = scriptedWorker({
      workflows: {
        flaky: () => {
          if (turns++ === 0) throw new Error('no');
          return { actions: [complete(1, '1')], settled: (kept) => settled.push(kept) };
        },
      },
    });
    block.attach(worker);
    const id = await block.start({ name: 'flaky' });
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ output: '1' });
    await expect.poll(() => settled).toEqual([true]);
    expect(turns).toBe(2);
  });

  it('never have two turns of one instance under way', async () => {
    const { block } = openedWorkflows();
    let underWay = 0;
    let most = 0;
    block.attach(
      scriptedWorker({
        workflows: {
          counts: async ({ all }) => {
            most = Math.max(most, ++underWay);
            await new Promise((resolve) => setImmediate(resolve));
            underWay--;
            const raised = all.filter(({ type }) => type === 'eventRaised').length;
            return { actions: raised === 50 ? [complete(1)] : [] };
          },
        },
      }),
    );
    const id = await block.start({ name: 'counts' });
    await Promise.all(Array.from({ length: 50 }, () => block.raise(id, 'e', undefined)));
    await block.wait(id, 'completed', neverCancelled);
    expect(most).toBe(1);
  });

  it('stall when code does not fit the history, refuse events, and go on with the next worker', async () => {
    const { block } = openedWorkflows();
    const detach = block.attach(
      scriptedWorker({ workflows: { moves: () => ({ actions: [], stalled: { reason: 'diverged', description: 'another path' } }) } }),
    );
    const id = await block.start({ name: 'moves' });
    await expect.poll(async () => (await block.get(id, false))?.status).toBe('STALLED');
    expect(await block.get(id, false)).toMatchObject({ stall: { reason: 'diverged', description: 'another path' } });
    await expect(block.raise(id, 'e', undefined)).rejects.toMatchObject({ code: 'workflow.stalled' });
    await expect(block.suspend(id, undefined)).rejects.toMatchObject({ code: 'workflow.stalled' });
    detach();
    block.attach(scriptedWorker({ workflows: { moves: () => [complete(1)] } }));
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED' });
    expect(await block.get(id, false)).not.toHaveProperty('stall');
  });

  it('are not stalled any more when resuming answers, and are tried once for it', async () => {
    const { block } = openedWorkflows();
    let fits = false;
    let turns = 0;
    const stalled = { reason: 'diverged', description: 'another path' } as const;
    const script = scriptedWorker({
      workflows: {
        moves: () => {
          turns++;
          return fits ? [complete(1)] : { actions: [], stalled };
        },
      },
    });
    const detach = block.attach(script);
    const id = await block.start({ name: 'moves' });
    await expect.poll(async () => (await block.get(id, false))?.status).toBe('STALLED');
    const before = turns;
    await block.resume(id, undefined);
    await expect.poll(async () => (await block.get(id, false))?.status).toBe('STALLED');
    expect(turns).toBe(before + 1);
    detach();
    await block.resume(id, undefined);
    expect(await block.get(id, false)).not.toHaveProperty('stall');
    fits = true;
    block.attach(script);
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED' });
  });

  it('are resumed from both when they were suspended and then stalled, also by a runtime that does not own them', async () => {
    const engine = freshEngine();
    const { block } = openedWorkflows({ engine });
    const other = openedWorkflows({ engine }).block;
    let stalls = true;
    const stalled = { reason: 'diverged', description: 'another path' } as const;
    block.attach(
      scriptedWorker({
        workflows: {
          moves: ({ all }) => {
            if (!all.some(({ type }) => type === 'eventRaised')) return [];
            return stalls ? { actions: [], stalled } : all.at(-1)?.type === 'executionResumed' ? [complete(1)] : [];
          },
        },
      }),
    );
    const id = await block.start({ name: 'moves' });
    await block.wait(id, 'started', neverCancelled);
    await block.suspend(id, undefined);
    await block.raise(id, 'e', undefined);
    await expect.poll(async () => (await block.get(id, false))?.status).toBe('STALLED');
    stalls = false;
    await other.resume(id, undefined);
    expect(await other.wait(id, 'completed', neverCancelled)).toMatchObject({ status: 'COMPLETED' });
  });

  it('fail for answers that can never be right, and stall for those that are too large', async () => {
    const { block } = openedWorkflows();
    const answers: Record<string, readonly WorkflowAction[]> = {
      twice: [
        { id: 1, type: 'scheduleTask', name: 'a' },
        { id: 1, type: 'scheduleTask', name: 'b' },
      ],
      nameless: [{ id: 1, type: 'scheduleTask', name: '' }],
      homeless: [{ id: 1, type: 'scheduleTask', name: 'a', router: { targetAppNamespace: 'x' } }],
      anonymous: [{ id: 1, type: 'createDetached', name: 'a', instanceId: '' }],
      untimed: [{ id: 1, type: 'createDetached', name: 'a', instanceId: 'i', scheduledStartMs: Number.NaN }],
      tagged: [{ id: 1, type: 'createDetached', name: 'a', instanceId: 'i', tags: { a: 'x'.repeat(513) } }],
    };
    const large: TurnAnswer = { actions: Array.from({ length: 1_001 }, (_, id) => ({ id, type: 'createTimer', fireAtMs: 1 })) };
    block.attach(
      scriptedWorker({
        workflows: { ...Object.fromEntries(Object.entries(answers).map(([name, actions]) => [name, () => actions])), large: () => large },
      }),
    );
    for (const name of Object.keys(answers)) {
      const id = await block.start({ name });
      expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({
        status: 'FAILED',
        failure: { errorType: 'InvalidAnswer' },
      });
    }
    const id = await block.start({ name: 'large' });
    await expect.poll(async () => (await block.get(id, false))?.stall?.reason).toBe('payload-size');
  });

  it('stall before a worker sees a history that is too large, and keep what is in it', async () => {
    const { block } = openedWorkflows();
    const sizes: number[] = [];
    block.attach(scriptedWorker({ workflows: { collects: ({ all }) => (sizes.push(all.length), []) } }));
    const id = await block.start({ name: 'collects' });
    const part = 'x'.repeat(workflowLimits.payloadBytesMax - 1_000);
    const parts = Math.ceil(workflowLimits.historyBytesMax / part.length);
    for (let i = 0; i < parts; i++) {
      const before = sizes.length;
      await block.raise(id, 'part', part);
      if (i < parts - 1) await expect.poll(() => sizes.length).toBeGreaterThan(before);
    }
    await expect
      .poll(async () => (await block.get(id, false))?.stall?.description)
      .toMatch(/^its history has \d+ bytes, more than 67108864/);
    const turns = sizes.length;
    await block.resume(id, undefined);
    await expect.poll(async () => (await block.get(id, false))?.status).toBe('STALLED');
    expect(sizes).toHaveLength(turns);
    await block.terminate(id, undefined, false);
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ status: 'TERMINATED' });
  });

  it('refuse the heartbeat of an activity that nobody waits for any more', async () => {
    const { block } = openedWorkflows();
    let beat: (() => Promise<void>) | undefined;
    let go = (): void => {};
    const ended = new Promise<void>((resolve) => (go = resolve));
    const worker = scriptedWorker({
      workflows: { waits: ({ pastCount }) => (pastCount > 0 ? [] : [{ id: 1, type: 'scheduleTask', name: 'slow' }]) },
    });
    block.attach({
      ...worker,
      activity: async (task) => {
        await task.heartbeat();
        beat = () => task.heartbeat();
        await ended;
        return {};
      },
    });
    const id = await block.start({ name: 'waits' });
    await expect.poll(() => beat).toBeDefined();
    await block.terminate(id, undefined, false);
    await expect(beat?.()).rejects.toMatchObject({ code: 'workflow.task-lost' });
    go();
  });

  it('fail attempts that take too long or stop their heartbeat, and refuse their late heartbeats', async () => {
    const { block } = openedWorkflows();
    const late: Promise<unknown>[] = [];
    let giveUp = (): void => {};
    const givenUp = new Promise<void>((resolve) => (giveUp = resolve));
    const once = (options: object) => (turn: { readonly results: readonly { readonly type: string }[] } & Turn) => {
      const failed = turn.news.find((event) => event.type === 'taskFailed');
      if (failed?.type === 'taskFailed') return [complete(2, `${failed.failure.errorType}: ${failed.failure.errorMessage}`)];
      return [{ id: 1, type: 'scheduleTask', name: 'slow', options } as const];
    };
    const worker = scriptedWorker({ workflows: { attempt: once({ attemptTimeoutMs: 30 }), beat: once({ heartbeatTimeoutMs: 30 }) } });
    block.attach({
      ...worker,
      activity: async (task) => {
        await task.heartbeat('page 3');
        await givenUp;
        late.push(task.heartbeat().catch((error: { code: string }) => error.code));
        return {};
      },
    });
    const ids = [await block.start({ name: 'attempt' }), await block.start({ name: 'beat' })];
    const states = await Promise.all(ids.map((id) => block.wait(id, 'completed', neverCancelled)));
    expect(states.map(({ output }) => output)).toEqual([
      'ActivityTimeout: no result within 30 ms',
      'HeartbeatTimeout: no heartbeat within 30 ms; the last one said "page 3"',
    ]);
    giveUp();
    await expect.poll(() => late.length).toBe(2);
    expect(await Promise.all(late)).toEqual(['workflow.task-lost', 'workflow.task-lost']);
  });

  it('keep to the limits of the runtime and of a name', async () => {
    const busy = { all: 0, slow: 0 };
    const most = { all: 0, slow: 0 };
    const work = async (name: 'all' | 'slow'): Promise<string> => {
      most.all = Math.max(most.all, ++busy.all);
      if (name === 'slow') most.slow = Math.max(most.slow, ++busy.slow);
      await new Promise((resolve) => setTimeout(resolve, 5));
      busy.all--;
      if (name === 'slow') busy.slow--;
      return '';
    };
    const limits = {
      workflows: { max: Infinity, shared: { max: Infinity, names: new Map<string, number>() } },
      activities: { max: 4, shared: { max: Infinity, names: new Map([['slow', 2]]) } },
    };
    const { block } = openedWorkflows({ deps: { limits } });
    block.attach(
      scriptedWorker({
        workflows: {
          fan: ({ results }) => {
            if (results.length === 24) return [complete(99)];
            if (results.length > 0) return [];
            return Array.from({ length: 24 }, (_, id) => ({ id, type: 'scheduleTask', name: id % 2 === 0 ? 'slow' : 'all' }) as const);
          },
        },
        activities: { slow: () => work('slow'), all: () => work('all') },
      }),
    );
    await block.wait(await block.start({ name: 'fan' }), 'completed', neverCancelled);
    expect(most).toEqual({ all: 4, slow: 2 });
  });
});

describe('workflows of several runtimes', () => {
  it('are shared out, started anywhere, and taken over with what was open when a runtime dies', async () => {
    const engine = freshEngine();
    const executed = new Map<string, string>();
    const script = (name: string, hang: boolean) => ({
      ...scriptedWorker({
        workflows: { chain: chain('work', 3) },
        activities: {
          work: ({ input, idempotencyKey }) => {
            executed.set(idempotencyKey, name);
            return `${input}.`;
          },
        },
      }),
      ...(hang && { activity: () => never<never>() }),
    });
    const first = openWorkflows({ engine: withoutAnswer(engine), ttlMs: 2_000 });
    first.block.attach(script('first', true));
    const ids = await Promise.all(Array.from({ length: 20 }, (_, i) => first.block.start({ name: 'chain', input: `${i}` })));
    await Promise.all(ids.map((id) => first.block.wait(id, 'started', neverCancelled)));
    cut.add(first);
    const second = openedWorkflows({ engine, ttlMs: 2_000 });
    second.block.attach(script('second', false));
    const states = await Promise.all(ids.map((id) => second.block.wait(id, 'completed', neverCancelled)));
    expect(states.map(({ output }) => output)).toEqual(ids.map((_, i) => `${i}...`));
    expect(new Set(executed.values())).toEqual(new Set(['second']));
    // Each step once at least: a runtime that stands still for longer than its lease executes what was under way again.
    expect(executed.size).toBe(60);
  });

  it('go on while runtimes come and go, no step with two results', async () => {
    const engine = freshEngine();
    const attempts = new Map<string, number>();
    const script = scriptedWorker({
      workflows: { chain: chain('work', 12) },
      activities: {
        work: async ({ input, idempotencyKey }) => {
          attempts.set(idempotencyKey, (attempts.get(idempotencyKey) ?? 0) + 1);
          await new Promise((resolve) => setTimeout(resolve, 10));
          return `${input}.`;
        },
      },
    });
    const first = openWorkflows({ engine });
    first.block.attach(script);
    const ids = await Promise.all(Array.from({ length: 30 }, (_, i) => first.block.start({ name: 'chain', input: `${i}` })));
    // Who leaves says so: no lease has to run out, and a short one would only be late on a machine that is busy.
    const second = openedWorkflows({ engine });
    second.block.attach(script);
    await expect.poll(() => attempts.size).toBeGreaterThan(100);
    // Raised where the instance may live elsewhere.
    await Promise.all(ids.map((id, i) => (i % 2 === 0 ? first : second).block.raise(id, 'hello', undefined)));
    await first.close();
    const states = await Promise.all(ids.map((id) => second.block.wait(id, 'completed', neverCancelled)));
    expect(states.map(({ output }) => output)).toEqual(ids.map((_, i) => `${i}${'.'.repeat(12)}`));
    for (const id of ids) {
      const results = (await second.block.history(id)).flatMap((event) => (event.type === 'taskCompleted' ? [event.scheduledId] : []));
      expect(new Set(results).size).toBe(12);
      expect(results).toHaveLength(12);
    }
    expect(attempts.size).toBe(30 * 12);
  });
});

const cut = new Set<WorkflowRuntime>();

/** An engine that answers nothing any more once its runtime was cut off: what a killed process sees. */
function withoutAnswer(engine: ReturnType<typeof freshEngine>): ReturnType<typeof freshEngine> {
  return new Proxy(engine, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) =>
        cut.size > 0 && name !== 'now' && name !== 'watch' && name !== 'onAppend'
          ? never()
          : (value as (...a: unknown[]) => unknown).apply(target, args);
    },
  });
}
