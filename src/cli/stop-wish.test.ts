import { expect, it } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.ts';
import { StopWish } from './stop-wish.ts';

it('tells who asks again from the echo of the first signal', () => {
  const clock = createFakeClock();
  const wish = new StopWish(clock);
  expect(wish.asked).toBe(false);
  expect([wish.hear(), wish.hear(), wish.asked]).toEqual(['first', 'echo', true]);
  clock.advance(499);
  expect(wish.hear()).toBe('echo');
  clock.advance(1);
  expect(wish.hear()).toBe('again');
});
