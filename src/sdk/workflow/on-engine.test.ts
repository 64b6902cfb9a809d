import { afterEach, describe, expect, it } from 'vitest';
import { nodePorts } from '../../ports/node/index.ts';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import { openWorkflows, type WorkflowRuntime } from '../../../test/fixtures/workflow-rig.ts';
import type { Engine } from '../../contracts/engine.ts';
import { createWorkflows, type Workflows } from './client.ts';
import { activity, activityOf, workflow, workflowOf, type AnyActivity, type AnyWorkflow } from './definition.ts';
import { WorkflowRegistry } from './registry.ts';
import { createWorker, type LocalWorker } from './worker.ts';

const { clock } = nodePorts();

interface Rig {
  readonly workflows: Workflows;
  readonly runtime: WorkflowRuntime;
  /** Puts other code in the place of what there is. */
  deploy(workflows: readonly AnyWorkflow[], activities?: readonly AnyActivity[]): LocalWorker;
  /** How often a whole history was read by a worker. */
  readonly readings: { count: number };
}

const open: WorkflowRuntime[] = [];
afterEach(async () => {
  for (const runtime of open.splice(0)) await runtime.close();
});

function rig(engine: Engine = freshEngine(), appId = 'app', namespace = ''): Rig {
  const runtime = openWorkflows({ engine, appId, namespace });
  open.push(runtime);
  const readings = { count: 0 };
  let detach = (): void => {};
  return {
    runtime,
    readings,
    workflows: createWorkflows(clock, runtime.block),
    deploy(workflows, activities = []) {
      detach();
      const registry = new WorkflowRegistry();
      for (const definition of workflows) registry.addWorkflow(definition);
      for (const definition of activities) registry.addActivity(definition);
      const history = (instanceId: string) => {
        readings.count++;
        return runtime.block.history(instanceId);
      };
      const worker = createWorker({ registry, clock, history });
      const counted: LocalWorker = {
        ...worker,
        turn: (turn) => worker.turn({ ...turn, past: () => (readings.count++, turn.past()) }),
      };
      detach = runtime.block.attach(counted);
      return worker;
    },
  };
}

