import type { Counter, FrontMetricsSource, Histogram } from '../../blocks/runtime/index.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';
import { TextMemo } from '../../kernel/text-memo.ts';

/** Dapr's HTTP server metrics (reference 14.2), resolved per method, path and status the first time they occur. */
export interface FrontMetrics {
  record(request: { readonly method: string; readonly path: string; readonly status: number; readonly tookMs: number }): void;
}

type ByMethod = Map<string, (Series | undefined)[]>;

interface Series {
  readonly requests: Counter;
  readonly latency: Histogram;
}

const known = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
// Distinct paths that get a look-up of their own; behind it the registry has its own limit of series.
const pathsMax = 4_096;

export function createFrontMetrics(metrics: FrontMetricsSource): FrontMetrics {
  // Status codes of one method and path; joining the three into one key would cost more than the counting.
  const byPath = new Map<string, ByMethod>();
  const recent = new TextMemo((path): { series: ByMethod | undefined } => ({ series: byPath.get(path) }));
  const resolve = (method: string, path: string, status: number): Series => {
    const labels = {
      [labelNames.method]: known.has(method) ? method : 'UNKNOWN',
      [labelNames.path]: pathLabel(path),
      [labelNames.status]: String(status),
    };
    return {
      requests: metrics.counter(metricNames.httpServerRequests, labels),
      latency: metrics.histogram(metricNames.httpServerLatency, labels),
    };
  };
  const remember = (method: string, path: string, status: number): Series => {
    const series = resolve(method, path, status);
    let methods = byPath.get(path);
    if (methods === undefined) {
      if (byPath.size >= pathsMax) return series;
      methods = new Map();
      byPath.set(path, methods);
    }
    const statuses = methods.get(method) ?? [];
    methods.set(method, statuses);
    statuses[status - 100] = series;
    return series;
  };
  return {
    record({ method, path, status, tookMs }) {
      const last = recent.of(path);
      const series = (last.series ??= byPath.get(path))?.get(method)?.[status - 100] ?? remember(method, path, status);
      series.requests.add(1);
      series.latency.record(tookMs);
    },
  };
}

/** The path as a label: ids cut out, at most three segments of state and secrets (Dapr reference 14.2). */
export function pathLabel(path: string): string {
  const segments = path.split('/', 5);
  const block = segments[2];
  if (block === 'state' || block === 'secrets' || block === 'bindings' || block === 'configuration') return segments.slice(0, 4).join('/');
  if (block === 'publish' || block === 'actors' || block === 'jobs') return segments.slice(0, 4).join('/');
  return path;
}
