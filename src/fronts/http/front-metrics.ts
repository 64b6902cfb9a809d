import type { Counter, FrontMetricsSource, Histogram } from '../../blocks/runtime/index.ts';
import { ownText } from '../../kernel/flat-text.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';
import { createPathLabel, httpMetricsDefaults, type HttpMetricsOptions } from './path-label.ts';

/** One request with its answer. Sizes are those of the bodies; undefined where nobody knows a body's length. */
export interface Measured {
  readonly method: string;
  readonly status: number;
  readonly tookMs: number;
  readonly requestBytes: number | undefined;
  readonly responseBytes: number | undefined;
}

/** Counts the requests of one path. */
export interface PathCounts {
  record(request: Measured): void;
}

/** Dapr's metrics of one side of HTTP (reference 14.2), resolved per method, label of the path and status the first time they occur. */
export interface HttpMetrics {
  /** Made anew each time: whoever meets a path again keeps it. */
  of(path: string): PathCounts;
}

interface Names {
  readonly count: string;
  /** A second count, only where paths are labels. */
  readonly responses?: string;
  readonly latency: string;
  readonly requestBytes: string;
  /** Dapr labels the requests of clients, but not those of the server. */
  readonly requestBytesLabelled: boolean;
  readonly responseBytes: string;
}

type ByMethod = Map<string, (Series | undefined)[]>;

interface Series {
  readonly count: Counter;
  readonly responses: Counter | undefined;
  readonly latency: Histogram;
  readonly requestBytes: Histogram;
}

const verbs = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
// Labels that get a look-up of their own: more than the registry has series, which are told apart there.
const labelsMax = 4_096;

/** What the API answers. */
export function createFrontMetrics(metrics: FrontMetricsSource, options?: HttpMetricsOptions): HttpMetrics {
  const names = {
    count: metricNames.httpServerRequests,
    responses: metricNames.httpServerResponses,
    latency: metricNames.httpServerLatency,
    requestBytes: metricNames.httpServerRequestBytes,
    requestBytesLabelled: false,
    responseBytes: metricNames.httpServerResponseBytes,
  };
  return createHttpMetrics(metrics, names, options);
}

/** What the app answers. */
export function createAppCallMetrics(metrics: FrontMetricsSource, options?: HttpMetricsOptions): HttpMetrics {
  const names = {
    count: metricNames.httpClientCompleted,
    latency: metricNames.httpClientLatency,
    requestBytes: metricNames.httpClientSentBytes,
    requestBytesLabelled: true,
    responseBytes: metricNames.httpClientReceivedBytes,
  };
  return createHttpMetrics(metrics, names, options);
}

function createHttpMetrics(metrics: FrontMetricsSource, names: Names, options: HttpMetricsOptions = httpMetricsDefaults): HttpMetrics {
  const series = new LabelledSeries(metrics, names, options);
  return { of: (path) => new CountedPath(series, path) };
}

/** The path of a request: most have one method and one status, which are found by a comparison. */
class CountedPath implements PathCounts {
  readonly #all: LabelledSeries;
  readonly #path: string;
  #method = '';
  #status = 0;
  #series: Series | undefined = undefined;

  constructor(all: LabelledSeries, path: string) {
    this.#all = all;
    this.#path = path;
  }

  record({ method, status, tookMs, requestBytes, responseBytes }: Measured): void {
    let series = this.#series;
    if (series === undefined || this.#method !== method || this.#status !== status) {
      series = this.#all.of(this.#path, method, status);
      this.#method = method;
      this.#status = status;
      this.#series = series;
    }
    series.count.add(1);
    series.responses?.add(1);
    series.latency.record(tookMs);
    if (requestBytes !== undefined) series.requestBytes.record(requestBytes);
    if (responseBytes !== undefined) this.#all.responseSizes.record(responseBytes);
  }
}

/** The series by label of the path, method and status; joining the three into one key would cost more than the counting. */
class LabelledSeries {
  readonly responseSizes: Histogram;
  readonly #metrics: FrontMetricsSource;
  readonly #names: Names;
  readonly #options: HttpMetricsOptions;
  readonly #labelOf: (path: string) => string;
  readonly #byLabel = new Map<string, ByMethod>();
  /** What labels beyond the registry's limit share: paths without end, each of them new, must not cost more than others. */
  readonly #overflow: ByMethod = new Map();

  constructor(metrics: FrontMetricsSource, names: Names, options: HttpMetricsOptions) {
    this.#metrics = metrics;
    this.#names = names;
    this.#options = options;
    this.#labelOf = createPathLabel(options);
    this.responseSizes = metrics.histogram(names.responseBytes, {});
  }

  of(path: string, method: string, status: number): Series {
    const label = this.#labelOf(path);
    const known = this.#byLabel.get(label);
    const found = (known ?? this.#overflow).get(method)?.[status - 100];
    if (found !== undefined) return found;
    const series = this.#resolve(method, label, status);
    if (known !== undefined || this.#byLabel.size < labelsMax) {
      const methods = known ?? new Map<string, (Series | undefined)[]>();
      if (known === undefined) this.#byLabel.set(ownText(label), methods);
      keep(methods, { method, status, series });
    } else if (series.count.overflow === true) keep(this.#overflow, { method, status, series });
    return series;
  }

  #resolve(method: string, label: string, status: number): Series {
    const [metrics, names] = [this.#metrics, this.#names];
    const { excludeVerbs, increasedCardinality } = this.#options;
    const verb = verbs.has(method) ? method : 'UNKNOWN';
    const labels = {
      [labelNames.method]: excludeVerbs ? '' : verb,
      [labelNames.path]: label,
      [labelNames.status]: String(status),
    };
    return {
      count: metrics.counter(names.count, labels),
      responses: names.responses !== undefined && increasedCardinality ? metrics.counter(names.responses, labels) : undefined,
      latency: metrics.histogram(names.latency, labels),
      requestBytes: metrics.histogram(names.requestBytes, names.requestBytesLabelled ? labels : {}),
    };
  }
}

function keep(
  methods: ByMethod,
  { method, status, series }: { readonly method: string; readonly status: number; readonly series: Series },
): void {
  const statuses = methods.get(method) ?? [];
  methods.set(method, statuses);
  statuses[status - 100] = series;
}
