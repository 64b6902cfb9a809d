import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Random } from '../../kernel/ports.ts';
import { createGradient2, createVegas, type ConcurrencyLimit } from './concurrency-limit.ts';

const random: Random = { u32: () => 2 ** 31, bytes: (n) => new Uint8Array(n), hex: () => '', uuid: () => '' };
const bounds = { initial: 20, min: 5, max: 200 };

/** A server that carries `capacity` calls at once in 10 ms each; more wait in its queue. */
function drive(limit: ConcurrencyLimit, capacity: number, samples: number): number {
  for (let i = 0; i < samples; i++) {
    const inFlight = limit.current;
    limit.sample(10 * Math.max(1, inFlight / capacity), inFlight, false);
  }
  return limit.current;
}

describe.each([
  ['gradient2', () => createGradient2(bounds), 150],
  ['vegas', () => createVegas(bounds, random), 5_000],
] as const)('%s', (_name, create, samples) => {
  it('grows to what the server carries and does not run away', () => {
    const found = drive(create(), 50, samples);
    expect(found).toBeGreaterThan(40);
    expect(found).toBeLessThan(120);
  });

  it('shrinks when calls take longer', () => {
    const limit = create();
    const before = drive(limit, 100, 2_000);
    expect(drive(limit, 10, 60)).toBeLessThan(before);
  });

  it('does not grow while it is not used', () => {
    const limit = create();
    for (let i = 0; i < 100; i++) limit.sample(10, 1, false);
    expect(limit.current).toBe(20);
  });

  it('stays within its bounds, whatever it is told', () => {
    const sample = fc.tuple(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.integer({ min: 0, max: 1_000 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 200 }), (samples) => {
        const limit = create();
        for (const [rtt, inFlight, dropped] of samples) {
          limit.sample(rtt, inFlight, dropped);
          expect(limit.current).toBeGreaterThanOrEqual(5);
          expect(limit.current).toBeLessThanOrEqual(200);
        }
      }),
    );
  });
});
