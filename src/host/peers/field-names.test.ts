import { expect, it } from 'vitest';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import { isFieldName } from './field-names.ts';

it('takes lower-case tokens and pseudo headers, the first time and later', () => {
  for (const name of ['x-mine', ':path', 'x_1.~']) expect([isFieldName(name), isFieldName(name)]).toEqual([true, true]);
  for (const name of ['', 'X-Mine', 'x y', '::path', 'x\r\ny']) expect([isFieldName(name), isFieldName(name)]).toEqual([false, false]);
});

it('remembers names, and not the heads that they were cut out of', async () => {
  const bytes = await keptBytes(() => {
    for (let i = 0; i < 1_200; i++) isFieldName(cutOut(`x-name-of-a-header-${i}`));
  });
  // The heads of those that are remembered would be 16 MB.
  expect(bytes).toBeLessThan(4_000_000);
});
