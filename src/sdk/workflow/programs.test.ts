import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { HistoryEvent } from '../../contracts/workflow.ts';
import { replayHistories } from './replay-history.ts';
import { testWorkflows } from '../../testing/workflow/workflow-test.ts';
import type { TestMode } from '../../testing/workflow/checked-worker.ts';
import type { WorkflowContext } from './context.ts';
import { workflow } from './definition.ts';
import { createGuard } from './guard.ts';

/** A random workflow: operations, one after another, side by side, or against each other, with native promises and with ours. */
type Program =
  | { readonly kind: 'run'; readonly name: string; readonly fails: number }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'wait'; readonly event: string; readonly ms: number }
  | { readonly kind: 'child'; readonly ms: number }
  | { readonly kind: 'random' }
  | { readonly kind: 'seq' | 'all' | 'allSettled' | 'race' | 'any' | 'ctxAll' | 'ctxRace' | 'attempt'; readonly parts: readonly Program[] };

const names = fc.constantFrom('a', 'b', 'c');
const leaf: fc.Arbitrary<Program> = fc.oneof(
  fc.record({ kind: fc.constant('run' as const), name: names, fails: fc.constantFrom(0, 0, 0, 1, 9) }),
  fc.record({ kind: fc.constant('sleep' as const), ms: fc.constantFrom(0, 5, 5, 60_000) }),
  fc.record({ kind: fc.constant('wait' as const), event: fc.constantFrom('x', 'y'), ms: fc.constantFrom(1, 50) }),
  fc.record({ kind: fc.constant('child' as const), ms: fc.constantFrom(0, 7) }),
  fc.constant({ kind: 'random' as const }),
);
const { program } = fc.letrec<{ program: Program }>((tie) => ({
  program: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.record({
      kind: fc.constantFrom('seq', 'all', 'allSettled', 'race', 'any', 'ctxAll', 'ctxRace', 'attempt'),
      parts: fc.array(tie('program'), { minLength: 1, maxLength: 4 }),
    }),
  ),
}));

// What a program answers says in which order everything in it ended.
async function interpret(ctx: WorkflowContext, node: Program, order: string[]): Promise<unknown> {
  const value = await evaluate(ctx, node, order);
  order.push(node.kind);
  return value;
}

async function evaluate(ctx: WorkflowContext, node: Program, order: string[]): Promise<unknown> {
  switch (node.kind) {
    case 'run':
      return ctx.run(node.name, ({ attempt }) => {
        if (attempt <= node.fails) throw new Error(`attempt ${attempt}`);
        return node.name;
      });
    case 'sleep':
      return ctx.sleep(node.ms);
    case 'wait':
      return ctx.waitFor(node.event, { timeout: node.ms });
    case 'child':
      return ctx.call(child, node.ms);
    case 'random':
      return [ctx.random(), ctx.uuid(), ctx.now()];
    default:
      return together(ctx, node, order);
  }
}

async function together(
  ctx: WorkflowContext,
  { kind, parts }: Program & { readonly parts: readonly Program[] },
  order: string[],
): Promise<unknown> {
  const each = (part: Program): Promise<unknown> => interpret(ctx, part, order);
  if (kind === 'seq') {
    const values: unknown[] = [];
    for (const part of parts) values.push(await each(part));
    return values;
  }
  if (kind === 'attempt') return each(parts[0] as Program).catch((error: Error) => error.message);
  if (kind === 'ctxAll')
    return ctx.all(
      parts.map((part) => () => each(part)),
      { concurrency: 2 },
    );
  if (kind === 'ctxRace') return ctx.race(Object.fromEntries(parts.map((part, i) => [`p${i}`, each(part)])));
  const running = parts.map(each);
  if (kind === 'all') return Promise.all(running);
  if (kind === 'allSettled') return (await Promise.allSettled(running)).map(({ status }) => status);
  return kind === 'race' ? Promise.race(running) : Promise.any(running).catch((error: AggregateError) => error.errors.length);
}

const child = workflow({ name: 'child' }, async (ctx, ms: number) => {
  await ctx.sleep(ms);
  return ctx.run('inner', () => ms);
});

interface Lived {
  readonly result: unknown;
  readonly order: string;
  readonly history: readonly HistoryEvent[];
}

function random(program: Program) {
  return workflow({ name: 'random', retry: { attempts: 3, backoff: '1ms..4ms' } }, async (ctx) => {
    const order: string[] = [];
    const value = await interpret(ctx, program, order).catch((error: Error) => ({ failed: error.message }));
    return { value, order: order.join() };
  });
}

async function live(program: Program, mode: TestMode, seed: number): Promise<Lived> {
  const definition = random(program);
  let state = seed;
  const pick = (count: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % count;
  };
  const test = testWorkflows({ workflows: [definition, child], mode, pick, startAt: new Date(1_000_000) });
  try {
    const run = await test.workflows.start(definition, undefined, { id: 'one' });
    test
      .at(10, () => run.raise('x', 1))
      .at(40, () => run.raise('Y', 2))
      .at(45, () => run.raise('x', 3));
    const { value, order } = await run.result();
    return { result: value, order, history: test.history('one') };
  } finally {
    test.close();
  }
}

describe('random workflows', () => {
  // One guard for all: without it every run would change the globals and back.
  const guard = createGuard();
  afterAll(() => guard.close());

  it('do the same when every turn is replayed, whatever the order in which things end', async () => {
    await fc.assert(
      fc.asyncProperty(program, fc.nat(), async (tree, seed) => {
        const one = await live(tree, 'double', seed);
        const two = await live(tree, 'crash', seed);
        expect(two.result).toEqual(one.result);
        expect(two.order).toBe(one.order);
        expect(two.history).toEqual(one.history);
      }),
      { numRuns: 150 },
    );
  });

  it('fit their own histories', async () => {
    await fc.assert(
      fc.asyncProperty(program, fc.nat(), async (tree, seed) => {
        const { history } = await live(tree, 'live', seed);
        const [result] = await replayHistories([random(tree)], [history]);
        expect(result?.report).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });
});
