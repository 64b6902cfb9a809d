import { expect, it } from 'vitest';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import { PlaceBook, type PlaceName } from './place-book.ts';

it('keeps names of places, and not the heads that they end with a piece of', async () => {
  const made: PlaceName[] = [];
  const book = new PlaceBook((name) => {
    made.push(name);
    return { want: () => {}, back: () => {} };
  });
  const bytes = await keptBytes(() => {
    for (let i = 0; i < 2_000; i++) book.of({ name: `shop limits ${cutOut(`customer-number-${i}`)}`, max: 2 });
  });
  // With the heads it would be 32 MB.
  expect(bytes).toBeLessThan(6_000_000);
  expect(book.of({ name: 'shop limits customer-number-7', max: 2 })).toBe(
    book.of({ name: `shop limits ${cutOut('customer-number-7')}`, max: 2 }),
  );
  expect([made.length, made[7]]).toEqual([2_000, { name: 'shop limits customer-number-7', max: 2 }]);
});
