import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { create, toBinary } from '@bufbuild/protobuf';
import type {
  ActivityAnswer,
  ActivityTask,
  HistoryEvent,
  Turn,
  TurnAnswer,
  WorkflowAction,
  WorkflowWorker,
} from '../../../blocks/workflow/index.ts';
import { ActivityRequestSchema, type ActivityResponse, type WorkflowResponse } from '../../../gen/durabletask/taskhub_pb.ts';
import type { MessageWriter } from '../../../wire/grpc/message-writer.ts';
import { actionOf } from './action-from-wire.ts';
import { eventBytes } from './event-to-wire.ts';
import { propagatedBytes, wireHistory } from './propagated-to-wire.ts';
import { failureOf, given, wireTrace } from './wire-parts.ts';

/** JavaScript workers execute 10 items at a time, keep 100 waiting and then drop what comes, with only a warning (serverless reference 6). */
const turnsMax = 40;
const activitiesMax = 50;
const historiesMax = 10_000;

interface Unanswered<Response> {
  readonly token: string;
  readonly answer: (response: Response) => void;
}

/** What all streams of an app have in the workers' hands. Completions come as calls of their own, and name an instance, not a stream. */
export class Unfinished {
  readonly #turns = new Map<string, Unanswered<WorkflowResponse>>();
  readonly #activities = new Map<string, Unanswered<ActivityResponse>>();

