import type { Cancellation } from '../../kernel/cancel.ts';
import type { WorkflowAccessRule } from '../../contracts/workflow-access.ts';
import type {
  HistoryEvent,
  Purged,
  StartWorkflow,
  WorkflowFilter,
  WorkflowPage,
  WorkflowState,
  WorkflowWorker,
} from '../../contracts/workflow.ts';

/**
 * The workflows of one app, on the engine: what every front and the SDK use. Methods fail with `workflow.*` errors of the catalogue; "durable" as everywhere:
 * what was answered stays.
 */
export interface WorkflowBlock {
  /** Durable when answered; the first turn runs when there is a worker. Fails with `workflow.exists` for an id in use. */
  start(request: StartWorkflow): Promise<string>;
  /**
   * Undefined for an unknown instance. `payloads`: with input, output, custom status and failure. Where histories are signed, those of a finished instance fail with
   * `workflow.history-unproven` unless its history is verified.
   */
  get(instanceId: string, payloads: boolean): Promise<WorkflowState | undefined>;
  /** Resolves with the first state for which `until` holds, an instance that does not exist yet included; rejects when `cancel` fires. */
  wait(instanceId: string, until: 'started' | 'completed', cancel: Cancellation): Promise<WorkflowState>;
  raise(instanceId: string, name: string, input: string | undefined): Promise<void>;
  /** Resolves when the instance is in a final state. */
  terminate(instanceId: string, output: string | undefined, recursive: boolean): Promise<void>;
  /** Resolves when the status says so; needs no worker. What has not begun is held, and begins when it is resumed. Fails with `workflow.stalled`. */
  suspend(instanceId: string, reason: string | undefined): Promise<void>;
  /** Resolves when the instance is not suspended any more. A stall is lifted for good by then, and a turn follows; it may stall again, when nothing else has changed. */
  resume(instanceId: string, reason: string | undefined): Promise<void>;
  /** Finished instances only, unless `force`. Fails with `workflow.not-found`, `workflow.running`. */
  purge(instanceId: string, options: { readonly recursive: boolean; readonly force: boolean }): Promise<Purged>;
  purgeWhere(filter: WorkflowFilter, recursive: boolean): Promise<Purged>;
  list(filter: WorkflowFilter, page: { readonly size?: number; readonly token?: string }): Promise<WorkflowPage>;
  history(instanceId: string): Promise<readonly HistoryEvent[]>;
  /** The state with payloads as it is stored, and what the signatures of its history say of it: for people. */
  show(instanceId: string): Promise<WorkflowState | undefined>;
  rerun(source: string, eventId: number, options: RerunOptions): Promise<string>;
  /** Hands turns and activities to the worker until the answer is called; what is unanswered then goes to another worker. */
  attach(worker: WorkflowWorker): () => void;
  /**
   * The workflows of another app on the same engine, for clients: workers serve their own app only. `namespace` absent: the same one. What the policies of that app do not
   * allow fails with `permission-denied`.
   */
  of(appId: string, namespace: string | undefined): WorkflowBlock;
  /** What other apps may do with these workflows, from now on and in every runtime; undefined: everything. Durable when answered. */
  setAccess(rules: readonly WorkflowAccessRule[] | undefined): Promise<void>;
  /** Work streams and in-process workers, for the metadata API. */
  readonly workers: number;
  close(graceMs: number): Promise<void>;
}

export interface RerunOptions {
  readonly instanceId?: string;
  readonly childInstanceId?: string;
  /** Replaces the input of the event where the run goes on; absent keeps it. */
  readonly input?: { readonly value: string | undefined };
}

export { createWorkflowBlock, type WorkflowDeps } from './workflow-block.ts';
export type { Retention, RetentionPolicy } from './turn-change.ts';
export type { ConcurrencyLimits } from './worker-pool.ts';
export { groupOf as workflowGroup } from './shard-keeper.ts';
export { createRemoteWorker, portions } from './remote-worker.ts';
export type { FromWorker, ToWorker } from './remote-worker.ts';
export type {
  AttestationKind,
  AttestationPayload,
  HistoryCodec,
  HistorySignature,
  HistorySigning,
} from '../../contracts/history-signing.ts';
export type {
  ActivityAnswer,
  ActivityTask,
  Attested,
  FailureDetails,
  FinalStatus,
  HistoryEvent,
  HistoryProof,
  ParentInstance,
  PropagatedHistory,
  Purged,
  Router,
  SigningState,
  Stall,
  StallReason,
  StartedEvent,
  StartWorkflow,
  TimerOrigin,
  TraceParent,
  Turn,
  TurnAnswer,
  VersionChoice,
  WorkflowAction,
  WorkflowFilter,
  WorkflowInstance,
  WorkflowPage,
  WorkflowState,
  WorkflowStatus,
  WorkflowWorker,
} from '../../contracts/workflow.ts';
