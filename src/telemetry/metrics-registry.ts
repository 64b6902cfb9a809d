import { doubleZero } from '../kernel/double-zero.ts';
import { metricNames, labelNames } from '../kernel/names.ts';
import type { RewriteLabels } from './label-rules.ts';
import type { Counter, Gauge, Histogram, Labels, Metrics } from '../contracts/metrics.ts';

/** Dapr's bucket bounds: latencies in milliseconds, sizes in bytes (reference 14.1). */
const latencyBounds = [
  1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400, 500, 650, 800, 1000, 2000, 5000, 10_000,
  20_000, 50_000, 100_000,
] as const;
const sizeBounds = [
  1024, 2048, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864, 268_435_456, 1_073_741_824, 4_294_967_296,
] as const;
/** Shares of a limit. */
const ratioBounds = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1] as const;

/** Series of one metric; further label sets share one series whose labels all say `overflow` (threat T31). */
const seriesMax = 2_000;

interface CounterSeries extends Counter, Gauge {
  readonly labels: string;
  readonly overflow: boolean;
  value: number;
}

/** Bounds are searched by a table over powers of two, so that recording costs a few nanoseconds whatever the bounds are. */
class HistogramSeries implements Histogram {
  readonly labels: string;
  readonly counts: Float64Array;
  readonly #bounds: readonly number[];
  sum = doubleZero;

