import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { Attested, HistoryEvent, ParentInstance, TimerOrigin, WorkflowInstance } from '../../../blocks/workflow/index.ts';
import {
  HistoryEventSchema,
  type ParentInstanceInfoSchema,
  type TimerCreatedEventSchema,
  TimerOriginActivityRetrySchema,
  TimerOriginChildWorkflowRetrySchema,
  TimerOriginCreateTimerSchema,
  TimerOriginExternalEventSchema,
  type WorkflowInstanceSchema,
} from '../../../gen/durabletask/taskhub_pb.ts';
import { wireTime } from './times.ts';
import { withUnknown } from './unknown-fields.ts';
import { given, wireFailure, wireRouter, wireStall, wireStatus, wireTrace } from './wire-parts.ts';

type WireEvent = MessageInitShape<typeof HistoryEventSchema>;
type EventType = NonNullable<WireEvent['eventType']>;
type Of<Type extends HistoryEvent['type']> = Extract<HistoryEvent, { readonly type: Type }>;

// Histories are sent again and again; an event never changes.
const encoded = new WeakMap<HistoryEvent, Uint8Array>();

/** The bytes of an event's message; made once per event. Undefined for events that the protocol does not have. */
export function eventBytes(event: HistoryEvent): Uint8Array | undefined {
  const known = encoded.get(event);
  if (known !== undefined) return known;
  const wire = wireEvent(event);
  if (wire === undefined) return undefined;
  // Fields that this version does not know come back as they came.
  const bytes = toBinary(HistoryEventSchema, withUnknown(HistoryEventSchema, create(HistoryEventSchema, wire), event.unknown));
  encoded.set(event, bytes);
  return bytes;
}

/** The message of an event. */
export function eventMessage(event: HistoryEvent) {
  const bytes = eventBytes(event);
  return bytes === undefined ? undefined : fromBinary(HistoryEventSchema, bytes);
}

function wireEvent(event: HistoryEvent): WireEvent | undefined {
  const eventType = wireType(event);
  if (eventType === undefined) return undefined;
  return {
    eventId: event.id,
    timestamp: wireTime(event.timeMs),
    eventType,
    ...(event.router !== undefined && { router: wireRouter(event.router) }),
  };
}

function wireType(event: HistoryEvent): EventType | undefined {
  switch (event.type) {
    case 'taskScheduled':
    case 'taskCompleted':
    case 'taskFailed':
      return taskType(event);
    case 'childCreated':
    case 'childCompleted':
    case 'childFailed':
    case 'detachedCreated':
      return childType(event);
    case 'timerCreated':
      return { case: 'timerCreated', value: timerCreated(event) };
    case 'timerFired':
      return { case: 'timerFired', value: { fireAt: wireTime(event.fireAtMs), timerId: event.timerId } };
    case 'eventSent':
      return { case: 'eventSent', value: { instanceId: event.instanceId, name: event.name, ...given('input', event.input) } };
    case 'eventRaised':
      return { case: 'eventRaised', value: { name: event.name, ...given('input', event.input) } };
    case 'recorded':
      return undefined;
    default:
      return lifeType(event);
  }
}

function taskType(event: Of<'taskScheduled'> | Of<'taskCompleted'> | Of<'taskFailed'>): EventType {
  const taskExecutionId = event.taskExecutionId ?? '';
  if (event.type === 'taskCompleted')
    return {
      case: 'taskCompleted',
      value: { taskScheduledId: event.scheduledId, ...given('result', event.result), taskExecutionId, ...attested(event) },
    };
  if (event.type === 'taskFailed')
    return {
      case: 'taskFailed',
      value: { taskScheduledId: event.scheduledId, failureDetails: wireFailure(event.failure), taskExecutionId, ...attested(event) },
    };
  const { name, version, input, trace, rerunParent, propagation } = event;
  return {
    case: 'taskScheduled',
    value: {
      name,
      ...given('version', version),
      ...given('input', input),
      ...(trace !== undefined && { parentTraceContext: wireTrace(trace) }),
      taskExecutionId,
      ...(rerunParent !== undefined && { rerunParentInstanceInfo: { instanceId: rerunParent } }),
      ...(propagation !== undefined && { historyPropagationScope: propagation as 0 | 1 | 2 }),
    },
  };
}

function childType(event: Of<'childCreated'> | Of<'childCompleted'> | Of<'childFailed'> | Of<'detachedCreated'>): EventType {
  if (event.type === 'childCompleted') {
    const value = { taskScheduledId: event.scheduledId, ...given('result', event.result), ...attested(event) };
    return { case: 'childWorkflowInstanceCompleted', value };
  }
  if (event.type === 'childFailed') {
    const value = { taskScheduledId: event.scheduledId, failureDetails: wireFailure(event.failure), ...attested(event) };
    return { case: 'childWorkflowInstanceFailed', value };
  }
  if (event.type === 'detachedCreated') return { case: 'detachedWorkflowInstanceCreated', value: { instanceId: event.instanceId } };
  const { instanceId, name, version, input, trace, rerunParent, retryParent, propagation } = event;
  return {
    case: 'childWorkflowInstanceCreated',
    value: {
      instanceId,
      name,
      ...given('version', version),
      ...given('input', input),
      ...(trace !== undefined && { parentTraceContext: wireTrace(trace) }),
      ...(rerunParent !== undefined && { rerunParentInstanceInfo: { instanceId: rerunParent } }),
      ...(retryParent !== undefined && { retryParentInstanceInfo: { instanceId: retryParent } }),
      ...(propagation !== undefined && { historyPropagationScope: propagation as 0 | 1 | 2 }),
    },
  };
}

