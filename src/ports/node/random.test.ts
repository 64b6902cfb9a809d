import { describe, expect, it } from 'vitest';
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
});
