import { DaprWorkflowClient, type WorkflowActivityContext, type WorkflowContext, WorkflowRuntime, WorkflowRuntimeStatus } from '@dapr/dapr';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createMachine, startSidecar, type TestSidecar } from './sidecar.ts';

// The workflows that the SDK's own end-to-end tests try, on the published package and started as a user would. Its bugs are left alone (`whenAll` over
// nothing, or over tasks of which some are done).
const machine = createMachine();
let sidecar: TestSidecar;
let client: DaprWorkflowClient;
let worker: WorkflowRuntime;

type Flow = (context: WorkflowContext, input: never) => unknown;

const plusOne = async (_: WorkflowActivityContext, input: number): Promise<number> => input + 1;
const child = async function* child(context: WorkflowContext, count: number): AsyncGenerator<unknown, number, never> {
  let value: number = count;
  for (let i = 0; i < 3; i++) value = yield context.callActivity(plusOne, value);
  return value;
};
const flows: Record<string, Flow> = {
  empty: async (_context, input: number) => input * 2,
  sequence: async function* (context, input: number): AsyncGenerator<unknown, number[], never> {
    const numbers = [input];
    let current = input;
    for (let i = 0; i < 10; i++) {
      current = yield context.callActivity(plusOne, current);
      numbers.push(current);
      context.setCustomStatus(`step ${i + 1}`);
    }
    return numbers;
  },
  fan: async function* (context, count: number): AsyncGenerator<unknown, number, never> {
    const results: number[] = yield context.whenAll(Array.from({ length: count }, (_, i) => context.callActivity(plusOne, i + 1)));
    return results.reduce((sum, value) => sum + value, 0);
  },
  parent: async function* (context): AsyncGenerator<unknown, number, never> {
    return yield context.callChildWorkflow(child, 5);
  },
  threeEvents: async function* (context): AsyncGenerator<unknown, string[], never> {
    const names: string[] = [];
    for (const name of ['A', 'B', 'C']) names.push(yield context.waitForExternalEvent(name));
    return names;
  },
  timer: async function* (context): AsyncGenerator<unknown, void, never> {
    yield context.createTimer(2);
  },
  eventOrTimer: async function* (context, seconds: number): AsyncGenerator<unknown, string, never> {
    const event = context.waitForExternalEvent('Approval');
    const timer = context.createTimer(seconds);
    const winner: unknown = yield context.whenAny([event, timer]);
    return winner === event ? 'approved' : 'timed out';
  },
  waitsForOne: async function* (context): AsyncGenerator<unknown, unknown, never> {
    return yield context.waitForExternalEvent('go');
  },
  again: async function* (context, input: number): AsyncGenerator<unknown, number | undefined, never> {
    yield context.createTimer(0.01);
    if (input < 10) context.continueAsNew(input + 1, false);
    else return input;
    return undefined;
  },
  fails: async function* (context): AsyncGenerator<unknown, void, never> {
    yield context.callActivity('breaks', 1);
  },
};

beforeAll(async () => {
  // The SDK prints a line per event.
  for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const) vi.spyOn(console, level).mockImplementation(() => {});
  sidecar = await startSidecar({ appId: 'flows', machine });
  const options = { daprHost: '127.0.0.1', daprPort: sidecar.grpcPort };
  worker = new WorkflowRuntime(options);
  for (const [name, flow] of Object.entries(flows)) worker.registerWorkflowWithName(name, flow as never);
  worker.registerWorkflowWithName('child', child as never);
  worker.registerActivityWithName('plusOne', plusOne as never);
  worker.registerActivityWithName('breaks', async () => {
    throw new Error('broken');
  });
  await worker.start();
  client = new DaprWorkflowClient(options);
});

afterAll(async () => {
  await client?.stop();
  await worker?.stop();
  await sidecar?.stop();
  machine.remove();
});

const finish = async (name: string, input?: unknown) => {
  const id = await client.scheduleNewWorkflow(name, input);
  const state = await client.waitForWorkflowCompletion(id, true, 90);
  if (state === undefined) throw new Error('no state');
  return { id, state };
};

