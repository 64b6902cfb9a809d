import type { Metrics } from '../contracts/metrics.ts';
import type { EndpointSet, Resolver } from '../contracts/resolver.ts';
import { labelNames, metricNames } from '../kernel/names.ts';

/** A resolver whose answers are counted: endpoints per app, and since when an answer is stale. Closing it closes nothing. */
export function observedResolver(resolver: Pick<Resolver, 'resolve' | 'onChange'>, metrics: Metrics): Resolver {
  const observe = (appId: string, set: EndpointSet): EndpointSet => {
    const labels = { [labelNames.dstAppId]: appId };
    metrics.gauge(metricNames.discoveryEndpoints, labels).set(set.endpoints.length);
    metrics.gauge(metricNames.discoveryStaleSince, labels).set(Math.floor((set.staleSinceMs ?? 0) / 1_000));
    return set;
  };
  return {
    resolve: (appId, namespace) => resolver.resolve(appId, namespace).then((set) => observe(appId, set)),
    onChange: (changed) => resolver.onChange(changed),
    close: () => Promise.resolve(),
  };
}
