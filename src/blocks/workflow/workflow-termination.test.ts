import { afterEach, describe, expect, it } from 'vitest';
import { openWorkflows, scriptedWorker, type WorkflowRuntime } from '../../../test/fixtures/workflow-rig.ts';
import { freshEngine } from '../../../test/fixtures/fresh-engine.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import type { WorkflowAction } from '../../contracts/workflow.ts';

const open: WorkflowRuntime[] = [];
const runtime = (): WorkflowRuntime => {
  const made = openWorkflows({ engine: freshEngine() });
  open.push(made);
  return made;
};
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

describe('workflows that are terminated', () => {
  it('end while they are stalled', async () => {
    const { block } = runtime();
    block.attach(scriptedWorker({ workflows: { stuck: () => [{ id: 0, type: 'versionNotAvailable' }] } }));
    const id = await block.start({ name: 'stuck' });
    await expect.poll(async () => (await block.get(id, false))?.stall?.reason).toBe('version-not-available');
    await block.terminate(id, undefined, false);
    expect(await block.get(id, false)).toMatchObject({ status: 'TERMINATED' });
  });

  it('end when their worker repeats its actions, or fails with the termination', async () => {
    const { block } = runtime();
    const timer: WorkflowAction = { id: 0, type: 'createTimer', fireAtMs: Date.now() + 3_600_000 };
    const turns = { repeats: 0, throws: 0 };
    block.attach(
      scriptedWorker({
        workflows: {
          repeats: () => {
            turns.repeats++;
            return [timer];
          },
          throws: () => {
            if (turns.throws++ > 0) throw new Error('no');
            return [timer];
          },
        },
      }),
    );
    for (const name of ['repeats', 'throws'] as const) {
      const id = await block.start({ name });
      await block.wait(id, 'started', neverCancelled);
      await block.terminate(id, '"over"', false);
      expect(await block.get(id, true)).toMatchObject({ status: 'TERMINATED', output: '"over"' });
      expect((await block.history(id)).filter(({ type }) => type === 'timerCreated')).toHaveLength(1);
      expect(turns[name]).toBe(2);
    }
  });
});
