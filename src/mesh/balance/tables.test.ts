import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hash32 } from './hash.ts';
import { Member } from './member.ts';
import { createMaglev, createRing } from './tables.ts';

const members = (weights: readonly number[], from = 0): Member[] =>
  weights.map((weight, i) => new Member({ appId: 'a', namespace: '', instance: `instance-${from + i}`, weight }, 0));
const keys = Array.from({ length: 4_000 }, (_, i) => hash32(`user-${i}`));

describe.each([
  ['a ring', createRing, 0.45],
  ['maglev', createMaglev, 0.15],
] as const)('%s', (_name, create, tolerance) => {
  it('spreads keys by weight', () => {
    const all = members([1, 1, 2, 4]);
    const table = create(all);
    const counts = new Map<Member, number>();
    for (const key of keys) counts.set(table(key, 0), (counts.get(table(key, 0)) ?? 0) + 1);
    for (const member of all) {
      const fair = (keys.length * member.weight) / 8;
      expect(Math.abs((counts.get(member) ?? 0) - fair) / fair).toBeLessThan(tolerance);
    }
  });

  it('moves few keys when a member leaves, and the same key goes to the same member', () => {
    const all = members([1, 1, 1, 1, 1]);
    const before = create(all);
    const after = create(all.slice(0, 4));
    let moved = 0;
    for (const key of keys) {
      expect(before(key, 0)).toBe(before(key, 0));
      if (before(key, 0) !== all[4] && before(key, 0) !== after(key, 0)) moved++;
    }
    expect(moved / keys.length).toBeLessThan(0.1);
  });

  it('gives a repetition another member, each once', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 6 }), fc.string(), (weights, key) => {
        const table = create(members(weights));
        const hash = hash32(key);
        expect(table(hash, 1)).not.toBe(table(hash, 0));
      }),
      { numRuns: 30 },
    );
  });
});
