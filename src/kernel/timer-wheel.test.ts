import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.ts';
import { wheelClock } from './timer-wheel.ts';

describe('timers on a wheel', () => {
  it('fire within one tick of their time, never early, each once, unless cancelled', () => {
    const step = fc.record({
      delayMs: fc.integer({ min: 0, max: 20_000 }),
      cancelAfterMs: fc.option(fc.integer({ min: 0, max: 20_000 })),
      passMs: fc.integer({ min: 0, max: 3_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const clock = createFakeClock();
        const wheel = wheelClock(clock);
        const fired: { readonly dueMs: number; readonly atMs: number; readonly cancelledMs: number }[] = [];
        let expected = 0;
        for (const { delayMs, cancelAfterMs, passMs } of steps) {
          const dueMs = clock.mono() + delayMs;
          const cancelledMs = cancelAfterMs === null ? Infinity : clock.mono() + cancelAfterMs;
          const timer = wheel.timer(delayMs, () => fired.push({ dueMs, atMs: clock.mono(), cancelledMs }));
          if (cancelAfterMs !== null) clock.timer(cancelAfterMs, () => timer.cancel());
          if (cancelledMs > dueMs + 5) expected++;
          clock.advance(passMs);
        }
        clock.advance(30_000);
        for (const { dueMs, atMs, cancelledMs } of fired) {
          expect(atMs).toBeGreaterThanOrEqual(dueMs);
          expect(atMs).toBeLessThanOrEqual(dueMs + 5);
          expect(atMs).toBeLessThanOrEqual(cancelledMs);
        }
        expect(fired.length).toBeGreaterThanOrEqual(expected);
        expect(clock.waiting).toBe(0);
      }),
    );
  });

  it('may cancel and set each other while they fire', () => {
    const clock = createFakeClock();
    const wheel = wheelClock(clock);
    const fired: string[] = [];
    wheel.timer(100, () => {
      fired.push('a');
      second.cancel();
      wheel.timer(100, () => fired.push('d'));
    });
    const second = wheel.timer(100, () => fired.push('b'));
    wheel.timer(100, () => fired.push('c'));
    clock.advance(1_000);
    expect(fired).toEqual(['a', 'c', 'd']);
  });

  it('use one timer of the system for many', () => {
    const clock = createFakeClock();
    const wheel = wheelClock(clock);
    const timers = Array.from({ length: 1_000 }, (_, i) => wheel.timer(1_000 + i, () => {}));
    expect(clock.waiting).toBe(1);
    for (const timer of timers) timer.cancel();
    clock.advance(2_000);
    expect(clock.waiting).toBe(0);
  });

  it('survive a long stop of the process', () => {
    const clock = createFakeClock();
    const wheel = wheelClock(clock);
    const fired: number[] = [];
    for (const ms of [50, 5_000, 7_000]) wheel.timer(ms, () => fired.push(ms));
    // All at once, as after a suspended machine.
    let late = 0;
    const stopped = wheelClock({ ...clock, mono: () => clock.mono() + late });
    for (const ms of [50, 6_000]) stopped.timer(ms, () => fired.push(ms + 1));
    late = 60_000;
    clock.advance(60);
    expect(fired.toSorted((a, b) => a - b)).toEqual([50, 51, 6_001]);
    clock.advance(10_000);
    expect(fired).toHaveLength(5);
  });
});
