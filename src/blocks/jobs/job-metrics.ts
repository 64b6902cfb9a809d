import type { Metrics } from '../../contracts/metrics.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';
import type { JobVerdict } from '../../contracts/app-channel.ts';

/** The job metrics of Dapr reference 14.2, and how late runs begin. Times are in milliseconds. */
export interface JobMetrics {
  began(lateMs: number): void;
  /** A job that the app does not know counts as a failure, though it is done. */
  ended(status: JobVerdict['status'], tookMs: number): void;
  missed(): void;
}

export function createJobMetrics(metrics: Metrics, namespace: string): JobMetrics {
  const labels = { [labelNames.namespace]: namespace, [labelNames.operation]: 'job_trigger_op' };
  const latency = (success: boolean) => metrics.histogram(metricNames.jobLatency, { ...labels, [labelNames.success]: String(success) });
  const [succeeded, failed] = [metrics.counter(metricNames.jobSuccess, labels), metrics.counter(metricNames.jobFailure, labels)];
  const [succeededMs, failedMs] = [latency(true), latency(false)];
  const lateness = metrics.histogram(metricNames.jobLateness, { [labelNames.namespace]: namespace });
  const missed = metrics.counter(metricNames.jobMissed, { [labelNames.namespace]: namespace });
  return {
    began: (lateMs) => lateness.record(Math.max(0, lateMs)),
    ended(status, tookMs) {
      (status === 'done' ? succeeded : failed).add(1);
      (status === 'done' ? succeededMs : failedMs).record(tookMs);
    },
    missed: () => missed.add(1),
  };
}
