import { expect, it } from 'vitest';
import { createMetricsRegistry } from '../../telemetry/metrics-registry.ts';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import { createFrontMetrics } from './front-metrics.ts';

it('counts paths, and does not keep the queries that they came with', async () => {
  const registry = createMetricsRegistry({ app_id: 'shop' });
  const metrics = createFrontMetrics(registry, { increasedCardinality: false, pathMatching: ['/customers/{id}'], excludeVerbs: false });
  // One label for all, so that what is left is what is remembered of the paths. With their queries that would be 64 MB; the memo of recent ones has 16 of it.
  const bytes = await keptBytes(() => {
    for (let i = 0; i < 6_000; i++) {
      const path = cutOut(`/customers/customer-${i}`);
      metrics.record({ method: 'GET', path, status: 200, tookMs: 1, requestBytes: 0, responseBytes: 0 });
    }
  });
  expect(bytes).toBeLessThan(30_000_000);
  expect(registry.print('prometheus')).toContain('path="/customers/{id}",status="200"} 6000');
});
