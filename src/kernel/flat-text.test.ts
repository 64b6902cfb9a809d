import { describe, expect, it } from 'vitest';
import { cutOut, keptBytes } from '../testing/kept-memory.ts';
import { beginningOf, flatText, ownText } from './flat-text.ts';

const count = 2_000;
const names = Array.from({ length: count }, (_, i) => `customer-${String(i).padStart(12, '0')}`);

/** Texts of 21 characters each; with what they were cut out of they are 32 MB. */
const cut = (change: (text: string) => string): Promise<number> => keptBytes(() => names.map((name) => change(cutOut(name))));

describe('a text that was cut out of a longer one', () => {
  it('keeps that in memory: what these functions are for', async () => {
    expect(await cut((text) => text)).toBeGreaterThan(24_000_000);
    expect(await cut((text) => `${text}?`)).toBeGreaterThan(24_000_000);
  });

  it('keeps nothing but itself once it is made flat, or one of its own', async () => {
    expect(await cut(flatText)).toBeLessThan(4_000_000);
    expect(await cut(ownText)).toBeLessThan(4_000_000);
    expect(await cut((text) => ownText(`${text}?`))).toBeLessThan(4_000_000);
  });
});

describe('a text of its own', () => {
  it.each([
    '',
    'a',
    'twelve chars',
    'thirteen char',
    'x'.repeat(5_000),
    'grün und weiß',
    '日本語の長いテキストです、とても長い',
    '\ud800 half a character',
  ])('is the same text: %j', (text) => {
    expect(ownText(text)).toBe(text);
    expect(ownText(`${text}${text}`)).toBe(text + text);
    expect(ownText(cutOut('a key of its own'))).toBe('a key of its own');
  });
});

describe('the beginning of a text', () => {
  it('is the text, or so much of it, and keeps nothing of the rest', async () => {
    expect(['', 'short', 'as long as that', 'longer than that is'].map((text) => beginningOf(text, 15))).toEqual([
      '',
      'short',
      'as long as that',
      'longer than tha',
    ]);
    const long = (i: number): string => Buffer.from(`${i} `.repeat(10_000), 'latin1').toString('latin1');
    const bytes = await keptBytes(() => Array.from({ length: 1_000 }, (_, i) => beginningOf(long(i), 500)));
    expect(bytes).toBeLessThan(4_000_000);
  });
});
