import { DaprWorkflowClient, type WorkflowActivityContext, type WorkflowContext, WorkflowRuntime } from '@dapr/dapr';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createMachine, startSidecar, type TestSidecar } from './sidecar.ts';

// The SDK as it is published beside a runtime that signs histories: it sees attestations in events that it does not know, and nothing else changes for it.
const machine = createMachine();
let sidecar: TestSidecar;
let client: DaprWorkflowClient;
let worker: WorkflowRuntime;

const plusOne = async (_: WorkflowActivityContext, input: number): Promise<number> => input + 1;
// Continues as new: its parent is attested the input that it gave.
const child = async function* child(context: WorkflowContext, count: number): AsyncGenerator<unknown, number | undefined, never> {
  const value: number = yield context.callActivity(plusOne, count);
  if (value >= 7) return value;
  context.continueAsNew(value, false);
  return undefined;
};
const order = async function* order(context: WorkflowContext, input: number): AsyncGenerator<unknown, unknown[], never> {
  const added: number = yield context.callActivity(plusOne, input);
  const grown: number = yield context.callChildWorkflow(child, added);
  const paid: string = yield context.waitForExternalEvent('paid');
  return [added, grown, paid];
};
const breaks = async function* breaks(context: WorkflowContext): AsyncGenerator<unknown, void, never> {
  yield context.callActivity('missing', 1);
};

beforeAll(async () => {
  for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const) vi.spyOn(console, level).mockImplementation(() => {});
  const config = join(machine.directory, 'signed.yaml');
  const spec = 'spec: { features: [{ name: WorkflowHistorySigning, enabled: true }] }';
  writeFileSync(config, `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: signed }\n${spec}\n`);
  sidecar = await startSidecar({ appId: 'flows', machine, flags: ['--config', config] });
  const options = { daprHost: '127.0.0.1', daprPort: sidecar.grpcPort };
  worker = new WorkflowRuntime(options);
  worker.registerWorkflow(order).registerWorkflow(child).registerWorkflow(breaks).registerActivity(plusOne);
  await worker.start();
  client = new DaprWorkflowClient(options);
});
afterAll(async () => {
  await client?.stop();
  await worker?.stop();
  await sidecar?.stop();
  machine.remove();
  vi.restoreAllMocks();
});

const shown = async (id: string): Promise<unknown> => (await sidecar.get(`/proa/v1/workflows/${id}`)).json();

describe('workflows of the SDK with signed histories', () => {
  it('run as ever, and every history of theirs is verified', async () => {
    const id = await client.scheduleNewWorkflow(order, 4);
    await client.raiseEvent(id, 'paid', 'yes');
    const state = await client.waitForWorkflowCompletion(id, undefined, 30);
    expect(state?.serializedOutput).toBe('[5,7,"yes"]');
    expect(await shown(id)).toMatchObject({ status: 'COMPLETED', signing: { signedBy: ['default/flows'], verified: true } });
    const { events } = (await (await sidecar.get(`/proa/v1/workflows/${id}/history`)).json()) as {
      events: { readonly type: string; readonly attestation?: unknown }[];
    };
    const results = events.filter(({ type }) => type === 'taskCompleted' || type === 'childCompleted');
    expect(results.map(({ attestation }) => attestation !== undefined)).toEqual([true, true]);
  });

  it('fail by themselves, which is no tampering', async () => {
    const id = await client.scheduleNewWorkflow(breaks, undefined);
    const state = await client.waitForWorkflowCompletion(id, undefined, 30);
    expect(state?.workflowFailureDetails?.getErrorType()).not.toContain('TAMPERED');
    expect(await shown(id)).toMatchObject({ status: 'FAILED', signing: { verified: true } });
  });
});