describe('workflows on the engine', () => {
  it('run without reading what they remember', async () => {
    const order = workflow({ name: 'order' }, async (ctx, count: number) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += await ctx.run('add', () => i);
      await ctx.sleep(5);
      const paid = await ctx.waitFor('paid');
      return [sum, paid];
    });
    const { workflows, deploy, readings } = rig();
    deploy([order]);
    const run = await workflows.start(order, 20, { id: 'one' });
    await run.raise('paid', new Date(5));
    expect(await run.result()).toEqual([190, new Date(5)]);
    expect(readings.count).toBe(0);
    expect((await run.history()).filter(({ type }) => type === 'taskCompleted')).toHaveLength(20);
  });

  it('call, start and signal what apps of another namespace have', async () => {
    const engine = freshEngine();
    const [here, there] = [rig(engine), rig(engine, 'stock', 'far')];
    const pick = activity({ name: 'pick' }, (sku: string) => `picked ${sku}`);
    const pack = workflow({ name: 'pack' }, async (ctx, sku: string) => `${(await ctx.waitFor('box')) as string} with ${sku}`);
    there.deploy([pack], [pick]);
    const order = workflow({ name: 'order' }, async (ctx, sku: string) => {
      const picked = await ctx.call(activityOf<string, string>('stock.far', 'pick'), sku);
      const packing = ctx.call(workflowOf<string, string>('stock.far', 'pack'), sku, { instanceId: 'p' });
      ctx.send('p', 'box', 'a box', { app: 'stock.far' });
      return [picked, await packing];
    });
    here.deploy([order]);
    const run = await here.workflows.start(order, 'pear', { id: 'o' });
    expect(await run.result()).toEqual(['picked pear', 'a box with pear']);
    expect(await here.workflows.get(workflowOf('stock.far', 'pack'), 'p').result()).toBe('a box with pear');
    expect(await there.workflows.get(pack, 'p').result()).toBe('a box with pear');
  });

  it('go on after the process forgot everything, and execute no step twice', async () => {
    const executed: string[] = [];
    const order = workflow({ name: 'order' }, async (ctx) => {
      await ctx.run('first', () => executed.push('first'));
      await ctx.waitFor('go');
      const [a, b] = await Promise.all([ctx.run('a', () => executed.push('a')), ctx.run('b', () => executed.push('b'))]);
      return [a, b];
    });
    const engine = freshEngine();
    const before = rig(engine);
    before.deploy([order]);
    const run = await before.workflows.start(order, undefined, { id: 'one' });
    // Kept: a runtime whose lease is late when it closes, as on a busy machine, may have to let go of what is not.
    await expect.poll(async () => (await run.history()).some(({ type }) => type === 'taskCompleted')).toBe(true);
    await open.splice(0)[0]?.close();
    const after = rig(engine);
    after.deploy([order]);
    const again = after.workflows.get(order, run.id);
    await again.raise('go');
    await again.result();
    expect(executed).toEqual(['first', 'a', 'b']);
  });

  it('stall when the code does not fit, and go on with code that does', async () => {
    const old = workflow({ name: 'order' }, async (ctx) => {
      await ctx.run('charge', () => 1);
      await ctx.waitFor('go');
      return 'old';
    });
    const renamed = workflow({ name: 'order' }, async (ctx) => {
      await ctx.run('bill', () => 2);
      await ctx.waitFor('go');
      return 'renamed';
    });
    const { workflows, deploy } = rig();
    deploy([old]);
    const run = await workflows.start(old, undefined, { id: 'one' });
    const until = async (done: (status: string | undefined) => boolean): Promise<void> => {
      while (!done((await run.state())?.status)) await new Promise((resolve) => setImmediate(resolve));
    };
    await until((status) => status === 'RUNNING');
    while ((await run.history()).length < 5) await new Promise((resolve) => setImmediate(resolve));
    deploy([renamed]);
    await run.raise('go');
    await until((status) => status === 'STALLED');
    expect((await run.state())?.stall).toMatchObject({ reason: 'diverged' });
    expect((await run.state())?.stall?.description).toContain('it asks for "run bill#1" at ');
    deploy([old]);
    expect(await run.result()).toBe('old');
  });

  it('reach children and activities, and are cancelled and rolled back', async () => {
    const undone: string[] = [];
    const double = activity({ name: 'double' }, (n: number) => n * 2);
    const child = workflow({ name: 'child' }, async (ctx, n: number) => ctx.call(double, n));
    const parent = workflow({ name: 'parent' }, async (ctx) => {
      const n = await ctx.run('one', () => 1, { rollback: (value) => void undone.push(`undo ${value}`) });
      const doubled = await ctx.call(child, n);
      ctx.setStatus(doubled);
      await ctx.sleep('1h');
    });
    const { workflows, deploy } = rig();
    deploy([parent, child], [double]);
    const run = await workflows.start(parent);
    while ((await run.state())?.customStatus !== 2) await new Promise((resolve) => setImmediate(resolve));
    await run.cancel('enough');
    await expect(run.result()).rejects.toMatchObject({ code: 'cancelled' });
    expect(undone).toEqual(['undo 1']);
    expect((await run.state())?.status).toBe('CANCELED');
  });

  it('begin anew and take events along', async () => {
    const counter = workflow({ name: 'counter' }, async (ctx, sum: number): Promise<number> => {
      const next = sum + ((await ctx.waitFor('add')) as number);
      return next >= 6 ? next : ctx.continueAsNew(next);
    });
    const { workflows, deploy } = rig();
    deploy([counter]);
    const run = await workflows.start(counter, 0);
    for (const n of [1, 2, 3]) await run.raise('add', n);
    expect(await run.result()).toBe(6);
  });

  it('stay with the worker that has them in memory when there are several, steps included', async () => {
    const engine = freshEngine();
    const runtime = openWorkflows({ engine });
    open.push(runtime);
    let readings = 0;
    const executed = [0, 0];
    const order = (n: number) =>
      workflow({ name: 'order' }, async (ctx) => {
        for (let i = 0; i < 5; i++) await ctx.run('step', () => (executed[n] = (executed[n] ?? 0) + 1));
        await ctx.sleep(1);
        return ctx.run('last', () => n);
      });
    for (const n of [0, 1]) {
      const registry = new WorkflowRegistry();
      registry.addWorkflow(order(n) as unknown as AnyWorkflow);
      const history = (id: string) => (readings++, runtime.block.history(id));
      const worker = createWorker({ registry, clock, history });
      runtime.block.attach({ ...worker, turn: (turn) => worker.turn({ ...turn, past: () => (readings++, turn.past()) }) });
    }
    const workflows = createWorkflows(clock, runtime.block);
    const runs = await Promise.all(Array.from({ length: 40 }, () => workflows.start(order(0))));
    await Promise.all(runs.map((run) => run.result()));
    expect(readings).toBe(0);
    expect(executed[0]).toBeGreaterThan(0);
    expect(executed[1]).toBeGreaterThan(0);
    expect((executed[0] ?? 0) + (executed[1] ?? 0)).toBe(200);
  });
});
