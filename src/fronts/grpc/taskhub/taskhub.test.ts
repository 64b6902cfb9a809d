import { create, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import type { ActivityTask, HistoryEvent, Turn, WorkflowAction, WorkflowState } from '../../../blocks/workflow/index.ts';
import {
  ActivityResponseSchema,
  ExecutionSuspendedEventSchema,
  ExecutionTerminatedEventSchema,
  TaskFailureDetailsSchema,
  TimerOriginActivityRetrySchema,
  TimerOriginChildWorkflowRetrySchema,
  TimerOriginCreateTimerSchema,
  TimerOriginExternalEventSchema,
  HistoryEventSchema,
  type WorkItem,
  WorkItemSchema,
  WorkflowActionSchema,
  WorkflowResponseSchema,
} from '../../../gen/durabletask/taskhub_pb.ts';
import { actionOf } from './action-from-wire.ts';
import { carriedEvent } from './event-from-wire.ts';
import { eventBytes } from './event-to-wire.ts';
import { wireState } from './state-to-wire.ts';
import { msOf, wireTime } from './times.ts';
import { failureOf } from './wire-parts.ts';
import { Settles, streamWorker, Unfinished } from './work-stream.ts';

const base = { id: -1, timeMs: 1_700_000_000_000.5 };

describe('events on the wire of the work stream', () => {
  it('keep unset and empty texts apart', () => {
    const empty = fromBinary(HistoryEventSchema, eventBytes({ ...base, type: 'taskCompleted', scheduledId: 1, result: '' }) as Uint8Array);
    const unset = fromBinary(HistoryEventSchema, eventBytes({ ...base, type: 'taskCompleted', scheduledId: 1 }) as Uint8Array);
    expect([empty, unset].map(({ eventType }) => eventType.case === 'taskCompleted' && eventType.value.result)).toEqual(['', undefined]);
    expect(empty.timestamp).toMatchObject({ seconds: 1_700_000_000n, nanos: 500_000 });
  });

  it('have every kind that the protocol knows', () => {
    const instance = { instanceId: 'i', executionId: 'e' };
    const parent = { taskScheduledId: 1, name: 'p', appId: 'a', instanceId: 'pi' };
    const failure = { errorType: 'E', errorMessage: 'm', innerFailure: { errorType: 'I', errorMessage: 'n' } };
    const events: HistoryEvent[] = [
      {
        ...base,
        type: 'executionStarted',
        name: 'n',
        instance,
        parent,
        tags: { a: 'b' },
        scheduledStartMs: 5,
        trace: { traceParent: '00-a-b-01' },
      },
      { ...base, type: 'executionCompleted', status: 'FAILED', failure },
      { ...base, type: 'executionTerminated', recurse: true, input: '' },
      { ...base, type: 'taskScheduled', name: 't', rerunParent: 'r', propagation: 1, router: { sourceAppId: 'a', targetAppId: 'b' } },
      { ...base, type: 'taskFailed', scheduledId: 1, failure },
      { ...base, type: 'childCreated', instanceId: 'c', name: 'n', retryParent: 'x', rerunParent: 'y', propagation: 2 },
      { ...base, type: 'childCompleted', scheduledId: 1, result: '1' },
      { ...base, type: 'childFailed', scheduledId: 1, failure },
      { ...base, type: 'timerCreated', fireAtMs: 9, origin: { kind: 'createTimer' } },
      { ...base, type: 'timerCreated', fireAtMs: 9, origin: { kind: 'externalEvent', name: 'e' } },
      { ...base, type: 'timerCreated', fireAtMs: 9, origin: { kind: 'activityRetry', taskExecutionId: 't' } },
      { ...base, type: 'timerCreated', fireAtMs: 9, origin: { kind: 'childWorkflowRetry', instanceId: 'c' }, rerunParent: 'r' },
      { ...base, type: 'timerFired', timerId: 1, fireAtMs: 9 },
      { ...base, type: 'workflowStarted', version: { name: 'v', patches: ['p'] } },
      { ...base, type: 'eventSent', instanceId: 'i', name: 'e' },
      { ...base, type: 'eventRaised', name: 'e', input: '' },
      { ...base, type: 'executionSuspended', reason: 'r' },
      { ...base, type: 'executionResumed' },
      { ...base, type: 'executionStalled', reason: 'payload-size', description: 'd' },
      { ...base, type: 'detachedCreated', instanceId: 'i' },
    ];
    const cases = events.map((event) => fromBinary(HistoryEventSchema, eventBytes(event) as Uint8Array).eventType.case);
    expect(cases).not.toContain(undefined);
    expect(new Set(cases).size).toBe(new Set(events.map(({ type }) => type)).size);
    expect(eventBytes({ ...base, type: 'recorded', name: 'own' })).toBeUndefined();
  });

  it('give back fields that are not known here', () => {
    const newer = new BinaryWriter()
      .uint32((99 << 3) | 2)
      .string('newer')
      .finish();
    const inner = new BinaryWriter()
      .uint32((1 << 3) | 2)
      .string('E')
      .uint32((77 << 3) | 2)
      .string('inner')
      .finish();
    const bytes = Buffer.concat([
      new BinaryWriter()
        .uint32((17 << 3) | 2)
        .bytes(inner)
        .finish(),
      newer,
    ]);
    const event = carriedEvent(fromBinary(HistoryEventSchema, bytes));
    expect(event).toMatchObject({ type: 'eventRaised', name: 'E' });
    const again = Buffer.from(eventBytes(event as HistoryEvent) as Uint8Array).toString('latin1');
    expect(again).toContain('newer');
    expect(again).toContain('inner');
  });

  it('give back what is not known in every message that becomes part of an event', () => {
    const newer = (text: string) => [{ no: 99, wireType: 2, data: new BinaryWriter().string(text).finish() }];
    const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('latin1');
    // What is carried over, of whichever kind, with all that it holds.
    for (const eventType of [
      { case: 'executionSuspended', value: create(ExecutionSuspendedEventSchema, { input: 'why' }) },
      { case: 'executionTerminated', value: create(ExecutionTerminatedEventSchema, { recurse: true }) },
    ] as const) {
      eventType.value.$unknown = newer('inner');
      const event = create(HistoryEventSchema, { eventId: -1, eventType, router: { targetAppId: 'other' } });
      (event.router as Message).$unknown = newer('routed');
      const again = text(eventBytes(carriedEvent(event) as HistoryEvent));
      for (const word of ['inner', 'routed', 'other']) expect(again.split(word)).toHaveLength(2);
    }
    // What comes with answers.
    const failureDetails = create(TaskFailureDetailsSchema, { errorType: 'E', innerFailure: { errorType: 'I' } });
    failureDetails.$unknown = newer('outer failure');
    (failureDetails.innerFailure as Message).$unknown = newer('inner failure');
    const failed = text(eventBytes({ ...base, type: 'taskFailed', scheduledId: 1, failure: failureOf(failureDetails) }));
    expect(failed).toContain('outer failure');
    expect(failed).toContain('inner failure');
    for (const origin of [
      { case: 'createTimer', value: create(TimerOriginCreateTimerSchema) },
      { case: 'externalEvent', value: create(TimerOriginExternalEventSchema, { name: 'e' }) },
      { case: 'activityRetry', value: create(TimerOriginActivityRetrySchema, { taskExecutionId: 't' }) },
      { case: 'childWorkflowRetry', value: create(TimerOriginChildWorkflowRetrySchema, { instanceId: 'c' }) },
    ] as const) {
      origin.value.$unknown = newer('origin');
      const action = create(WorkflowActionSchema, {
        id: 1,
        router: { targetAppId: 'b' },
        workflowActionType: { case: 'createTimer', value: { origin } },
      });
      (action.router as Message).$unknown = newer('routed');
      const made = actionOf(action) as WorkflowAction & { readonly type: 'createTimer' };
      const { id: _id, ...rest } = made;
      const again = text(eventBytes({ ...base, ...rest, type: 'timerCreated', fireAtMs: 5 }));
      expect(again).toContain('origin');
      expect(again).toContain('routed');
    }
  });

  it('carry only what can wait for a workflow', () => {
    const completed = create(HistoryEventSchema, { eventType: { case: 'taskCompleted', value: { taskScheduledId: 1 } } });
    expect(carriedEvent(completed)).toBeUndefined();
  });

  it('have a last moment, which stays one', () => {
    const never = msOf(create(HistoryEventSchema, { timestamp: { seconds: 253_402_300_799n, nanos: 999_999_999 } }).timestamp) as number;
    expect(wireTime(never)).toEqual({ seconds: 253_402_300_799n, nanos: 999_999_999 });
  });
});

describe('actions on the wire', () => {
  it('become those of the contract', () => {
    const action = create(WorkflowActionSchema, {
      id: 3,
      router: { sourceAppId: 'liar', targetAppId: 'other' },
      workflowActionType: { case: 'scheduleTask', value: { name: 't', input: '', taskExecutionId: '' } },
    });
    expect(actionOf(action)).toEqual({ id: 3, type: 'scheduleTask', name: 't', input: '', router: { targetAppId: 'other' } });
    expect(actionOf(create(WorkflowActionSchema, { id: 1 }))).toBeUndefined();
    const ended = create(WorkflowActionSchema, { workflowActionType: { case: 'completeWorkflow', value: { workflowStatus: 0 } } });
    expect(actionOf(ended)).toMatchObject({ type: 'complete', status: 'FAILED' });
  });
});

describe('states', () => {
  it('have names that the JavaScript SDK knows', () => {
    const state: WorkflowState = {
      instanceId: 'i',
      executionId: 'e',
      name: 'n',
      status: 'STALLED',
      stall: { reason: 'diverged', description: 'other path' },
      createdMs: 1,
      updatedMs: 2,
      historyLength: 0,
    };
    expect(wireState(state, true, 'grpc-go').workflowStatus).toBe(8);
    expect(wireState(state, true, 'dapr-js-sdk/3')).toMatchObject({ workflowStatus: 7, customStatus: '"stalled: other path"' });
  });
});

describe('a work stream', () => {
  const rig = (keepsHistory: boolean) => {
    const items: WorkItem[] = [];
    const unfinished = new Unfinished();
    const settles = new Settles();
    let tokens = 0;
    const worker = streamWorker({
      out: { write: async (bytes) => void items.push(fromBinary(WorkItemSchema, bytes)) },
      unfinished,
      settles,
      keepsHistory,
      newToken: () => `t${tokens++}`,
      failed: () => {},
    });
    return { items, unfinished, worker };
  };
  const raised = (n: number): HistoryEvent => ({ ...base, type: 'eventRaised', name: `e${n}` });
  const turn = (past: readonly HistoryEvent[], executionId = 'x'): Turn => ({
    instance: { instanceId: 'i', executionId },
    pastCount: past.length,
    past: async () => past,
    news: [{ ...base, type: 'workflowStarted' }],
  });
  const answered = (token: string) => create(WorkflowResponseSchema, { instanceId: 'i', completionToken: token, actions: [] });
  const sizes = ({ request }: WorkItem): unknown[] =>
    request.case === 'workflowRequest'
      ? [request.value.pastEvents.length, request.value.cachedHistory?.eventCount, request.value.newEvents.length]
      : [];

  it('takes an answer with its token or without one, and no other', async () => {
    const { items, unfinished, worker } = rig(false);
    const answer = worker.turn(turn([]));
    await Promise.resolve();
    await expect.poll(() => items.length).toBe(1);
    expect(unfinished.completeTurn(answered('older'))).toBe(false);
    expect(unfinished.completeTurn(answered(''))).toBe(true);
    expect((await answer).actions).toEqual([]);
    expect(unfinished.completeTurn(answered(''))).toBe(false);
  });

  it('sends what is new only to a worker that keeps histories: all at first, after another execution, and when it was told to forget', async () => {
    const { items, unfinished, worker } = rig(true);
    const run = async (past: readonly HistoryEvent[], execution?: string): Promise<unknown[]> => {
      const answer = worker.turn(turn(past, execution));
      const count = items.length;
      await expect.poll(() => items.length).toBe(count + 1);
      unfinished.completeTurn(answered(''));
      await answer;
      return sizes(items.at(-1) as WorkItem);
    };
    expect(await run([raised(1)])).toEqual([1, undefined, 1]);
    expect(await run([raised(1), raised(2), raised(3)])).toEqual([2, 1, 1]);
    expect(await run([raised(1)], 'y')).toEqual([1, undefined, 1]);
    worker.forget('i');
    expect(await run([raised(1)], 'y')).toEqual([1, undefined, 1]);
  });

  it('sends the histories that were handed on, as bytes of events, with every turn and with activities', async () => {
    const { items, unfinished, worker } = rig(true);
    const events: HistoryEvent[] = [
      { ...base, type: 'eventRaised', name: 'e' },
      { ...base, type: 'recorded', name: 'own' },
    ];
    const propagated = { scope: 2, chunks: [{ appId: 'app', instanceId: 'p', workflowName: 'parent', events }] };
    const started: HistoryEvent = { ...base, type: 'executionStarted', name: 'n', instance: { instanceId: 'i' }, propagated };
    for (const past of [[started], [started, raised(1)]]) {
      const answer = worker.turn(turn(past));
      const count = items.length;
      await expect.poll(() => items.length).toBe(count + 1);
      unfinished.completeTurn(answered(''));
      await answer;
    }
    void worker.activity({
      instance: { instanceId: 'i', executionId: 'x' },
      taskId: 1,
      name: 'a',
      idempotencyKey: '',
      heartbeat: async () => {},
      propagated,
    });
    expect(items).toHaveLength(3);
    for (const { request } of items) {
      const history = request.value?.propagatedHistory;
      expect(history).toMatchObject({ scope: 2, chunks: [{ appId: 'app', instanceId: 'p', workflowName: 'parent', rawSignatures: [] }] });
      const raw = history?.chunks[0]?.rawEvents ?? [];
      expect(raw.map((bytes) => fromBinary(HistoryEventSchema, bytes).eventType.case)).toEqual(['eventRaised']);
    }
  });

  it('holds a workflow whose worker asks for what is not known here', async () => {
    const { items, unfinished, worker } = rig(false);
    const answer = worker.turn(turn([]));
    await expect.poll(() => items.length).toBe(1);
    unfinished.completeTurn(create(WorkflowResponseSchema, { instanceId: 'i', actions: [{ id: 1 }] }));
    expect(await answer).toMatchObject({ actions: [], stalled: { reason: 'version-not-available' } });
  });

  it('hands activities out and takes results, failures and values that are missing', async () => {
    const { items, unfinished, worker } = rig(false);
    const task: ActivityTask = {
      instance: { instanceId: 'i', executionId: 'x' },
      taskId: 4,
      name: 'a',
      input: '',
      idempotencyKey: '',
      heartbeat: async () => {},
    };
    const first = worker.activity(task);
    expect(items[0]?.request).toMatchObject({ case: 'activityRequest', value: { name: 'a', taskId: 4, input: '' } });
    expect(unfinished.completeActivity(create(ActivityResponseSchema, { instanceId: 'i', taskId: 5 }))).toBe(false);
    unfinished.completeActivity(create(ActivityResponseSchema, { instanceId: 'i', taskId: 4 }));
    expect(await first).toEqual({});
    const second = worker.activity(task);
    unfinished.completeActivity(
      create(ActivityResponseSchema, { instanceId: 'i', taskId: 4, failureDetails: { errorType: 'E', errorMessage: 'm' } }),
    );
    expect(await second).toEqual({ failure: { errorType: 'E', errorMessage: 'm' } });
    expect(toBinary(WorkItemSchema, items[1] as WorkItem).length).toBeGreaterThan(0);
  });
});
