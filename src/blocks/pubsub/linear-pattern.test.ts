import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linearPattern } from './linear-pattern.ts';

const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', String.raw`\d`, String.raw`\W`, 'c', '^', '$');
const pattern = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    atom,
    fc.tuple(tie('node'), tie('node')).map(([a, b]) => a + b),
    fc.tuple(tie('node'), tie('node')).map(([a, b]) => `(${a}|${b})`),
    fc.tuple(tie('node'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,}', '*?')).map(([a, quantifier]) => `(?:${a})${quantifier}`),
  ),
})).node;

describe('linear patterns', () => {
  it('agree with the engine of the language', () => {
    fc.assert(
      fc.property(pattern, fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', '-', '\n'), maxLength: 8 }), (source, text) => {
        expect(linearPattern(source)(text), `${source} on ${JSON.stringify(text)}`).toBe(new RegExp(source).test(text));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['[a-c_]+x', 'zb_x', true],
    ['[]a]', ']', true],
    ['[a-]', '-', true],
    [String.raw`[\d.]+$`, 'v1.2', true],
    [String.raw`\.\n`, '.\n', true],
    ['', 'anything', true],
    ['a||b', 'c', true],
    ['{', '{', true],
  ])('%j on %j: %s', (source, text, matches) => {
    expect(linearPattern(source)(text)).toBe(matches);
  });

  it.each(['(', 'a)', '*a', '[a', String.raw`(a)\1`, '(?=a)', '(?<n>a)', '(?i)a', 'a{5,2}', 'a{5000}', '(a{500}){500}', '\\', '[z-a]'])(
    'refuse %j',
    (source) => {
      expect(() => linearPattern(source)).toThrow(/pattern/);
    },
  );

  it('take time in proportion to the text, where backtracking would take for ever', () => {
    expect(linearPattern('(a*)*(a|aa)*b')('a'.repeat(100_000))).toBe(false);
  });
});
