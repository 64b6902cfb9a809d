import { afterEach, describe, expect, it, vi } from 'vitest';
import { testWorkflows, type WorkflowTest } from '../../testing/workflow/workflow-test.ts';
import type { WorkflowContext } from './context.ts';
import { workflow } from './definition.ts';
import { createGuard } from './guard.ts';

const open: WorkflowTest[] = [];
afterEach(() => {
  for (const test of open.splice(0)) test.close();
});

function outcome(body: (ctx: WorkflowContext) => Promise<unknown>, guard = true): Promise<unknown> {
  const definition = workflow({ name: 'careless', retry: false }, body);
  const test = testWorkflows({ workflows: [definition], guard });
  open.push(test);
  return test.workflows
    .start(definition, undefined, { id: 'c' })
    .then((run) => run.result())
    .catch((error: Error) => error.message.replaceAll(/(guard\.test\.ts):\d+/g, '$1:LINE'));
}

describe('the guard', () => {
  it.each([
    ['Date.now()', () => Date.now(), 'ctx.now()'],
    ['new Date()', () => new Date(), 'new Date(ctx.now())'],
    ['performance.now()', () => performance.now(), 'ctx.now()'],
    ['Math.random()', () => Math.random(), 'ctx.random()'],
    ['crypto.randomUUID()', () => crypto.randomUUID(), 'ctx.uuid()'],
    ['setTimeout()', () => setTimeout(() => {}, 0), 'ctx.sleep()'],
    ['fetch()', () => fetch('http://127.0.0.1:9/'), "ctx.run('name', () => fetch(...))"],
  ])('stalls a run that calls %s between steps, and says what to use', async (what, call, instead) => {
    const message = await outcome(async (ctx) => {
      await ctx.run('step', () => 1);
      return void call();
    });
    expect(message).toBe(
      `workflow "careless" (c) calls ${what} at workflow/guard.test.ts:LINE, which is different when the run is replayed\n` +
        `help: use ${instead}, or do it in a step: ctx.run(name, fn)`,
    );
  });

  it('stalls it also when the code swallows the error', async () => {
    const message = await outcome(async () => {
      try {
        return Date.now();
      } catch {
        return 0;
      }
    });
    expect(message).toContain('calls Date.now()');
  });

  it('leaves steps, dates with a value, and everybody else alone', async () => {
    const steps = await outcome(async (ctx) => {
      const at = await ctx.run('step', async () => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        return [Date.now() > 0, new Date() instanceof Date, Math.random() < 1];
      });
      return [...at, new Date(5).getTime(), new Date(5).constructor === Date];
    });
    expect(steps).toEqual([true, true, true, 5, true]);
    expect(Date.now()).toBeGreaterThan(0);
  });

  it('is gone when nobody wants it any more', () => {
    const originals = { date: Date, now: Date.now, random: Math.random, timeout: setTimeout };
    const [one, two] = [createGuard(), createGuard()];
    expect(Date).not.toBe(originals.date);
    one.close();
    one.close();
    expect(Date).not.toBe(originals.date);
    two.close();
    expect({ date: Date, now: Date.now, random: Math.random, timeout: setTimeout }).toEqual(originals);
    expect(new Date(0).constructor).toBe(originals.date);
  });

  it('can be left out: then a run in memory shows what a replay would not', async () => {
    const now = vi.spyOn(Math, 'random');
    const value = await outcome(async () => Math.random() < 1, false);
    expect(value).toBe(true);
    expect(now).toHaveBeenCalled();
    now.mockRestore();
  });
});

describe('a double run', () => {
  it('finds what no guard sees, and names the first action that differs', async () => {
    let calls = 0;
    const sly = workflow({ name: 'sly' }, async (ctx) => {
      await ctx.run('first', () => 1);
      await ctx.run(`step ${calls++}`, () => 2);
    });
    const test = testWorkflows({ workflows: [sly], mode: 'double' });
    open.push(test);
    const run = await test.workflows.start(sly, undefined, { id: 's' });
    await expect(run.result()).rejects.toThrow(
      /^instance s wants one thing, and another when it is replayed\n {2}live: .*step 0.*\n {2}replay: .*step 1/,
    );
  });
});
