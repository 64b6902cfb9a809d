import type { Call, Outcome } from '../../kernel/call.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Pair } from '../../kernel/stack.ts';
import type { CallRecorder } from '../../contracts/decisions.ts';
import type { Labels, Metrics } from '../../contracts/metrics.ts';

export interface ComponentMetricsOptions {
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly countName: string;
  readonly latencyName: string;
  readonly labels: Labels;
  /** Told of every call, because the time is measured here. */
  readonly recorder?: CallRecorder;
}

/** Counts calls and measures their latency in milliseconds, by success. The series are resolved here, once per target. */
export function componentMetrics(options: ComponentMetricsOptions): Pair {
  const { metrics, clock, countName, latencyName, labels, recorder } = options;
  const series = (success: boolean) => {
    const all = { ...labels, success: String(success) };
    return { count: metrics.counter(countName, all), latency: metrics.histogram(latencyName, all) };
  };
  const good = series(true);
  let bad: ReturnType<typeof series> | undefined;
  return {
    admit(call) {
      recorder?.begin(call);
      return clock.turn();
    },
    settle(call: Call<unknown>, outcome: Outcome, admitted: unknown) {
      // A failure's series is made when the first one happens: most targets never need it.
      const { count, latency } = outcome.ok ? good : (bad ??= series(false));
      count.add(1);
      const tookMs = outcome.atOnce === true ? 0 : clock.mono() - (admitted as number);
      latency.record(tookMs);
      recorder?.end(call, outcome, tookMs);
    },
  };
}
