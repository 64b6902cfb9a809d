/**
 * Workflows, independent of the front that writes them: an instance is a history of events; a worker answers a turn (what was, what is new) with actions; one commit
 * takes both. Dapr's durabletask protocol, Proa's own TypeScript functions and, later, declarative workflows are workers of this one contract.
 * Names follow the durabletask protocol as Dapr 1.18 has it. Payloads are texts (JSON as a rule); absent and empty differ.
 */

import type { WorkflowStatus } from '../kernel/workflow-status.ts';

export interface WorkflowInstance {
  readonly instanceId: string;
  /** One run of the instance: another one after continue-as-new. */
  readonly executionId?: string;
}

export interface ParentInstance extends WorkflowInstance {
  /** Id of the event that created the child. */
  readonly taskScheduledId: number;
  readonly name: string;
  readonly version?: string;
  readonly appId: string;
  readonly appNamespace?: string;
}

export interface FailureDetails {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly stackTrace?: string;
  readonly innerFailure?: FailureDetails;
  readonly isNonRetriable?: boolean;
  /** As in events. */
  readonly unknown?: string;
}

export interface TraceParent {
  readonly traceParent: string;
  readonly traceState?: string;
}

/** Where an operation belongs when it leaves the app. The runtime stamps the source. */
export interface Router {
  readonly sourceAppId?: string;
  readonly targetAppId?: string;
  readonly targetAppNamespace?: string;
  /** As in events. */
  readonly unknown?: string;
}

interface EventBase {
  /** The action's id for events that a worker's action made, -1 for the runtime's own. */
  readonly id: number;
  /** Wall milliseconds of the engine's clock, with fractions; strictly rising within an instance. */
  readonly timeMs: number;
  readonly router?: Router;
  /** Fields of the protocol that this version does not know, as protobuf bytes, base64: they are given back to workers as they came. */
  readonly unknown?: string;
}

export type HistoryEvent = EventBase &
  (
    | ({ readonly type: 'executionStarted' } & StartedEvent)
    | {
        readonly type: 'executionCompleted';
        readonly status: FinalStatus;
        readonly result?: string;
        readonly failure?: FailureDetails;
      }
    | { readonly type: 'executionTerminated'; readonly input?: string; readonly recurse: boolean }
    | {
        readonly type: 'taskScheduled';
        readonly name: string;
        readonly version?: string;
        readonly input?: string;
        readonly taskExecutionId?: string;
        readonly trace?: TraceParent;
        readonly rerunParent?: string;
        readonly propagation?: number;
        /** Options of Proa's own workers, kept with the event and handed back with the activity. */
        readonly options?: ActivityOptions;
      }
    | ({
        readonly type: 'taskCompleted';
        readonly scheduledId: number;
        readonly result?: string;
        readonly taskExecutionId?: string;
      } & Attested)
    | ({
        readonly type: 'taskFailed';
        readonly scheduledId: number;
        readonly failure: FailureDetails;
        readonly taskExecutionId?: string;
      } & Attested)
    | {
        readonly type: 'childCreated';
        readonly instanceId: string;
        readonly name: string;
        readonly version?: string;
        readonly input?: string;
        readonly trace?: TraceParent;
        readonly rerunParent?: string;
        readonly retryParent?: string;
        readonly propagation?: number;
      }
    | ({ readonly type: 'childCompleted'; readonly scheduledId: number; readonly result?: string } & Attested)
    | ({ readonly type: 'childFailed'; readonly scheduledId: number; readonly failure: FailureDetails } & Attested)
    | {
        readonly type: 'timerCreated';
        readonly fireAtMs: number;
        readonly name?: string;
        readonly origin?: TimerOrigin;
        readonly rerunParent?: string;
      }
    | { readonly type: 'timerFired'; readonly timerId: number; readonly fireAtMs: number }
    /** The first event of every turn: its time is the workflow's clock in that turn. */
    | { readonly type: 'workflowStarted'; readonly version?: VersionChoice }
    | { readonly type: 'eventSent'; readonly instanceId: string; readonly name: string; readonly input?: string }
    | { readonly type: 'eventRaised'; readonly name: string; readonly input?: string }
    | { readonly type: 'executionSuspended'; readonly reason?: string }
    | { readonly type: 'executionResumed'; readonly reason?: string }
    | { readonly type: 'executionStalled'; readonly reason: StallReason; readonly description: string }
    | { readonly type: 'detachedCreated'; readonly instanceId: string }
    /** Something that a worker of Proa's own recorded (a side value, a patch choice); replayed to it, nothing else reads it. */
    | { readonly type: 'recorded'; readonly name: string; readonly value?: string }
  );

