import { create, toBinary } from '@bufbuild/protobuf';
import type { HistoryEvent } from '../../../blocks/workflow/index.ts';
import {
  type CreateTimerAction,
  EventRaisedEventSchema,
  type HistoryEvent as WireEvent,
  HistoryEventSchema,
  type TimerCreatedEvent,
} from '../../../gen/durabletask/taskhub_pb.ts';
import { msOf } from './times.ts';
import { given, routerOf } from './wire-parts.ts';

/**
 * An event that a worker carries over into a new execution. Only what can wait for a workflow makes sense there: raised events, suspension and resumption. Undefined for all
 * others.
 */
export function carriedEvent(wire: WireEvent): HistoryEvent | undefined {
  const { eventType } = wire;
  const unknown = unknownFields(wire);
  const base = {
    id: wire.eventId,
    timeMs: msOf(wire.timestamp) ?? 0,
    ...routerOf(wire.router),
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

// The same message with nothing in it but what is unknown, inside its event as well: merged into it again later.
function unknownFields(wire: WireEvent): string | undefined {
  const { eventType } = wire;
  const inner = eventType.value?.$unknown;
  if (wire.$unknown === undefined && inner === undefined) return undefined;
  const bare = create(HistoryEventSchema);
  if (wire.$unknown !== undefined) bare.$unknown = wire.$unknown;
  if (inner !== undefined && eventType.case === 'eventRaised') {
    bare.eventType = { case: 'eventRaised', value: create(EventRaisedEventSchema) };
    bare.eventType.value.$unknown = inner;
  }
  return Buffer.from(toBinary(HistoryEventSchema, bare)).toString('base64');
}

/** The origin of a timer, in the event and in the action alike. */
export function originOf({ origin }: TimerCreatedEvent | CreateTimerAction) {
  switch (origin.case) {
    case 'createTimer':
      return { origin: { kind: 'createTimer' } } as const;
    case 'externalEvent':
      return { origin: { kind: 'externalEvent', name: origin.value.name } } as const;
    case 'activityRetry':
      return { origin: { kind: 'activityRetry', taskExecutionId: origin.value.taskExecutionId } } as const;
    case 'childWorkflowRetry':
      return { origin: { kind: 'childWorkflowRetry', instanceId: origin.value.instanceId } } as const;
    default:
      return {};
  }
}
