import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  beginsAtMs,
  bucketOf,
  bucketsAt,
  closesAtMs,
  endsAtMs,
  levels,
  oldestIndex,
  openIndex,
  opensAtMs,
  ringSize,
  slotOf,
} from './wheel.ts';

const start = 1_700_000_000_000;
const hour = 3_600_000;
const day = 24 * hour;
const delays = fc.oneof(
  fc.integer({ min: -hour, max: 60_000 }),
  fc.integer({ min: 0, max: hour }),
  fc.integer({ min: 0, max: 30 * day }),
  fc.integer({ min: 0, max: 10 * 365 * day }),
);
const nows = fc.integer({ min: start, max: start + 400 * day });

it('puts a timer where it is not opened for another five seconds, and holds it there at its time', () => {
  fc.assert(
    fc.property(nows, delays, (now, delay) => {
      const due = now + delay;
      const bucket = bucketOf(due, now);
      if (bucket === undefined) {
        expect(delay).toBeLessThan(12_000);
        return;
      }
      expect(opensAtMs(bucket)).toBeGreaterThanOrEqual(now + 5_000);
      expect(opensAtMs(bucket)).toBeLessThanOrEqual(due);
      if (delay < 6 * 365 * day) {
        expect(beginsAtMs(bucket)).toBeLessThanOrEqual(due);
        expect(due).toBeLessThan(endsAtMs(bucket));
        expect(bucketsAt(due)).toContainEqual(bucket);
      }
    }),
  );
});

it('deals an opened bucket out to lower levels, or to memory', () => {
  fc.assert(
    fc.property(nows, fc.integer({ min: 0, max: 5 * 365 * day }), fc.nat(1_000), (now, delay, lateMs) => {
      const due = now + delay;
      const bucket = bucketOf(due, now);
      if (bucket === undefined) return;
      const next = bucketOf(due, opensAtMs(bucket) + lateMs);
      if (next !== undefined) expect(next.level).toBeLessThan(bucket.level);
      else expect(bucket.level).toBeLessThanOrEqual(1);
    }),
  );
});

it('gives a log to one bucket at a time: until it has closed, nobody puts anything of another time into it', () => {
  fc.assert(
    fc.property(nows, fc.integer({ min: 0, max: 5 * 365 * day }), fc.integer({ min: 0, max: 365 * day }), (now, delay, laterMs) => {
      const bucket = bucketOf(now + delay, now);
      if (bucket === undefined) return;
      const later = Math.min(now + laterMs, closesAtMs(bucket));
      for (let step = 0; step < ringSize * 2; step++) {
        const due = later + step * (endsAtMs(bucket) - beginsAtMs(bucket));
        const other = bucketOf(due, later);
        if (other?.level !== bucket.level || other.index === bucket.index) continue;
        expect(slotOf(other)).not.toBe(slotOf(bucket));
      }
    }),
    { numRuns: 50 },
  );
});

it('reads every log of a level after a long absence, and no bucket before its time', () => {
  for (let level = 0; level < levels; level++) {
    const [oldest, last] = [oldestIndex(level, start), openIndex(level, start)];
    expect(last - oldest + 1).toBe(ringSize);
    expect(opensAtMs({ level, index: last })).toBeLessThanOrEqual(start);
    expect(opensAtMs({ level, index: last + 1 })).toBeGreaterThan(start);
  }
});
