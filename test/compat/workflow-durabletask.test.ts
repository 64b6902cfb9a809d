import { type OrchestrationContext, TaskHubGrpcClient, TaskHubGrpcWorker } from '@dapr/durabletask-js';
import { PurgeInstanceCriteria } from '@dapr/durabletask-js/orchestration/orchestration-purge-criteria.js';
import { OrchestrationStatus } from '@dapr/durabletask-js/orchestration/enum/orchestration-status.enum.js';
import { whenAll, whenAny } from '@dapr/durabletask-js/task/index.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createMachine, startSidecar, type TestSidecar } from './sidecar.ts';

// The orchestrations that the tests of the older stand-alone SDK try, on the published package: it knows only the old names of the protocol.
const machine = createMachine();
let sidecar: TestSidecar;
let client: TaskHubGrpcClient;
let worker: TaskHubGrpcWorker;

type Flow = (context: OrchestrationContext, input: never) => unknown;

const plusOne = async (_: unknown, input: number): Promise<number> => input + 1;
const double = async (_context: OrchestrationContext, input: number): Promise<number> => input * 2;
const flows: Record<string, Flow> = {
  empty: async (_context, input: number) => input * 2,
  sequence: async function* (context, input: number): AsyncGenerator<unknown, number[], never> {
    const numbers = [input];
    let current = input;
    for (let i = 0; i < 10; i++) {
      current = yield context.callActivity(plusOne, current);
      numbers.push(current);
    }
    return numbers;
  },
  fan: async function* (context, count: number): AsyncGenerator<unknown, number, never> {
    const results: number[] = yield whenAll(Array.from({ length: count }, (_, i) => context.callActivity(plusOne, i + 1)));
    return results.reduce((sum, value) => sum + value, 0);
  },
  parent: async function* (context): AsyncGenerator<unknown, number, never> {
    return yield context.callSubOrchestrator('double', 4);
  },
  fanOfChildren: async function* (context, count: number): AsyncGenerator<unknown, number, never> {
    const results: number[] = yield whenAll(Array.from({ length: count }, (_, i) => context.callSubOrchestrator('double', i + 1)));
    return results.reduce((sum, value) => sum + value, 0);
  },
  threeEvents: async function* (context): AsyncGenerator<unknown, string[], never> {
    const names: string[] = [];
    for (const name of ['A', 'B', 'C']) names.push(yield context.waitForExternalEvent(name));
    return names;
  },
  timer: async function* (context): AsyncGenerator<unknown, void, never> {
    yield context.createTimer(1);
  },
  eventOrTimer: async function* (context, seconds: number): AsyncGenerator<unknown, string, never> {
    const event = context.waitForExternalEvent('Approval');
    const timer = context.createTimer(seconds);
    const winner: unknown = yield whenAny([event, timer]);
    return winner === event ? 'approved' : 'timed out';
  },
  waits: async function* (context): AsyncGenerator<unknown, unknown, never> {
    return yield context.waitForExternalEvent('go');
  },
  again: async function* (context, input: number): AsyncGenerator<unknown, number | undefined, never> {
    yield context.createTimer(0.01);
    if (input < 10) context.continueAsNew(input + 1, true);
    else return input;
    return undefined;
  },
  status: async function* (context): AsyncGenerator<unknown, void, never> {
    context.setCustomStatus('half way');
    yield context.callActivity(plusOne, 1);
  },
};

beforeAll(async () => {
  for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const) vi.spyOn(console, level).mockImplementation(() => {});
  sidecar = await startSidecar({ appId: 'tasks', machine });
  const address = `127.0.0.1:${sidecar.grpcPort}`;
  worker = new TaskHubGrpcWorker(address);
  for (const [name, flow] of Object.entries(flows)) worker.addNamedOrchestrator(name, flow as never);
  worker.addNamedOrchestrator('double', double as never);
  worker.addNamedActivity('plusOne', plusOne as never);
  await worker.start();
  client = new TaskHubGrpcClient(address);
});

afterAll(async () => {
  await client?.stop();
  await worker?.stop();
  await sidecar?.stop();
  machine.remove();
});

const finish = async (name: string, input?: unknown) => {
  const id = await client.scheduleNewOrchestration(name, input);
  const state = await client.waitForOrchestrationCompletion(id, true, 90);
  if (state === undefined) throw new Error('no state');
  return { id, state };
};

