import type { HistoryEvent, TimerOrigin } from '../../../blocks/workflow/index.ts';
import {
  type CreateTimerAction,
  type HistoryEvent as WireEvent,
  HistoryEventSchema,
  type TimerCreatedEvent,
  TimerOriginActivityRetrySchema,
  TimerOriginChildWorkflowRetrySchema,
  TimerOriginCreateTimerSchema,
  TimerOriginExternalEventSchema,
} from '../../../gen/durabletask/taskhub_pb.ts';
import { msOf } from './times.ts';
import { ownUnknown, unknownFields } from './unknown-fields.ts';
import { given, routeOf } from './wire-parts.ts';

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
