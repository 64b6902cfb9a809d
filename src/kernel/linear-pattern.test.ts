import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern } from './linear-pattern.ts';

describe('linear patterns', () => {
  it('agree with regular expressions on every pattern and text of their grammar', () => {
    const atom = fc.constantFrom(
      'a',
      'b',
      '.',
      '[ab]',
      '[^a]',
      '[b-d]',
      '\\d',
      '\\w',
      '\\W',
      '^',
      '$',
      '\\.',
      '/',
      '[\\d-]',
      '(?:ab)',
      'é',
    );
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        atom,
        fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => a + b),
        fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(${a}|${b})`),
        fc.tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,}', '{0,2}', '*?')).map(([a, count]) => `(?:${a})${count}`),
      ),
    }));
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', '.', '/', '-', 'é', '\n'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, (source, subject) => compilePattern(source)(subject) === new RegExp(source, 'u').test(subject)),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ['^/v1\\.0/invoke/.+/method/(?P<name>hello|bye)$', '/v1.0/invoke/app/method/bye', true],
    ['^/v1\\.0/invoke/.+/method/(hello|bye)$', '/v1.0/invoke/app/method/byebye', false],
    ['.*/users/.*', '/api/users/7', true],
    ['{', '{', true],
    ['a{,2}', 'a{,2}', true],
    ['[]a]', ']', true],
    ['[a-]', '-', true],
    ['', 'anything', true],
    ['^$', '', true],
    ['\\Aab\\z', 'ab', true],
    ['(^)*a', 'ba', true],
    ['[a-c_]+x', 'zb_x', true],
    ['[\\d.]+$', 'v1.2', true],
    ['\\.\\n', '.\n', true],
    ['a||b', 'c', true],
  ])('%s on %s is %s', (pattern, text, expected) => {
    expect(compilePattern(pattern)(text)).toBe(expected);
  });

  it.each([
    '(',
    ')',
    'a)',
    '[',
    '[b-a]',
    '*',
    'a**',
    '\\',
    '\\1',
    '\\b',
    '(?=a)',
    '(?i)a',
    '(?<n>a)',
    '(?P<n',
    '[[:alpha:]]',
    'a{2,1}',
    'a{1001}',
    'a{5000}',
    '(a{1000}){1000}',
    '(a{500}){500}',
    '*a',
    '[a',
    '(a)\\1',
    'x'.repeat(1_001),
    '('.repeat(60),
  ])('refuses %s', (pattern) => {
    expect(() => compilePattern(pattern)).toThrow(/pattern/);
  });

  it('takes linear time where backtracking takes for ever', () => {
    const matches = compilePattern('^(a+)+$');
    expect(matches('a'.repeat(20_000))).toBe(true);
    expect(matches(`${'a'.repeat(20_000)}b`)).toBe(false);
    expect(compilePattern('(a*)*(a|aa)*b')('a'.repeat(100_000))).toBe(false);
  });
});
