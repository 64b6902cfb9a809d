import { DaprWorkflowClient, type WorkflowActivityContext, type WorkflowContext, WorkflowRuntime } from '@dapr/dapr';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createMachine, startSidecar, type TestSidecar } from './sidecar.ts';

// Two runtimes of one app, each with the SDK's worker, on an engine that a third process owns.
const machine = createMachine();
let owner: TestSidecar;
let sidecars: TestSidecar[] = [];
let workers: WorkflowRuntime[] = [];

const plusOne = async (_: WorkflowActivityContext, input: number): Promise<number> => input + 1;
const chain = async function* chain(context: WorkflowContext, input: number): AsyncGenerator<unknown, number, never> {
  let value = input;
  for (let i = 0; i < 5; i++) value = yield context.callActivity(plusOne, value);
  return value;
};
const addressOf = ({ grpcPort }: TestSidecar) => ({ daprHost: '127.0.0.1', daprPort: grpcPort });

beforeAll(async () => {
  for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const) vi.spyOn(console, level).mockImplementation(() => {});
  owner = await startSidecar({ appId: 'neighbour', machine });
  sidecars = [await startSidecar({ appId: 'flows', machine }), await startSidecar({ appId: 'flows', machine })];
  workers = sidecars.map((sidecar) => new WorkflowRuntime(addressOf(sidecar)));
  for (const worker of workers) {
    worker.registerWorkflowWithName('chain', chain as never);
    worker.registerActivityWithName('plusOne', plusOne as never);
    await worker.start();
  }
});

afterAll(async () => {
  for (const worker of workers) await worker.stop();
  for (const sidecar of sidecars) await sidecar.stop();
  machine.remove();
});

describe('workflows of two runtimes', () => {
  it('all complete, although the process that owns their journal is killed', async () => {
    const client = new DaprWorkflowClient(addressOf(sidecars[0] as TestSidecar));
    const ids = await Promise.all(Array.from({ length: 30 }, (_, i) => client.scheduleNewWorkflow('chain', i + 1)));
    owner.kill();
    const states = await Promise.all(ids.map((id) => client.waitForWorkflowCompletion(id, true, 60)));
    await client.stop();
    expect(states.map((state) => state?.serializedOutput)).toEqual(ids.map((_, i) => String(i + 6)));
    const elsewhere = await (sidecars[1] as TestSidecar).get(`/v1.0/workflows/dapr/${ids[0]}`);
    expect(await elsewhere.json()).toMatchObject({ runtimeStatus: 'COMPLETED' });
  });
});