interface AttestedFields {
  readonly attestation?: { readonly payload: Uint8Array; readonly signature: Uint8Array };
  readonly signerCertificate?: Uint8Array;
}

function attested({ attestation, signerCertificate }: Attested): AttestedFields {
  return {
    ...(attestation !== undefined && {
      attestation: { payload: Buffer.from(attestation.payload, 'base64'), signature: Buffer.from(attestation.signature, 'base64') },
    }),
    ...(signerCertificate !== undefined && { signerCertificate: Buffer.from(signerCertificate, 'base64') }),
  };
}

type Life =
  | Of<'executionStarted'>
  | Of<'executionCompleted'>
  | Of<'executionTerminated'>
  | Of<'workflowStarted'>
  | Of<'executionSuspended'>
  | Of<'executionResumed'>
  | Of<'executionStalled'>;

function lifeType(event: Life): EventType {
  switch (event.type) {
    case 'executionStarted':
      return { case: 'executionStarted', value: started(event) };
    case 'executionCompleted': {
      const failure = event.failure === undefined ? {} : { failureDetails: wireFailure(event.failure) };
      return {
        case: 'executionCompleted',
        value: { workflowStatus: wireStatus(event.status), ...given('result', event.result), ...failure },
      };
    }
    case 'executionTerminated':
      return { case: 'executionTerminated', value: { ...given('input', event.input), recurse: event.recurse } };
    case 'workflowStarted': {
      const { version } = event;
      const chosen = version === undefined ? {} : { version: { patches: [...(version.patches ?? [])], ...given('name', version.name) } };
      return { case: 'workflowStarted', value: chosen };
    }
    case 'executionSuspended':
      return { case: 'executionSuspended', value: given('input', event.reason) };
    case 'executionResumed':
      return { case: 'executionResumed', value: given('input', event.reason) };
    case 'executionStalled':
      return { case: 'executionStalled', value: { reason: wireStall(event.reason), description: event.description } };
  }
}

function started({ name, version, input, instance, parent, scheduledStartMs, trace, workflowSpanId, tags }: Of<'executionStarted'>) {
  return {
    name,
    ...given('version', version),
    ...given('input', input),
    workflowInstance: wireInstance(instance),
    ...(parent !== undefined && { parentInstance: wireParent(parent) }),
    ...(scheduledStartMs !== undefined && { scheduledStartTimestamp: wireTime(scheduledStartMs) }),
    ...(trace !== undefined && { parentTraceContext: wireTrace(trace) }),
    ...given('workflowSpanId', workflowSpanId),
    tags: { ...tags },
  };
}

function wireInstance({ instanceId, executionId }: WorkflowInstance): MessageInitShape<typeof WorkflowInstanceSchema> {
  return { instanceId, ...given('executionId', executionId) };
}

function wireParent({
  taskScheduledId,
  name,
  version,
  appId,
  appNamespace,
  ...instance
}: ParentInstance): MessageInitShape<typeof ParentInstanceInfoSchema> {
  return {
    taskScheduledId,
    name,
    ...given('version', version),
    workflowInstance: wireInstance(instance),
    appId,
    ...given('appNamespace', appNamespace),
  };
}

function timerCreated({ fireAtMs, name, origin, rerunParent }: Of<'timerCreated'>): MessageInitShape<typeof TimerCreatedEventSchema> {
  return {
    fireAt: wireTime(fireAtMs),
    ...given('name', name),
    ...(rerunParent !== undefined && { rerunParentInstanceInfo: { instanceId: rerunParent } }),
    ...(origin !== undefined && { origin: wireOrigin(origin) }),
  };
}

function wireOrigin(origin: TimerOrigin): NonNullable<MessageInitShape<typeof TimerCreatedEventSchema>['origin']> {
  const { unknown } = origin;
  switch (origin.kind) {
    case 'createTimer':
      return { case: 'createTimer', value: withUnknown(TimerOriginCreateTimerSchema, create(TimerOriginCreateTimerSchema), unknown) };
    case 'externalEvent': {
      const { name } = origin;
      return {
        case: 'externalEvent',
        value: withUnknown(TimerOriginExternalEventSchema, create(TimerOriginExternalEventSchema, { name }), unknown),
      };
    }
    case 'activityRetry': {
      const value = create(TimerOriginActivityRetrySchema, { taskExecutionId: origin.taskExecutionId });
      return { case: 'activityRetry', value: withUnknown(TimerOriginActivityRetrySchema, value, unknown) };
    }
    case 'childWorkflowRetry': {
      const value = create(TimerOriginChildWorkflowRetrySchema, { instanceId: origin.instanceId });
      return { case: 'childWorkflowRetry', value: withUnknown(TimerOriginChildWorkflowRetrySchema, value, unknown) };
    }
  }
}
