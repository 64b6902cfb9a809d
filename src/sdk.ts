/**
 * `proa/sdk`: what an application imports. The same source runs beside a sidecar, over HTTP or gRPC, and with its runtime in its own process; options or the
 * environment decide which.
 */
import { inspect } from 'node:util';
import { nodePorts } from './ports/node/index.ts';
import { createApp as createSilentApp, type App, type AppOptions } from './sdk/app.ts';
import { droppedLine, type DroppedEvents } from './sdk/dropped-events.ts';
import { serveApp, type RunningApp, type ServeOptions } from './sdk/serve.ts';

export { defineActor } from './sdk/actor.ts';
export type { ActorContext, ActorDefinition, ActorMethods, ActorOptions, ActorProxy, ActorStateView, Due, Schedule } from './sdk/actor.ts';
export type { ActorClient } from './sdk/actor-client.ts';
export type { App, AppOptions, BindingInput, BulkHandler, BulkOptions, Handler, JobRun, SubscriptionOptions } from './sdk/app.ts';
export type { CallOptions } from './sdk/asking.ts';
export type { BindingAnswer, BulkEvent, Client, Lock, PublishOptions, SubscribeOptions } from './sdk/client.ts';
export { defineContract } from './sdk/contract.ts';
export type {
  AnyContract,
  EventContract,
  Implementation,
  InputOf,
  MethodContract,
  OutputOf,
  StandardSchema,
  TypedClient,
} from './sdk/contract.ts';
export type { JobOptions, JobsClient, ScheduledJob } from './sdk/jobs.ts';
export type { DroppedEvents } from './sdk/dropped-events.ts';
export type { EventAnswer, EventHandler, TopicEvent } from './sdk/event.ts';
export type { InvokeOptions } from './sdk/invoke.ts';
export type { AppMetadata, InvocationAnswer } from './sdk/operations.ts';
export type { Mode } from './sdk/place.ts';
export { reply } from './sdk/request.ts';
export type { AppRequest, Reply } from './sdk/request.ts';
export type { RunningApp, ServeOptions } from './sdk/serve.ts';
export type { StateChange, StateClient, StateEntry, WriteOptions } from './sdk/state.ts';
export { activity, activityOf, workflow, workflowOf } from './sdk/workflow/definition.ts';
export type {
  ActivityDefinition,
  ActivityOptions,
  Callable,
  EventSchemas,
  WorkflowDefinition,
  WorkflowOptions,
  WorkflowReference,
} from './sdk/workflow/definition.ts';
export type { ActivityContext, StepContext, StepOptions, WorkflowContext } from './sdk/workflow/context.ts';
export type { StartOptions, WorkflowHandle, Workflows, WorkflowSnapshot } from './sdk/workflow/client.ts';
export type { Duration } from './sdk/workflow/duration.ts';
export type { RetryOptions } from './sdk/workflow/retry-policy.ts';
export { isProaError, ProaError } from './kernel/errors.ts';
export type { ErrorCode } from './kernel/catalogue.ts';

/** An app without handlers. Adding two for the same thing is an error at once. */
export function createApp(options: AppOptions = {}): App {
  // Ports take half a millisecond to make, which an app without errors does not spend.
  const toStandardError = (error: unknown, what: string): void => nodePorts().process.writeErr(`${what} failed: ${inspect(error)}\n`);
  const droppedToStandardError = (dropped: DroppedEvents): void => nodePorts().process.writeErr(`${droppedLine(dropped)}\n`);
  const told = { onError: options.onError ?? toStandardError, onDropped: options.onDropped ?? droppedToStandardError };
  return createSilentApp({ ...options, ...told }, () => nodePorts().clock);
}

/** Runs an app in the mode that options or environment name. Fails with `config.invalid` for settings that cannot be. */
export function serve(app: App, options: ServeOptions = {}): Promise<RunningApp> {
  return serveApp(app, options, parts());
}

/** The building blocks without an app: for programs that only call. */
export function connect(options: Omit<ServeOptions, 'port' | 'listen'> = {}): Promise<RunningApp> {
  return serveApp(undefined, options, parts());
}

// The embedded runtime is loaded only by the mode that needs it.
function parts() {
  const ports = nodePorts();
  return {
    ports,
    openInProcess: async (options: Parameters<Parameters<typeof serveApp>[2]['openInProcess']>[0]) =>
      (await import('./host/in-process.ts')).openInProcess(options),
  };
}
