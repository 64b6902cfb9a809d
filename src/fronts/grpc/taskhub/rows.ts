import { fromBinary } from '@bufbuild/protobuf';
import type { WorkflowBlock, WorkflowState } from '../../../blocks/workflow/index.ts';
import {
  type CreateInstanceRequest,
  type GetInstanceRequest,
  GetWorkItemsRequestSchema,
  type PurgeInstancesRequest,
  type TaskRouter,
  TaskHubSidecarService,
  WorkerCapability,
  type WorkflowResponse,
} from '../../../gen/durabletask/taskhub_pb.ts';
import { CancelScope, type Cancellation } from '../../../kernel/cancel.ts';
import { isProaError, ProaError } from '../../../kernel/errors.ts';
import type { Random } from '../../../kernel/ports.ts';
import { headerValue } from '../../../wire/grpc/metadata.ts';
import { type Handlers, implement, type Method, type ServerCall } from '../../../wire/grpc/method.ts';
import type { MessageWriter } from '../../../wire/grpc/message-writer.ts';
import { type GrpcFrontContext, unaryRows } from '../row.ts';
import { eventMessage } from './event-to-wire.ts';
import { wireState } from './state-to-wire.ts';
import { msOf } from './times.ts';
import { Settles, streamWorker, Unfinished } from './work-stream.ts';
import { given, statusOfWire, traceOf } from './wire-parts.ts';

/** A start answers when its workflow runs, which SDKs wait for; without a worker only so long. */
const startWaitMs = 5_000;
const idsMax = 10_000;

type Hub = Handlers<typeof TaskHubSidecarService>;

/** Dapr's workflow SDKs: workers that take work from a stream, and clients (serverless reference 5.2). */
export function taskHubMethods(front: GrpcFrontContext, random: Random): Method[] {
  const unfinished = new Unfinished();
  const settles = new Settles();
  const handlers: Hub = {
    ...clientRows(front),
    ...controlRows(front),
    ...managementRows(front),
    ...workerRows(front, { unfinished, settles, random }),
  };
  // Items of work are bytes already.
  const items = { decode: (bytes: Uint8Array) => fromBinary(GetWorkItemsRequestSchema, bytes), encode: (item: never): Uint8Array => item };
  return implement(TaskHubSidecarService, handlers, { getWorkItems: items });
}

interface WorkerParts {
  readonly unfinished: Unfinished;
  readonly settles: Settles;
  readonly random: Random;
}

function workerRows(front: GrpcFrontContext, { unfinished, settles, random }: WorkerParts): Hub {
  // A turn is acknowledged when it is durable. A result of an activity becomes durable with the next turn, which the same worker may have to execute: who waited for it would hold
  // the place that the turn needs. It is acknowledged at once, as the worker does nothing with that but log a failure; a lost result is executed again.
  const turn = async (response: WorkflowResponse): Promise<object> => {
    if (unfinished.completeTurn(response)) await settles.of(response);
    return {};
  };
  return {
    hello: async () => ({}),
    async getWorkItems({ capabilities }, call, out) {
      const over = new Promise<void>((resolve, reject) => {
        call.cancel.onCancel(() => resolve());
        const worker = streamWorker({
          // The codec above takes items as bytes.
          out: out as unknown as MessageWriter<Uint8Array>,
          unfinished,
          settles,
          keepsHistory: capabilities.includes(WorkerCapability.STATEFUL_HISTORY),
          newToken: () => random.uuid(),
          failed: reject,
        });
        const detach = front.blocks.workflow.attach(worker);
        call.cancel.onCancel(detach);
      });
      call.sendHeaders();
      await over;
    },
    async completeActivityTask(response) {
      unfinished.completeActivity(response);
      return {};
    },
    completeWorkflowTask: turn,
    completeOrchestratorTask: turn,
  };
}

