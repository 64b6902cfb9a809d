import { create } from '@bufbuild/protobuf';
import type {
  Attested,
  FinalStatus,
  HistoryEvent,
  ParentInstance,
  Router,
  StartedEvent,
  TimerOrigin,
  WorkflowInstance,
  WorkflowStatus,
} from '../../../blocks/workflow/index.ts';
import {
  type ChildWorkflowInstanceCreatedEvent,
  type ChildWorkflowInstanceFailedEvent,
  type CreateTimerAction,
  type ExecutionStartedEvent,
  type HistoryEvent as WireEvent,
  HistoryEventSchema,
  type ParentInstanceInfo,
  type TaskFailedEvent,
  TaskFailureDetailsSchema,
  type TaskRouter,
  type TaskScheduledEvent,
  type TimerCreatedEvent,
  TimerOriginActivityRetrySchema,
  TimerOriginChildWorkflowRetrySchema,
  TimerOriginCreateTimerSchema,
  TimerOriginExternalEventSchema,
} from '../../../gen/durabletask/taskhub_pb.ts';
import { msOf } from './times.ts';
import { ownUnknown, unknownFields } from './unknown-fields.ts';
import { failureOf, filled, given, routeOf, stallOf, statusOfWire, traceOf } from './wire-parts.ts';

/**
 * An event that a worker carries over into a new execution. Only what can wait for a workflow makes sense there: raised events, suspension and resumption. Undefined for all
 * others.
 */
export function carriedEvent(wire: WireEvent): HistoryEvent | undefined {
  const { eventType } = wire;
  const unknown = unknownFields(HistoryEventSchema, wire);
  const base = {
    id: wire.eventId,
    timeMs: msOf(wire.timestamp) ?? 0,
    ...routeOf(wire.router),
    ...(unknown !== undefined && { unknown }),
  };
  switch (eventType.case) {
    case 'eventRaised':
      return { ...base, type: 'eventRaised', name: eventType.value.name, ...given('input', eventType.value.input) };
    case 'executionSuspended':
      return { ...base, type: 'executionSuspended', ...given('reason', eventType.value.input) };
    case 'executionResumed':
      return { ...base, type: 'executionResumed', ...given('reason', eventType.value.input) };
    case 'executionTerminated':
      return { ...base, type: 'executionTerminated', ...given('input', eventType.value.input), recurse: eventType.value.recurse };
    default:
      return undefined;
  }
}

/** An event of a history; undefined for types that this version does not know. */
export function eventOf(wire: WireEvent): HistoryEvent | undefined {
  const content = contentOf(wire.eventType);
  if (content === undefined) return undefined;
  const unknown = unknownFields(HistoryEventSchema, wire);
  const router = wholeRoute(wire.router);
  return {
    id: wire.eventId,
    timeMs: msOf(wire.timestamp) ?? 0,
    ...(router !== undefined && { router }),
    ...(unknown !== undefined && { unknown }),
    ...content,
  };
}

type EventType = WireEvent['eventType'];
type Content<Event = HistoryEvent> = Event extends HistoryEvent ? Omit<Event, 'id' | 'timeMs' | 'router' | 'unknown'> : never;

function contentOf(eventType: EventType): Content | undefined {
  return operationOf(eventType) ?? resultOf(eventType) ?? lifeOf(eventType);
}

function operationOf(eventType: EventType): Content | undefined {
  switch (eventType.case) {
    case 'taskScheduled': {
      const { name, taskExecutionId } = eventType.value;
      return { type: 'taskScheduled', name, ...begunOf(eventType.value), ...filled('taskExecutionId', taskExecutionId) };
    }
    case 'childWorkflowInstanceCreated': {
      const { name, instanceId, retryParentInstanceInfo } = eventType.value;
      const retry = given('retryParent', retryParentInstanceInfo?.instanceId);
      return { type: 'childCreated', name, instanceId, ...begunOf(eventType.value), ...retry };
    }
    case 'timerCreated': {
      const { fireAt, name, rerunParentInstanceInfo } = eventType.value;
      const rerun = given('rerunParent', rerunParentInstanceInfo?.instanceId);
      return { type: 'timerCreated', fireAtMs: msOf(fireAt) ?? 0, ...given('name', name), ...rerun, ...originOf(eventType.value) };
    }
    case 'eventSent': {
      const { instanceId, name, input } = eventType.value;
      return { type: 'eventSent', instanceId, name, ...given('input', input) };
    }
    case 'detachedWorkflowInstanceCreated':
      return { type: 'detachedCreated', instanceId: eventType.value.instanceId };
    default:
      return undefined;
  }
}

function begunOf({
  version,
  input,
  parentTraceContext,
  rerunParentInstanceInfo,
  historyPropagationScope,
}: TaskScheduledEvent | ChildWorkflowInstanceCreatedEvent) {
  return {
    ...given('version', version),
    ...given('input', input),
    ...traceOf(parentTraceContext),
    ...given('rerunParent', rerunParentInstanceInfo?.instanceId),
    ...given('propagation', historyPropagationScope),
  };
}

function resultOf(eventType: EventType): Content | undefined {
  switch (eventType.case) {
    case 'taskCompleted': {
      const { taskScheduledId: scheduledId, result, taskExecutionId } = eventType.value;
      const execution = filled('taskExecutionId', taskExecutionId);
      return { type: 'taskCompleted', scheduledId, ...given('result', result), ...execution, ...attestedOf(eventType.value) };
    }
    case 'taskFailed': {
      const { taskScheduledId: scheduledId, taskExecutionId } = eventType.value;
      return { type: 'taskFailed', scheduledId, ...failedOf(eventType.value), ...filled('taskExecutionId', taskExecutionId) };
    }
    case 'childWorkflowInstanceCompleted': {
      const { taskScheduledId: scheduledId, result } = eventType.value;
      return { type: 'childCompleted', scheduledId, ...given('result', result), ...attestedOf(eventType.value) };
    }
    case 'childWorkflowInstanceFailed':
      return { type: 'childFailed', scheduledId: eventType.value.taskScheduledId, ...failedOf(eventType.value) };
    case 'timerFired':
      return { type: 'timerFired', timerId: eventType.value.timerId, fireAtMs: msOf(eventType.value.fireAt) ?? 0 };
    default:
      return undefined;
  }
}

