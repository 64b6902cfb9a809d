import { expect, it } from 'vitest';
import { nodeClock } from '../../ports/node/clock.ts';
import { createReadBatcher } from './read-batcher.ts';

it('asks once for all reads of a turn, at most 256 at a time, and gives each its own answer', async () => {
  const asked: number[] = [];
  const read = createReadBatcher(nodeClock, async (keys: readonly number[]) => {
    asked.push(keys.length);
    return keys.map((key) => key * 2);
  });
  const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => read(i)));
  expect([answers.every((answer, i) => answer === i * 2), asked]).toEqual([true, [256, 44]]);
});

it('fails those alone that were asked together', async () => {
  const read = createReadBatcher(nodeClock, (keys: readonly string[]) =>
    keys.includes('bad') ? Promise.reject(new Error('no')) : Promise.resolve(keys),
  );
  const first = Promise.allSettled([read('bad'), read('beside')]);
  expect((await first).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await read('good')).toBe('good');
});
