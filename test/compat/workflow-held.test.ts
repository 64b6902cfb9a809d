import { TaskHubGrpcClient, TaskHubGrpcWorker } from '@dapr/durabletask-js';
import { OrchestrationStatus } from '@dapr/durabletask-js/orchestration/enum/orchestration-status.enum.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createMachine, startSidecar, type TestSidecar } from './sidecar.ts';

// What the owner of workflows decides before and beside their code: held before there is a worker, kept from other apps.
const machine = createMachine();
let target: TestSidecar;
let guest: TestSidecar;
const policy = `apiVersion: dapr.io/v1alpha1
kind: WorkflowAccessPolicy
metadata: { name: flows }
spec:
  rules:
    - callers: [{ appID: guest }]
      workflows: [{ name: "em*", operations: [schedule, get] }]
`;

beforeAll(async () => {
  for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const) vi.spyOn(console, level).mockImplementation(() => {});
  target = await startSidecar({ appId: 'target', machine, resources: { 'access.yaml': policy } });
  guest = await startSidecar({ appId: 'guest', machine });
});

afterAll(async () => {
  await guest.stop();
  await target.stop();
  machine.remove();
});

describe('workflows of the stand-alone SDK', () => {
  it('are suspended before a worker was ever there, and begin when they are resumed', async () => {
    const address = `127.0.0.1:${target.grpcPort}`;
    const client = new TaskHubGrpcClient(address);
    const id = await client.scheduleNewOrchestration('empty', 21, 'held');
    await client.suspendOrchestration(id);
    expect((await client.getOrchestrationState(id))?.runtimeStatus).toBe(OrchestrationStatus.SUSPENDED);
    const worker = new TaskHubGrpcWorker(address);
    worker.addNamedOrchestrator('empty', async (_context: unknown, input: number) => input * 2);
    await worker.start();
    const other = await client.scheduleNewOrchestration('empty', 1);
    expect((await client.waitForOrchestrationCompletion(other, undefined, 90))?.serializedOutput).toBe('2');
    expect((await client.getOrchestrationState(id))?.runtimeStatus).toBe(OrchestrationStatus.SUSPENDED);
    await client.resumeOrchestration(id);
    expect((await client.waitForOrchestrationCompletion(id, undefined, 90))?.serializedOutput).toBe('42');
    await worker.stop();
    await client.stop();
  });

  it('are another app’s as far as its policy says, and it says which policies there are', async () => {
    const ask = (path: string, method = 'POST') => guest.get(`/v1.0/workflows/dapr/${path}`, { method });
    expect((await ask('held?appID=target', 'GET')).status).toBe(200);
    const denied = await ask('held/terminate?appID=target');
    expect(denied.status).toBe(403);
    expect(await denied.text()).toContain('access denied by workflow access policy');
    expect((await ask('other/start?instanceID=x&appID=target')).status).toBe(403);
    const { workflowAccessPolicies } = (await (await target.get('/v1.0/metadata')).json()) as { workflowAccessPolicies: unknown };
    expect(workflowAccessPolicies).toEqual([{ name: 'flows' }]);
  });
});