function failedOf(value: TaskFailedEvent | ChildWorkflowInstanceFailedEvent) {
  const { failureDetails = create(TaskFailureDetailsSchema) } = value;
  return { failure: failureOf(failureDetails), ...attestedOf(value) };
}

interface AttestedFields {
  readonly attestation?: { readonly payload: Uint8Array; readonly signature: Uint8Array } | undefined;
  readonly signerCertificate?: Uint8Array | undefined;
}

function attestedOf({ attestation, signerCertificate }: AttestedFields): Attested {
  return {
    ...(attestation !== undefined && {
      attestation: { payload: base64(attestation.payload), signature: base64(attestation.signature) },
    }),
    ...(signerCertificate !== undefined && { signerCertificate: base64(signerCertificate) }),
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

function lifeOf(eventType: EventType): Content | undefined {
  switch (eventType.case) {
    case 'executionStarted':
      return { type: 'executionStarted', ...startedOf(eventType.value) };
    case 'executionCompleted': {
      const { workflowStatus, result, failureDetails } = eventType.value;
      const status = statusOfWire(workflowStatus);
      if (!isFinal(status)) return undefined;
      const failure = failureDetails === undefined ? {} : { failure: failureOf(failureDetails) };
      return { type: 'executionCompleted', status, ...given('result', result), ...failure };
    }
    case 'executionTerminated':
      return { type: 'executionTerminated', ...given('input', eventType.value.input), recurse: eventType.value.recurse };
    case 'workflowStarted': {
      const { version } = eventType.value;
      if (version === undefined) return { type: 'workflowStarted' };
      return { type: 'workflowStarted', version: { ...given('name', version.name), patches: version.patches } };
    }
    case 'eventRaised':
      return { type: 'eventRaised', name: eventType.value.name, ...given('input', eventType.value.input) };
    case 'executionSuspended':
      return { type: 'executionSuspended', ...given('reason', eventType.value.input) };
    case 'executionResumed':
      return { type: 'executionResumed', ...given('reason', eventType.value.input) };
    case 'executionStalled': {
      const { reason, description = '' } = eventType.value;
      return { type: 'executionStalled', reason: stallOf(reason), description };
    }
    default:
      return undefined;
  }
}

function isFinal(status: WorkflowStatus | undefined): status is FinalStatus {
  return status === 'COMPLETED' || status === 'FAILED' || status === 'TERMINATED' || status === 'CANCELED';
}

function startedOf(wire: ExecutionStartedEvent): StartedEvent {
  const { name, version, input, workflowInstance, parentInstance, scheduledStartTimestamp, workflowSpanId, tags } = wire;
  return {
    name,
    ...given('version', version),
    ...given('input', input),
    instance: instanceOf(workflowInstance),
    ...(parentInstance !== undefined && { parent: parentOf(parentInstance) }),
    ...given('scheduledStartMs', msOf(scheduledStartTimestamp)),
    ...traceOf(wire.parentTraceContext),
    ...given('workflowSpanId', workflowSpanId),
    ...(Object.keys(tags).length > 0 && { tags }),
  };
}

function instanceOf(instance: { readonly instanceId: string; readonly executionId?: string | undefined } | undefined): WorkflowInstance {
  return { instanceId: instance?.instanceId ?? '', ...given('executionId', instance?.executionId) };
}

function parentOf({ taskScheduledId, name, version, workflowInstance, appId, appNamespace }: ParentInstanceInfo): ParentInstance {
  return {
    taskScheduledId,
    ...instanceOf(workflowInstance),
    name: name ?? '',
    ...given('version', version),
    appId: appId ?? '',
    ...given('appNamespace', appNamespace),
  };
}

// What a history says of the source was stamped by a runtime; of an action it is what a worker claims.
function wholeRoute(router: TaskRouter | undefined): Router | undefined {
  if (router === undefined) return undefined;
  const { sourceAppId, targetAppId, targetAppNamespace } = router;
  return {
    ...filled('sourceAppId', sourceAppId),
    ...given('targetAppId', targetAppId),
    ...given('targetAppNamespace', targetAppNamespace),
  };
}

/** The origin of a timer, in the event and in the action alike. */
export function originOf({ origin }: TimerCreatedEvent | CreateTimerAction): { readonly origin?: TimerOrigin } {
  switch (origin.case) {
    case 'createTimer':
      return { origin: { kind: 'createTimer', ...ownUnknown(TimerOriginCreateTimerSchema, origin.value) } };
    case 'externalEvent':
      return { origin: { kind: 'externalEvent', name: origin.value.name, ...ownUnknown(TimerOriginExternalEventSchema, origin.value) } };
    case 'activityRetry': {
      const { taskExecutionId } = origin.value;
      return { origin: { kind: 'activityRetry', taskExecutionId, ...ownUnknown(TimerOriginActivityRetrySchema, origin.value) } };
    }
    case 'childWorkflowRetry': {
      const { instanceId } = origin.value;
      return { origin: { kind: 'childWorkflowRetry', instanceId, ...ownUnknown(TimerOriginChildWorkflowRetrySchema, origin.value) } };
    }
    default:
      return {};
  }
}
