import type { Outcome } from '../../kernel/call.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Pair } from '../../kernel/stack.ts';
import type { Counter, Histogram, Metrics } from '../../contracts/metrics.ts';

export interface InvocationMetricsOptions {
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** The app called. */
  readonly appId: string;
}

/** Dapr's counters of outgoing invocations to one app: sent, received by status, latency by status (reference 14.2). */
export function outboundInvocationMetrics(options: InvocationMetricsOptions): Pair {
  const { metrics, clock, appId } = options;
  const sent = metrics.counter(metricNames.invocationRequestSent, { [labelNames.dstAppId]: appId, [labelNames.type]: 'unary' });
  const byStatus = new Map<number, { received: Counter; latency: Histogram }>();
  const seriesOf = (status: number) => {
    let series = byStatus.get(status);
    if (series === undefined) {
      const labels = { [labelNames.srcAppId]: appId, [labelNames.status]: String(status) };
      series = {
        received: metrics.counter(metricNames.invocationResponseReceived, { ...labels, [labelNames.type]: 'unary' }),
        latency: metrics.histogram(metricNames.invocationLatency, labels),
      };
      byStatus.set(status, series);
    }
    return series;
  };
  return {
    admit() {
      sent.add(1);
      return clock.mono();
    },
    settle(_call, outcome, admitted) {
      const series = seriesOf(statusOf(outcome));
      series.received.add(1);
      series.latency.record(clock.mono() - (admitted as number));
    },
  };
}

/** Incoming invocations: received by caller, answered by status. */
export function inboundInvocationMetrics(metrics: Metrics): Pair {
  const received = new Map<string, Counter>();
  const answered = new Map<string, Counter>();
  const of = (map: Map<string, Counter>, key: string, make: () => Counter): Counter => {
    let counter = map.get(key);
    if (counter === undefined) {
      counter = make();
      map.set(key, counter);
    }
    return counter;
  };
  return {
    admit(call) {
      const { appId } = call.caller;
      of(received, appId, () => metrics.counter(metricNames.invocationRequestReceived, { [labelNames.srcAppId]: appId })).add(1);
    },
    settle(call, outcome) {
      const status = String(statusOf(outcome));
      const { appId } = call.caller;
      of(answered, `${status} ${appId}`, () =>
        metrics.counter(metricNames.invocationResponseSent, { [labelNames.dstAppId]: appId, [labelNames.status]: status }),
      ).add(1);
    },
  };
}

function statusOf(outcome: Outcome): number {
  return outcome.status ?? (outcome.ok ? 200 : 500);
}
