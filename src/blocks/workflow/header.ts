import type {
  FinalStatus,
  HistoryEvent,
  ParentInstance,
  Stall,
  StartedEvent,
  TraceParent,
  VersionChoice,
  WorkflowStatus,
} from '../../contracts/workflow.ts';

/** An operation that was begun and has no result yet. Its event stands in the history. */
export type OpenOperation =
  | { readonly kind: 'task'; readonly app?: string; readonly namespace?: string }
  | { readonly kind: 'child'; readonly instanceId: string; readonly app?: string; readonly namespace?: string }
  | { readonly kind: 'timer'; readonly fireAtMs: number; readonly event?: string };

/** What did not fit into a turn's commit, by the blob that holds it and how many of its effects were carried out. */
export interface Outbox {
  readonly blob: string;
  readonly parts: number;
  readonly done: number;
}

/** What is known of an instance without its history; rewritten with every turn, so it stays small. */
export interface Header {
  readonly execution: string;
  readonly name: string;
  readonly version?: string;
  readonly status: 'PENDING' | 'RUNNING' | FinalStatus;
  readonly suspended?: true;
  readonly stall?: Stall;
  /** How often a stall ended: who resumes waits for the next one. */
  readonly lifts?: number;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly startedMs?: number;
  readonly completedMs?: number;
  readonly startAtMs?: number;
  /** Times of events rise strictly: the last one. */
  readonly lastMs: number;
  /** Committed events of this execution, those in chunks and their characters included. */
  readonly events: number;
  readonly chunks: number;
  readonly historyChars: number;
  /** Ids that actions of this execution used, as intervals, both ends included. */
  readonly ids: readonly (readonly [from: number, to: number])[];
  readonly open: Readonly<Record<string, OpenOperation>>;
  /** Lines of events that the first turn of this execution gets; they are not yet history. */
  readonly pending?: readonly string[];
  readonly outbox?: Outbox;
  readonly customStatus?: string;
  readonly choice?: VersionChoice;
  readonly parent?: ParentInstance;
  readonly trace?: TraceParent;
  readonly tags?: Readonly<Record<string, string>>;
  readonly attributes?: Readonly<Record<string, string>>;
  /** Children were created at some time: who is purged or replaced must look for them. */
  readonly children?: true;
  /** Its start brought histories of others with it. */
  readonly given?: true;
  /** Its history is signed: marks stand between its events. */
  readonly signed?: true;
  /** A rerun begins with history that was copied: its open activities are executed without a turn. */
  readonly rerunOf?: string;
}

/** True when nothing will happen to the instance any more. */
export function isFinal(status: Header['status']): status is FinalStatus {
  return status !== 'PENDING' && status !== 'RUNNING';
}

/** The status as clients see it (serverless reference 5.8): final before stalled before suspended. */
export function statusOf(header: Header): WorkflowStatus {
  if (isFinal(header.status)) return header.status;
  if (header.stall !== undefined) return 'STALLED';
  return header.suspended === true ? 'SUSPENDED' : header.status;
}

/** The header of an instance that was only created. `pending` are the lines of its first events. */
export function newHeader(started: StartedEvent, pending: readonly string[], nowMs: number): Header {
  return {
    execution: started.instance.executionId ?? '',
    name: started.name,
    ...(started.version !== undefined && { version: started.version }),
    status: 'PENDING',
    createdMs: nowMs,
    updatedMs: nowMs,
    ...(started.scheduledStartMs !== undefined && { startAtMs: started.scheduledStartMs }),
    lastMs: nowMs,
    events: 0,
    chunks: 0,
    historyChars: 0,
    ids: [],
    open: {},
    pending,
    ...(started.parent !== undefined && { parent: started.parent }),
    ...(started.trace !== undefined && { trace: started.trace }),
    ...(started.tags !== undefined && { tags: started.tags }),
    ...(started.propagated !== undefined && { given: true as const }),
  };
}

/** Whether `id` is in the intervals. */
export function idUsed(ids: Header['ids'], id: number): boolean {
  return ids.some(([from, to]) => id >= from && id <= to);
}

/** The intervals with `id`: ids come in order, so that one interval is the rule. */
export function withId(ids: Header['ids'], id: number): Header['ids'] {
  const last = ids.at(-1);
  if (last !== undefined && id === last[1] + 1) return [...ids.slice(0, -1), [last[0], id]];
  return idUsed(ids, id) ? ids : [...ids, [id, id]];
}

/** What an event of the history begins, by the id of its action; undefined for events that begin nothing. */
export function opens(event: HistoryEvent): OpenOperation | undefined {
  const foreign = {
    ...(event.router?.targetAppId !== undefined && { app: event.router.targetAppId }),
    ...(event.router?.targetAppNamespace !== undefined && { namespace: event.router.targetAppNamespace }),
  };
  if (event.type === 'taskScheduled') return { kind: 'task', ...foreign };
  if (event.type === 'childCreated') return { kind: 'child', instanceId: event.instanceId, ...foreign };
  if (event.type !== 'timerCreated') return undefined;
  const awaited = event.origin?.kind === 'externalEvent' ? event.origin.name.toLowerCase() : undefined;
  return { kind: 'timer', fireAtMs: event.fireAtMs, ...(awaited !== undefined && { event: awaited }) };
}

/** Which operation an event resolves. */
export function resolves(event: HistoryEvent): { readonly kind: OpenOperation['kind']; readonly id: number } | undefined {
  if (event.type === 'taskCompleted' || event.type === 'taskFailed') return { kind: 'task', id: event.scheduledId };
  if (event.type === 'childCompleted' || event.type === 'childFailed') return { kind: 'child', id: event.scheduledId };
  return event.type === 'timerFired' ? { kind: 'timer', id: event.timerId } : undefined;
}
