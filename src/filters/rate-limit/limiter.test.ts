import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import { createKeyedLimiter } from './keyed-limiter.ts';
import { createPacer, createWarmUpLimiter, createWindowLimiter } from './limiter.ts';
import { createMeter } from './meter.ts';

describe('a window limit', () => {
  it('never lets more through in any window than it may, and says when to come again', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 200 }), fc.integer({ min: 1, max: 20 }), (gaps, requests) => {
        const limiter = createWindowLimiter({ requests, perMs: 1_000 });
        const passed: number[] = [];
        let nowMs = 0;
        for (const gap of gaps) {
          nowMs += gap;
          const answer = limiter.take(nowMs);
          if (answer === 0) passed.push(nowMs);
          else expect(limiter.take(nowMs - answer)).not.toBeGreaterThan(0);
          nowMs = answer < 0 ? nowMs - answer : nowMs;
          // Slots are a tenth of the window: exact to one slot.
          expect(passed.filter((at) => at > nowMs - 900).length).toBeLessThanOrEqual(requests);
        }
      }),
    );
  });

  it('lets a whole window through at once, and again when it has left', () => {
    const limiter = createWindowLimiter({ requests: 5, perMs: 1_000 });
    expect(Array.from({ length: 6 }, () => limiter.take(0))).toEqual([0, 0, 0, 0, 0, -1_000]);
    expect(limiter.take(999)).toBe(-1);
    expect(limiter.take(1_000)).toBe(0);
  });
});

describe('a pacer', () => {
  it('spaces calls evenly, and refuses those whose turn is too far away', () => {
    const pacer = createPacer({ requests: 10, perMs: 1_000, waitMaxMs: 250 });
    expect(Array.from({ length: 4 }, () => pacer.take(0))).toEqual([0, 100, 200, -50]);
    expect(pacer.take(50)).toBe(250);
    expect(pacer.take(5_000)).toBe(0);
  });
});

describe('a warm-up', () => {
  const rateAt = (second: number, limiter: ReturnType<typeof createWarmUpLimiter>): number => {
    let passed = 0;
    for (let ms = 0; ms < 1_000; ms += 2) if (limiter.take(second * 1_000 + ms) === 0) passed++;
    return passed;
  };

  it('begins with the cold rate, reaches the full one within the period of use, and cools down when idle', () => {
    const limiter = createWarmUpLimiter({ requests: 90, perMs: 1_000, periodMs: 10_000, coldFactor: 3 });
    const rates = Array.from({ length: 16 }, (_, second) => rateAt(second, limiter));
    expect(rates[0]).toBeLessThanOrEqual(33);
    expect(rates[0]).toBeGreaterThanOrEqual(28);
    expect(rates[5]).toBeGreaterThan(rates[0] as number);
    expect(rates[15]).toBe(90);
    expect(rateAt(100, limiter)).toBeLessThanOrEqual(35);
  });

  it('can make calls wait in place of refusing them', () => {
    const limiter = createWarmUpLimiter({ requests: 10, perMs: 1_000, periodMs: 10_000, coldFactor: 2, waitMaxMs: 500 });
    const waits = Array.from({ length: 4 }, () => limiter.take(0));
    expect(waits.map(Math.round)).toEqual([0, 200, 400, -100]);
  });
});

describe('limits per key', () => {
  it('count each key by itself and remember so many', () => {
    const limiter = createKeyedLimiter(2, () => createWindowLimiter({ requests: 1, perMs: 1_000 }));
    expect([limiter.take('a', 0), limiter.take('b', 0), limiter.take('a', 0) < 0]).toEqual([0, 0, true]);
    limiter.take('c', 0);
    // b was used longest ago.
    expect([limiter.take('a', 0) < 0, limiter.take('b', 0)]).toEqual([true, 0]);
  });
});

describe('a meter', () => {
  it('agrees with a list of times, to one slot', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 })), (gaps) => {
        const meter = createMeter(1_000);
        const times: number[] = [];
        let nowMs = 0;
        for (const gap of gaps) {
          nowMs += gap;
          meter.add(nowMs);
          times.push(nowMs);
          const within = (ms: number): number => times.filter((at) => at > nowMs - ms).length;
          expect(meter.sum(nowMs)).toBeGreaterThanOrEqual(within(900));
          expect(meter.sum(nowMs)).toBeLessThanOrEqual(within(1_000));
        }
      }),
    );
  });
});

it('keeps keys, and not the heads that they were cut out of', async () => {
  const bytes = await keptBytes(() => {
    const limiter = createKeyedLimiter(2_000, () => createWindowLimiter({ requests: 1, perMs: 1_000 }));
    for (let i = 0; i < 4_000; i++) limiter.take(cutOut(`customer-number-${i}`), i);
    return limiter;
  });
  // With the heads of the last 2,000 it would be 32 MB.
  expect(bytes).toBeLessThan(8_000_000);
});
