import { historyTo, isScope } from '../../contracts/propagated-history.ts';
import type {
  ActivityAnswer,
  ActivityTask,
  FailureDetails,
  FinalStatus,
  HistoryEvent,
  PropagatedHistory,
  StartWorkflow,
  TurnAnswer,
  WorkflowState,
} from '../../contracts/workflow.ts';

type WithoutTime<E> = E extends unknown ? Omit<E, 'timeMs'> : never;
/** An event that has no time yet. */
export type NewEvent = WithoutTime<HistoryEvent>;

export interface InstanceParent {
  readonly taskScheduledId: number;
  readonly name: string;
  readonly appId: string;
  readonly instanceId: string;
  readonly executionId: string;
}

/** An instance and everything that is kept of it. */
export interface Instance {
  readonly instanceId: string;
  readonly executionId: string;
  readonly app: string;
  readonly name: string;
  readonly parent: InstanceParent | undefined;
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly input: string | undefined;
  readonly createdMs: number;
  readonly notBeforeMs: number;
  readonly history: HistoryEvent[];
  readonly inbox: HistoryEvent[];
  version: string | undefined;
  lastMs: number;
  suspended: boolean;
  stall: TurnAnswer['stalled'];
  customStatus: string | undefined;
  attributes: Readonly<Record<string, string>> | undefined;
  end: { readonly status: FinalStatus; readonly atMs: number; readonly result?: string; readonly failure?: FailureDetails } | undefined;
  /** False for what was resolved before or never asked for. */
  accepts(event: HistoryEvent): boolean;
  /** Writes what an action did into the history. */
  record(event: HistoryEvent): void;
  /** Takes note of an event that is in the history now. */
  consumed(event: HistoryEvent): void;
  /** Whether an operation is under way. */
  awaits(id: number): boolean;
}

export interface CreateInstance extends StartWorkflow {
  readonly instanceId: string;
  readonly executionId: string;
  readonly app: string;
  readonly parent?: InstanceParent | undefined;
  readonly propagated?: PropagatedHistory | undefined;
  readonly nowMs: number;
}

/** What whoever asks for one says. */
export type CreateRequest = Omit<CreateInstance, 'executionId' | 'app' | 'nowMs'>;

/** A new one, its start in its inbox. */
export function createInstance(create: CreateInstance): Instance {
  const { instanceId, executionId, app, name, version, input, tags, parent, nowMs, startAtMs, propagated } = create;
  const resolved = new Set<number>();
  const asked = new Set<number>();
  const instance: Instance = {
    ...{ instanceId, executionId, app, name, version, input, tags, parent },
    ...{ createdMs: nowMs, notBeforeMs: startAtMs ?? nowMs, history: [], inbox: [], lastMs: 0, suspended: false },
    ...{ stall: undefined, customStatus: undefined, attributes: undefined, end: undefined },
    accepts(event) {
      const id = resolvedId(event);
      return id === undefined || instance.awaits(id);
    },
    consumed(event) {
      const id = resolvedId(event);
      if (id !== undefined) resolved.add(id);
      if (event.type === 'executionSuspended') instance.suspended = true;
      if (event.type === 'executionResumed') instance.suspended = false;
    },
    record(event) {
      instance.history.push(event);
      asked.add(event.id);
    },
    awaits: (id) => asked.has(id) && !resolved.has(id),
  };
  const started: NewEvent = {
    ...{ id: -1, type: 'executionStarted', name, instance: { instanceId, executionId } },
    ...(version !== undefined && { version }),
    ...(input !== undefined && { input }),
    ...(tags !== undefined && { tags }),
    ...(startAtMs !== undefined && { scheduledStartMs: startAtMs }),
    ...(parent !== undefined && { parent }),
    ...(propagated !== undefined && { propagated }),
  };
  instance.inbox.push(eventOf(instance, started, nowMs));
  return instance;
}

/** The histories that go along with an operation of an instance. */
export function handedOn(
  { app: appId, instanceId, name: workflowName, history: events }: Instance,
  { id, propagation }: { readonly id: number; readonly propagation?: number },
): { readonly propagated?: PropagatedHistory } {
  return isScope(propagation) ? { propagated: historyTo({ appId, instanceId, workflowName, events }, { id, scope: propagation }) } : {};
}

function resolvedId(event: HistoryEvent): number | undefined {
  if (event.type === 'timerFired') return event.timerId;
  return 'scheduledId' in event ? event.scheduledId : undefined;
}

/** An event of now: no two of an instance have the same time. */
export function eventOf(instance: Instance, event: NewEvent, nowMs: number): HistoryEvent {
  instance.lastMs = Math.max(nowMs, instance.lastMs + 0.001);
  return { ...event, timeMs: instance.lastMs } as HistoryEvent;
}

/** Whether it has come to its end. */
export function isFinal({ end }: Instance): boolean {
  return end !== undefined;
}

/** What others see of it. */
export function stateOf(instance: Instance): WorkflowState {
  const { instanceId, executionId, name, version, createdMs, lastMs, input, tags, customStatus, attributes, end, stall, history } =
    instance;
  const begun = history[0];
  const status =
    end?.status ?? (stall !== undefined ? 'STALLED' : begun === undefined ? 'PENDING' : instance.suspended ? 'SUSPENDED' : 'RUNNING');
  return {
    ...{ instanceId, executionId, name, status, createdMs, updatedMs: lastMs, historyLength: history.length },
    ...(version !== undefined && { version }),
    ...(begun !== undefined && { startedMs: begun.timeMs }),
    ...(input !== undefined && { input }),
    ...(tags !== undefined && { tags }),
    ...(customStatus !== undefined && { customStatus }),
    ...(attributes !== undefined && { attributes }),
    ...(stall !== undefined && { stall }),
    ...(end !== undefined && { completedMs: end.atMs }),
    ...(end?.result !== undefined && { output: end.result }),
    ...(end?.failure !== undefined && { failure: end.failure }),
  };
}

/** Without those that resolve again what was resolved: an operation ends once. */
export function firstOfEach(events: readonly HistoryEvent[]): readonly HistoryEvent[] {
  const seen = new Set<number>();
  return events.filter((event) => {
    const id = resolvedId(event);
    if (id === undefined) return true;
    const first = !seen.has(id);
    seen.add(id);
    return first;
  });
}

/** What a workflow is told of the end of an activity. */
export function resultEvent({ taskId: scheduledId }: ActivityTask, answer: ActivityAnswer): NewEvent {
  if ('failure' in answer) return { id: -1, type: 'taskFailed', scheduledId, failure: answer.failure };
  return { id: -1, type: 'taskCompleted', scheduledId, ...(answer.result !== undefined && { result: answer.result }) };
}

/** Instances that have not ended, and what they wait for: for people. */
export function waitingText(instances: Iterable<Instance>): string {
  return [...instances]
    .filter((instance) => !isFinal(instance))
    .map(({ instanceId, name, stall }) => {
      const why = stall === undefined ? 'waits for an event' : `stalled: ${stall.description}`;
      return `  workflow "${name}" (${instanceId}) ${why}`;
    })
    .join('\n');
}
