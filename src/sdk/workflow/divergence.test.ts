import { afterEach, describe, expect, it } from 'vitest';
import { assertReplays, replayHistories } from './replay-history.ts';
import { testWorkflows, type WorkflowTest } from '../../testing/workflow/workflow-test.ts';
import type { WorkflowContext } from './context.ts';
import { workflow, type AnyWorkflow } from './definition.ts';

type Body = (ctx: WorkflowContext) => Promise<unknown>;
const order = (body: Body): AnyWorkflow => workflow({ name: 'order', retry: false }, body) as unknown as AnyWorkflow;
const step = () => 1;

const open: WorkflowTest[] = [];
afterEach(() => {
  for (const test of open.splice(0)) test.close();
});

/** Runs one code until nothing happens any more, then goes on with another one. Answers the result, or why it stalled. */
async function redeployed(before: Body, after: Body): Promise<unknown> {
  const test = testWorkflows({ workflows: [order(before)] });
  open.push(test);
  const run = await test.workflows.start(order(before) as never, undefined, { id: '42' });
  await test.advance('1m');
  test.deploy({ workflows: [order(after)] });
  await run.raise('go');
  const outcome = await run.result().catch((error: Error) => error.message.replaceAll(/(divergence\.test\.ts):\d+/g, '$1:LINE'));
  if ((await run.state())?.status !== 'STALLED') return outcome;
  // Nothing of the turn was kept: the old code goes on.
  test.deploy({ workflows: [order(before)] });
  await run.result();
  return outcome;
}

const before: Body = async (ctx) => {
  await ctx.run('reserve', step);
  await ctx.run('charge', step);
  await ctx.waitFor('go');
  await ctx.run('ship', step);
  return 'shipped';
};

