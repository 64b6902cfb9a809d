import { expect, it } from 'vitest';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import type { Breaker } from './breaker.ts';
import { createKeyedBreakers } from './keyed-breakers.ts';

const named = (key: string): Breaker => ({ key }) as unknown as Breaker;

it('makes one breaker per key; the one that was used longest ago gives way', () => {
  const breakers = createKeyedBreakers(2, named);
  const [a, b] = [breakers.of('a'), breakers.of('b')];
  expect([breakers.of('a'), breakers.of('b'), breakers.of('a')]).toEqual([a, b, a]);
  breakers.of('c');
  expect([...breakers.entries()].map(([key]) => key)).toEqual(['a', 'c']);
  expect(breakers.of('a')).toBe(a);
  expect(breakers.of('b')).not.toBe(b);
});

it('keeps keys, and not the heads that they were cut out of', async () => {
  const bytes = await keptBytes(() => {
    const breakers = createKeyedBreakers(2_000, named);
    for (let i = 0; i < 4_000; i++) breakers.of(cutOut(`customers/${i}/orders`));
    return breakers;
  });
  expect(bytes).toBeLessThan(8_000_000);
});
