import { describe, expect, it } from 'vitest';
import { keptBytes } from '../../testing/kept-memory.ts';
import { createNodeRandom } from './random.ts';

describe('ids of the node port', () => {
  it('are version 4 UUIDs, no two alike, over many fills of every size', () => {
    const random = createNodeRandom();
    const ids = Array.from({ length: 3_000 }, () => random.uuid());
    const odd = ids.filter((id) => !/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id));
    expect([odd, new Set(ids).size]).toEqual([[], ids.length]);
  });

  it('use every digit in every place that is random', () => {
    const random = createNodeRandom();
    const seen = Array.from({ length: 36 }, () => new Set<string>());
    for (let i = 0; i < 2_000; i++) for (const [at, digit] of [...random.uuid()].entries()) seen[at]?.add(digit);
    const digits = seen.map(({ size }) => size);
    const dash = [8, 13, 18, 23];
    expect(digits.map((size, at) => size - (dash.includes(at) || at === 14 ? 1 : at === 19 ? 4 : 16))).toEqual(digits.map(() => 0));
  });

  it('keep nothing but themselves in memory', async () => {
    const random = createNodeRandom();
    const kept: string[] = [];
    // One of each fill of the pool; with the rest of their fills they would be 36 MB.
    const bytes = await keptBytes(() => {
      for (let i = 0; i < 512_000; i++) {
        const ids = [random.uuid(), random.hex(32)];
        if (i % 512 === 0) kept.push(...ids);
      }
      return kept;
    });
    expect(bytes).toBeLessThan(4_000_000);
    expect(new Set(kept).size).toBe(2_000);
  });

  it('are as long as they were asked for', () => {
    const random = createNodeRandom();
    const lengths = Array.from({ length: 65 }, (_, digits) => random.hex(digits).length);
    expect(lengths).toEqual(lengths.map((_, digits) => digits));
  });
});