  constructor(labels: string, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  record(value: number): void {
    this.sum += value;
    const bounds = this.#bounds;
    let low = 0;
    // Most calls and most messages are among the smallest.
    let high = value <= (bounds[0] as number) ? 0 : bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((bounds[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    this.counts[low] = (this.counts[low] as number) + 1;
  }
}

type Kind = 'counter' | 'gauge' | 'histogram';

interface Family {
  readonly name: string;
  readonly kind: Kind;
  readonly bounds: readonly number[];
  readonly series: Map<string, CounterSeries | HistogramSeries>;
}

export type Exposition = 'prometheus' | 'openmetrics';

/** A registry of one app's runtime. Series are made once per label set and then updated without any look-up. */
export interface MetricsRegistry extends Metrics {
  /** A counter that somebody else keeps: `set` takes its total, which never falls but when whoever keeps it begins anew. */
  total(name: string, labels: Labels): Gauge;
  /** Prometheus text format 0.0.4, or OpenMetrics 1.0. */
  print(format: Exposition): string;
  /** The same in pieces of some dozen series, each as it is when it is asked for. */
  pieces(format: Exposition): Iterable<string>;
  /** Called before each print, to refresh gauges. */
  onPrint(refresh: () => void): void;
}

export interface MetricsRegistryOptions {
  /** `spec.metrics.latencyDistributionBuckets`: replaces the bounds of all histograms but those of sizes and shares. */
  readonly latencyBounds?: readonly number[];
  /** `spec.metrics.workflow`: those of the latencies of workflows, in milliseconds; default: as the others. */
  readonly workflowLatencyBounds?: readonly number[];
  /** `spec.metrics.rules`. */
  readonly rewrite?: RewriteLabels;
}

/** Which bounds the histogram of a name has. */
function boundsBy({ latencyBounds: all = latencyBounds, workflowLatencyBounds = all }: MetricsRegistryOptions) {
  const rising = (bounds: readonly number[]): readonly number[] => [...bounds].toSorted((a, b) => a - b);
  const [latencies, workflowLatencies] = [rising(all), rising(workflowLatencyBounds)];
  return (name: string): readonly number[] => {
    if (/bytes/.test(name)) return sizeBounds;
    if (name.endsWith('_ratio')) return ratioBounds;
    return /^dapr_runtime_workflow_.*_latency$/.test(name) ? workflowLatencies : latencies;
  };
}

/** Makes a registry whose every series carries `shared` (the app id). */
export function createMetricsRegistry(shared: Labels, options: MetricsRegistryOptions = {}): MetricsRegistry {
  const boundsOf = boundsBy(options);
  const families = new Map<string, Family>();
  const refreshers: (() => void)[] = [];
  const pieces = function* (format: Exposition): Generator<string> {
    for (const refresh of refreshers) refresh();
    for (const family of families.values()) yield* printFamily(family, format);
    if (format === 'openmetrics') yield '# EOF\n';
  };
  const series = <T extends CounterSeries | HistogramSeries>(name: string, kind: Kind, labels: Labels): T => {
    let family = families.get(name);
    if (family === undefined) {
      family = { name, kind, bounds: boundsOf(name), series: new Map() };
      families.set(name, family);
    }
    const all = { ...shared, ...(options.rewrite === undefined ? labels : options.rewrite(name, labels)) };
    const text = printLabels(all);
    const known = family.series.get(text);
    if (known !== undefined) return known as T;
    if (family.series.size >= seriesMax) return overflowOf(family, all) as T;
    return put(family, text) as T;
  };
  return {
    counter: (name, labels) => series<CounterSeries>(name, 'counter', labels),
    gauge: (name, labels) => series<CounterSeries>(name, 'gauge', labels),
    histogram: (name, labels) => series<HistogramSeries>(name, 'histogram', labels),
    total: (name, labels) => series<CounterSeries>(name, 'counter', labels),
    onPrint: (refresh) => refreshers.push(refresh),
    pieces,
    print: (format) => Array.from(pieces(format)).join(''),
  };
}

function put(family: Family, labels: string, overflow = false): CounterSeries | HistogramSeries {
  const made = family.kind === 'histogram' ? new HistogramSeries(labels, family.bounds) : counterSeries(labels, overflow);
  family.series.set(labels, made);
  return made;
}

function overflowOf(family: Family, labels: Labels): CounterSeries | HistogramSeries {
  const replaced = Object.fromEntries(
    Object.keys(labels).map((name) => [name, name === labelNames.appId ? (labels[name] as string) : 'overflow']),
  );
  const text = printLabels(replaced);
  return family.series.get(text) ?? put(family, text, true);
}

function counterSeries(labels: string, overflow: boolean): CounterSeries {
  return {
    labels,
    overflow,
    value: doubleZero,
    add(count) {
      this.value += count;
    },
    set(value) {
      this.value = value;
    },
  };
}

// A label whose value is empty is left out.
function printLabels(labels: Labels): string {
  return Object.entries(labels)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',');
}

function escapeLabel(value: string): string {
  return /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
}

const seriesPerPiece = 32;

function* printFamily(family: Family, format: Exposition): Generator<string> {
  // OpenMetrics names a counter's family without `_total` and its samples with it; Dapr's counters often lack it.
  const open = format === 'openmetrics';
  const bare = open && family.kind === 'counter' ? family.name.replace(/_total$/, '') : family.name;
  const sample = open && family.kind === 'counter' ? `${bare}_total` : family.name;
  let lines = [`# TYPE ${bare} ${family.kind}`];
  let printed = 0;
  for (const series of family.series.values()) {
    if (series instanceof HistogramSeries) printHistogram(family, series, lines);
    else lines.push(`${sample}${braces(series.labels)} ${series.value}`);
    if (++printed % seriesPerPiece > 0) continue;
    yield `${lines.join('\n')}\n`;
    lines = [];
  }
  if (lines.length > 0) yield `${lines.join('\n')}\n`;
}

function printHistogram(family: Family, series: HistogramSeries, lines: string[]): void {
  let cumulated = 0;
  const count = series.counts.reduce((sum, each) => sum + each, 0);
  const comma = series.labels === '' ? '' : ',';
  family.bounds.forEach((bound, i) => {
    cumulated += series.counts[i] as number;
    lines.push(`${family.name}_bucket{${series.labels}${comma}le="${bound}"} ${cumulated}`);
  });
  lines.push(`${family.name}_bucket{${series.labels}${comma}le="+Inf"} ${count}`);
  lines.push(`${family.name}_sum${braces(series.labels)} ${series.sum}`, `${family.name}_count${braces(series.labels)} ${count}`);
}

function braces(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}

/** Memory, CPU time and start of the process, as Prometheus clients name them. */
export function registerProcessMetrics(
  registry: MetricsRegistry,
  process: { memoryBytes(): { rss: number }; cpuUs(): number },
  startedMs: number,
): void {
  const resident = registry.gauge(metricNames.residentMemory, {});
  const cpu = registry.total(metricNames.cpuSeconds, {});
  registry.gauge(metricNames.startTime, {}).set(startedMs / 1000);
  registry.onPrint(() => {
    resident.set(process.memoryBytes().rss);
    cpu.set(process.cpuUs() / 1e6);
  });
}
