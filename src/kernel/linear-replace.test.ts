import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileReplacement } from './linear-replace.ts';

describe('replacing what a pattern matches', () => {
  it.each([
    ['orders/.+', 'orders/', '/v1/orders/17/items', '/v1/orders/'],
    ['^/users/\\d+$', '/users/{id}', '/users/42', '/users/{id}'],
    ['^/users/\\d+$', '/users/{id}', '/users/42/x', '/users/42/x'],
    ['a|ab', 'X', 'ab', 'Xb'],
    ['(ab|a)b?', 'X', 'abb a', 'X X'],
    ['\\d', '#', 'a1b22', 'a#b##'],
    ['\\d+', '#', 'a1b22', 'a#b#'],
    ['x*', '-', 'abc', '-a-b-c-'],
    ['b*', '-', 'abc', '-a-c-'],
    ['', '-', 'ab', '-a-b-'],
    ['no', 'x', '', ''],
    ['.', '$1', 'a', '$1'],
    ['^.', 'x', '\u{1f600}y', 'xy'],
  ])('/%s/ by %s in %s gives %s', (pattern, replacement, text, expected) =>
    expect(compileReplacement(pattern, replacement)(text)).toBe(expected),
  );

  it('agrees with the engine of JavaScript on patterns that both know', () => {
    const patterns = ['a', 'ab', 'a|b', 'a+b', '(a|ab)c', 'a*b', '[ab]+', '^a', 'b$', 'a?b?c', '(ab)+', 'a{2}', 'c.', 'ab|a'];
    fc.assert(
      fc.property(fc.constantFrom(...patterns), fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 }), (pattern, text) => {
        // An empty match behind another match: JavaScript replaces it, Go does not.
        fc.pre(!new RegExp(`^(?:${pattern})$`).test(''));
        expect(compileReplacement(pattern, 'X')(text)).toBe(text.replace(new RegExp(pattern, 'g'), 'X'));
      }),
    );
  });

  it('is done with a pattern on which a backtracking engine hangs', () => {
    expect(compileReplacement('^(a+)+$', 'X')(`${'a'.repeat(2_000)}b`)).toBe(`${'a'.repeat(2_000)}b`);
  });
});
