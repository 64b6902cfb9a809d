import { expect, it } from 'vitest';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import { createKeptAnswers } from './kept-answers.ts';

const answer = (body: Uint8Array, headers: readonly string[] = []) => ({ status: 200, headers, body });

it('keeps so many answers and bytes, and lets the oldest go', () => {
  const byNumber = createKeptAnswers(3);
  for (const key of ['a', 'b', 'c', 'a', 'd']) byNumber.keep(key, answer(Buffer.from(key)), 0);
  expect(['a', 'b', 'c', 'd'].map((key) => byNumber.get(key, 0, 1)?.body.toString())).toEqual(['97', undefined, '99', '100']);
  const bySize = createKeptAnswers(1_000, 100_000);
  for (let i = 0; i < 10; i++) bySize.keep(`k${i}`, answer(new Uint8Array(30_000)), 0);
  expect(Array.from({ length: 10 }, (_, i) => bySize.get(`k${i}`, 0, 1) !== undefined).lastIndexOf(false)).toBe(6);
  // What is replaced counts no more; what is larger than all is not kept.
  for (let i = 0; i < 100; i++) bySize.keep('k9', answer(new Uint8Array(30_000)), 0);
  expect(bySize.get('k8', 0, 1)).toBeDefined();
  bySize.keep('huge', answer(new Uint8Array(200_000)), 0);
  expect(bySize.get('huge', 0, 1)).toBeUndefined();
});

it('gives no answer that is too old', () => {
  const kept = createKeptAnswers(10);
  kept.keep('a', answer(Buffer.from('x')), 1_000);
  expect([kept.get('a', 2_000, 1_000) !== undefined, kept.get('a', 2_001, 1_000)]).toEqual([true, undefined]);
});

it('keeps neither heads nor the memory that small bodies share', async () => {
  // With their heads they would be 16 MB, with the pool of buffers another 8 MB.
  const bytes = await keptBytes(() => {
    const kept = createKeptAnswers(1_000);
    for (let i = 0; i < 1_000; i++) {
      const key = `${cutOut(`customers/${i}/orders`)}?`;
      kept.keep(key, answer(Buffer.from('a small body'), ['x-served-by', cutOut('server-number-1')]), 0);
      for (let j = 0; j < 100; j++) Buffer.from('x'.repeat(100));
    }
    return kept;
  });
  expect(bytes).toBeLessThan(4_000_000);
});
