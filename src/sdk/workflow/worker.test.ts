import { afterEach, describe, expect, it } from 'vitest';
import * as v from 'valibot';
import type { ActivityTask, HistoryEvent, Turn } from '../../contracts/workflow.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { hangs, testWorkflows, type WorkflowTest, type WorkflowTestOptions } from '../../testing/workflow/workflow-test.ts';
import { activity, activityOf, workflow, workflowOf, type AnyActivity, type AnyWorkflow } from './definition.ts';
import { WorkflowRegistry } from './registry.ts';
import { createWorker, type WorkerOptions } from './worker.ts';

const open: WorkflowTest[] = [];
function opened(options: WorkflowTestOptions): WorkflowTest {
  const test = testWorkflows(options);
  open.push(test);
  return test;
}
afterEach(() => {
  for (const test of open.splice(0)) test.close();
});

describe('steps and activities', () => {
  it('have one key for all attempts', async () => {
    const keys: string[] = [];
    const order = workflow({ name: 'order', retry: { attempts: 2, backoff: 5 } }, async (ctx) => {
      await ctx.run('charge', ({ idempotencyKey, attempt, name, instanceId }) => {
        keys.push(`${attempt} ${name} ${instanceId} ${idempotencyKey === `${ctx.executionId}/run charge#1`}`);
        if (attempt === 1) throw new Error('again');
      });
    });
    const test = opened({ workflows: [order] });
    await (await test.workflows.start(order, undefined, { id: 'o' })).result();
    expect(keys).toEqual(['1 charge o true', '2 charge o true']);
  });

  it('fail an attempt that takes too long or shows no sign of life', async () => {
    const order = workflow({ name: 'order', retry: { attempts: 2, backoff: '1s' } }, async (ctx) => {
      const slow = await ctx.run('slow', () => 1, { timeout: '1m' });
      const quiet = await ctx.run('quiet', () => 1, { heartbeat: '10s', retry: false }).catch((error: Error) => error.message);
      return [slow, quiet, ctx.now()];
    });
    const test = opened({ workflows: [order], startAt: new Date(0), mode: 'double' });
    test.mock('slow', (_, { count }) => (count === 1 ? hangs : 'second')).mock('quiet', () => hangs);
    const [slow, quiet, now] = (await (await test.workflows.start(order)).result()) as unknown[];
    expect([slow, quiet]).toEqual(['second', '"quiet" gave no sign of life for 10000 ms']);
    expect(Math.floor((now as number) / 1_000)).toBe(71);
  });

  it('check the input of an activity on both sides', async () => {
    const ship = activity({ name: 'ship', input: v.object({ to: v.string() }) }, ({ to }) => to);
    const order = workflow({ name: 'order', retry: false }, async (ctx) => {
      const here = await ctx.call(ship, { to: 1 } as never).catch((error: Error) => error.message);
      const there = await ctx.call(activityOf('app', 'ship'), { to: 1 }).catch((error: Error) => error.message);
      const unknown = await ctx.call(activityOf('app', 'shp')).catch((error: Error) => error.message);
      const nowhere = await ctx.call(activityOf('nowhere', 'ship')).catch((error: Error) => error.message);
      const child = await ctx.call(workflowOf('nowhere', 'order')).catch((error: Error) => error.message);
      const nothing = await ctx.call({} as never).catch((error: Error) => error.message);
      return { here, there, unknown, nowhere, child, nothing };
    });
    const test = opened({ workflows: [order], activities: [ship] });
    const result = (await (await test.workflows.start(order)).result()) as Record<string, string>;
    expect(result['here']).toContain('the input of activity "ship" does not fit its contract: to: ');
    expect(result['there']).toContain('the input of activity "ship" does not fit its contract: to: ');
    expect(result).toMatchObject({
      unknown: 'this app has no activity "shp"; it has "ship"',
      nowhere: 'there is no app "nowhere"',
      child: 'there is no app "nowhere"',
      nothing: 'ctx.call takes a workflow or an activity',
    });
  });

  it('fail with the path of what cannot be recorded', async () => {
    const order = workflow({ name: 'order', retry: false }, (ctx) => ctx.run('bad', () => ({ a: [() => 1] })));
    await expect((await opened({ workflows: [order] }).workflows.start(order)).result()).rejects.toMatchObject({
      code: 'workflow.value',
      message: 'the result of step "bad" cannot be recorded: value.a[0] is a function',
    });
  });

  it('copy what they give: later changes change no history', async () => {
    const shared = { n: 1 };
    const order = workflow({ name: 'order' }, async (ctx) => {
      const first = await ctx.run('first', () => shared);
      first.n = 7;
      shared.n = 9;
      return [first, await ctx.run('second', () => shared)];
    });
    const test = opened({ workflows: [order] });
    expect(await (await test.workflows.start(order)).result()).toEqual([{ n: 7 }, { n: 9 }]);
  });
});

describe('definitions', () => {
  it.each([
    [() => workflow({ name: '' }, async () => 1), 'a workflow has the name ""'],
    [() => workflow({ name: 'a#1' }, async () => 1), 'none of them "#"'],
    [() => workflow({ name: 'proa.mine' }, async () => 1), 'which is reserved'],
    [() => workflow({ name: 'a', timeout: '1 day' }, async () => 1), 'the timeout of workflow "a" is "1 day", which is no duration'],
    [() => workflow({ name: 'a', retry: { attempts: 0 } }, async () => 1), 'retry.attempts of workflow "a" is 0'],
    [() => workflow({ name: 'a', retry: { backoff: '1s..2s..3s' } }, async () => 1), 'write it as "2s..1m"'],
    [() => activity({ name: 'a', heartbeat: -1 }, () => 1), 'the heartbeat of activity "a" is -1'],
    [() => activity({ name: 'a', retry: { factor: 0.5 } }, () => 1), 'retry.factor of activity "a" is 0.5'],
  ])('are refused when they cannot be: %#', (define, message) => {
    expect(define).toThrow(message);
  });

  it('are refused twice', () => {
    const registry = new WorkflowRegistry();
    const one = workflow({ name: 'a', version: 1 }, async () => 1) as unknown as AnyWorkflow;
    registry.addWorkflow(one);
    expect(() => registry.addWorkflow(one)).toThrow('workflow "a" of version 1 is there twice');
    const act = activity({ name: 'b' }, () => 1) as unknown as AnyActivity;
    registry.addActivity(act);
    expect(() => registry.addActivity(act)).toThrow('activity "b" is there twice');
  });
});

describe('a worker', () => {
  const nap = workflow({ name: 'nap' }, async (ctx) => {
    await ctx.run('work', ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('stopped'))));
  }) as unknown as AnyWorkflow;

  function rig(options: Partial<WorkerOptions> = {}) {
    const registry = new WorkflowRegistry();
    registry.addWorkflow(nap);
    const histories = new Map<string, HistoryEvent[]>();
    const readings: string[] = [];
    const history = async (instanceId: string): Promise<readonly HistoryEvent[]> => {
      readings.push(instanceId);
      return histories.get(instanceId) ?? [];
    };
    const worker = createWorker({ registry, clock: createFakeClock(), history, ...options });
    const first = (instanceId: string): Turn => {
      const instance = { instanceId, executionId: `${instanceId}-x` };
      const news: HistoryEvent[] = [
        { id: -1, timeMs: 1, type: 'workflowStarted' },
        { id: -1, timeMs: 2, type: 'executionStarted', name: 'nap', instance },
      ];
      const scheduled: HistoryEvent = { id: 1, timeMs: 3, type: 'taskScheduled', name: 'work', taskExecutionId: 'run work#1' };
      histories.set(instanceId, [...news, scheduled]);
      return { instance, pastCount: 0, past: async () => [], news };
    };
    const task = (instanceId: string, more: Partial<ActivityTask> = {}): ActivityTask => ({
      instance: { instanceId, executionId: `${instanceId}-x` },
      ...{ taskId: 1, name: 'work', taskExecutionId: 'run work#1', idempotencyKey: 'k', heartbeat: async () => {} },
      ...more,
    });
    return { worker, first, task, readings };
  }

  it('keeps so many runs and no more, and replays one when its step comes', async () => {
    const { worker, first, task, readings } = rig({ liveMax: 2 });
    for (const id of ['a', 'b', 'c']) await worker.turn(first(id));
    expect(worker.live).toBe(2);
    const running = worker.activity(task('c'));
    const replayed = worker.activity(task('a'));
    while (readings.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    worker.forget('c');
    worker.forget('a');
    expect(await running).toEqual({ result: '"stopped"' });
    expect(await replayed).toEqual({ result: '"stopped"' });
    expect(readings).toEqual(['a']);
    expect(worker.live).toBe(0);
  });

  it('refuses a step that no run waits for, and goes on', async () => {
    const { worker, first, task } = rig();
    await worker.turn(first('a'));
    await expect(worker.activity(task('a', { taskId: 9 }))).rejects.toMatchObject({ code: 'aborted' });
    const old = task('a', { instance: { instanceId: 'a', executionId: 'old' } });
    await expect(worker.activity(old)).rejects.toMatchObject({
      code: 'aborted',
      message: 'the run of a that asked for step "work" has ended',
    });
    const running = worker.activity(task('a'));
    await new Promise((resolve) => setImmediate(resolve));
    worker.forget('a');
    expect(await running).toEqual({ result: '"stopped"' });
  });

  it('says which names it takes', () => {
    const registry = new WorkflowRegistry();
    registry.addActivity(activity({ name: 'ship' }, () => 1) as unknown as AnyActivity);
    const { worker } = rig({ registry });
    expect([...(worker.activities ?? [])]).toEqual(['ship']);
    expect(rig().worker.activities).toBeUndefined();
    expect([...(rig().worker.workflows ?? [])]).toEqual(['nap']);
  });

  it('stops a step whose heartbeat nobody wants', async () => {
    const order = workflow({ name: 'nap' }, async (ctx) => {
      await ctx.run('work', async ({ heartbeat, signal }) => {
        await heartbeat('half').catch(() => {});
        return signal.aborted;
      });
    }) as unknown as AnyWorkflow;
    const registry = new WorkflowRegistry();
    registry.addWorkflow(order);
    const { worker, first, task } = rig({ registry });
    await worker.turn(first('a'));
    expect(await worker.activity(task('a', { heartbeat: () => Promise.reject(new Error('not yours')) }))).toEqual({ result: 'true' });
  });
});