describe('code that changed', () => {
  it('stalls the run when a step has another name, with both paths side by side', async () => {
    const report = await redeployed(before, async (ctx) => {
      await ctx.run('reserve', step);
      await ctx.run('bill', step);
      await ctx.waitFor('go');
      return 'shipped';
    });
    expect(report).toBe(`workflow "order" (42) does not fit its history

  recorded      | code now
  --------------+--------------
  run reserve#1 | run reserve#1 at workflow/divergence.test.ts:LINE
> run charge#1  | run bill#1 at workflow/divergence.test.ts:LINE  (not recorded)

"run charge#1" is recorded, and the code does not ask for it; it asks for "run bill#1" at workflow/divergence.test.ts:LINE instead.
The instance keeps its history and goes on with the next deploy that fits.
help: give it its old name back, or keep the old way for runs that passed here: if (ctx.patched('bill')) { new } else { old }`);
  });

  it('tells machines where both paths part', async () => {
    const test = testWorkflows({ workflows: [order(before)] });
    open.push(test);
    const run = await test.workflows.start(order(before) as never, undefined, { id: '42' });
    await test.advance('1m');
    const renamed = order(async (ctx) => {
      await ctx.run('reserve', step);
      await ctx.run('bill', step);
    });
    test.deploy({ workflows: [renamed] });
    await run.raise('go');
    await run.result().catch(() => {});
    const state = await run.state();
    expect(state?.stall?.divergence).toEqual({
      recorded: 'run charge#1',
      asked: 'run bill#1',
      source: expect.stringMatching(/^workflow\/divergence\.test\.ts:\d+$/) as string,
    });
  });

  it('stalls the run when a step is gone', async () => {
    const report = await redeployed(before, async (ctx) => {
      await ctx.run('charge', step);
      return ctx.waitFor('go');
    });
    expect(report).toBe(`workflow "order" (42) does not fit its history

  recorded      | code now
  --------------+--------------
> run reserve#1 | (not asked for)
  run charge#1  | run charge#1 at workflow/divergence.test.ts:LINE
                | (the function ended)

"run reserve#1" is recorded, and the code does not ask for it.
The instance keeps its history and goes on with the next deploy that fits.
help: put "run reserve#1" back, under its old name`);
  });

  it('stalls the run when a step is put in front of one that was done, and says how to do that', async () => {
    const report = await redeployed(before, async (ctx) => {
      await ctx.run('check fraud', step);
      await ctx.run('reserve', step);
      await ctx.run('charge', step);
      return ctx.waitFor('go');
    });
    const rows = String(report)
      .split('\n')
      .filter((line) => line.startsWith('>'));
    expect(rows.map((row) => row.replaceAll(/ +/g, ' '))).toEqual([
      '> run reserve#1 | run check fraud#1 at workflow/divergence.test.ts:LINE (not recorded)',
      '> run charge#1 | (not asked for)',
    ]);
    expect(report).toContain("if (ctx.patched('check-fraud')) { new } else { old }");
  });

  it('stalls the run when it waits for another event', async () => {
    const report = await redeployed(
      async (ctx) => {
        await ctx.waitFor('early', { timeout: 1 });
        await ctx.run('reserve', step);
        return ctx.waitFor('go');
      },
      async (ctx) => {
        await ctx.waitFor('soon', { timeout: 1 });
        await ctx.run('reserve', step);
        return ctx.waitFor('go');
      },
    );
    expect(report).toContain('wait early#1  | wait soon#1 at workflow/divergence.test.ts:LINE  (not recorded)');
  });

  it('goes on when independent steps are added, reordered, or come after what was done', async () => {
    const both: Body = async (ctx) => {
      await Promise.all([ctx.run('a', step), ctx.run('b', step), ctx.sleep('1s')]);
      await ctx.waitFor('go');
      return 'done';
    };
    const reordered: Body = async (ctx) => {
      await Promise.all([ctx.sleep('1s'), ctx.run('b', step), ctx.run('new', step), ctx.run('a', step)]);
      await ctx.waitFor('go');
      await ctx.run('later', step);
      return 'done';
    };
    expect(await redeployed(both, reordered)).toBe('done');
    expect(
      await redeployed(both, async (ctx) => {
        await ctx.run('b', step);
        await ctx.sleep('1s');
        await ctx.run('a', step);
        return ctx.waitFor('go').then(() => 'one after another');
      }),
    ).toBe('one after another');
  });

  it('goes two ways with patches: runs that passed keep the old one, in all their replays', async () => {
    const patched: Body = async (ctx) => {
      await ctx.run('reserve', step);
      if (ctx.patched('fraud')) await ctx.run('check fraud', step);
      await ctx.run('charge', step);
      await ctx.waitFor('go');
      return ctx.patched('fraud');
    };
    expect(await redeployed(before, patched)).toBe(false);
    const test = testWorkflows({ workflows: [order(patched)], mode: 'double' });
    open.push(test);
    const run = await test.workflows.start(order(patched) as never, undefined, { id: 'new' });
    await test.advance('1m');
    // The patch is gone from the code, what it guarded stays.
    test.deploy({
      workflows: [
        order(async (ctx) => {
          await ctx.run('reserve', step);
          await ctx.run('check fraud', step);
          await ctx.run('charge', step);
          await ctx.waitFor('go');
          return 'clean';
        }),
      ],
    });
    await run.raise('go');
    expect(await run.result()).toBe('clean');
  });

  it('keeps a run with the version that it began with, and says which versions there are', async () => {
    const version = (n: number): AnyWorkflow =>
      workflow({ name: 'order', version: n }, async (ctx) => [n, await ctx.waitFor('go')]) as unknown as AnyWorkflow;
    const test = testWorkflows({ workflows: [version(9)], mode: 'double' });
    open.push(test);
    const start = (id: string) => test.workflows.start({ kind: 'workflow', name: 'order' }, undefined, { id });
    const nine = await start('nine');
    await test.advance('1s');
    test.deploy({ workflows: [version(10), version(9)] });
    const ten = await start('ten');
    await nine.raise('go');
    await ten.raise('go');
    expect([await nine.result(), await ten.result()]).toEqual([
      [9, null],
      [10, null],
    ]);
    expect((await nine.state())?.version).toBe('9');
    const last = await start('last');
    await test.advance('1s');
    test.deploy({ workflows: [version(9)] });
    await last.raise('go');
    await expect(last.result()).rejects.toThrow('workflow "order" has no version 10; there is 9');
    test.deploy({ workflows: [workflow({ name: 'orders' }, async () => 1) as unknown as AnyWorkflow] });
    await expect(last.result()).rejects.toThrow('this app has no workflow "order"; it has "orders"');
  });

  it('stalls when it waits for what is not recorded', async () => {
    const test = testWorkflows({ workflows: [order(() => new Promise(() => {}))] });
    open.push(test);
    const run = await test.workflows.start(order(() => Promise.resolve()) as never, undefined, { id: '7' });
    await expect(run.result()).rejects.toThrow(
      'workflow "order" (7) waits for something that is not recorded: no step, no timer, no event',
    );
  });

  it('is told by histories that were recorded, in CI', async () => {
    const test = testWorkflows({ workflows: [order(before)] });
    open.push(test);
    const run = await test.workflows.start(order(before) as never, undefined, { id: '42' });
    await run.raise('go');
    await run.result();
    const recorded: unknown = JSON.parse(JSON.stringify(await run.history()));
    expect(await replayHistories([order(before)], [recorded, { history: recorded }])).toMatchObject([
      { report: undefined },
      { instanceId: '42' },
    ]);
    const printed = (recorded as { timeMs: number }[]).map(({ timeMs, ...event }) => ({ time: new Date(timeMs).toISOString(), ...event }));
    await assertReplays([order(before)], [recorded, { events: printed }]);
    const changed = order(async (ctx) => ctx.run('reserve', step));
    await expect(assertReplays([changed], [recorded])).rejects.toThrow(/^1 of 1 histories do not fit the code\n\nworkflow "order" \(42\)/);
    await expect(assertReplays([changed], [{}])).rejects.toMatchObject({
      code: 'bad-request',
      hint: 'record it with `proa wf history <id> --json`',
    });
    await expect(replayHistories([], [recorded])).resolves.toMatchObject([{ report: 'this app has no workflow "order"' }]);
  });
});
