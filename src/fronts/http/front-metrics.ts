import type { Counter, FrontMetricsSource, Histogram } from '../../blocks/runtime/index.ts';
import { ownText } from '../../kernel/flat-text.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';
import { TextMemo } from '../../kernel/text-memo.ts';
import { createPathLabel, httpMetricsDefaults, type HttpMetricsOptions } from './path-label.ts';

/** One request with its answer. Sizes are those of the bodies; undefined where nobody knows a body's length. */
export interface Measured {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly tookMs: number;
  readonly requestBytes: number | undefined;
  readonly responseBytes: number | undefined;
}

/** Dapr's metrics of one side of HTTP (reference 14.2), resolved per method, path and status the first time they occur. */
export interface HttpMetrics {
  record(request: Measured): void;
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

/** What the last request with a path was counted as. */
interface Last {
  method: string;
  status: number;
  series: Series | undefined;
}

interface Series {
  readonly count: Counter;
  readonly responses: Counter | undefined;
  readonly latency: Histogram;
  readonly requestBytes: Histogram;
}

const known = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
// Distinct paths, and labels, that get a look-up of their own; behind it the registry has its own limit of series.
const pathsMax = 4_096;

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
  // Status codes of one method and label; joining the three into one key would cost more than the counting. Paths that differ in an id share a label.
  const byLabel = new Map<string, ByMethod>();
  const byPath = new Map<string, ByMethod>();
  const labelOf = createPathLabel(options);
  const responseSizes = metrics.histogram(names.responseBytes, {});
  const find = (path: string): ByMethod => {
    let found = byPath.get(path);
    if (found !== undefined) return found;
    const label = labelOf(path);
    found = byLabel.get(label);
    if (found === undefined) {
      found = new Map();
      if (byLabel.size < pathsMax) byLabel.set(ownText(label), found);
    }
    if (byPath.size < pathsMax) byPath.set(ownText(path), found);
    return found;
  };
  const recent = new TextMemo((): Last => ({ method: '', status: 0, series: undefined }));
  const resolve = (method: string, path: string, status: number): Series => {
    const verb = known.has(method) ? method : 'UNKNOWN';
    const labels = {
      [labelNames.method]: options.excludeVerbs ? '' : verb,
      [labelNames.path]: labelOf(path),
      [labelNames.status]: String(status),
    };
    return {
      count: metrics.counter(names.count, labels),
      responses: names.responses !== undefined && options.increasedCardinality ? metrics.counter(names.responses, labels) : undefined,
      latency: metrics.histogram(names.latency, labels),
      requestBytes: metrics.histogram(names.requestBytes, names.requestBytesLabelled ? labels : {}),
    };
  };
  const remember = (methods: ByMethod, { method, path, status }: Measured): Series => {
    const series = resolve(method, path, status);
    const statuses = methods.get(method) ?? [];
    methods.set(method, statuses);
    statuses[status - 100] = series;
    return series;
  };
  return {
    record(measured) {
      const { method, path, status, tookMs, requestBytes, responseBytes } = measured;
      const last = recent.of(path);
      let { series } = last;
      if (series === undefined || last.method !== method || last.status !== status) {
        const methods = find(path);
        series = methods.get(method)?.[status - 100] ?? remember(methods, measured);
        last.method = method;
        last.status = status;
        last.series = series;
      }
      series.count.add(1);
      series.responses?.add(1);
      series.latency.record(tookMs);
      if (requestBytes !== undefined) series.requestBytes.record(requestBytes);
      if (responseBytes !== undefined) responseSizes.record(responseBytes);
    },
  };
}
