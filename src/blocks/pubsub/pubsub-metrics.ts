import type { Counter, Histogram, Metrics } from '../../contracts/metrics.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';

/** How an event that came in ended: what was done with it, and the status label, which differs only for drops that count as handled. */
export type IngressEnd = 'success' | 'retry' | 'drop' | 'drop-handled';

interface Series {
  readonly count: Counter;
  readonly latency: Histogram;
}

const seriesMax = 4096;

/** The pub/sub metrics of Dapr reference 14.2. Series are resolved once per topic and outcome; latencies are in milliseconds. */
export class PubSubMetrics {
  readonly #metrics: Metrics;
  readonly #namespace: string;
  readonly #series = new Map<string, Series>();
  /** Per topic the component that published last, with its series. */
  readonly #egress = new Map<string, Series & { readonly component: string }>();

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
    if (success && !bulk) return this.#publishedOne(component, topic, elapsedMs);
    const count = bulk ? metricNames.pubsubEgressBulk : metricNames.pubsubEgress;
    const latency = bulk ? metricNames.pubsubEgressBulkLatency : metricNames.pubsubEgressLatency;
    this.#record({ count, latency, component, topic, labels: { [labelNames.success]: String(success) } }, elapsedMs);
  }

  /** What nearly every publish is: no key is joined for it. */
  #publishedOne(component: string, topic: string, elapsedMs: number): void {
    const known = this.#egress.get(topic);
    if (known?.component === component) {
      known.count.add(1);
      return known.latency.record(elapsedMs);
    }
    const { pubsubEgress: count, pubsubEgressLatency: latency } = metricNames;
    const series = this.#record({ count, latency, component, topic, labels: { [labelNames.success]: 'true' } }, elapsedMs);
    if (this.#egress.size >= seriesMax) this.#egress.clear();
    this.#egress.set(topic, { component, ...series });
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

  #record(wanted: SeriesSpec, elapsedMs: number | undefined): Series {
    const { count, latency, component, topic, labels } = wanted;
    const key = `${count}\0${component}\0${topic}\0${Object.values(labels).join('\0')}`;
    let resolved = this.#series.get(key);
    if (resolved === undefined) {
      const all = { [labelNames.component]: component, [labelNames.namespace]: this.#namespace, [labelNames.topic]: topic, ...labels };
      resolved = { count: this.#metrics.counter(count, all), latency: this.#metrics.histogram(latency, all) };
      if (this.#series.size >= seriesMax) this.#series.clear();
      this.#series.set(key, resolved);
    }
    resolved.count.add(1);
    if (elapsedMs !== undefined) resolved.latency.record(elapsedMs);
    return resolved;
  }
}

interface SeriesSpec {
  readonly count: string;
  readonly latency: string;
  readonly component: string;
  readonly topic: string;
  readonly labels: Readonly<Record<string, string>>;
}
