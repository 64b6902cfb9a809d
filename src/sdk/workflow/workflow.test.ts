import { afterEach, describe, expect, it } from 'vitest';
import * as v from 'valibot';
import { ProaError } from '../../kernel/errors.ts';
import { testWorkflows, type WorkflowTest, type WorkflowTestOptions } from '../../testing/workflow/workflow-test.ts';
import type { WorkflowContext } from './context.ts';
import { activity, workflow, workflowOf } from './definition.ts';

const open: WorkflowTest[] = [];
function opened(options: WorkflowTestOptions): WorkflowTest {
  const test = testWorkflows(options);
  open.push(test);
  return test;
}
afterEach(() => {
  for (const test of open.splice(0)) test.close();
});

describe.each(['live', 'crash', 'double'] as const)('a workflow, %s', (mode) => {
  it('runs steps one after another and answers', async () => {
    const order = workflow({ name: 'order' }, async (ctx, input: { sku: string; count: number }) => {
      const price = await ctx.run('price', () => input.count * 2);
      const id = await ctx.run('reserve', ({ attempt }) => `${input.sku}-${attempt}`);
      return { price, id };
    });
    const test = opened({ workflows: [order], mode });
    const run = await test.workflows.start(order, { sku: 'tea', count: 3 }, { id: 'one' });
    expect(await run.result()).toEqual({ price: 6, id: 'tea-1' });
    expect(test.calls().map(({ name }) => name)).toEqual(['price', 'reserve']);
    expect(await run.state()).toMatchObject({ status: 'COMPLETED', input: { sku: 'tea', count: 3 }, output: { price: 6, id: 'tea-1' } });
  });

  it('keeps falsy results, nothing among them', async () => {
    const values = [0, '', false, null, undefined, NaN, -0] as const;
    const falsy = workflow({ name: 'falsy' }, async (ctx) => {
      const seen: unknown[] = [];
      for (const [i] of values.entries()) seen.push(await ctx.run('value', () => values[i]));
      return seen;
    });
    const test = opened({ workflows: [falsy], mode });
    expect(await (await test.workflows.start(falsy)).result()).toEqual([...values]);
  });

  it('sleeps as long as it says, in no time', async () => {
    const nap = workflow({ name: 'nap' }, async (ctx) => {
      const began = ctx.now();
      await ctx.sleep('7d');
      await ctx.sleepUntil(began + 10 * 86_400_000);
      return ctx.now() - began;
    });
    const test = opened({ workflows: [nap], mode });
    const took = await (await test.workflows.start(nap)).result();
    expect(Math.round(took / 86_400_000)).toBe(10);
  });

  it('tries again with growing waits, and stops when trying cannot help', async () => {
    const flaky = workflow({ name: 'flaky', retry: { attempts: 4, backoff: '1s..3s' } }, async (ctx, hopeless: boolean) => {
      try {
        return await ctx.run('call', ({ attempt }) => {
          if (hopeless) throw new ProaError('not-found', 'no such card');
          if (attempt < 4) throw new TypeError(`attempt ${attempt}`);
          return attempt;
        });
      } catch (error) {
        return [(error as ProaError).code, (error as Error).message];
      }
    });
    const test = opened({ workflows: [flaky], mode });
    expect(await (await test.workflows.start(flaky, false)).result()).toBe(4);
    const times = test.calls('call').map(({ atMs }) => atMs);
    expect(times.slice(1).map((at, i) => Math.round(at - (times[i] as number)))).toEqual([1_000, 2_000, 3_000]);
    expect(await (await test.workflows.start(flaky, true)).result()).toEqual(['not-found', 'no such card']);
    expect(test.calls('call')).toHaveLength(5);
  });

  it('waits for events: typed, with a timeout, early ones too, and leaves out what does not fit', async () => {
    const pay = workflow(
      { name: 'pay', events: { paid: v.object({ amount: v.number() }), noted: v.nullable(v.string()) } },
      async (ctx) => {
        const first = await ctx.waitFor('paid', { timeout: '1h' });
        const second = await ctx.waitFor('paid', { timeout: '1h' });
        const third = await ctx.waitFor('noted');
        return [first?.amount, second?.amount ?? 'late', third, Math.round(ctx.now() / 3_600_000)];
      },
    );
    const test = opened({ workflows: [pay], mode, startAt: new Date(0) });
    const run = await test.workflows.start(pay, undefined, { id: 'p' });
    await run.raise('noted');
    test.at('30m', () => run.raise('paid', { amount: 7 }));
    test.at('20m', () => expect(run.raise('paid', { amount: 'much' } as never)).rejects.toMatchObject({ code: 'bad-request' }));
    expect(await run.result()).toEqual([7, 'late', null, 2]);
    await expect(run.raise('payd' as 'noted')).rejects.toMatchObject({ hint: 'did you mean "paid"?' });
  });

  it('leaves out an event that does not fit, with a warning, and waits on', async () => {
    const strict = workflow({ name: 'strict', events: { paid: v.number() } }, (ctx) => ctx.waitFor('paid', { timeout: '1h' }));
    const test = opened({ workflows: [strict], mode });
    const run = await test.workflows.start(strict);
    const untyped = test.workflows.get(workflowOf('app', 'strict'), run.id);
    await untyped.raise('PAID', 'much');
    await test.advance('1m');
    await untyped.raise('Paid', 4);
    expect(await run.result()).toBe(4);
    expect(test.warnings.length).toBeGreaterThan(0);
  });

  it('undoes in reverse order what was done when it fails, and tells what cannot be undone', async () => {
    const undone: string[] = [];
    const saga = workflow({ name: 'saga', retry: false }, async (ctx, broken: boolean) => {
      const stock = await ctx.run('reserve', () => 's1', { rollback: (id) => void undone.push(`release ${id}`) });
      ctx.onRollback('refund', () => {
        if (broken) throw new Error('bank is closed');
        undone.push('refund');
      });
      await ctx.run('ship', () => {
        throw new Error(`no truck for ${stock}`);
      });
    });
    const test = opened({ workflows: [saga], mode });
    await expect((await test.workflows.start(saga, false)).result()).rejects.toMatchObject({
      code: 'workflow.step-failed',
      message: 'no truck for s1',
      cause: { name: 'Error', message: 'no truck for s1' },
    });
    expect(undone).toEqual(['refund', 'release s1']);
    await expect((await test.workflows.start(saga, true)).result()).rejects.toMatchObject({
      code: 'workflow.rollback-failed',
      message: 'no truck for s1; not everything was undone: "refund" failed: bank is closed',
    });
    expect(undone).toEqual(['refund', 'release s1', 'release s1']);
  });

  it('undoes by activities too', async () => {
    const released: string[] = [];
    const release = activity({ name: 'release' }, (id: string) => void released.push(id));
    const saga = workflow({ name: 'saga', retry: false }, async (ctx) => {
      ctx.onRollback(release, 'place');
      throw new Error('no truck');
    });
    const test = opened({ workflows: [saga], activities: [release], mode });
    await expect((await test.workflows.start(saga)).result()).rejects.toMatchObject({ code: 'workflow.failed', message: 'no truck' });
    expect(released).toEqual(['place']);
  });

  it('is cancelled: what waits fails, rollbacks and finally run, signals abort', async () => {
    const seen: string[] = [];
    const long = workflow({ name: 'long' }, async (ctx) => {
      ctx.onRollback('undo', () => void seen.push('undo'));
      ctx.signal.addEventListener('abort', () => seen.includes('signal') || seen.push('signal'));
      try {
        await Promise.all([ctx.sleep('1d'), ctx.waitFor('never')]);
      } finally {
        await ctx.run('cleanup', () => void seen.push('cleanup'));
      }
    });
    const test = opened({ workflows: [long], mode });
    const run = await test.workflows.start(long);
    test.at('1h', () => run.cancel('changed my mind'));
    await expect(run.result()).rejects.toMatchObject({ code: 'cancelled', message: 'the workflow was cancelled: changed my mind' });
    expect(seen.filter((what) => what !== 'signal')).toEqual(['cleanup', 'undo']);
    expect(seen).toContain('signal');
    expect((await run.state())?.status).toBe('CANCELED');
  });

  it('fails when its time is over', async () => {
    const slow = workflow({ name: 'slow', timeout: '2h' }, async (ctx) => {
      await ctx.sleep('1d');
    });
    const test = opened({ workflows: [slow], mode });
    await expect((await test.workflows.start(slow)).result()).rejects.toMatchObject({ code: 'deadline-exceeded' });
  });

  it('is terminated, with its children', async () => {
    const child = workflow({ name: 'child' }, (ctx) => ctx.sleep('1d'));
    const parent = workflow({ name: 'parent' }, (ctx) => ctx.call(child));
    const test = opened({ workflows: [parent, child], mode });
    const run = await test.workflows.start(parent, undefined, { id: 'p' });
    await test.advance('1m');
    await run.terminate('enough');
    await expect(run.result()).rejects.toMatchObject({ code: 'workflow.terminated' });
    expect((await run.state())?.output).toBe('enough');
    await test.advance('1m');
    expect(await test.workflows.get(child, 'p:0001').state()).toMatchObject({ status: 'TERMINATED', output: 'enough' });
  });

  it('waits while it is suspended, and goes on where it was', async () => {
    const steps = workflow({ name: 'steps' }, async (ctx) => {
      const first = await ctx.waitFor('go');
      return [first, await ctx.run('after', () => 'done')];
    });
    const test = opened({ workflows: [steps], mode });
    const run = await test.workflows.start(steps);
    await run.suspend('lunch');
    await run.raise('go', 1);
    await test.advance('1h');
    expect(test.calls('after')).toEqual([]);
    expect((await run.state())?.status).toBe('SUSPENDED');
    await run.resume();
    expect(await run.result()).toEqual([1, 'done']);
  });

  it('calls children and activities, here and in other apps, and starts what goes its own way', async () => {
    const ship = activity({ name: 'ship', input: v.object({ to: v.string() }) }, ({ to }, step) => `${to} ${step.idempotencyKey !== ''}`);
    const invoice = workflow({ name: 'invoice', input: v.number() }, async (ctx, amount) => {
      ctx.setStatus({ amount });
      return ctx.run('write', () => `invoice of ${amount}`);
    });
    const audit = workflow({ name: 'audit' }, async (ctx, what: string) => {
      ctx.send(what, 'audited', ctx.instanceId);
    });
    const order = workflow({ name: 'order' }, async (ctx) => {
      const [bill, shipped] = await Promise.all([ctx.call(invoice, 12, { app: 'billing' }), ctx.call(ship, { to: 'Ada' })]);
      const id = ctx.start(audit, ctx.instanceId);
      return { bill, shipped, audited: (await ctx.waitFor('audited')) === id };
    });
    const test = opened({ workflows: [order, audit], activities: [ship], apps: { billing: { workflows: [invoice] } }, mode });
    const run = await test.workflows.start(order, undefined, { id: 'o' });
    expect(await run.result()).toEqual({ bill: 'invoice of 12', shipped: 'Ada true', audited: true });
    expect((await test.workflows.get(invoice, 'o:0001').state())?.customStatus).toEqual({ amount: 12 });
    const bad = await test.workflows.list({ name: 'audit' });
    expect(bad.instances).toHaveLength(1);
  });

  it('tells activities which attempt they are, with one key for all of them, and who asks', async () => {
    const seen: unknown[] = [];
    const pay = activity({ name: 'pay', retry: { attempts: 3, backoff: 10 } }, (_input: undefined, step) => {
      seen.push([step.attempt, step.idempotencyKey, step.name, step.instanceId, typeof step.heartbeat]);
      if (step.attempt < 3) throw new RangeError('not yet');
      return step.attempt;
    });
    const order = workflow({ name: 'order' }, async (ctx) => [
      await ctx.call(pay),
      await ctx.call(pay, undefined, { retry: false }).catch(() => 0),
    ]);
    const test = opened({ workflows: [order], activities: [pay], mode });
    const run = await test.workflows.start(order, undefined, { id: 'o' });
    expect(await run.result()).toEqual([3, 0]);
    const { executionId } = (await run.state()) as { readonly executionId: string };
    const row = (attempt: number, call: number) => [attempt, `${executionId}/call pay#${call}`, 'pay', 'o', 'function'];
    expect(seen).toEqual([row(1, 1), row(2, 1), row(3, 1), row(1, 2)]);
  });

  it('starts others later and with tags, and deletes what is finished by what it is', async () => {
    const audit = workflow({ name: 'audit' }, async (ctx) => ctx.now());
    const order = workflow({ name: 'order' }, async (ctx) => {
      const bad = (() => {
        try {
          return ctx.start(audit, undefined, { startAt: new Date(Number.NaN) });
        } catch (error) {
          return (error as Error).message;
        }
      })();
      return [ctx.start(audit, undefined, { instanceId: 'later', startAt: '1h', tags: { of: 'order' } }), ctx.now(), bad];
    });
    const test = opened({ workflows: [order, audit], mode });
    const [id, beganMs, bad] = (await (await test.workflows.start(order)).result()) as [string, number, string];
    expect([id, bad]).toEqual(['later', 'startAt is no time']);
    expect(await test.workflows.get(audit, 'later').state()).toMatchObject({ status: 'PENDING', tags: { of: 'order' } });
    expect(await test.workflows.get(audit, 'later').result()).toBeGreaterThanOrEqual(beganMs + 3_600_000);
    await expect(test.workflows.purge({})).rejects.toMatchObject({ code: 'bad-request' });
    expect(await test.workflows.purge({ statuses: ['COMPLETED'], attributes: { of: 'order' } })).toEqual({ count: 1, complete: true });
    expect(await test.workflows.get(audit, 'later').state()).toBeUndefined();
    expect((await test.workflows.list()).instances).toHaveLength(1);
  });

  it('hands its history on to children and activities that ask what led to them', async () => {
    const told = (lineage: WorkflowContext['lineage']) =>
      lineage.map(({ workflowName, events }) => `${workflowName} ${events.at(-1)?.type}`);
    const look = activity({ name: 'look' }, (_input: undefined, step) => told(step.lineage));
    const child = workflow({ name: 'child' }, async (ctx) => [
      told(ctx.lineage),
      await ctx.call(look),
      await ctx.call(look, undefined, { history: 'own' }),
      await ctx.call(look, undefined, { history: 'lineage' }),
      await ctx.call(look, undefined, { history: 'all' as never }).catch((error: Error) => error.message),
    ]);
    const order = workflow({ name: 'order' }, (ctx) => ctx.call(child, undefined, { history: 'own' }));
    const test = opened({ workflows: [order, child], activities: [look], mode });
    const run = await test.workflows.start(order);
    expect(await run.result()).toEqual([
      ['order childCreated'],
      [],
      ['child taskScheduled'],
      ['order childCreated', 'child taskScheduled'],
      `the history that ctx.call hands on is 'own' or 'lineage', not "all"`,
    ]);
  });

  it('hears why a child failed, tries it again under another id, and gives up in time', async () => {
    let failures = 0;
    const child = workflow({ name: 'child', retry: false }, async (ctx, slow: boolean) => {
      if (slow) await ctx.sleep('1d');
      return ctx.run('work', () => {
        if (failures++ < 2) throw new RangeError('not yet');
        return ctx.instanceId;
      });
    });
    const parent = workflow({ name: 'parent' }, async (ctx) => {
      const once = await ctx.call(child, false).catch((error: ProaError) => [error.code, (error.cause as Error).name]);
      const again = await ctx.call(child, false, { retry: { attempts: 2, backoff: 10 } });
      const late = await ctx.call(child, true, { timeout: '1h' }).catch((error: ProaError) => error.code);
      return { once, again, late };
    });
    const test = opened({ workflows: [parent, child], mode });
    const run = await test.workflows.start(parent, undefined, { id: 'p' });
    const result = await run.result();
    expect(result).toMatchObject({ once: ['workflow.step-failed', 'RangeError'], late: 'deadline-exceeded' });
    expect(result.again).toMatch(/^p:/);
    await test.advance('1s');
    expect((await test.workflows.list({ name: 'child' })).instances.map(({ status }) => status)).toEqual([
      'FAILED',
      'FAILED',
      'COMPLETED',
      'TERMINATED',
    ]);
  });

  it('begins anew, and takes along the events that nobody waited for', async () => {
    const counter = workflow({ name: 'counter' }, async (ctx, { sum, rounds }: { sum: number; rounds: number }) => {
      const next = sum + ((await ctx.waitFor('add')) as number);
      if (rounds === 1) return next;
      return ctx.continueAsNew({ sum: next, rounds: rounds - 1 });
    });
    const test = opened({ workflows: [counter], mode });
    const run = await test.workflows.start(counter, { sum: 0, rounds: 3 });
    for (const n of [1, 2, 3]) await run.raise('add', n);
    expect(await run.result()).toBe(6);
    expect(test.history(run.id).length).toBeLessThan(6);
  });

  it('has a time, random numbers and ids that are the same in every replay', async () => {
    const random = workflow({ name: 'random' }, async (ctx) => {
      const seen: unknown[] = [];
      for (let i = 0; i < 3; i++) {
        seen.push(ctx.random(), ctx.uuid());
        await ctx.sleep('1m');
      }
      return { seen, same: (await ctx.run('same', () => ctx.now())) === ctx.now() };
    });
    const test = opened({ workflows: [random], mode });
    const { seen } = await (await test.workflows.start(random)).result();
    expect(new Set(seen).size).toBe(6);
    expect(seen[1]).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  });

  it('runs more at once than one turn can ask for', async () => {
    const wide = workflow({ name: 'wide' }, async (ctx) => {
      const all = await Promise.all(Array.from({ length: 2_500 }, (_, i) => ctx.run('part', () => i)));
      return all.reduce((sum, n) => sum + n, 0);
    });
    const test = opened({ workflows: [wide], mode: mode === 'live' ? 'live' : 'double' });
    expect(await (await test.workflows.start(wide)).result()).toBe((2_500 * 2_499) / 2);
  });

  it('awaits all to their end before it tells the first failure, and as many at once as there is room', async () => {
    const together = workflow({ name: 'together', retry: false }, async (ctx) => {
      let running = 0;
      let most = 0;
      const part = (i: number) => async () => {
        most = Math.max(most, ++running);
        await ctx.sleep(`${10 + i}m`);
        running--;
        return i;
      };
      const list = await ctx.all([part(0), part(1), part(2), part(3)], { concurrency: 2 });
      const named = await ctx.all({ a: ctx.run('a', () => 1), b: 'b' as const });
      const ended: string[] = [];
      const failing = ctx.all({
        bad: ctx.run('bad', () => Promise.reject(new Error('bad'))),
        slow: ctx.sleep('1h').then(() => ended.push('slow')),
      });
      const failure = await failing.catch((error: Error) => `${error.message} after ${ended.join()}`);
      const first = await ctx.race({ late: ctx.sleep('2h'), soon: ctx.sleep('1h').then(() => 'value') });
      return { list, most, named, failure, first };
    });
    const test = opened({ workflows: [together], mode });
    expect(await (await test.workflows.start(together)).result()).toEqual({
      list: [0, 1, 2, 3],
      most: 2,
      named: { a: 1, b: 'b' },
      failure: 'bad after slow',
      first: { winner: 'soon', value: 'value' },
    });
  });
});

describe('the client of workflows, where no compiler has looked', () => {
  it('says what to give in place of a name', async () => {
    const test = opened({ workflows: [] });
    await expect(test.workflows.start('order' as never)).rejects.toMatchObject({
      code: 'bad-request',
      message: '"order" is no workflow',
      hint: 'give what `workflow({ name: "order" }, ...)` made, or workflowOf(\'app\', "order") for one that another app has',
    });
    await expect(test.workflows.start(undefined as never)).rejects.toMatchObject({ message: 'undefined is no workflow' });
    expect(() => test.workflows.get('order' as never, 'id')).toThrow('"order" is no workflow');
  });
});
