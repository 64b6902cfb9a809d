import { splitAppName } from '../../kernel/app-name.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { RerunOptions, WorkflowBlock } from '../../blocks/workflow/index.ts';
import type { HistoryEvent, Purged, WorkflowFilter, WorkflowState, WorkflowStatus } from '../../contracts/workflow.ts';
import { asked, type CallOptions } from '../asking.ts';
import { checked } from '../contract.ts';
import type { EventPayload, Input, Payload } from './context.ts';
import { nameChecked, type EventSchemas, type WorkflowReference } from './definition.ts';
import { durationMs, type Duration } from './duration.ts';
import { cancelEvent } from './operation.ts';
import { errorOf } from './failures.ts';
import { filterChecked } from './filter.ts';
import { decodeValue, encodeValue } from './values.ts';
import { eventKnown } from './waits.ts';

/** What the client asks of the workflows of its app. */
export type WorkflowOperations = Pick<
  WorkflowBlock,
  'start' | 'get' | 'wait' | 'raise' | 'terminate' | 'suspend' | 'resume' | 'purge' | 'purgeWhere' | 'list' | 'history' | 'rerun'
> & {
  /** The workflows of another app. */
  of(appId: string, namespace: string | undefined): WorkflowOperations;
};

export interface StartOptions {
  /** Generated when absent. An id that a running instance has is refused with `workflow.exists`; a finished one is replaced. */
  readonly id?: string;
  /** Not before: a time, or how long from now. */
  readonly startAt?: Date | Duration;
  readonly tags?: Readonly<Record<string, string>>;
  /** Refuses the id of a finished instance as well. */
  readonly unique?: boolean;
  /** The W3C `traceparent` that the run belongs to. */
  readonly traceparent?: string;
}

/** An instance as it is now, its values decoded. */
export interface WorkflowSnapshot extends Omit<WorkflowState, 'input' | 'output' | 'customStatus' | 'failure'> {
  readonly status: WorkflowStatus;
  readonly input: unknown;
  readonly output: unknown;
  /** What `ctx.setStatus` said last. */
  readonly customStatus: unknown;
  readonly error: ProaError | undefined;
}

/** One instance. Methods fail with `workflow.not-found` when there is none. */
export interface WorkflowHandle<Out = unknown, E extends EventSchemas = EventSchemas> {
  readonly id: string;
  /** Waits for the end. Fails with the error of the run (`workflow.failed` with the original as its cause), with `cancelled`, or `workflow.terminated`. */
  result(options?: CallOptions): Promise<Out>;
  /** Undefined: there is no such instance. */
  state(): Promise<WorkflowSnapshot | undefined>;
  /** Durable when it resolves. A payload that does not fit is refused. */
  raise<K extends keyof E & string>(event: K, ...payload: Payload<EventPayload<E, K>>): Promise<void>;
  /** Asks it to end: what it waits for fails with `cancelled`, `finally` and rollbacks run. */
  cancel(reason?: string): Promise<void>;
  /** Ends it and its children (not those with `recursive: false`) where they are: nothing of them runs any more. */
  terminate(output?: unknown, options?: { readonly recursive?: boolean }): Promise<void>;
  suspend(reason?: string): Promise<void>;
  resume(reason?: string): Promise<void>;
  /** Deletes what is kept of a finished instance and its children. */
  purge(): Promise<void>;
  history(): Promise<readonly HistoryEvent[]>;
  /** A new instance that goes on from an event of this finished one; `childId` is for the child that is begun again there. */
  rerun(
    eventId: number,
    options?: { readonly id?: string; readonly childId?: string; readonly input?: unknown },
  ): Promise<WorkflowHandle<Out, E>>;
}

/** The workflows of this app and, by reference, of others. */
export interface Workflows {
  /** Durable when it resolves; the input is checked before. */
  start<In, Out, E extends EventSchemas>(
    workflow: WorkflowReference<In, Out, E>,
    ...input: Input<In, [options?: StartOptions]>
  ): Promise<WorkflowHandle<Out, E>>;
  /** An instance by its id, whether there is one or not. */
  get<In, Out, E extends EventSchemas>(workflow: WorkflowReference<In, Out, E>, id: string): WorkflowHandle<Out, E>;
  /**
   * Deletes what is kept of finished instances that match, by name, status, age and attributes, and of their children. At least 1,000 per call, if there are so many:
   * `complete` says whether there may be more.
   */
  purge(filter: WorkflowFilter, options?: { readonly recursive?: boolean }): Promise<Purged>;
  list(
    filter?: WorkflowFilter,
    page?: { readonly size?: number; readonly token?: string },
  ): Promise<{ readonly instances: readonly WorkflowSnapshot[]; readonly token?: string }>;
}

