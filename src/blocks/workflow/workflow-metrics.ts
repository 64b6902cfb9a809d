import type { AttestationKind } from '../../contracts/history-signing.ts';
import type { Counter, Histogram, Metrics } from '../../contracts/metrics.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';

export type OperationName = 'create_workflow' | 'get_workflow' | 'add_event' | 'purge_workflow';
export type ExecutionStatus = 'success' | 'failed' | 'terminated' | 'recoverable';

/** What is counted of workflows, under Dapr's names (Dapr reference 14.2). */
export interface WorkflowMetrics {
  operation(name: OperationName, ok: boolean, tookMs: number): void;
  execution(workflow: string, status: ExecutionStatus, tookMs: number): void;
  scheduling(workflow: string, waitedMs: number): void;
  activity(name: string, status: ExecutionStatus, tookMs: number): void;
  /** A policy decided about what another app wants. */
  access(sourceAppId: string, operation: string, decision: { readonly kind: 'workflow' | 'activity'; readonly allowed: boolean }): void;
  /** Share of the limit that the input of an activity takes. */
  activityPayload(workflow: string, activity: string, ratio: number): void;
  /** How long mail waited for its instance, whose turns come one after another. */
  waited(ms: number): void;
  /** Where a result went: to an instance in this runtime's memory, or by mail. */
  completion(taskType: 'activity' | 'child', route: 'local' | 'remote'): void;
  /** The word of whoever executed something was given, here, for somebody else. */
  attested(kind: AttestationKind): void;
  /** That word was looked at. */
  judged(kind: AttestationKind, ok: boolean, tookMs: number): void;
  /** Share of the limit that the history of a turn takes. */
  payload(workflow: string, ratio: number): void;
}

interface Series {
  readonly count: Counter;
  readonly latency: Histogram;
}

const namesMax = 1_000;

/** Series are made once per set of labels. */
export function createWorkflowMetrics(metrics: Metrics, namespace: string): WorkflowMetrics {
  const fixed = { [labelNames.namespace]: namespace };
  const series = (count: string, latency: string, labels: Record<string, string>): Series => {
    const all = { ...fixed, ...labels };
    return { count: metrics.counter(count, all), latency: metrics.histogram(latency, all) };
  };
  const histogram = (name: string) => remembered((workflow) => metrics.histogram(name, { ...fixed, [labelNames.workflowName]: workflow }));
  const operations = remembered((operation, status) => {
    const labels = { [labelNames.operation]: operation, [labelNames.status]: status };
    return series(metricNames.workflowOperation, metricNames.workflowOperationLatency, labels);
  });
  const executions = remembered((workflow, status) => {
    const labels = { [labelNames.workflowName]: workflow, [labelNames.status]: status };
    return series(metricNames.workflowExecution, metricNames.workflowExecutionLatency, labels);
  });
  const activities = remembered((name, status) => {
    const labels = { [labelNames.activityName]: name, [labelNames.status]: status };
    return [
      series(metricNames.workflowActivityExecution, metricNames.workflowActivityExecutionLatency, labels),
      series(metricNames.workflowActivityOperation, metricNames.workflowActivityOperationLatency, labels),
    ];
  });
  const accesses = remembered((source, key) => {
    const [operation = '', type = '', name = ''] = key.split(' ');
    const labels = { [labelNames.srcAppId]: source, [labelNames.operation]: operation, [labelNames.type]: type };
    return metrics.counter(name, labels);
  });
  const schedulings = histogram(metricNames.workflowSchedulingLatency);
  const payloads = histogram(metricNames.workflowPayloadRatio);
  const activityPayloads = remembered((activity, workflow) => {
    const labels = { ...fixed, [labelNames.workflowName]: workflow, [labelNames.activityName]: activity };
    return metrics.histogram(metricNames.workflowActivityPayloadRatio, labels);
  });
  const waits = metrics.histogram(metricNames.workflowLockWait, { ...fixed, [labelNames.operation]: 'add_event' });
  const routes = remembered((taskType, route) =>
    metrics.counter(metricNames.workflowCompletionRoute, { ...fixed, [labelNames.taskType]: taskType, [labelNames.route]: route }),
  );
  const attested = remembered((kind, status) =>
    metrics.counter(metricNames.workflowAttestationGenerated, {
      ...fixed,
      [labelNames.attestationKind]: kind,
      [labelNames.status]: status,
    }),
  );
  const judged = remembered((kind, result) => {
    const labels = { [labelNames.attestationKind]: kind, [labelNames.attestationResult]: result };
    return series(metricNames.workflowAttestationVerified, metricNames.workflowAttestationLatency, labels);
  });
  return {
    attested: (kind) => attested(kind, 'success').add(1),
    judged: (kind, ok, tookMs) => record(judged(kind, ok ? 'ok' : 'reject'), tookMs),
    operation: (operation, ok, tookMs) => record(operations(operation, ok ? 'success' : 'failed'), tookMs),
    execution: (workflow, status, tookMs) => record(executions(workflow, status), tookMs),
    scheduling: (workflow, waitedMs) => schedulings(workflow, '').record(waitedMs),
    activity: (name, status, tookMs) => {
      for (const each of activities(name, status)) record(each, tookMs);
    },
    access(source, operation, { kind, allowed }) {
      const name = allowed ? metricNames.workflowAccessAllowed : metricNames.workflowAccessDenied;
      accesses(source, `${operation} ${kind} ${name}`).add(1);
    },
    activityPayload: (workflow, activity, ratio) => activityPayloads(activity, workflow).record(ratio),
    waited: (ms) => waits.record(ms),
    completion: (taskType, route) => routes(taskType, route).add(1),
    payload: (workflow, ratio) => payloads(workflow, '').record(ratio),
  };
}

function record({ count, latency }: Series, tookMs: number): void {
  count.add(1);
  latency.record(tookMs);
}

/** What `make` made for a name and a status, of the first thousand of them. */
function remembered<T>(make: (name: string, status: string) => T): (name: string, status: string) => T {
  const known = new Map<string, T>();
  return (name, status) => {
    const id = `${status} ${name}`;
    let found = known.get(id);
    if (found === undefined) {
      found = make(name, status);
      if (known.size < namesMax) known.set(id, found);
    }
    return found;
  };
}
