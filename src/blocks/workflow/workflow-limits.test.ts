import { afterEach, describe, expect, it } from 'vitest';
import { memoryEngine, openWorkflows, scriptedWorker, type WorkflowRuntime } from '../../../test/fixtures/workflow-rig.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import type { ConcurrencyLimits } from './index.ts';

const open: WorkflowRuntime[] = [];
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

const limit = (max: number, shared: number, names: Readonly<Record<string, number>> = {}): ConcurrencyLimits => ({
  max,
  shared: { max: shared, names: new Map(Object.entries(names)) },
});

/** Counts what is under way, of each kind and in each runtime. */
function rig(runtimes: number, limits: { readonly workflows: ConcurrencyLimits; readonly activities: ConcurrencyLimits }) {
  const engine = memoryEngine();
  const most = new Map<string, number>();
  const now = new Map<string, number>();
  const counted = async (...names: string[]): Promise<undefined> => {
    for (const name of names) {
      now.set(name, (now.get(name) ?? 0) + 1);
      most.set(name, Math.max(most.get(name) ?? 0, now.get(name) ?? 0));
    }
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    for (const name of names) now.set(name, (now.get(name) ?? 0) - 1);
  };
  const blocks = Array.from({ length: runtimes }, (_, index) => {
    const runtime = openWorkflows({ engine, deps: { limits } });
    open.push(runtime);
    const script = scriptedWorker({
      workflows: {
        fan: async ({ results, pastCount }) => {
          await counted('turns', `turns ${index}`);
          if (pastCount === 0) {
            return { actions: ['a', 'b', 'a', 'b'].map((name, id) => ({ id: id + 1, type: 'scheduleTask', name }) as const) };
          }
          return { actions: results.length < 4 ? [] : [{ id: 9, type: 'complete', status: 'COMPLETED' }] };
        },
      },
      activities: {
        a: () => counted('a', 'activities', `activities ${index}`),
        b: () => counted('b', 'activities', `activities ${index}`),
      },
    });
    runtime.block.attach(script);
    return runtime.block;
  });
  return { blocks, first: blocks[0] as WorkflowRuntime['block'], most };
}

describe('limits of what is under way', () => {
  it('hold for all runtimes of an app together, in all and per name', async () => {
    const { blocks, first, most } = rig(2, { workflows: limit(Infinity, 3), activities: limit(Infinity, 4, { a: 1 }) });
    const starts = Array.from({ length: 20 }, (_, i) => (blocks[i % 2] ?? first).start({ name: 'fan' }));
    const ids = await Promise.all(starts);
    await Promise.all(ids.map((id) => first.wait(id, 'completed', neverCancelled)));
    expect(most.get('turns')).toBeLessThanOrEqual(3);
    expect(most.get('activities')).toBeLessThanOrEqual(4);
    expect(most.get('a')).toBe(1);
    // Both of them worked.
    expect(most.get('activities 0')).toBeGreaterThan(0);
    expect(most.get('activities 1')).toBeGreaterThan(0);
  });

  it('hold for each runtime when they say so', async () => {
    const { first, most } = rig(1, { workflows: limit(2, Infinity), activities: limit(3, Infinity) });
    const ids = await Promise.all(Array.from({ length: 10 }, () => first.start({ name: 'fan' })));
    await Promise.all(ids.map((id) => first.wait(id, 'completed', neverCancelled)));
    expect([most.get('turns'), most.get('activities')]).toEqual([2, 3]);
  });
});
