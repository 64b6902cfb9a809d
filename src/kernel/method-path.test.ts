import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalMethod, encodeMethodPath } from './method-path.ts';

describe('the canonical method path (T5)', () => {
  it.each([
    ['orders', 'orders'],
    ['/orders/1', 'orders/1'],
    ['a//b', 'a/b'],
    ['a/./b/../c', 'a/c'],
    ['../../etc/passwd', 'etc/passwd'],
    ['a/%2e%2e/b', 'b'],
    ['a%2Fb', 'a/b'],
    ['a%252Fb', 'a%2Fb'],
    ['gr%C3%BC%C3%9Fe', 'grüße'],
    ['', ''],
    ['a/', 'a'],
    ['a/b//', 'a/b'],
  ])('turns %j into %j', (raw, path) => expect(canonicalMethod(raw)).toEqual({ path }));

  it.each(['a%3Fb', 'a%23b', 'a%00', 'a%0d%0ab', 'a#b', 'a?b', '%zz', '%ff'])('refuses %j', (raw) => {
    expect(canonicalMethod(raw)).toHaveProperty('error');
  });

  it('is stable: what policy saw is what a second decoder of the delivered path sees', () => {
    const piece = fc.constantFrom(
      'a',
      '.',
      '..',
      '/',
      '%2F',
      '%2e',
      '%2E%2e',
      '%5c',
      '\\',
      ';',
      '%3b',
      '%25',
      '%252e',
      'ü',
      '%C3%BC',
      ' ',
      '%20',
      '+',
      '&',
      '=',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const first = canonicalMethod(pieces.join(''));
        if ('error' in first) return;
        expect(first.path.split('/').some((segment) => segment === '..' || segment === '.')).toBe(false);
        expect(canonicalMethod(encodeMethodPath(first.path))).toEqual(first);
      }),
      { numRuns: 5_000 },
    );
  });
});
