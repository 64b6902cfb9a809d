import type { Outcome } from '../../kernel/call.ts';
import { ownText } from '../../kernel/flat-text.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Pair } from '../../kernel/stack.ts';
import type { CallRecorder } from '../../contracts/decisions.ts';
import type { Counter, Histogram, Metrics } from '../../contracts/metrics.ts';

export interface InvocationMetricsOptions {
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** The app called. */
  readonly appId: string;
  /** Told of every call, because the time is measured here. */
  readonly recorder?: CallRecorder;
}

/** Dapr's counters of outgoing invocations to one app: sent, received by status, latency by status (reference 14.2). */
export function outboundInvocationMetrics(options: InvocationMetricsOptions): Pair {
  const { metrics, clock, appId, recorder } = options;
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
    admit(call) {
      recorder?.begin(call);
      sent.add(1);
      return clock.turn();
    },
    settle(call, outcome, admitted) {
      const series = seriesOf(statusOf(outcome));
      series.received.add(1);
      const tookMs = call.end.atMs(clock) - (admitted as number);
      series.latency.record(tookMs);
      recorder?.end(call, outcome, tookMs);
    },
  };
}

/** Calling apps that get a look-up of their own; behind it the registry has its own limit of series. */
const callersMax = 4_096;

/** What is counted of one calling app. */
interface CallerSeries {
  readonly received: Counter;
  readonly answered: Map<number, Counter>;
}

/** Incoming invocations: received by caller, answered by status. */
export function inboundInvocationMetrics(metrics: Metrics, recorder?: CallRecorder): Pair {
  const callers = new Map<string, CallerSeries>();
  const make = (appId: string): CallerSeries => {
    const series = {
      received: metrics.counter(metricNames.invocationRequestReceived, { [labelNames.srcAppId]: appId }),
      answered: new Map<number, Counter>(),
    };
    if (callers.size < callersMax) callers.set(ownText(appId), series);
    return series;
  };
  return {
    admit(call) {
      recorder?.begin(call);
      const { appId } = call.caller;
      const series = callers.get(appId) ?? make(appId);
      series.received.add(1);
      return series;
    },
    settle(call, outcome, admitted) {
      const { answered } = admitted as CallerSeries;
      const status = statusOf(outcome);
      let counter = answered.get(status);
      if (counter === undefined) {
        const labels = { [labelNames.dstAppId]: call.caller.appId, [labelNames.status]: String(status) };
        counter = metrics.counter(metricNames.invocationResponseSent, labels);
        answered.set(status, counter);
      }
      counter.add(1);
      recorder?.end(call, outcome, undefined);
    },
  };
}

function statusOf(outcome: Outcome): number {
  return outcome.status ?? (outcome.ok ? 200 : 500);
}
