import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { FailureDetails, Router, StallReason, TraceParent, WorkflowStatus } from '../../../blocks/workflow/index.ts';
import {
  OrchestrationStatus,
  StalledReason,
  type TaskFailureDetails,
  TaskFailureDetailsSchema,
  type TaskRouter,
  TaskRouterSchema,
  type TraceContext,
  type TraceContextSchema,
} from '../../../gen/durabletask/taskhub_pb.ts';
import { ownUnknown, withUnknown } from './unknown-fields.ts';

/** A value that is left out when it is undefined: unset and empty differ on this wire. */
export function given<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [Key in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: Value };
}

/** A text where the protocol has no wrapper: empty means unset. */
export function filled<Name extends string>(name: Name, value: string | undefined): { readonly [Key in Name]?: string } {
  return value === undefined || value === '' ? ({} as { readonly [Key in Name]?: string }) : given(name, value);
}

const statuses: Readonly<Record<WorkflowStatus, OrchestrationStatus>> = {
  RUNNING: OrchestrationStatus.RUNNING,
  COMPLETED: OrchestrationStatus.COMPLETED,
  FAILED: OrchestrationStatus.FAILED,
  CANCELED: OrchestrationStatus.CANCELED,
  TERMINATED: OrchestrationStatus.TERMINATED,
  PENDING: OrchestrationStatus.PENDING,
  SUSPENDED: OrchestrationStatus.SUSPENDED,
  STALLED: OrchestrationStatus.STALLED,
};

export function wireStatus(status: WorkflowStatus): OrchestrationStatus {
  return statuses[status];
}

/** Undefined for CONTINUED_AS_NEW and for numbers that are unknown. */
export function statusOfWire(status: OrchestrationStatus): WorkflowStatus | undefined {
  return (Object.keys(statuses) as WorkflowStatus[]).find((name) => statuses[name] === status);
}

export function wireFailure(failure: FailureDetails): TaskFailureDetails {
  const { errorType, errorMessage, stackTrace, innerFailure, isNonRetriable, unknown } = failure;
  const message = create(TaskFailureDetailsSchema, {
    errorType,
    errorMessage,
    ...given('stackTrace', stackTrace),
    ...(innerFailure !== undefined && { innerFailure: wireFailure(innerFailure) }),
    isNonRetriable: isNonRetriable ?? false,
  });
  return withUnknown(TaskFailureDetailsSchema, message, unknown);
}

const failureDepthMax = 16;

/** Failures hold failures; what lies deeper than 16 is left out. */
export function failureOf(failure: TaskFailureDetails, depth = 0): FailureDetails {
  const { errorType, errorMessage, stackTrace, innerFailure, isNonRetriable } = failure;
  return {
    errorType,
    errorMessage,
    ...given('stackTrace', stackTrace),
    ...(innerFailure !== undefined && depth < failureDepthMax && { innerFailure: failureOf(innerFailure, depth + 1) }),
    ...(isNonRetriable && { isNonRetriable }),
    ...ownUnknown(TaskFailureDetailsSchema, failure),
  };
}

export function wireTrace({ traceParent, traceState }: TraceParent): MessageInitShape<typeof TraceContextSchema> {
  const spanId = traceParent.split('-')[2] ?? '';
  return { traceParent, spanId, ...given('traceState', traceState) };
}

export function traceOf(trace: TraceContext | undefined): { readonly trace?: TraceParent } {
  if (trace === undefined || trace.traceParent === '') return {};
  return { trace: { traceParent: trace.traceParent, ...given('traceState', trace.traceState) } };
}

export function wireRouter(router: Router): TaskRouter {
  const message = create(TaskRouterSchema, {
    sourceAppId: router.sourceAppId ?? '',
    ...given('targetAppId', router.targetAppId),
    ...given('targetAppNamespace', router.targetAppNamespace),
  });
  return withUnknown(TaskRouterSchema, message, router.unknown);
}

/** The same inside an event, whose unknown fields are kept as a whole. */
export function routeOf(wire: TaskRouter | undefined): { readonly router?: Router } {
  const { router } = routerOf(wire);
  if (router === undefined) return {};
  const { unknown: _kept, ...rest } = router;
  return { router: rest };
}

/** Whom an operation is for; the source that a client names is not believed. */
export function routerOf(router: TaskRouter | undefined): { readonly router?: Router } {
  const to = { ...filled('targetAppId', router?.targetAppId), ...filled('targetAppNamespace', router?.targetAppNamespace) };
  if (router === undefined || Object.keys(to).length === 0) return {};
  return { router: { ...to, ...ownUnknown(TaskRouterSchema, router) } };
}

const stalls: Readonly<Record<StallReason, StalledReason>> = {
  'patch-mismatch': StalledReason.PATCH_MISMATCH,
  'version-not-available': StalledReason.VERSION_NOT_AVAILABLE,
  'payload-size': StalledReason.PAYLOAD_SIZE_EXCEEDED,
  // The protocol has no word for it; a mismatch is what it is.
  diverged: StalledReason.PATCH_MISMATCH,
  // Nor for this: another runtime may go on with it.
  signing: StalledReason.VERSION_NOT_AVAILABLE,
};

export function wireStall(reason: StallReason): StalledReason {
  return stalls[reason];
}

export function stallOf(reason: StalledReason): StallReason {
  return (Object.keys(stalls) as StallReason[]).find((name) => stalls[name] === reason) ?? 'diverged';
}