/** What whoever executed an operation says of its end (`history-signing.ts`). */
export interface Attested {
  readonly attestation?: Attestation;
  /** The certificates of whoever attested: DER, base64. On the way only; what is stored has them in its table. */
  readonly signerCertificate?: string;
}

/** A message of the protocol as it was signed, and the signature; both base64. */
export interface Attestation {
  readonly payload: string;
  readonly signature: string;
}

export interface StartedEvent {
  readonly name: string;
  readonly version?: string;
  readonly input?: string;
  readonly instance: WorkflowInstance;
  readonly parent?: ParentInstance;
  readonly scheduledStartMs?: number;
  readonly trace?: TraceParent;
  readonly workflowSpanId?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Histories that its parent handed on. */
  readonly propagated?: PropagatedHistory;
  /** What its parent gave it when that was not the input of this execution, but of one that continued as this: attestations are about it. */
  readonly created?: { readonly input?: string };
}

/** How much of its history a workflow hands on with an operation: nothing, its own, or also what it was given itself. Numbers of the protocol. */
export const propagationScopes = { none: 0, own: 1, lineage: 2 } as const;

/** Histories of the workflows that led to an operation, the farthest first (serverless reference 5.15). */
export interface PropagatedHistory {
  readonly scope: number;
  readonly chunks: readonly HistoryChunk[];
}

export interface HistoryChunk {
  readonly appId: string;
  readonly instanceId: string;
  readonly workflowName: string;
  /** Up to and including the event that began the operation. */
  readonly events: readonly HistoryEvent[];
  /** Absent: nobody signed it. */
  readonly proof?: HistoryProof;
}

/** What makes a chunk of history provable, base64 throughout. It goes from hand to hand as it was made. */
export interface HistoryProof {
  /** The events, each as the bytes that were signed. */
  readonly events: readonly string[];
  /** Signature messages that cover the events in order. */
  readonly signatures: readonly string[];
  /** Certificates that the signatures refer to: DER, the leaf first. */
  readonly certificates: readonly string[];
}

export type TimerOrigin = (
  | { readonly kind: 'createTimer' }
  | { readonly kind: 'externalEvent'; readonly name: string }
  | { readonly kind: 'activityRetry'; readonly taskExecutionId: string }
  | { readonly kind: 'childWorkflowRetry'; readonly instanceId: string }
) & {
  /** As in events. */
  readonly unknown?: string;
};

export interface VersionChoice {
  readonly name?: string;
  readonly patches?: readonly string[];
}

export type FinalStatus = 'COMPLETED' | 'FAILED' | 'TERMINATED' | 'CANCELED';
export type { WorkflowStatus };
export type StallReason = 'patch-mismatch' | 'version-not-available' | 'payload-size' | 'diverged' | 'signing';

/** Why an instance is held, although nothing of it is lost. */
export interface Stall {
  readonly reason: StallReason;
  /** For people. Of code that does not fit its history: both paths side by side, on several lines. */
  readonly description: string;
  readonly divergence?: Divergence;
}

/** Where code and history part, as far as that is known: what is recorded and not asked for, what is asked for instead, and the line (`src/order.ts:14`) that asks. */
export interface Divergence {
  readonly recorded?: string;
  readonly asked?: string;
  readonly source?: string;
}

