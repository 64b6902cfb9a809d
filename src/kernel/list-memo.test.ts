import { describe, expect, it } from 'vitest';
import { ListMemo } from './list-memo.ts';

describe('ListMemo', () => {
  it('makes a value once per list, and not per contents', () => {
    let made = 0;
    const memo = new ListMemo((list) => ({ text: list.join(), number: ++made }));
    const [first, second] = [
      ['a', '1'],
      ['a', '1'],
    ];
    const value = memo.of(first as string[]);
    expect(memo.of(first as string[])).toBe(value);
    expect(memo.of(second as string[])).toEqual({ text: 'a,1', number: 2 });
    expect(memo.of(first as string[])).toBe(value);
  });

  it('keeps a few lists and answers all others right', () => {
    const memo = new ListMemo((list) => list.join());
    const lists = Array.from({ length: 50 }, (_, i) => ['n', String(i)]);
    for (let round = 0; round < 3; round++) for (const [i, list] of lists.entries()) expect(memo.of(list)).toBe(`n,${i}`);
  });

  it('does not remember what was thrown', () => {
    let tries = 0;
    const memo = new ListMemo(() => {
      if (++tries === 1) throw new Error('not yet');
      return tries;
    });
    const list: string[] = [];
    expect(() => memo.of(list)).toThrow('not yet');
    expect(memo.of(list)).toBe(2);
  });
});
