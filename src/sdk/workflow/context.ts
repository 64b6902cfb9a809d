import type { HistoryChunk } from '../../contracts/workflow.ts';
import type { InputOf, OutputOf } from '../contract.ts';
import type { Callable, EventSchemas } from './definition.ts';
import type { Duration } from './duration.ts';
import type { Retry } from './retry-policy.ts';

/** What an activity knows about itself. */
export interface ActivityContext {
  readonly instanceId: string;
  readonly name: string;
  /** The same in every attempt and every execution: give it to whatever must not do this twice. */
  readonly idempotencyKey: string;
  /** Of the caller's retry policy; 1 for the first. One that is executed again because its worker or runtime died keeps its number. */
  readonly attempt: number;
  /** Histories of the workflows that led here, the farthest first, as far as the caller handed them on; empty: none. */
  readonly lineage: readonly HistoryChunk[];
  /** Aborts when the workflow was cancelled or ended, the attempt has taken too long, or another worker has it now. */
  readonly signal: AbortSignal;
  /** The W3C `traceparent` of the attempt, for calls that it makes; empty: none. */
  readonly traceparent: string;
  /** A sign of life, for steps with `heartbeat`; the last details are in the error when the next one does not come. Rejects when the attempt is not this worker's any more. */
  heartbeat(details?: string): Promise<void>;
}

/** What a step knows about itself: the same. */
export type StepContext = ActivityContext;

export interface StepOptions<T = unknown> {
  readonly retry?: Retry;
  /** One attempt: fails it with `deadline-exceeded`. */
  readonly timeout?: Duration;
  /** An attempt that gives no sign of life for so long is taken for dead. */
  readonly heartbeat?: Duration;
  /** Undoes the step when the workflow fails or is cancelled later; a step of its own, named `undo <name>`. */
  readonly rollback?: (result: T, step: StepContext) => unknown;
}

export interface CallOptions {
  /** Another app that has it, `app.namespace` for one of another namespace; absent: what the target says, else this one. */
  readonly app?: string;
  /** Default: that of the workflow for activities, one attempt for workflows. */
  readonly retry?: Retry;
  /** One attempt: fails it with `deadline-exceeded`, and terminates a child. */
  readonly timeout?: Duration;
  /** For activities: an attempt that gives no sign of life for so long is taken for dead. Default: what the activity says. */
  readonly heartbeat?: Duration;
  /** Hands on the history of this workflow so far (`own`), or also what this one was given itself (`lineage`): the target finds it in its `lineage`. Default: nothing. */
  readonly history?: 'own' | 'lineage';
  /** For workflows; absent: made from the parent's. A second attempt gets one of its own. */
  readonly instanceId?: string;
}

export interface DetachedOptions {
  /** Absent: made by the run, the same in every replay. */
  readonly instanceId?: string;
  /** Not before: a time, or how long from now. */
  readonly startAt?: Date | Duration;
  readonly tags?: Readonly<Record<string, string>>;
}

/** `undefined` may be left out. */
export type Input<In, Rest extends unknown[]> = undefined extends In ? [input?: In, ...Rest] : [input: In, ...Rest];

/** `null` and `undefined` may be left out. */
export type Payload<P> = undefined extends P ? [payload?: P] : null extends P ? [payload?: P] : [payload: P];

/** The winner of `ctx.race`. */
export type Winner<T extends Readonly<Record<string, PromiseLike<unknown>>>> = {
  [K in keyof T]: { readonly winner: K; readonly value: Awaited<T[K]> };
}[keyof T];

/**
 * What a workflow does through: every call is recorded by its name and how many of that name came before, and answers from the record when the workflow runs
 * again. Native `Promise.all`, `race` and `any` over such calls are deterministic. Failures are ProaErrors: that of the step, or `workflow.step-failed` with the
 * original as its cause; `cancelled` when the workflow is.
 */
