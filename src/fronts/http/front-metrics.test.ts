import { describe, expect, it } from 'vitest';
import type { Counter, Labels } from '../../contracts/metrics.ts';
import { metricNames } from '../../kernel/names.ts';
import { createMetricsRegistry } from '../../telemetry/metrics-registry.ts';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import { createFrontMetrics } from './front-metrics.ts';

const request = { method: 'GET', status: 200, tookMs: 1, requestBytes: 0, responseBytes: 0 };
/** Names in letters: what looks like an id would be cut out. */
const pathOf = (i: number): string =>
  `/v1.0/invoke/shop/method/of/${i.toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)] as string)}`;

function rig(rewrite?: (name: string, labels: Labels) => Labels) {
  const registry = createMetricsRegistry({ app_id: 'shop' }, rewrite === undefined ? {} : { rewrite });
  let resolved = 0;
  const metrics = createFrontMetrics({
    ...registry,
    counter(name, labels): Counter {
      resolved++;
      return registry.counter(name, labels);
    },
  });
  const counted = (): Map<string, number> => {
    const lines = registry.print('prometheus').split('\n');
    const found = lines.filter((line) => line.startsWith(`${metricNames.httpServerRequests}{`));
    return new Map(found.map((line) => [/path="([^"]*)"/.exec(line)?.[1] ?? '', Number(line.slice(line.lastIndexOf(' ') + 1))]));
  };
  return { metrics, counted, resolved: () => resolved };
}

describe('requests of ever new paths', () => {
  it('are all counted, beyond the limit of series together, and are then not resolved any more', () => {
    const { metrics, counted, resolved } = rig();
    for (let i = 0; i < 5_000; i++) metrics.of(pathOf(i)).record(request);
    const before = resolved();
    for (let i = 5_000; i < 9_000; i++) metrics.of(pathOf(i)).record(request);
    // A path that has a series keeps it.
    metrics.of(pathOf(7)).record(request);
    const counts = counted();
    expect([resolved() - before, counts.size, counts.get('overflow'), counts.get(pathOf(7))]).toEqual([0, 2_001, 7_000, 2]);
  });

  it('are told apart by method and status there too', () => {
    const { metrics, resolved } = rig();
    for (let i = 0; i < 5_000; i++) metrics.of(pathOf(i)).record(request);
    const before = resolved();
    for (let i = 5_000; i < 5_010; i++) metrics.of(pathOf(i)).record({ ...request, method: 'POST', status: 500 });
    // Requests and answers, once.
    expect(resolved() - before).toBe(2);
  });

  it('keep what a rule makes of their labels', () => {
    const { metrics, counted } = rig((_name, labels) => ({ ...labels, path: String(labels['path']).replace(/\w+$/, '{name}') }));
    for (let i = 0; i < 6_000; i++) metrics.of(pathOf(i)).record(request);
    expect([...counted()]).toEqual([['/v1.0/invoke/shop/method/of/{name}', 6_000]]);
  });
});

describe('requests whose paths differ in an id', () => {
  it('are one series', () => {
    const { metrics, counted } = rig();
    for (let i = 0; i < 100; i++) metrics.of(`/v1.0/invoke/shop/method/orders/${i}`).record(request);
    expect([...counted()]).toEqual([['/v1.0/invoke/shop/method/orders/{id}', 100]]);
  });
});

describe('the requests of one path', () => {
  it('are counted by method and status, in any order', () => {
    const { metrics, counted } = rig((_name, labels) => ({ path: `${labels['method']} ${labels['status']}` }));
    const path = metrics.of('/v1.0/healthz');
    for (const status of [204, 500, 204]) for (const method of ['GET', 'POST', 'BREW']) path.record({ ...request, method, status });
    expect(counted()).toEqual(
      new Map([
        ['GET 204', 2],
        ['POST 204', 2],
        ['UNKNOWN 204', 2],
        ['GET 500', 1],
        ['POST 500', 1],
        ['UNKNOWN 500', 1],
      ]),
    );
  });
});

it('labels do not keep the requests that they were cut out of', async () => {
  const { metrics } = rig();
  // Of 4,000 labels; with what they were cut out of it would be more than 32 MB.
  const bytes = await keptBytes(() => {
    for (let i = 0; i < 4_000; i++) metrics.of(cutOut(pathOf(i))).record(request);
  });
  expect(bytes).toBeLessThan(20_000_000);
});