function clientRows(front: GrpcFrontContext): Hub {
  const row = unaryRows(front);
  const { method } = TaskHubSidecarService;
  const operation = (name: string, idempotent: boolean) => ({ block: 'workflow', name, idempotent });
  const waiting = (until: 'started' | 'completed', name: string) =>
    ({
      operation: operation(name, true),
      decode: (request: GetInstanceRequest) => request,
      service: (blocks: GrpcFrontContext['blocks']) => (call: { readonly input: GetInstanceRequest; readonly cancel: Cancellation }) =>
        at(blocks.workflow, call.input.router).wait(call.input.instanceId, until, call.cancel),
      encode: (state: WorkflowState, call: ServerCall, request: GetInstanceRequest) => found(state, call, request),
    }) as const;
  return {
    startInstance: row(method.startInstance, {
      operation: operation('start', false),
      decode: (request) => request,
      service: (blocks) => (call) => start(front, at(blocks.workflow, call.input.router), call.input),
      encode: (instanceId) => ({ instanceId }),
    }),
    getInstance: row(method.getInstance, {
      operation: operation('get', true),
      decode: (request) => request,
      service: (blocks) => (call) => at(blocks.workflow, call.input.router).get(call.input.instanceId, call.input.getInputsAndOutputs),
      encode: (state, call, request) => (state === undefined ? { exists: false } : found(state, call, request)),
    }),
    waitForInstanceStart: row(method.waitForInstanceStart, waiting('started', 'wait_for_start')),
    waitForInstanceCompletion: row(method.waitForInstanceCompletion, waiting('completed', 'wait_for_completion')),
  };
}

function found(state: WorkflowState, call: ServerCall, { getInputsAndOutputs }: GetInstanceRequest) {
  return { exists: true, workflowState: wireState(state, getInputsAndOutputs, headerValue(call.metadata, 'user-agent') ?? '') };
}

function controlRows(front: GrpcFrontContext): Hub {
  const row = unaryRows(front);
  const { method } = TaskHubSidecarService;
  const operation = (name: string) => ({ block: 'workflow', name, idempotent: false });
  return {
    raiseEvent: row(method.raiseEvent, {
      operation: operation('raise_event'),
      decode: (request) => request,
      service: (blocks) => (call) => at(blocks.workflow, call.input.router).raise(call.input.instanceId, call.input.name, call.input.input),
      encode: () => ({}),
    }),
    terminateInstance: row(method.terminateInstance, {
      operation: operation('terminate'),
      decode: (request) => request,
      service: (blocks) => (call) =>
        at(blocks.workflow, call.input.router).terminate(call.input.instanceId, call.input.output, call.input.recursive),
      encode: () => ({}),
    }),
    suspendInstance: row(method.suspendInstance, {
      operation: operation('suspend'),
      decode: (request) => request,
      service: (blocks) => (call) => at(blocks.workflow, call.input.router).suspend(call.input.instanceId, call.input.reason),
      encode: () => ({}),
    }),
    resumeInstance: row(method.resumeInstance, {
      operation: operation('resume'),
      decode: (request) => request,
      service: (blocks) => (call) => at(blocks.workflow, call.input.router).resume(call.input.instanceId, call.input.reason),
      encode: () => ({}),
    }),
  };
}

