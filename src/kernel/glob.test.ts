import { describe, expect, it } from 'vitest';
import { globMatches } from './glob.ts';

describe('patterns of names', () => {
  it.each([
    ['order', 'order', true],
    ['order', 'orders', false],
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'anything at all', true],
    ['order-*', 'order-', true],
    ['order-*', 'an order-1', false],
    ['*-v?', 'ship-v2', true],
    ['*-v?', 'ship-v', false],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'a-b-b-d', false],
    ['a.c', 'abc', false],
    ['[ab]', 'a', false],
    ['**', 'x', true],
  ])('%j and %j: %s', (pattern, text, fits) => {
    expect(globMatches(pattern, text)).toBe(fits);
  });

  it('take no longer for patterns that are made to', () => {
    expect(globMatches(`${'a*'.repeat(2_000)}b`, 'a'.repeat(2_000))).toBe(false);
  });
});