describe("the JavaScript SDK's workflows", () => {
  it('run without any step, with input and output', async () => {
    const { state, id } = await finish('empty', 21);
    expect(state).toMatchObject({ instanceId: id, name: 'empty', runtimeStatus: WorkflowRuntimeStatus.COMPLETED });
    expect([state.serializedInput, state.serializedOutput, state.workflowFailureDetails]).toEqual(['21', '42', undefined]);
  });

  it('call activities in a row, with a status of their own', async () => {
    const { state } = await finish('sequence', 1);
    expect(state.serializedOutput).toBe(JSON.stringify([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]));
    expect(state.customStatus).toBe('step 10');
  });

  it('fan out and in', async () => {
    expect((await finish('fan', 10)).state.serializedOutput).toBe('65');
  });

  it('call child workflows', async () => {
    const { state, id } = await finish('parent');
    expect(state.serializedOutput).toBe('8');
    expect((await client.getWorkflowState(`${id}:0001`, true))?.serializedOutput).toBe('8');
  });

  it('get three events that nobody waited for in between', async () => {
    const id = await client.scheduleNewWorkflow('threeEvents');
    await Promise.all(['A', 'B', 'C'].map((name) => client.raiseEvent(id, name, name.toLowerCase())));
    const state = await client.waitForWorkflowCompletion(id, true, 90);
    expect(state?.serializedOutput).toBe(JSON.stringify(['a', 'b', 'c']));
  });

  it('sleep', async () => {
    const { state } = await finish('timer');
    expect(state.runtimeStatus).toBe(WorkflowRuntimeStatus.COMPLETED);
    expect(state.lastUpdatedAt.getTime() - state.createdAt.getTime()).toBeGreaterThanOrEqual(2_000);
  });

  it('race an event against a timer, whichever wins', async () => {
    const approved = await client.scheduleNewWorkflow('eventOrTimer', 60);
    await client.raiseEvent(approved, 'Approval');
    expect((await client.waitForWorkflowCompletion(approved, true, 90))?.serializedOutput).toBe('"approved"');
    expect((await finish('eventOrTimer', 1)).state.serializedOutput).toBe('"timed out"');
  });

  it('are suspended, which the very next read tells, and resumed', async () => {
    const id = await client.scheduleNewWorkflow('waitsForOne');
    await client.suspendWorkflow(id);
    expect((await client.getWorkflowState(id, false))?.runtimeStatus).toBe(WorkflowRuntimeStatus.SUSPENDED);
    await client.raiseEvent(id, 'go', 42);
    expect((await client.getWorkflowState(id, false))?.runtimeStatus).toBe(WorkflowRuntimeStatus.SUSPENDED);
    await client.resumeWorkflow(id);
    expect((await client.waitForWorkflowCompletion(id, true, 90))?.serializedOutput).toBe('42');
  });

  it('are terminated with an output', async () => {
    const id = await client.scheduleNewWorkflow('waitsForOne');
    await client.waitForWorkflowStart(id, false, 90);
    await client.terminateWorkflow(id, 'some reason');
    const state = await client.waitForWorkflowCompletion(id, true, 90);
    expect([state?.runtimeStatus, state?.serializedOutput]).toEqual([WorkflowRuntimeStatus.TERMINATED, '"some reason"']);
  });

  it('continue as new, ten times', async () => {
    const { state } = await finish('again', 1);
    expect(state.serializedOutput).toBe('10');
  });

  it('fail with what the activity threw', async () => {
    const { state } = await finish('fails');
    expect(state.runtimeStatus).toBe(WorkflowRuntimeStatus.FAILED);
    expect(state.workflowFailureDetails?.getErrorMessage()).toContain('broken');
  });

  it('are purged by id, once', async () => {
    const { id } = await finish('empty', 1);
    expect(await client.purgeWorkflow(id)).toBe(true);
    expect(await client.getWorkflowState(id, false)).toBeUndefined();
  });

  it('start later, and not twice under one id', async () => {
    // Far enough to be asked about before.
    const startAt = new Date(Date.now() + 5_000);
    const id = await client.scheduleNewWorkflow('empty', 2, 'later', startAt);
    expect((await client.getWorkflowState(id, false))?.runtimeStatus).toBe(WorkflowRuntimeStatus.PENDING);
    await expect(client.scheduleNewWorkflow('empty', 2, 'later')).rejects.toThrow('already exists');
    expect((await client.waitForWorkflowCompletion(id, true, 90))?.serializedOutput).toBe('4');
  });

  it('show in the metadata, and over the HTTP API', async () => {
    expect(await (await sidecar.get('/v1.0/metadata')).json()).toMatchObject({ workflows: { connectedWorkers: 1 } });
    const post = (path: string, body?: string) =>
      sidecar.get(`/v1.0/workflows/dapr/${path}`, { method: 'POST', ...(body !== undefined && { body }) });
    const started = await post('waitsForOne/start?instanceID=over-http', '5');
    expect([started.status, await started.json()]).toEqual([202, { instanceID: 'over-http' }]);
    expect(await (await sidecar.get('/v1.0-beta1/workflows/dapr/over-http')).json()).toMatchObject({
      instanceID: 'over-http',
      workflowName: 'waitsForOne',
    });
    expect((await post('over-http/pause')).status).toBe(202);
    expect((await post('over-http/resume')).status).toBe(202);
    expect((await post('over-http/purge')).status).toBe(409);
    expect((await post('over-http/raiseEvent/go', '"x"')).status).toBe(202);
    await client.waitForWorkflowCompletion('over-http', true, 90);
    const state = (await (await sidecar.get('/v1.0/workflows/dapr/over-http')).json()) as { runtimeStatus: string; properties: unknown };
    expect(state).toMatchObject({ runtimeStatus: 'COMPLETED', properties: { 'dapr.workflow.output': '"x"' } });
    expect((await post('over-http/purge')).status).toBe(202);
    const missing = await sidecar.get('/v1.0/workflows/dapr/over-http');
    expect([missing.status, await missing.json()]).toMatchObject([404, { errorCode: 'ERR_INSTANCE_ID_NOT_FOUND' }]);
    const bad = await post('waitsForOne/start?instanceID=a%20b');
    expect([bad.status, await bad.json()]).toMatchObject([400, { errorCode: 'ERR_INSTANCE_ID_INVALID' }]);
    expect((await post(`waitsForOne/start?instanceID=${'a'.repeat(65)}`)).status).toBe(400);
    const terminated = await post('over-http/terminate');
    expect(terminated.status).toBe(404);
  });

  it('are searched, shown, run again and purged by operators', async () => {
    const ask = async (path: string, init?: RequestInit) => {
      const answer = await sidecar.get(`/proa/v1/workflows${path}`, init);
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    };
    const started = await ask('?name=sequence&id=managed', { method: 'POST', body: '1' });
    expect(started).toEqual({ status: 201, body: { instanceId: 'managed' } });
    await client.waitForWorkflowCompletion('managed', true, 90);
    expect((await ask('/managed')).body).toMatchObject({ name: 'sequence', status: 'COMPLETED', customStatus: 'step 10' });
    expect((await ask('?name=sequence&status=completed&size=1')).body).toMatchObject({ instances: [{ name: 'sequence' }] });
    const { events } = (await ask('/managed/history')).body as { events: { type: string; id: number }[] };
    const fifth = events.filter(({ type }) => type === 'taskScheduled')[4]?.id;
    const again = await ask(`/managed/rerun?event=${fifth}&id=again`, { method: 'POST', body: '100' });
    expect(again).toEqual({ status: 201, body: { instanceId: 'again' } });
    const state = await client.waitForWorkflowCompletion('again', true, 90);
    expect(JSON.parse(state?.serializedOutput ?? '')).toEqual([1, 2, 3, 4, 5, 101, 102, 103, 104, 105, 106]);
    for (const path of ['?status=odd', '?size=0', '?after=yesterday', '?attribute=x']) expect((await ask(path)).status).toBe(400);
    expect((await ask('/managed/rerun?event=x', { method: 'POST' })).status).toBe(400);
    expect((await ask('/nobody')).status).toBe(404);
    await ask('?name=waitsForOne&id=held', { method: 'POST' });
    await client.waitForWorkflowStart('held', false, 90);
    expect((await ask('/held/suspend', { method: 'POST', body: '"why"' })).status).toBe(200);
    expect((await ask('/held')).body).toMatchObject({ status: 'SUSPENDED' });
    expect((await ask('/held/resume', { method: 'POST' })).status).toBe(200);
    expect((await ask('/held/terminate?recursive=true', { method: 'POST', body: '"no"' })).status).toBe(200);
    expect((await ask('/held')).body).toMatchObject({ status: 'TERMINATED', output: '"no"' });
    expect((await ask('/held', { method: 'DELETE' })).body).toEqual({ count: 1, complete: true });
    expect((await ask('?name=sequence', { method: 'DELETE' })).body).toMatchObject({ complete: true });
    expect((await ask('?name=sequence')).body).toEqual({ instances: [] });
  });
});