/** The client over the operations of one app. */
export function createWorkflows(clock: Clock, operations: WorkflowOperations): Workflows {
  return {
    async start(workflow, ...[input, options = {}]) {
      const { name, version, app, input: schema } = asWorkflow(workflow);
      const what = `the input of workflow "${name}"`;
      await checked(schema, input, { what, code: 'bad-request' });
      const text = encodeValue(input, what);
      const { id, startAt, tags, unique, traceparent } = options as StartOptions;
      const own = ofApp(operations, app);
      const instanceId = await own.start({
        name: nameChecked(name, 'a workflow'),
        ...(id !== undefined && { instanceId: id }),
        ...(version !== undefined && { version: String(version) }),
        ...(text !== undefined && { input: text }),
        ...(startAt !== undefined && {
          startAtMs: startAt instanceof Date ? startAt.getTime() : clock.now() + durationMs(startAt, 'startAt'),
        }),
        ...(tags !== undefined && { tags }),
        ...(unique !== undefined && { unique }),
        ...(traceparent !== undefined && { trace: { traceParent: traceparent } }),
      });
      return handleOf({ clock, operations: own, workflow }, instanceId) as never;
    },
    get: (workflow, id) => handleOf({ clock, operations: ofApp(operations, asWorkflow(workflow).app), workflow }, id) as never,
    async purge(given, { recursive = true } = {}) {
      const filter = filterChecked(given);
      // Of everything that there is, that would be too easy to say by mistake.
      if (Object.keys(filter).length === 0) throw new ProaError('bad-request', 'purge got no filter', { hint: 'name at least a status' });
      return operations.purgeWhere(filter, recursive);
    },
    async list(filter = {}, page = {}) {
      const { instances, token } = await operations.list(filterChecked(filter), page);
      return { instances: instances.map(snapshotOf), ...(token !== undefined && { token }) };
    },
  };
}

/** The workflow, where no compiler has looked: a name alone does not say whose it is. */
function asWorkflow<W>(workflow: W): W {
  if (typeof workflow === 'object' && workflow !== null && typeof (workflow as { name?: unknown }).name === 'string') return workflow;
  const shown = typeof workflow === 'string' ? JSON.stringify(workflow.slice(0, 100)) : String(workflow);
  const name = typeof workflow === 'string' ? shown : "'name'";
  throw new ProaError('bad-request', `${shown} is no workflow`, {
    hint: `give what \`workflow({ name: ${name} }, ...)\` made, or workflowOf('app', ${name}) for one that another app has`,
  });
}

function ofApp(operations: WorkflowOperations, app: string | undefined): WorkflowOperations {
  if (app === undefined) return operations;
  const { appId, namespace } = splitAppName(app);
  return operations.of(appId, namespace);
}

interface HandleParts {
  readonly clock: Clock;
  readonly operations: WorkflowOperations;
  readonly workflow: { readonly events?: EventSchemas };
}

function handleOf(parts: HandleParts, id: string): WorkflowHandle {
  const { clock, operations, workflow } = parts;
  return {
    id,
    async result(options = {}) {
      // Waiting also waits for instances that do not exist yet; a handle is of one that should.
      if ((await operations.get(id, false)) === undefined) throw new ProaError('workflow.not-found', `no such instance exists: '${id}'`);
      const state = await asked(clock, options, ({ cancel }) => operations.wait(id, 'completed', cancel ?? new CancelScope()));
      return resultOf(state);
    },
    async state() {
      const state = await operations.get(id, true);
      return state === undefined ? undefined : snapshotOf(state);
    },
    async raise(event, ...[payload]) {
      const known = eventKnown(workflow.events, nameChecked(event, 'an event'));
      const what = `event "${known}"`;
      await checked(workflow.events?.[known], payload === undefined ? null : payload, { what, code: 'bad-request' });
      await operations.raise(id, known, encodeValue(payload, what));
    },
    cancel: (reason = '') => operations.raise(id, cancelEvent, encodeValue(reason, 'the reason')),
    terminate: (output, { recursive = true } = {}) => operations.terminate(id, encodeValue(output, 'the output'), recursive),
    suspend: (reason) => operations.suspend(id, reason),
    resume: (reason) => operations.resume(id, reason),
    async purge() {
      await operations.purge(id, { recursive: true, force: false });
    },
    history: () => operations.history(id),
    async rerun(eventId, options = {}) {
      const changes: RerunOptions = {
        ...(options.id !== undefined && { instanceId: options.id }),
        ...(options.childId !== undefined && { childInstanceId: options.childId }),
        ...('input' in options && { input: { value: encodeValue(options.input, 'the input') } }),
      };
      return handleOf(parts, await operations.rerun(id, eventId, changes));
    },
  };
}

function resultOf({ instanceId, name, status, output, failure }: WorkflowState): unknown {
  const who = `workflow "${name}" (${instanceId})`;
  if (status === 'COMPLETED') return decodeValue(output);
  if (status === 'TERMINATED') throw new ProaError('workflow.terminated', `${who} was terminated`);
  if (status === 'CANCELED') throw new ProaError('cancelled', failure?.errorMessage ?? `${who} was cancelled`);
  throw failure === undefined ? new ProaError('workflow.failed', `${who} failed`) : errorOf(failure, 'workflow.failed');
}

function snapshotOf({ input, output, customStatus, failure, ...state }: WorkflowState): WorkflowSnapshot {
  return {
    ...state,
    input: decodeValue(input),
    output: decodeValue(output),
    customStatus: decodeValue(customStatus),
    error: failure === undefined ? undefined : errorOf(failure, 'workflow.failed'),
  };
}