/** What the runtime does for an activity that its worker cannot do itself: for workers of Proa's own. Dapr's SDKs keep retries to themselves. */
export interface ActivityOptions {
  /** Fails the attempt when no result and no heartbeat came for so long. */
  readonly heartbeatTimeoutMs?: number;
  /** Fails the attempt when it takes longer. */
  readonly attemptTimeoutMs?: number;
  /** Which attempt of its caller's retry policy it is; absent: the first. */
  readonly attempt?: number;
}

export type WorkflowAction = {
  /** Of the worker's own sequence, unique within an execution. */
  readonly id: number;
  readonly router?: Router;
} & (
  | {
      readonly type: 'scheduleTask';
      readonly name: string;
      readonly version?: string;
      readonly input?: string;
      readonly taskExecutionId?: string;
      readonly propagation?: number;
      readonly options?: ActivityOptions;
    }
  | {
      readonly type: 'createChild';
      /** Absent: `<parent>:<id as four hex digits>`. */
      readonly instanceId?: string;
      readonly name: string;
      readonly version?: string;
      readonly input?: string;
      readonly propagation?: number;
      readonly retryParent?: string;
    }
  | { readonly type: 'createTimer'; readonly fireAtMs: number; readonly name?: string; readonly origin?: TimerOrigin }
  | { readonly type: 'sendEvent'; readonly instanceId: string; readonly name: string; readonly input?: string }
  | {
      readonly type: 'complete';
      readonly status: FinalStatus | 'CONTINUED_AS_NEW';
      readonly result?: string;
      readonly newVersion?: string;
      /** Events that the new run gets; continue-as-new only. */
      readonly carryover?: readonly HistoryEvent[];
      readonly failure?: FailureDetails;
    }
  | { readonly type: 'terminate'; readonly instanceId: string; readonly reason?: string; readonly recurse: boolean }
  | { readonly type: 'versionNotAvailable' }
  | {
      readonly type: 'createDetached';
      readonly instanceId: string;
      readonly name: string;
      readonly version?: string;
      readonly input?: string;
      readonly scheduledStartMs?: number;
      readonly executionId?: string;
      readonly tags?: Readonly<Record<string, string>>;
    }
  | { readonly type: 'record'; readonly name: string; readonly value?: string }
);

/** One turn as a worker gets it. At most one is under way per instance. */
export interface Turn {
  readonly instance: Required<WorkflowInstance>;
  /** Length of the committed history of this execution, and how to get it: a worker that kept its state need not ask. */
  readonly pastCount: number;
  past(): Promise<readonly HistoryEvent[]>;
  /** Never empty; the first is `workflowStarted`. */
  readonly news: readonly HistoryEvent[];
}

export interface TurnAnswer {
  readonly actions: readonly WorkflowAction[];
  /** Replaces the stored one; absent keeps it. */
  readonly customStatus?: string;
  readonly version?: VersionChoice;
  /** Attributes to search by, laid over those that are stored. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** The worker's code does not fit the history: the instance stalls, nothing of this turn is kept, the next worker or deploy may go on. */
  readonly stalled?: Stall;
  /** Called once: true when the answer is durable, false when nothing of it was kept. */
  readonly settled?: Settled;
}

/** Told of what became of an answer: true means durable. */
export type Settled = (kept: boolean) => void;

export interface ActivityTask {
  readonly instance: Required<WorkflowInstance>;
  readonly taskId: number;
  readonly name: string;
  readonly version?: string;
  readonly input?: string;
  readonly taskExecutionId?: string;
  readonly trace?: TraceParent;
  readonly options?: ActivityOptions;
  /** Histories that the workflow handed on. */
  readonly propagated?: PropagatedHistory;
  /** `<executionId>/<taskId>`: the same however often the activity is executed. */
  readonly idempotencyKey: string;
  /** Extends the time until the heartbeat times out; the last details are in the failure when it does. Fails when the task is not this worker's any more: stop. */
  heartbeat(details?: string): Promise<void>;
}

export type ActivityAnswer = ({ readonly result?: string } | { readonly failure: FailureDetails }) & {
  /** Called once: true when the result is durable, false when it is not wanted any more (somebody else's came first, or the instance went on without it). */
  readonly settled?: Settled;
};

