import { afterEach, describe, expect, it } from 'vitest';
import { chain, memoryEngine, openWorkflows, scriptedWorker, type RuntimeOptions, type WorkflowRuntime } from '../../../test/fixtures/workflow-rig.ts';
import { neverCancelled } from '../../kernel/cancel.ts';

const open: WorkflowRuntime[] = [];
const runtime = (options: Partial<RuntimeOptions> = {}): WorkflowRuntime => {
  const made = openWorkflows({ engine: memoryEngine(), ...options });
  open.push(made);
  return made;
};
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

describe('workflows', () => {
  it('run a chain of activities, and tell what they did', async () => {
    const { block } = runtime();
    block.attach(scriptedWorker({ workflows: { chain: chain('add', 5) }, activities: { add: ({ input }) => String(Number(input) + 1) } }));
    const id = await block.start({ name: 'chain', input: '0' });
    const state = await block.wait(id, 'completed', neverCancelled);
    expect(state).toMatchObject({ instanceId: id, name: 'chain', status: 'COMPLETED', input: '0', output: '5' });
    const types = (await block.history(id)).map(({ type }) => type);
    expect(types).toEqual([
      'workflowStarted',
      'executionStarted',
      'taskScheduled',
      ...Array.from({ length: 4 }, () => ['workflowStarted', 'taskCompleted', 'taskScheduled']).flat(),
      'workflowStarted',
      'taskCompleted',
      'executionCompleted',
    ]);
  });
});
