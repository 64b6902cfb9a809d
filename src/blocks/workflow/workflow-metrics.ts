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
  const known = new Map<string, Series>();
  const histograms = new Map<string, Histogram>();
  const fixed = { [labelNames.namespace]: namespace };
  const series = (count: string, latency: string, labels: Record<string, string>): Series => {
    const id = `${count} ${Object.values(labels).join(' ')}`;
    let found = known.get(id);
    if (found === undefined) {
      const all = { ...fixed, ...labels };
      found = { count: metrics.counter(count, all), latency: metrics.histogram(latency, all) };
      if (known.size < namesMax) known.set(id, found);
    }
    return found;
  };
  const histogram = (name: string, workflow: string): Histogram => {
    const id = `${name} ${workflow}`;
    let found = histograms.get(id);
    if (found === undefined) {
      found = metrics.histogram(name, { ...fixed, [labelNames.workflowName]: workflow });
      if (histograms.size < namesMax) histograms.set(id, found);
    }
    return found;
  };
  const record = ({ count, latency }: Series, tookMs: number): void => {
    count.add(1);
    latency.record(tookMs);
  };
  return {
    operation: (operation, ok, tookMs) => {
      const labels = { [labelNames.operation]: operation, [labelNames.status]: ok ? 'success' : 'failed' };
      record(series(metricNames.workflowOperation, metricNames.workflowOperationLatency, labels), tookMs);
    },
    execution: (workflow, status, tookMs) => {
      const labels = { [labelNames.workflowName]: workflow, [labelNames.status]: status };
      record(series(metricNames.workflowExecution, metricNames.workflowExecutionLatency, labels), tookMs);
    },
    scheduling: (workflow, waitedMs) => histogram(metricNames.workflowSchedulingLatency, workflow).record(waitedMs),
    activity: (name, status, tookMs) => {
      const labels = { [labelNames.activityName]: name, [labelNames.status]: status };
      record(series(metricNames.workflowActivityExecution, metricNames.workflowActivityExecutionLatency, labels), tookMs);
      record(series(metricNames.workflowActivityOperation, metricNames.workflowActivityOperationLatency, labels), tookMs);
    },
    payload: (workflow, ratio) => histogram(metricNames.workflowPayloadRatio, workflow).record(ratio),
  };
}