/**
 * Someone who executes turns and activities: a work stream of an SDK, or functions of this process. The runtime never has more than `turnsMax` and `activitiesMax`
 * unanswered with it. A worker that cannot answer rejects, or is detached: what it held goes to another one.
 */
export interface WorkflowWorker {
  /** Undefined: every name. */
  readonly workflows?: ReadonlySet<string>;
  readonly activities?: ReadonlySet<string>;
  readonly turnsMax: number;
  readonly activitiesMax: number;
  /** It keeps what it computed or was sent of instances: their turns, and the steps of their runs, go to it again as long as that is no long wait. */
  readonly keeps?: boolean;
  turn(turn: Turn): Promise<TurnAnswer>;
  activity(task: ActivityTask): Promise<ActivityAnswer>;
  /** The instance is finished, went elsewhere or was changed from outside: forget what was kept of it. */
  forget(instanceId: string): void;
}

const stepPrefix = 'run ';

/** An activity that is a function of a suspended run: only a worker that has the run in memory executes it without replaying the history. */
export function isStep(taskExecutionId: string | undefined): boolean {
  return taskExecutionId?.startsWith(stepPrefix) === true;
}

export interface StartWorkflow {
  /** Generated when absent. */
  readonly instanceId?: string;
  readonly name: string;
  readonly version?: string;
  readonly input?: string;
  readonly startAtMs?: number;
  readonly tags?: Readonly<Record<string, string>>;
  readonly trace?: TraceParent;
  /** Refuses an id that a finished instance has; without it the finished one is replaced. */
  readonly unique?: boolean;
  readonly router?: Router;
}

export interface WorkflowState {
  readonly instanceId: string;
  readonly executionId: string;
  readonly name: string;
  readonly version?: string;
  readonly status: WorkflowStatus;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly startedMs?: number;
  readonly completedMs?: number;
  readonly scheduledStartMs?: number;
  readonly input?: string;
  readonly output?: string;
  readonly customStatus?: string;
  readonly failure?: FailureDetails;
  readonly stall?: Stall;
  readonly parent?: ParentInstance;
  readonly tags?: Readonly<Record<string, string>>;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly historyLength: number;
  /** Only where somebody asked for it, and only of a history that is signed, or was found to be changed. */
  readonly signing?: SigningState;
}

/** What the signatures of a history say. */
export interface SigningState {
  readonly signatures: number;
  /** Of whose certificates: `<namespace>/<app id>`. */
  readonly signedBy: readonly string[];
  /** Absent: this runtime cannot judge it, for signing is off here. */
  readonly verified?: boolean;
  /** What is wrong with it. */
  readonly problem?: string;
}

/** Which instances are meant: those for which all of it is true. */
export interface WorkflowFilter {
  readonly createdFromMs?: number;
  readonly createdToMs?: number;
  readonly statuses?: readonly WorkflowStatus[];
  readonly name?: string;
  /** All must be equal; names of tags and attributes alike. */
  readonly attributes?: Readonly<Record<string, string>>;
}

export interface WorkflowPage {
  readonly instances: readonly WorkflowState[];
  /** Absent: this was the last page. */
  readonly token?: string;
}

export interface Purged {
  readonly count: number;
  readonly complete: boolean;
}

/** Limits of workflows; beyond them a start is refused, or the instance stalls with `payload-size`. */
export const workflowLimits = {
  /** Of ids that people choose; ids of children are longer than their parent's. */
  instanceIdCharsMax: 64,
  instanceIdBytesMax: 256,
  nameBytesMax: 256,
  customStatusBytesMax: 64 * 1024,
  payloadBytesMax: 4 * 1024 * 1024,
  historyEventsMax: 50_000,
  historyBytesMax: 64 * 1024 * 1024,
  actionsPerTurnMax: 1_000,
  /** Histories that are handed on with one operation. */
  propagatedBytesMax: 2 * 1024 * 1024,
} as const;
