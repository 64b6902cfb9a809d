import { afterEach, describe, expect, it } from 'vitest';
import { chain, openWorkflows, type RuntimeOptions, scriptedWorker, type WorkflowRuntime } from '../../../test/fixtures/workflow-rig.ts';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import type { Engine } from '../../contracts/engine.ts';
import type { WorkflowAction } from '../../contracts/workflow.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';

const open: WorkflowRuntime[] = [];
const runtime = (options: Partial<RuntimeOptions> = {}): WorkflowRuntime => {
  const made = openWorkflows({ ...options, engine: options.engine ?? freshEngine() });
  open.push(made);
  return made;
};
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

const complete = (id: number, result?: string): WorkflowAction => ({
  id,
  type: 'complete',
  status: 'COMPLETED',
  ...(result !== undefined && { result }),
});

describe('workflows whose engine takes no writes for a while', () => {
  it.each(['engine.read-only', 'engine.limit'] as const)('go on when it does again, after %s: timers are not forgotten', async (code) => {
    const inner = freshEngine();
    let full = false;
    // Late answers: whatever tries again meets what is still under way.
    let refusals = 0;
    const refused = async () => {
      refusals++;
      await new Promise((resolve) => setTimeout(resolve, 40));
      throw new ProaError(code, 'not now');
    };
    const engine = new Proxy(inner, {
      get(target, name: keyof Engine) {
        if (name === 'commit' && full) return refused;
        const value = target[name];
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const { block } = runtime({ engine });
    block.attach(
      scriptedWorker({
        workflows: {
          sleeps: ({ all }) => {
            if (all.some(({ type }) => type === 'timerFired')) return [complete(2, '1')];
            return [{ id: 1, type: 'createTimer', fireAtMs: (all[0]?.timeMs ?? 0) + 400 }];
          },
        },
      }),
    );
    const ids = await Promise.all(Array.from({ length: 40 }, () => block.start({ name: 'sleeps' })));
    await Promise.all(ids.map((id) => expect.poll(async () => (await block.history(id)).length).toBeGreaterThan(2)));
    full = true;
    await expect.poll(() => refusals, { timeout: 15_000 }).toBeGreaterThan(100);
    full = false;
    const states = await Promise.all(ids.map((id) => block.wait(id, 'completed', neverCancelled)));
    expect(states.map(({ output }) => output)).toEqual(ids.map(() => '1'));
  });

  it('execute nothing again that was done while its disk was full', async () => {
    const inner = freshEngine();
    let full = false;
    const engine = new Proxy(inner, {
      get(target, name: keyof Engine) {
        if (name === 'commit' && full) return () => Promise.reject(new ProaError('engine.read-only', 'no space left on device'));
        const value = target[name];
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const { block } = runtime({ engine });
    let executed = 0;
    let release: () => void = () => {};
    const begun = new Promise<void>((resolve) => (release = resolve));
    block.attach(
      scriptedWorker({
        workflows: { chain: chain('work', 1) },
        activities: {
          work: () => {
            executed++;
            full = true;
            release();
            return 'done';
          },
        },
      }),
    );
    const id = await block.start({ name: 'chain', input: '1' });
    await begun;
    await expect.poll(() => block.get(id, false)).toMatchObject({ status: 'RUNNING' });
    full = false;
    expect(await block.wait(id, 'completed', neverCancelled)).toMatchObject({ output: 'done' });
    expect(executed).toBe(1);
  });
});