export interface WorkflowContext<E extends EventSchemas = EventSchemas> {
  readonly instanceId: string;
  /** One run: another one after `continueAsNew`. */
  readonly executionId: string;
  /** Histories of the workflows that led here, the farthest first, as far as the caller handed them on; empty: none. */
  readonly lineage: readonly HistoryChunk[];
  /** True while what is recorded is run again: for logs, never for decisions. */
  readonly replaying: boolean;
  /** Aborts when the workflow is cancelled or its time is over. */
  readonly signal: AbortSignal;

  /** A step: whatever is not the same every time. Executed at least once; its result is recorded once. */
  run<T>(name: string, step: (step: StepContext) => Promise<T> | T, options?: StepOptions<T>): Promise<T>;
  /** Durable, up to a hundred years. */
  sleep(duration: Duration): Promise<void>;
  sleepUntil(time: Date | number): Promise<void>;
  /** The payload of the next event of that name, one that came before included; one event for one waiter. What does not fit the schema is left out, with a warning. */
  waitFor<K extends keyof E & string>(event: K): Promise<OutputOf<E[K]>>;
  /** Undefined when none came in time. An event without payload is `null`. */
  waitFor<K extends keyof E & string>(event: K, options: { readonly timeout: Duration }): Promise<OutputOf<E[K]> | undefined>;
  /** Runs an activity or a child workflow, here or in another app, and answers what it does. */
  call<In, Out>(target: Callable<In, Out>, ...input: Input<In, [options?: CallOptions]>): Promise<Out>;
  /** Starts a workflow that has nothing more to do with this one. Answers its id. */
  start<In>(target: Callable<In, unknown> & { readonly kind: 'workflow' }, ...input: Input<In, [options?: DetachedOptions]>): string;
  /** Raises an event of another instance, of this or another app. */
  send(instanceId: string, event: string, payload?: unknown, options?: { readonly app?: string }): void;

  /** Like `Promise.all`, but rejects only when all have settled: what is rolled back then does not run any more. Takes names as well; functions begin when there is room. */
  all<T extends readonly unknown[]>(tasks: T, options?: AllOptions): Promise<{ -readonly [K in keyof T]: Settled<T[K]> }>;
  all<T extends Readonly<Record<string, unknown>>>(tasks: T, options?: AllOptions): Promise<{ -readonly [K in keyof T]: Settled<T[K]> }>;
  /** Like `Promise.race`, and tells who won. The others go on. */
  race<T extends Readonly<Record<string, PromiseLike<unknown>>>>(tasks: T): Promise<Winner<T>>;

  /** Runs as a step when the workflow fails or is cancelled later; the last one added first. */
  onRollback(name: string, undo: (step: StepContext) => unknown, options?: Omit<StepOptions, 'rollback'>): void;
  /** The same by an activity or a workflow, of this or another app. */
  onRollback<In>(target: Callable<In, unknown>, input: In, options?: CallOptions): void;
  /** Begins anew with an empty history when the function returns; events that nobody waited for go along. */
  continueAsNew(input?: unknown): never;
  /** True for runs that come here for the first time with this code, and again in their replays; false for those that passed here before. */
  patched(id: string): boolean;

  /** The time of the turn in milliseconds, instead of `Date.now()`. */
  now(): number;
  /** Instead of `Math.random()`. */
  random(): number;
  uuid(): string;

  /** What `state()` shows as `customStatus`. */
  setStatus(status: unknown): void;
  /** Attributes to search by, laid over those that are there. */
  setAttributes(attributes: Readonly<Record<string, string>>): void;
}

export interface AllOptions {
  /** How many functions run at once; default: all. */
  readonly concurrency?: number;
}

/** What a task of `ctx.all` becomes. */
export type Settled<T> = T extends () => infer R ? Awaited<R> : Awaited<T>;

/** The payload of an event, for whoever raises it. */
export type EventPayload<E extends EventSchemas, K extends keyof E> = InputOf<E[K]>;
