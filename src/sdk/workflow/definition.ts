import { ProaError } from '../../kernel/errors.ts';
import type { InputOf, MethodContract, OutputOf } from '../contract.ts';
import type { ActivityContext, WorkflowContext } from './context.ts';
import { workflowLimits } from '../../contracts/workflow.ts';
import { durationMs, type Duration } from './duration.ts';
import { retryPolicy, type Retry } from './retry-policy.ts';

/** A schema of zod, valibot, arktype or whatever else keeps to Standard Schema. */
export type Schema = NonNullable<MethodContract['input']>;

/** External events by name. */
export type EventSchemas = Readonly<Record<string, Schema>>;

export interface WorkflowOptions<E extends EventSchemas = EventSchemas> {
  /** Under what it is started and found. */
  readonly name: string;
  /** Several versions of a name can be registered: an instance stays with the one that began it, new ones begin with the highest. */
  readonly version?: string | number;
  /** The events that it waits for; absent: any, with a payload of unknown type. */
  readonly events?: E;
  /** For steps and activities that say nothing else. */
  readonly retry?: Retry;
  /** The whole run: after so long it is rolled back and fails with `deadline-exceeded`. */
  readonly timeout?: Duration;
}

/** What `ctx.call` takes, and what comes out of it. */
export interface Callable<In, Out> {
  readonly kind: 'workflow' | 'activity';
  readonly name: string;
  readonly version?: string | number;
  /** Another app, `app.namespace` for one of another namespace; absent: this one. */
  readonly app?: string;
  readonly input?: Schema;
  /** Only for the types. */
  readonly types?: { readonly input: In; readonly output: Out };
}

/** A workflow as `workflow` makes it. */
export interface WorkflowDefinition<In, Out, E extends EventSchemas = EventSchemas> extends Callable<In, Out> {
  readonly kind: 'workflow';
  readonly events?: E;
  readonly retry?: Retry;
  readonly timeoutMs?: number;
  run(ctx: WorkflowContext<E>, input: unknown): Promise<unknown>;
}

/** A workflow of another app, or one whose code is elsewhere. */
export interface WorkflowReference<In, Out, E extends EventSchemas = EventSchemas> extends Callable<In, Out> {
  readonly kind: 'workflow';
  readonly events?: E;
}

export interface ActivityOptions {
  /** Under what it is called. */
  readonly name: string;
  /** For calls that say nothing else. */
  readonly retry?: Retry;
  /** One attempt. */
  readonly timeout?: Duration;
  /** An attempt that gives no sign of life for so long is taken for dead. */
  readonly heartbeat?: Duration;
}

/** An activity as `activity` makes it. */
export interface ActivityDefinition<In, Out> extends Callable<In, Out> {
  readonly kind: 'activity';
  readonly retry?: Retry;
  readonly timeoutMs?: number;
  readonly heartbeatMs?: number;
  run(input: unknown, step: ActivityContext): unknown;
}

/** Any of them. Their events are not compared. */
export type AnyWorkflow = Omit<WorkflowDefinition<never, unknown>, 'types' | 'run' | 'events'> & {
  readonly events?: EventSchemas;
  run(ctx: never, input: unknown): Promise<unknown>;
};
export type AnyActivity = Omit<ActivityDefinition<never, unknown>, 'types'>;

/**
 * A workflow: a plain async function whose `ctx` calls are recorded. It goes on after a crash or a deploy where it was, by running again with what was recorded:
 * between `ctx` calls it must do the same every time. Fails with `bad-request` for options that cannot be.
 */
export function workflow<S extends Schema, Out, const E extends EventSchemas = EventSchemas>(
  options: WorkflowOptions<E> & { readonly input: S },
  run: (ctx: WorkflowContext<E>, input: OutputOf<S>) => Promise<Out>,
): WorkflowDefinition<InputOf<S>, Out, E>;
export function workflow<Out, In = undefined, const E extends EventSchemas = EventSchemas>(
  options: WorkflowOptions<E> & { readonly input?: undefined },
  run: (ctx: WorkflowContext<E>, input: In) => Promise<Out>,
): WorkflowDefinition<In, Out, E>;
export function workflow(
  { timeout, ...options }: WorkflowOptions & { readonly input?: Schema | undefined },
  run: (ctx: WorkflowContext, input: never) => Promise<unknown>,
): WorkflowDefinition<unknown, unknown> {
  const what = `workflow "${options.name}"`;
  nameChecked(options.name, 'a workflow');
  retryPolicy(options.retry, what);
  for (const event of Object.keys(options.events ?? {})) nameChecked(event, `an event of ${what}`);
  const { input, ...rest } = options;
  return {
    kind: 'workflow',
    ...rest,
    ...(input !== undefined && { input }),
    ...(timeout !== undefined && { timeoutMs: durationMs(timeout, `the timeout of ${what}`) }),
    run: run as WorkflowDefinition<unknown, unknown>['run'],
  };
}

/** An activity: a function of its own name that workflows of this and other apps call. It may be executed more than once: `step.idempotencyKey` stays the same. */
export function activity<S extends Schema, Out>(
  options: ActivityOptions & { readonly input: S },
  run: (input: OutputOf<S>, step: ActivityContext) => Promise<Out> | Out,
): ActivityDefinition<InputOf<S>, Out>;
export function activity<Out, In = undefined>(
  options: ActivityOptions & { readonly input?: undefined },
  run: (input: In, step: ActivityContext) => Promise<Out> | Out,
): ActivityDefinition<In, Out>;
export function activity(
  { timeout, heartbeat, ...options }: ActivityOptions & { readonly input?: Schema | undefined },
  run: (input: never, step: ActivityContext) => unknown,
): ActivityDefinition<unknown, unknown> {
  const what = `activity "${options.name}"`;
  nameChecked(options.name, 'an activity');
  retryPolicy(options.retry, what);
  const { input, ...rest } = options;
  return {
    kind: 'activity',
    ...rest,
    ...(input !== undefined && { input }),
    ...(timeout !== undefined && { timeoutMs: durationMs(timeout, `the timeout of ${what}`) }),
    ...(heartbeat !== undefined && { heartbeatMs: durationMs(heartbeat, `the heartbeat of ${what}`) }),
    run: run as ActivityDefinition<unknown, unknown>['run'],
  };
}

/** A workflow of another app, whatever that is written in. */
export function workflowOf<In = unknown, Out = unknown>(app: string, name: string, version?: string): WorkflowReference<In, Out> {
  return { kind: 'workflow', app, name: nameChecked(name, 'a workflow'), ...(version !== undefined && { version }) };
}

/** An activity of another app, whatever that is written in. */
export function activityOf<In = unknown, Out = unknown>(app: string, name: string): Callable<In, Out> {
  return { kind: 'activity', app, name: nameChecked(name, 'an activity') };
}

// With the number and the kind in front of it a name still fits the engine's limit.
const nameBytesMax = workflowLimits.nameBytesMax - 32;

/** A name that can stand in a history. Fails with `bad-request`. */
export function nameChecked(name: string, what: string): string {
  if (typeof name !== 'string' || name === '' || Buffer.byteLength(name) > nameBytesMax || /[\p{Cc}#]/u.test(name))
    throw new ProaError(
      'bad-request',
      `${what} has the name ${JSON.stringify(name)}: 1 to ${nameBytesMax} bytes, none of them "#" or a control character`,
    );
  if (/^(?:proa|dapr\.internal)\./i.test(name)) throw new ProaError('bad-request', `${what} has the name "${name}", which is reserved`);
  return name;
}
