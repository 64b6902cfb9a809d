import type { Counter, Gauge, Metrics } from '../../contracts/metrics.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';

/** A gauge that is counted up and down. */
interface Level {
  add(count: number): void;
}

/** What is counted about the actors of one type (Dapr reference 14.2, and overlaps, which are Proa's). */
export interface ActorMetrics {
  readonly pending: Level;
  readonly active: Level;
  readonly timers: Level;
  /** Those registered and removed through this runtime. */
  readonly reminders: Level;
  readonly deactivated: Counter;
  readonly deactivationFailed: Counter;
  readonly rebalanced: Counter;
  readonly overlaps: Counter;
  timerFired(ok: boolean): void;
  reminderFired(ok: boolean): void;
  /** The placement changed something here: `claim`, `drain`, `lose`. */
  table(operation: string): void;
  report(ok: boolean, reason?: string): void;
}

/** Resolves the series of one actor type. */
export function createActorMetrics(metrics: Metrics, type: string): ActorMetrics {
  const labels = { [labelNames.actorType]: type };
  const fired = (name: string): ((ok: boolean) => void) => {
    const [good, bad] = [true, false].map((ok) => metrics.counter(name, { ...labels, [labelNames.success]: String(ok) })) as [
      Counter,
      Counter,
    ];
    return (ok) => (ok ? good : bad).add(1);
  };
  return {
    pending: level(metrics.gauge(metricNames.actorPendingCalls, labels)),
    active: level(metrics.gauge(metricNames.actorsActive, labels)),
    timers: level(metrics.gauge(metricNames.actorTimers, labels)),
    reminders: level(metrics.gauge(metricNames.actorReminders, labels)),
    deactivated: metrics.counter(metricNames.actorDeactivated, labels),
    deactivationFailed: metrics.counter(metricNames.actorDeactivationFailed, labels),
    rebalanced: metrics.counter(metricNames.actorRebalanced, labels),
    overlaps: metrics.counter(metricNames.actorOverlaps, labels),
    timerFired: fired(metricNames.actorTimersFired),
    reminderFired: fired(metricNames.actorRemindersFired),
    table: (operation) => metrics.counter(metricNames.actorTableOperation, { ...labels, [labelNames.operation]: operation }).add(1),
    report(ok, reason) {
      const operation = { ...labels, [labelNames.operation]: 'join' };
      if (ok) metrics.counter(metricNames.actorStatusReport, operation).add(1);
      else metrics.counter(metricNames.actorStatusReportFail, { ...operation, [labelNames.reason]: reason ?? '' }).add(1);
    },
  };
}

function level(gauge: Gauge): Level {
  let value = 0;
  return {
    add(count) {
      value += count;
      gauge.set(value);
    },
  };
}
