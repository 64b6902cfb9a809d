import { describe, expect, it } from 'vitest';
import { createCall } from '../../kernel/call.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { componentMetrics } from './component-metrics.ts';

describe('the time of a component', () => {
  it('is what passed since the call was let in, and nothing for an answer that was known at once', () => {
    const clock = createFakeClock();
    const recorded: number[] = [];
    const told: (number | undefined)[] = [];
    const metrics = {
      counter: () => ({ add() {} }),
      gauge: () => ({ add() {}, set() {} }),
      histogram: () => ({ record: (value: number) => void recorded.push(value) }),
    };
    const recorder = { begin() {}, end: (_call: unknown, _outcome: unknown, tookMs?: number) => void told.push(tookMs) };
    const pair = componentMetrics({ metrics, clock, countName: 'count', latencyName: 'latency', labels: {}, recorder });
    const call = createCall({ block: 'state', name: 'get', idempotent: true }, undefined);
    const admitted = pair.admit?.(call);
    clock.advance(7);
    pair.settle?.(call, { ok: true }, admitted);
    pair.settle?.(call, { ok: true, atOnce: true }, admitted);
    pair.settle?.(call, { ok: false }, admitted);
    expect(recorded).toEqual([7, 0, 7]);
    expect(told).toEqual([7, 0, 7]);
  });
});
