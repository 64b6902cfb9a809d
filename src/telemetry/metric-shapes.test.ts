import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { createMetricsRegistry } from './metrics-registry.ts';

// What runs keeps its shape, whatever it counts: the optimising compiler tells objects apart by it. The shape is asked of V8 itself.
setFlagsFromString('--allow-natives-syntax');
const sameShape = runInThisContext('(a, b) => %HaveSameMap(a, b)') as (a: object, b: object) => boolean;

describe('numbers of metrics', () => {
  it('a histogram that has seen a fraction has the shape of one that has seen nothing', () => {
    const registry = createMetricsRegistry({});
    const fresh = registry.histogram('h', { a: 'fresh' });
    const used = registry.histogram('h', { a: 'used' });
    expect(sameShape(fresh, used)).toBe(true);
    used.record(0.5);
    for (let i = 0; i < 3; i++) used.record(1e9);
    expect(sameShape(fresh, used)).toBe(true);
  });

  it('a counter that has passed 2^31 and a gauge of a fraction have the shape of fresh ones', () => {
    const registry = createMetricsRegistry({});
    const fresh = registry.counter('c', { a: 'fresh' });
    const counter = registry.counter('c', { a: 'used' });
    const gauge = registry.gauge('g', {});
    expect(sameShape(fresh, counter)).toBe(true);
    counter.add(2 ** 31);
    gauge.set(0.5);
    expect([sameShape(fresh, counter), sameShape(fresh, gauge)]).toEqual([true, true]);
  });

  it('are printed as zero before anything was counted', () => {
    const registry = createMetricsRegistry({});
    registry.counter('c', {});
    registry.histogram('h', {});
    expect(registry.print('prometheus')).toMatch(/^c 0\n/m);
    expect(registry.print('prometheus')).toMatch(/^h_sum 0\nh_count 0\n/m);
  });
});
