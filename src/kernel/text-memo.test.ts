import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TextMemo } from './text-memo.ts';

describe('TextMemo', () => {
  it('answers what was made, for any texts in any order', () => {
    const text = fc.oneof(fc.constantFrom('', 'a', 'b', 'ab', 'ba', 'aab', 'x'.repeat(256), 'x'.repeat(257)), fc.string());
    fc.assert(
      fc.property(fc.array(text, { maxLength: 60 }), (texts) => {
        const memo = new TextMemo((given) => `made of ${given}`);
        for (const given of [...texts, ...texts]) expect(memo.of(given)).toBe(`made of ${given}`);
      }),
    );
  });

  it('makes a repeated text once, a long one every time', () => {
    const made: number[] = [];
    const memo = new TextMemo((given) => made.push(given.length));
    for (const given of ['abc', 'abc', 'y'.repeat(300), 'y'.repeat(300)]) memo.of(given);
    expect(made).toEqual([3, 300, 300]);
  });

  it('remembers no failure', () => {
    let failing = true;
    const memo = new TextMemo((given) => {
      if (failing) throw new Error('not now');
      return given;
    });
    expect(() => memo.of('a')).toThrow('not now');
    failing = false;
    expect(memo.of('a')).toBe('a');
  });

  it('knows some hundred texts at once that differ in one place only, and a bounded number of more', () => {
    let made = 0;
    const memo = new TextMemo(() => ++made);
    const texts = Array.from({ length: 256 }, (_, i) => `/v1.0/actors/Cart/${i}/method/x`);
    for (let round = 0; round < 12; round++) for (const text of texts) memo.of(text);
    made = 0;
    for (const text of texts) memo.of(text);
    // Three of them may share two places; nearly none do.
    expect(made).toBeLessThan(32);
    for (let i = 0; i < 20_000; i++) memo.of(`key ${i}`);
    made = 0;
    for (let i = 0; i < 20_000; i++) memo.of(`key ${i}`);
    expect(made).toBeGreaterThan(20_000 - 1_025);
  });

  it('keeps few of the texts that never come again, and knows again what repeats behind them', () => {
    let made = 0;
    const memo = new TextMemo(() => ++made);
    for (let i = 0; i < 10_000; i++) memo.of(`once ${i}`);
    made = 0;
    for (let i = 0; i < 1_000; i++) memo.of(i % 2 === 0 ? 'this' : 'that');
    // One in sixteen is kept, until one is known.
    expect(made).toBeLessThanOrEqual(64);
  });
});
