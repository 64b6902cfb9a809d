import { describe, expect, it } from 'vitest';
import { nodeClock } from './clock.ts';

/** Lets the monotonic clock go on without leaving the turn. */
function passTime(): number {
  const before = nodeClock.mono();
  let now = before;
  while (now <= before) now = nodeClock.mono();
  return now;
}

describe('the instant of a turn', () => {
  it('is one for all that ask in the same turn, and no later than what is measured in it', () => {
    const first = nodeClock.turn();
    const later = passTime();
    expect(nodeClock.turn()).toBe(first);
    expect(first).toBeLessThan(later);
  });

  it('is another one in the next turn, and behind the promises that waited', async () => {
    const first = nodeClock.turn();
    passTime();
    await Promise.resolve();
    const second = nodeClock.turn();
    expect(second).toBeGreaterThan(first);
    passTime();
    await new Promise((resolve) => setImmediate(resolve));
    expect(nodeClock.turn()).toBeGreaterThan(second);
  });
});
