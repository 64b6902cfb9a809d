import { expect, it } from 'vitest';
import { createCall } from '../../kernel/call.ts';
import { createMetricsRegistry } from '../../telemetry/metrics-registry.ts';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import { inboundInvocationMetrics } from './invocation-metrics.ts';

it('counts calling apps, and remembers a bounded number of them without the heads that named them', async () => {
  const registry = createMetricsRegistry({ app_id: 'shop' });
  const { admit, settle } = inboundInvocationMetrics(registry);
  const count = (appId: string): void => {
    const call = createCall({ block: 'invoke', name: 'receive', idempotent: false }, {}, { caller: { appId, namespace: '' } });
    settle?.(call, { ok: true, status: 200 }, admit?.(call));
  };
  count('regular');
  const bytes = await keptBytes(() => {
    for (let i = 0; i < 12_000; i++) count(cutOut(`app-of-one-job-${i}`, 4_096));
  });
  // With the heads of all it would be 48 MB, and with a bounded number of heads still 16.
  expect(bytes).toBeLessThan(10_000_000);
  for (let i = 0; i < 5; i++) count('regular');
  expect(registry.print('prometheus')).toMatch(/dapr_runtime_service_invocation_req_recv_total\{app_id="shop",src_app_id="regular"\} 6\n/);
});
