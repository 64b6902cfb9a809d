import { describe, expect, it } from 'vitest';
import { answered, isAnswered } from './answered.ts';

describe('answered', () => {
  it('is a promise whose answer is known at once', async () => {
    const promise = answered('here');
    expect(isAnswered(promise) && promise.answer).toBe('here');
    expect(await promise).toBe('here');
    expect(isAnswered(answered(undefined))).toBe(true);
  });

  it('says nothing of other promises, nor of what follows from one', () => {
    expect(isAnswered(Promise.resolve(1))).toBe(false);
    expect(isAnswered(answered(1).then((one) => one))).toBe(false);
  });
});
