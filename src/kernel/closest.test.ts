import { describe, expect, it } from 'vitest';
import { meant } from './closest.ts';

describe('what was probably meant', () => {
  it.each([
    ['statestroe', ['pubsub', 'statestore'], 'did you mean statestore?'],
    ['STATESTORE', ['statestore'], 'did you mean statestore?'],
    ['retries', ['timeout', 'retry', 'limits'], 'did you mean retry?'],
    ['store-of-orders', ['stores', 'store-of'], 'did you mean store-of?'],
    ['b', ['a'], 'there is a'],
    ['other', ['statestore', 'pubsub'], 'there is statestore, pubsub'],
    ['', ['statestore'], 'there is statestore'],
    [
      'z',
      Array.from({ length: 10 }, (_, i) => `store-${i}`),
      `there is ${[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `store-${i}`).join(', ')} and 2 more`,
    ],
    ['anything', [], undefined],
  ])('by %j of %j', (word, names, hint) => {
    expect(meant(word, names)).toEqual(hint === undefined ? {} : { hint });
  });
});
