import type { FinalStatus, HistoryEvent, WorkflowAction } from '../../../blocks/workflow/index.ts';
import {
  type CompleteWorkflowAction,
  type CreateDetachedWorkflowAction,
  OrchestrationStatus,
  type WorkflowAction as WireAction,
} from '../../../gen/durabletask/taskhub_pb.ts';
import { carriedEvent, originOf } from './event-from-wire.ts';
import { msOf } from './times.ts';
import { failureOf, filled, given, routerOf, statusOfWire } from './wire-parts.ts';

/** An action of a worker's answer; undefined for kinds that the protocol does not have (yet). */
export function actionOf(wire: WireAction): WorkflowAction | undefined {
  const base = { id: wire.id, ...routerOf(wire.router) };
  const { workflowActionType: action } = wire;
  switch (action.case) {
    case 'scheduleTask': {
      const { name, version, input, taskExecutionId, historyPropagationScope } = action.value;
      const more = { ...filled('taskExecutionId', taskExecutionId), ...given('propagation', historyPropagationScope) };
      return { ...base, type: 'scheduleTask', name, ...given('version', version), ...given('input', input), ...more };
    }
    case 'createChildWorkflow': {
      const { instanceId, name, version, input, historyPropagationScope, retryParentInstanceInfo } = action.value;
      const more = { ...given('propagation', historyPropagationScope), ...filled('retryParent', retryParentInstanceInfo?.instanceId) };
      return {
        ...base,
        type: 'createChild',
        ...filled('instanceId', instanceId),
        name,
        ...given('version', version),
        ...given('input', input),
        ...more,
      };
    }
    case 'createTimer': {
      const { fireAt, name } = action.value;
      return { ...base, type: 'createTimer', fireAtMs: msOf(fireAt) ?? Number.NaN, ...given('name', name), ...originOf(action.value) };
    }
    case 'sendEvent': {
      const { instance, name, data } = action.value;
      return { ...base, type: 'sendEvent', instanceId: instance?.instanceId ?? '', name, ...given('input', data) };
    }
    case 'completeWorkflow':
      return { ...base, ...completion(action.value) };
    case 'terminateWorkflow': {
      const { instanceId, reason, recurse } = action.value;
      return { ...base, type: 'terminate', instanceId, ...given('reason', reason), recurse };
    }
    case 'workflowVersionNotAvailable':
      return { ...base, type: 'versionNotAvailable' };
    case 'createDetachedWorkflow':
      return { ...base, ...detached(action.value) };
    case undefined:
      return undefined;
  }
}

function completion(wire: CompleteWorkflowAction): Omit<Extract<WorkflowAction, { readonly type: 'complete' }>, 'id' | 'router'> {
  const { workflowStatus, result, newVersion, failureDetails } = wire;
  const again = workflowStatus === OrchestrationStatus.CONTINUED_AS_NEW;
  const carryover = wire.carryoverEvents.map(carriedEvent).filter((event): event is HistoryEvent => event !== undefined);
  return {
    type: 'complete',
    status: again ? 'CONTINUED_AS_NEW' : finalOf(workflowStatus),
    ...given('result', result),
    ...given('newVersion', newVersion),
    ...(carryover.length > 0 && { carryover }),
    ...(failureDetails !== undefined && { failure: failureOf(failureDetails) }),
  };
}

// A completion with a status that is no end is a worker's mistake: it ends as a failure.
function finalOf(status: OrchestrationStatus): FinalStatus {
  const known = statusOfWire(status);
  return known === 'COMPLETED' || known === 'TERMINATED' || known === 'CANCELED' ? known : 'FAILED';
}

function detached(wire: CreateDetachedWorkflowAction): Omit<Extract<WorkflowAction, { readonly type: 'createDetached' }>, 'id' | 'router'> {
  const { instanceId, name, version, input, scheduledStartTimestamp, executionId, tags } = wire;
  return {
    type: 'createDetached',
    instanceId,
    name,
    ...given('version', version),
    ...given('input', input),
    ...given('scheduledStartMs', msOf(scheduledStartTimestamp)),
    ...given('executionId', executionId),
    ...(Object.keys(tags).length > 0 && { tags }),
  };
}
