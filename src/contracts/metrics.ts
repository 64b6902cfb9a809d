/** Metrics as blocks and filters see them: series are resolved once, when a stack is built, and updated without look-ups. */
export interface Counter {
  /** It counts for all label sets beyond the limit of its metric: others that are not known yet get the same one. */
  readonly overflow?: boolean;
  add(count: number): void;
}

export interface Gauge {
  set(value: number): void;
}

export interface Histogram {
  /** In the metric's own unit (Dapr's latencies: milliseconds). */
  record(value: number): void;
}

export type Labels = Readonly<Record<string, string>>;

/** Names come from `kernel/names`. At the series limit of a metric further label sets share one series labelled `overflow`. */
export interface Metrics {
  counter(name: string, labels: Labels): Counter;
  gauge(name: string, labels: Labels): Gauge;
  histogram(name: string, labels: Labels): Histogram;
}

const nothing = { add() {}, set() {}, record() {} };

/** Counts nothing; tests use it. */
export const noMetrics: Metrics = { counter: () => nothing, gauge: () => nothing, histogram: () => nothing };
