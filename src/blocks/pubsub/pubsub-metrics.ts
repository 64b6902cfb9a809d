import type { Counter, Histogram, Metrics } from '../../contracts/metrics.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';

/** How an event that came in ended: what was done with it, and the status label, which differs only for drops that count as handled. */
export type IngressEnd = 'success' | 'retry' | 'drop' | 'drop-handled';

/** The pub/sub metrics of Dapr reference 14.2. Series are resolved once per topic and outcome; latencies are in milliseconds. */
export class PubSubMetrics {
  readonly #metrics: Metrics;
  readonly #namespace: string;
  readonly #series = new Map<string, { readonly count: Counter; readonly latency: Histogram }>();

  constructor(metrics: Metrics, namespace: string) {
    this.#metrics = metrics;
    this.#namespace = namespace;
  }

  published(
    component: string,
    topic: string,
    outcome: { readonly success: boolean; readonly elapsedMs: number; readonly bulk: boolean },
  ): void {
    const { success, elapsedMs, bulk } = outcome;
    const count = bulk ? metricNames.pubsubEgressBulk : metricNames.pubsubEgress;
    const latency = bulk ? metricNames.pubsubEgressBulkLatency : metricNames.pubsubEgressLatency;
    this.#record({ count, latency, component, topic, labels: { [labelNames.success]: String(success) } }, elapsedMs);
  }

  received(component: string, topic: string, end: IngressEnd, elapsedMs?: number): void {
    const processStatus = end === 'drop-handled' ? 'drop' : end;
    const status = end === 'drop-handled' ? 'success' : end;
    const labels = { [labelNames.processStatus]: processStatus, [labelNames.status]: status };
    const { pubsubIngress: count, pubsubIngressLatency: latency } = metricNames;
    this.#record({ count, latency, component, topic, labels }, elapsedMs);
  }

  receivedBulk(component: string, topic: string, elapsedMs: number): void {
    const { pubsubIngressBulk: count, pubsubIngressBulkLatency: latency } = metricNames;
    this.#record({ count, latency, component, topic, labels: {} }, elapsedMs);
  }

  receivedInBulk(component: string, topic: string, end: IngressEnd): void {
    const labels = { [labelNames.processStatus]: end === 'drop-handled' ? 'drop' : end };
    const { pubsubIngressBulkEvents: count, pubsubIngressBulkLatency: latency } = metricNames;
    this.#record({ count, latency, component, topic, labels }, undefined);
  }

  #record(series: SeriesSpec, elapsedMs: number | undefined): void {
    const { count, latency, component, topic, labels } = series;
    const key = `${count}\0${component}\0${topic}\0${Object.values(labels).join('\0')}`;
    let resolved = this.#series.get(key);
    if (resolved === undefined) {
      const all = { [labelNames.component]: component, [labelNames.namespace]: this.#namespace, [labelNames.topic]: topic, ...labels };
      resolved = { count: this.#metrics.counter(count, all), latency: this.#metrics.histogram(latency, all) };
      if (this.#series.size >= 4096) this.#series.clear();
      this.#series.set(key, resolved);
    }
    resolved.count.add(1);
    if (elapsedMs !== undefined) resolved.latency.record(elapsedMs);
  }
}

interface SeriesSpec {
  readonly count: string;
  readonly latency: string;
  readonly component: string;
  readonly topic: string;
  readonly labels: Readonly<Record<string, string>>;
}
