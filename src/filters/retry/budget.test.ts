import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRetryBudget } from './budget.ts';

describe('a retry budget', () => {
  it('has a floor for quiet targets, and no more', () => {
    const budget = createRetryBudget({ ratio: 0.2, perSecond: 1 });
    const taken = Array.from({ length: 20 }, () => budget.withdraw(0)).filter(Boolean);
    expect(taken).toHaveLength(10);
    expect(budget.withdraw(9_999)).toBe(false);
    expect(budget.withdraw(10_000)).toBe(true);
  });

  it('lets what was earned expire', () => {
    const budget = createRetryBudget({ ratio: 0.2, perSecond: 0 });
    for (let i = 0; i < 100; i++) budget.deposit(0);
    expect(budget.left(5_000)).toBeCloseTo(20);
    expect(budget.left(10_000)).toBe(0);
    expect(budget.withdraw(10_000)).toBe(false);
  });

  it('takes back what a call earned that never came to the target', () => {
    const budget = createRetryBudget({ ratio: 0.5, perSecond: 0 });
    for (let i = 0; i < 4; i++) budget.deposit(0);
    budget.takeBack(900);
    budget.takeBack(1_100);
    expect(budget.left(2_000)).toBeCloseTo(1);
    expect([budget.withdraw(2_000), budget.withdraw(2_000)]).toEqual([true, false]);
  });

  it('never allows more than the calls of any ten seconds earned plus the floor', () => {
    const step = fc.record({ waitMs: fc.integer({ min: 0, max: 3_000 }), call: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), fc.double({ min: 0, max: 1, noNaN: true }), (steps, ratio) => {
        const budget = createRetryBudget({ ratio, perSecond: 2 });
        let nowMs = 0;
        const calls: number[] = [];
        const repeats: number[] = [];
        for (const { waitMs, call } of steps) {
          nowMs += waitMs;
          if (call) {
            calls.push(nowMs);
            budget.deposit(nowMs);
          } else if (budget.withdraw(nowMs)) repeats.push(nowMs);
          const since = (list: number[]): number => list.filter((at) => at > nowMs - 9_000).length;
          // The window is between nine and ten seconds long.
          const earlier = calls.filter((at) => at > nowMs - 20_000).length;
          expect(since(repeats)).toBeLessThanOrEqual(ratio * earlier + 20 + 1e-6);
        }
      }),
    );
  });
});
