import { expect, it } from 'vitest';
import { simulate } from './run.ts';

it('one', async () => {
  const seed = Number(process.env['SEED'] ?? 1);
  const start = performance.now();
  const run = await simulate({ seed });
  console.log(run, performance.now() - start);
  expect(run.problems).toEqual([]);
  expect((await simulate({ seed })).trace).toBe(run.trace);
});
