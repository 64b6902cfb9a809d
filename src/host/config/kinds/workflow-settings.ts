import type { Retention } from '../../../blocks/workflow/index.ts';
import type { WorkflowConfig } from '../model.ts';
import { duration, filledText, list, object, optional, required, whole, withDefault } from '../shape.ts';

const perName = withDefault(list(object({ name: required(filledText), maxConcurrent: required(whole(1)) })), []);
const most = optional(whole(1));

const kept = {
  anyTerminal: optional(duration),
  completed: optional(duration),
  failed: optional(duration),
  terminated: optional(duration),
};

/** `spec.workflow` of a Configuration (Dapr reference 10.5, serverless reference 5.14). */
export const workflowSettings = object({
  maxConcurrentWorkflowInvocations: most,
  maxConcurrentActivityInvocations: most,
  globalMaxConcurrentWorkflowInvocations: most,
  globalMaxConcurrentActivityInvocations: most,
  workflowConcurrencyLimits: perName,
  activityConcurrencyLimits: perName,
  stateRetentionPolicy: optional(object(kept)),
  // Proa's own.
  workflowRetentionPolicies: withDefault(list(object({ name: required(filledText), ...kept })), []),
});

type Written = NonNullable<ReturnType<typeof workflowSettings>>;

/** What is not written is not limited, and kept for ever. Limits per name are those of all runtimes of the app together (serverless reference 5.14). */
export function workflowConfigOf(written: Written | undefined): WorkflowConfig {
  return {
    retention: {
      ...retentionOf(written?.stateRetentionPolicy),
      names: new Map((written?.workflowRetentionPolicies ?? []).map((policy) => [policy.name, retentionOf(policy)])),
    },
    limits: {
      workflows: {
        max: written?.maxConcurrentWorkflowInvocations ?? Infinity,
        shared: {
          max: written?.globalMaxConcurrentWorkflowInvocations ?? Infinity,
          names: namesOf(written?.workflowConcurrencyLimits),
        },
      },
      activities: {
        max: written?.maxConcurrentActivityInvocations ?? Infinity,
        shared: {
          max: written?.globalMaxConcurrentActivityInvocations ?? Infinity,
          names: namesOf(written?.activityConcurrencyLimits),
        },
      },
    },
  };
}

function retentionOf(keep: Written['stateRetentionPolicy']): Retention {
  return {
    ...(keep?.anyTerminal !== undefined && { anyTerminalMs: keep.anyTerminal }),
    ...(keep?.completed !== undefined && { completedMs: keep.completed }),
    ...(keep?.failed !== undefined && { failedMs: keep.failed }),
    ...(keep?.terminated !== undefined && { terminatedMs: keep.terminated }),
  };
}

function namesOf(limits: Written['workflowConcurrencyLimits'] = []): ReadonlyMap<string, number> {
  return new Map(limits.map(({ name, maxConcurrent }) => [name, maxConcurrent]));
}
