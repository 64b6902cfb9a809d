import type { MessageInitShape } from '@bufbuild/protobuf';
import type { WorkflowState, WorkflowStatus } from '../../../blocks/workflow/index.ts';
import type { WorkflowStateSchema } from '../../../gen/durabletask/taskhub_pb.ts';
import { wireTime } from './times.ts';
import { given, wireFailure, wireStatus } from './wire-parts.ts';

/** The state of an instance as clients of the work stream see it. `userAgent` tells clients that throw at statuses which they do not know. */
export function wireState(state: WorkflowState, payloads: boolean, userAgent: string): MessageInitShape<typeof WorkflowStateSchema> {
  const shown = userAgent.startsWith('dapr-js-sdk') ? knownToJavaScript(state) : state;
  const { parent, scheduledStartMs, completedMs, startedMs, failure } = shown;
  return {
    instanceId: shown.instanceId,
    name: shown.name,
    ...given('version', shown.version),
    workflowStatus: wireStatus(shown.status),
    ...(scheduledStartMs !== undefined && { scheduledStartTimestamp: wireTime(scheduledStartMs) }),
    createdTimestamp: wireTime(shown.createdMs),
    lastUpdatedTimestamp: wireTime(shown.updatedMs),
    ...(payloads && {
      ...given('input', shown.input),
      ...given('output', shown.output),
      ...given('customStatus', shown.customStatus),
      ...(failure !== undefined && { failureDetails: wireFailure(failure) }),
    }),
    executionId: shown.executionId,
    ...(completedMs !== undefined && { completedTimestamp: wireTime(completedMs) }),
    ...given('parentInstanceId', parent?.instanceId),
    tags: { ...shown.tags },
    ...given('parentAppId', parent?.appId),
    ...(startedMs !== undefined && { startedAt: wireTime(startedMs) }),
  };
}

const replacements: Partial<Record<WorkflowStatus, WorkflowStatus>> = { STALLED: 'SUSPENDED', CANCELED: 'TERMINATED' };

// The JavaScript SDK has no names for CANCELED and STALLED, and throws (serverless reference 6).
function knownToJavaScript(state: WorkflowState): WorkflowState {
  const status = replacements[state.status];
  if (status === undefined) return state;
  const customStatus = state.stall === undefined ? {} : { customStatus: JSON.stringify(`stalled: ${state.stall.description}`) };
  return { ...state, status, ...customStatus };
}