function managementRows(front: GrpcFrontContext): Hub {
  const row = unaryRows(front);
  const { method } = TaskHubSidecarService;
  return {
    purgeInstances: row(method.purgeInstances, {
      operation: { block: 'workflow', name: 'purge', idempotent: true },
      decode: (request) => request,
      service: (blocks) => (call) => purge(at(blocks.workflow, call.input.router), call.input),
      encode: ({ count, complete }) => ({ deletedInstanceCount: count, isComplete: complete }),
    }),
    rerunWorkflowFromEvent: row(method.rerunWorkflowFromEvent, {
      operation: { block: 'workflow', name: 'rerun', idempotent: false },
      decode: (request) => request,
      service: (blocks) => (call) => {
        const { sourceInstanceId, eventId, newInstanceId, newChildWorkflowInstanceId, overwriteInput, input, router } = call.input;
        return at(blocks.workflow, router).rerun(sourceInstanceId, eventId, {
          ...given('instanceId', newInstanceId),
          ...given('childInstanceId', newChildWorkflowInstanceId),
          ...(overwriteInput && { input: { value: input } }),
        });
      },
      encode: (newInstanceId) => ({ newInstanceId }),
    }),
    listInstanceIDs: row(method.listInstanceIDs, {
      operation: { block: 'workflow', name: 'list', idempotent: true },
      decode: ({ continuationToken, pageSize }) => ({ ...given('token', continuationToken), ...given('size', pageSize) }),
      service: (blocks) => (call) => listIds(blocks.workflow, call.input),
      encode: ({ ids, token }) => ({ instanceIds: ids, ...given('continuationToken', token) }),
    }),
    getInstanceHistory: row(method.getInstanceHistory, {
      operation: { block: 'workflow', name: 'history', idempotent: true },
      decode: ({ instanceId }) => instanceId,
      service: (blocks) => (call) => blocks.workflow.history(call.input),
      encode: (events) => ({ events: events.map(eventMessage).filter((event) => event !== undefined) }),
    }),
  };
}

// A namespace without an app is nobody's.
function at(workflow: WorkflowBlock, router: TaskRouter | undefined): WorkflowBlock {
  const namespace = router?.targetAppNamespace ?? '';
  const appId = router?.targetAppId ?? '';
  if (appId === '' && namespace === '') return workflow;
  if (appId === '') throw new ProaError('bad-request', 'an operation names a namespace without an app id');
  return workflow.of(appId, namespace === '' ? undefined : namespace);
}

async function start(front: GrpcFrontContext, workflow: WorkflowBlock, request: CreateInstanceRequest): Promise<string> {
  const startAtMs = msOf(request.scheduledStartTimestamp);
  const id = await workflow.start({
    instanceId: request.instanceId,
    name: request.name,
    ...given('version', request.version),
    ...given('input', request.input),
    ...given('startAtMs', startAtMs),
    ...(Object.keys(request.tags).length > 0 && { tags: request.tags }),
    ...traceOf(request.parentTraceContext),
    unique: request.enforceUniqueInstanceId,
  });
  if (startAtMs !== undefined) return id;
  const scope = new CancelScope();
  const timer = front.clock.timer(
    startWaitMs,
    () => scope.cancel(new ProaError('deadline-exceeded', 'no worker took the workflow yet')),
    true,
  );
  try {
    await workflow.wait(id, 'started', scope);
  } catch (error) {
    // It is created: that it does not run yet is no failure.
    if (!isProaError(error)) throw error;
  } finally {
    timer.cancel();
  }
  return id;
}

async function purge(workflow: WorkflowBlock, { request, recursive, force }: PurgeInstancesRequest) {
  if (request.case !== 'purgeInstanceFilter') return workflow.purge(request.value ?? '', { recursive, force: force ?? false });
  const { createdTimeFrom, createdTimeTo, runtimeStatus } = request.value;
  const statuses = runtimeStatus.map(statusOfWire).filter((status) => status !== undefined);
  // No instance here has one of those that were named, and a filter without statuses means all.
  if (runtimeStatus.length > 0 && statuses.length === 0) return { count: 0, complete: true };
  const filter = { ...given('createdFromMs', msOf(createdTimeFrom)), ...given('createdToMs', msOf(createdTimeTo)), statuses };
  return workflow.purgeWhere(filter, recursive);
}

async function listIds(workflow: WorkflowBlock, page: { readonly size?: number; readonly token?: string }) {
  const ids: string[] = [];
  const max = Math.min(page.size === undefined || page.size === 0 ? idsMax : page.size, idsMax);
  let token = page.token === '' ? undefined : page.token;
  do {
    const next = await workflow.list({}, { size: max - ids.length, ...given('token', token) });
    for (const { instanceId } of next.instances) ids.push(instanceId);
    ({ token } = next);
  } while (token !== undefined && ids.length < max);
  return { ids, token };
}
