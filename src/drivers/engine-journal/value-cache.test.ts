import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keptBytes } from '../../testing/kept-memory.ts';
import { ValueCache } from './value-cache.ts';

const valueOf = (version: number, length: number): Uint8Array => new Uint8Array(length).fill(version);

describe('the cache of values', () => {
  it('answers what it was given, or nothing, whatever goes and comes', () => {
    const length = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 6_000 }));
    const step = fc.record({ do: fc.constantFrom('add', 'add', 'add', 'drop', 'get'), length, at: fc.nat(400) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
        const cache = new ValueCache(64_000);
        const lengths: number[] = [];
        const gone = new Set<number>();
        for (const { do: what, length: bytes, at } of steps) {
          const version = lengths.length === 0 ? -1 : at % lengths.length;
          if (what === 'add') {
            const value = cache.add(lengths.length, valueOf(lengths.length, bytes));
            expect(value === undefined).toBe(bytes > 8_000);
            lengths.push(bytes);
          } else if (what === 'drop' && version >= 0) {
            cache.drop(version);
            gone.add(version);
          } else if (version >= 0) cache.get(version);
          expect(cache.bytes).toBeLessThanOrEqual(64_000);
        }
        let bytes = 0;
        for (const [version, each] of lengths.entries()) {
          const value = cache.look(version);
          if (value === undefined) continue;
          expect(gone.has(version)).toBe(false);
          expect(Buffer.from(value).equals(valueOf(version, each))).toBe(true);
          bytes += each + 200;
        }
        expect(cache.bytes).toBe(bytes);
      }),
      { numRuns: 60 },
    );
  });

  it('lets the values go that were not read for longest', () => {
    const cache = new ValueCache(30_000);
    for (let version = 0; version < 20; version++) cache.add(version, valueOf(version, 1_000));
    cache.get(3);
    for (let version = 20; version < 40; version++) cache.add(version, valueOf(version, 1_000));
    expect([2, 3, 4, 39].map((version) => cache.look(version) !== undefined)).toEqual([false, true, false, true]);
    expect(cache.add(3, valueOf(9, 1_000))).toBe(cache.look(3));
    expect(cache.look(3)?.[0]).toBe(3);
  });

  it('is as large as it is told to be, also when one value of many stays', async () => {
    const value = new Uint8Array(100);
    let version = 0;
    let counted = 0;
    const bytes = await keptBytes(() => {
      const cache = new ValueCache(2 * 1024 * 1024);
      for (let i = 0; i < 1_000; i++) {
        cache.add(++version, value);
        // A key that is read and written again and again.
        for (let j = 0; j < 300; j++) {
          cache.add(++version, value);
          cache.drop(version);
        }
      }
      counted = cache.bytes;
      return cache;
    });
    expect(counted).toBe(300_000);
    // With the memory of what was replaced it would be 30 MB.
    expect(bytes).toBeLessThan(8_000_000);
  });

  it('keeps what stays, wherever it was moved to', () => {
    const cache = new ValueCache(2 * 1024 * 1024);
    let version = 0;
    const kept: number[] = [];
    for (let i = 0; i < 1_000; i++) {
      kept.push(++version);
      cache.add(version, valueOf(version, 200));
      for (let j = 0; j < 100; j++) {
        cache.add(++version, valueOf(version, 200));
        cache.drop(version);
      }
    }
    for (const each of kept) expect(cache.get(each)?.every((byte) => byte === each % 256)).toBe(true);
  });
});