  /** Resolves with the answer; the token or an empty one fits, for old workers do not know it. */
  turn(instanceId: string, token: string): { readonly answer: Promise<WorkflowResponse>; readonly end: () => void } {
    return waitIn(this.#turns, instanceId, token);
  }

  activity(instanceId: string, taskId: number, token: string): { readonly answer: Promise<ActivityResponse>; readonly end: () => void } {
    return waitIn(this.#activities, activityName(instanceId, taskId), token);
  }

  /** False: nobody waits for it any more. That is no error: a worker would only log it. */
  completeTurn(response: WorkflowResponse): boolean {
    return completeIn(this.#turns, response.instanceId, response);
  }

  completeActivity(response: ActivityResponse): boolean {
    return completeIn(this.#activities, activityName(response.instanceId, response.taskId), response);
  }
}

function activityName(instanceId: string, taskId: number): string {
  return `${instanceId}\x00${taskId}`;
}

function waitIn<Response>(waiting: Map<string, Unanswered<Response>>, name: string, token: string) {
  let own: Unanswered<Response> | undefined;
  const answer = new Promise<Response>((resolve) => {
    own = { token, answer: resolve };
    waiting.set(name, own);
  });
  const end = (): void => {
    if (waiting.get(name) === own) waiting.delete(name);
  };
  return { answer, end };
}

function completeIn<Response extends { readonly completionToken: string }>(
  waiting: Map<string, Unanswered<Response>>,
  name: string,
  response: Response,
): boolean {
  const found = waiting.get(name);
  if (found === undefined || (response.completionToken !== '' && response.completionToken !== found.token)) return false;
  waiting.delete(name);
  found.answer(response);
  return true;
}

export interface WorkStreamOptions {
  readonly out: MessageWriter<Uint8Array>;
  readonly unfinished: Unfinished;
  /** The worker keeps the history of recent instances: it is sent what is new only. */
  readonly keepsHistory: boolean;
  readonly newToken: () => string;
  /** What became of answers, for the calls that brought them. */
  readonly settles: Settles;
  /** The stream does not work any more. */
  readonly failed: (error: unknown) => void;
}

/** Calls that wait for their answer to be durable. */
export class Settles {
  readonly #waiting = new WeakMap<object, () => void>();

  /** Resolves when what `response` says is settled, either way. */
  of(response: object): Promise<void> {
    return new Promise((resolve) => void this.#waiting.set(response, resolve));
  }

  settled(response: object): void {
    this.#waiting.get(response)?.();
  }
}

/** A worker at the end of a `GetWorkItems` stream. */
export function streamWorker(options: WorkStreamOptions): WorkflowWorker {
  const { out, unfinished, newToken, settles } = options;
  const histories = new KeptHistories();
  // Who waits for every write would wait for slow workers; a stream that is too far behind fails by itself.
  const send = (item: Uint8Array): void => void out.write(item).catch(options.failed);
  return {
    turnsMax,
    activitiesMax,
    keeps: options.keepsHistory,
    forget: (id) => histories.forget(id),
    async turn(turn) {
      const token = newToken();
      const past = await turn.past();
      const cached = options.keepsHistory ? histories.sent(turn, past.length) : 0;
      const { answer, end } = unfinished.turn(turn.instance.instanceId, token);
      try {
        send(workflowItem(turn, { past, cached }, token));
        const response = await answer;
        return answerOf(response, () => settles.settled(response));
      } finally {
        end();
      }
    },
    async activity(task) {
      const token = newToken();
      const { answer, end } = unfinished.activity(task.instance.instanceId, task.taskId, token);
      try {
        send(activityItem(task, token));
        const response = await answer;
        return resultOf(response);
      } finally {
        end();
      }
    },
  };
}

const unknownAction = {
  reason: 'version-not-available',
  description: 'the worker asks for an action that this runtime does not know: a newer runtime goes on with it',
} as const;

function answerOf(response: WorkflowResponse, settled: () => void): TurnAnswer {
  const { actions: wire, customStatus, version } = response;
  const actions = wire.map(actionOf).filter((action): action is WorkflowAction => action !== undefined);
  // Whoever left one out would wait for it for ever.
  if (actions.length < wire.length) return { actions: [], stalled: unknownAction, settled };
  return {
    actions,
    ...given('customStatus', customStatus),
    ...(version !== undefined && { version: { patches: version.patches, ...given('name', version.name) } }),
    settled,
  };
}

// JavaScript workers send "no value" as an empty text; every SDK reads it so, and it goes on as it came.
function resultOf({ result, failureDetails }: ActivityResponse): ActivityAnswer {
  if (failureDetails !== undefined) return { failure: failureOf(failureDetails) };
  return { ...given('result', result) };
}

/** How many events of which execution a stream holds, of the instances that were sent last. */
class KeptHistories {
  readonly #kept = new Map<string, { readonly execution: string; readonly count: number }>();

  /** The number of events that the worker has already; remembers that it gets all now. */
  sent({ instance: { instanceId, executionId } }: Turn, count: number): number {
    const kept = this.#kept.get(instanceId);
    this.#kept.delete(instanceId);
    this.#kept.set(instanceId, { execution: executionId, count });
    if (this.#kept.size > historiesMax) this.#kept.delete(this.#kept.keys().next().value as string);
    return kept !== undefined && kept.execution === executionId && kept.count <= count ? kept.count : 0;
  }

  forget(instanceId: string): void {
    this.#kept.delete(instanceId);
  }
}

/** Wire types and numbers of WorkItem and WorkflowRequest (Dapr reference 7.5), written by hand: each event is encoded once and not once per turn. */
const tag = (field: number): number => (field << 3) | 2;

function workflowItem(turn: Turn, history: { readonly past: readonly HistoryEvent[]; readonly cached: number }, token: string): Uint8Array {
  const { instanceId, executionId } = turn.instance;
  const request = new BinaryWriter();
  request.uint32(tag(1)).string(instanceId);
  request.uint32(tag(2)).fork().uint32(tag(1)).string(executionId).join();
  for (let i = history.cached; i < history.past.length; i++) writeEvent(request, 3, history.past[i] as HistoryEvent);
  for (const event of turn.news) writeEvent(request, 4, event);
  const propagated = propagatedBytes([...history.past, ...turn.news]);
  if (propagated !== undefined) request.uint32(tag(8)).bytes(propagated);
  if (history.cached > 0) request.uint32(tag(9)).fork().uint32(8).int32(history.cached).join();
  return item(1, request.finish(), token);
}

function writeEvent(request: BinaryWriter, field: number, event: HistoryEvent): void {
  const bytes = eventBytes(event);
  if (bytes !== undefined) request.uint32(tag(field)).bytes(bytes);
}

function activityItem(task: ActivityTask, token: string): Uint8Array {
  const { name, version, input, instance, taskId, trace, taskExecutionId, propagated } = task;
  const request = create(ActivityRequestSchema, {
    name,
    ...given('version', version),
    ...given('input', input),
    workflowInstance: { instanceId: instance.instanceId, executionId: instance.executionId },
    taskId,
    ...(trace !== undefined && { parentTraceContext: wireTrace(trace) }),
    taskExecutionId: taskExecutionId ?? '',
    ...(propagated !== undefined && { propagatedHistory: wireHistory(propagated) }),
  });
  return item(2, toBinary(ActivityRequestSchema, request), token);
}

function item(field: 1 | 2, request: Uint8Array, token: string): Uint8Array {
  return new BinaryWriter().uint32(tag(field)).bytes(request).uint32(tag(10)).string(token).finish();
}