describe('orchestrations of durabletask-js', () => {
  it('run without a step', async () => {
    const { id, state } = await finish('empty', 5);
    expect([state.name, state.instanceId, state.serializedInput, state.serializedOutput]).toEqual(['empty', id, '5', '10']);
    expect(state.runtimeStatus).toBe(OrchestrationStatus.COMPLETED);
    expect(state.failureDetails).toBeUndefined();
  });

  it.each([
    ['sequence', 1, JSON.stringify([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])],
    ['fan', 10, '65'],
    ['parent', undefined, '8'],
    ['fanOfChildren', 10, '110'],
    ['again', 1, '10'],
  ])('run %s', async (name, input, output) => {
    const { state } = await finish(name, input);
    expect([state.runtimeStatus, state.serializedOutput]).toEqual([OrchestrationStatus.COMPLETED, output]);
  });

  it('wait for events and timers', async () => {
    const id = await client.scheduleNewOrchestration('threeEvents');
    for (const name of ['A', 'B', 'C']) void client.raiseOrchestrationEvent(id, name, name.toLowerCase());
    const state = await client.waitForOrchestrationCompletion(id, true, 90);
    expect((JSON.parse(state?.serializedOutput ?? '[]') as string[]).toSorted()).toEqual(['a', 'b', 'c']);
    const timer = (await finish('timer')).state;
    expect(timer.lastUpdatedAt.getTime() - timer.createdAt.getTime()).toBeGreaterThanOrEqual(1_000);
    const approved = await client.scheduleNewOrchestration('eventOrTimer', 60);
    await client.raiseOrchestrationEvent(approved, 'Approval');
    expect((await client.waitForOrchestrationCompletion(approved, true, 90))?.serializedOutput).toBe('"approved"');
    expect((await finish('eventOrTimer', 1)).state.serializedOutput).toBe('"timed out"');
  });

  it('have a status of their own', async () => {
    expect((await finish('status')).state.serializedCustomStatus).toBe('half way');
  });

  it('are suspended and resumed', async () => {
    const id = await client.scheduleNewOrchestration('waits');
    await client.waitForOrchestrationStart(id, false, 90);
    const status = async (): Promise<unknown> => (await client.getOrchestrationState(id, false))?.runtimeStatus;
    await client.suspendOrchestration(id);
    await expect.poll(status).toBe(OrchestrationStatus.SUSPENDED);
    await client.raiseOrchestrationEvent(id, 'go', 'there');
    expect(await status()).toBe(OrchestrationStatus.SUSPENDED);
    await client.resumeOrchestration(id);
    expect((await client.waitForOrchestrationCompletion(id, true, 90))?.serializedOutput).toBe('"there"');
  });

  it('are terminated', async () => {
    const id = await client.scheduleNewOrchestration('waits');
    await client.waitForOrchestrationStart(id, false, 90);
    await client.terminateOrchestration(id, 'some reason');
    const state = await client.waitForOrchestrationCompletion(id, true, 90);
    expect([state?.runtimeStatus, state?.serializedOutput]).toEqual([OrchestrationStatus.TERMINATED, '"some reason"']);
  });

  it('are purged by id and by criteria', async () => {
    const { id } = await finish('empty', 1);
    expect((await client.purgeOrchestration(id))?.deletedInstanceCount).toBe(1);
    const from = new Date();
    const first = await finish('empty', 2);
    const second = await finish('empty', 3);
    const waiting = await client.scheduleNewOrchestration('waits');
    const criteria = new PurgeInstanceCriteria();
    criteria.setCreatedTimeFrom(from);
    // A status that no instance keeps is nobody's: a filter that it left empty would be everybody's.
    criteria.setRuntimeStatusList([OrchestrationStatus.CONTINUED_AS_NEW]);
    expect((await client.purgeOrchestration(criteria))?.deletedInstanceCount).toBe(0);
    criteria.setRuntimeStatusList([OrchestrationStatus.COMPLETED]);
    expect((await client.purgeOrchestration(criteria))?.deletedInstanceCount).toBe(2);
    for (const gone of [first.id, second.id]) expect(await client.getOrchestrationState(gone)).toBeUndefined();
    expect(await client.getOrchestrationState(waiting)).toBeDefined();
  });
});
