import type { Counter, FrontMetricsSource, Histogram } from '../../blocks/runtime/index.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';

/** Dapr's HTTP server metrics (reference 14.2), resolved per method, path and status the first time they occur. */
export interface FrontMetrics {
  record(request: { readonly method: string; readonly path: string; readonly status: number; readonly tookMs: number }): void;
}

interface Series {
  readonly requests: Counter;
  readonly latency: Histogram;
}

const known = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
// Distinct paths that get a look-up of their own; behind it the registry has its own limit of series.
const seriesMax = 4_096;

export function createFrontMetrics(metrics: FrontMetricsSource): FrontMetrics {
  const series = new Map<string, Series>();
  return {
    record({ method, path, status, tookMs }) {
      const id = `${method} ${status} ${path}`;
      let found = series.get(id);
      if (found === undefined) {
        const labels = {
          [labelNames.method]: known.has(method) ? method : 'UNKNOWN',
          [labelNames.path]: path,
          [labelNames.status]: String(status),
        };
        found = {
          requests: metrics.counter(metricNames.httpServerRequests, labels),
          latency: metrics.histogram(metricNames.httpServerLatency, labels),
        };
        if (series.size < seriesMax) series.set(id, found);
      }
      found.requests.add(1);
      found.latency.record(tookMs);
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
