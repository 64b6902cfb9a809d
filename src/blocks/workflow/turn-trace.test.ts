import { afterEach, describe, expect, it } from 'vitest';
import { memoryEngine, openWorkflows, scriptedWorker, type Script, type WorkflowRuntime } from '../../../test/fixtures/workflow-rig.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { createTracer, type FinishedSpan } from '../../telemetry/tracing.ts';

const open: WorkflowRuntime[] = [];
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

const { clock, random } = nodePorts();

function traced(script: Script, engine = memoryEngine()) {
  const spans: FinishedSpan[] = [];
  const tracer = createTracer({ clock, random, samplingRate: 1, export: (span) => spans.push(span) });
  const runtime = openWorkflows({ engine, deps: { tracer } });
  open.push(runtime);
  const detach = runtime.block.attach(scriptedWorker(script));
  return { runtime, block: runtime.block, spans, detach };
}

const script: Script = {
  workflows: {
    order: ({ all, results }) => {
      if (results.length === 0)
        return all.some(({ type }) => type === 'taskScheduled') ? [] : [{ id: 1, type: 'scheduleTask', name: 'first' }];
      if (all.filter(({ type }) => type === 'eventRaised').length < 2) return [];
      if (results.length === 1)
        return all.filter(({ type }) => type === 'taskScheduled').length > 1 ? [] : [{ id: 2, type: 'scheduleTask', name: 'second' }];
      return [{ id: 3, type: 'complete', status: 'COMPLETED' }];
    },
  },
  activities: { first: () => '', second: () => '' },
};

describe('the span of a workflow', () => {
  it('is one, although another runtime goes on with it: the same ids, all that happened, from the beginning to the end', async () => {
    const engine = memoryEngine();
    const one = traced(script, engine);
    const id = await one.block.start({ name: 'order' });
    await expect.poll(async () => (await one.block.history(id)).some(({ type }) => type === 'taskCompleted')).toBe(true);
    await one.block.raise(id, 'Early', '"1"');
    await one.block.suspend(id, 'moves');
    open.splice(open.indexOf(one.runtime), 1);
    await one.runtime.close();
    const other = traced(script, engine);
    await other.block.resume(id, undefined);
    await other.block.raise(id, 'Go', undefined);
    const { startedMs } = await other.block.wait(id, 'completed', neverCancelled);
    const [first] = one.spans.filter(({ name }) => name === 'activity||first');
    const [second] = [...one.spans, ...other.spans].filter(({ name }) => name === 'activity||second');
    const workflows = [...one.spans, ...other.spans].filter(({ name }) => name.startsWith('workflow||'));
    expect(workflows).toHaveLength(1);
    const [span] = workflows as [FinishedSpan];
    expect(span.name).toBe(`workflow||order||${id}`);
    for (const below of [first, second]) expect(below).toMatchObject({ traceId: span.traceId, parentSpanId: span.spanId });
    const attributes = Object.fromEntries(span.attributes);
    expect(attributes).toMatchObject({
      'workflow.event.Early': 3,
      'workflow.suspended': 'moves',
      'workflow.event.Go': 0,
      'workflow.status': 'COMPLETED',
    });
    expect(Math.abs(Number(span.startNs / 1_000_000n) - (startedMs ?? 0))).toBeLessThan(5);
    const started = (await other.block.history(id)).find(({ type }) => type === 'executionStarted');
    expect(started).toMatchObject({ workflowSpanId: span.spanId });
  });

  it('is below the one that its caller names, and has valid ids for executions that workers name', async () => {
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { block, spans } = traced({
      workflows: {
        makes: () => [
          { id: 1, type: 'createDetached', name: 'made', instanceId: 'd', executionId: 'not hex' },
          { id: 2, type: 'complete', status: 'COMPLETED' },
        ],
        made: () => [{ id: 1, type: 'complete', status: 'COMPLETED' }],
      },
    });
    const id = await block.start({ name: 'makes', trace: { traceParent: parent } });
    await block.wait(id, 'completed', neverCancelled);
    await block.wait('d', 'completed', neverCancelled);
    const [makes, made] = ['makes', 'made'].map((name) => spans.find((span) => span.name.startsWith(`workflow||${name}||`)));
    expect(makes).toMatchObject({ traceId: parent.slice(3, 35), parentSpanId: 'b7ad6b7169203331' });
    expect(made).toMatchObject({ traceId: parent.slice(3, 35), parentSpanId: makes?.spanId });
    expect(made?.spanId).toMatch(/^[0-9a-f]{16}$/);
  });
});
