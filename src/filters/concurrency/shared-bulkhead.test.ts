import { expect, it } from 'vitest';
import type { Places } from '../../contracts/places.ts';
import { createCall } from '../../kernel/call.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createSharedBulkhead } from './shared-bulkhead.ts';

/** A bulkhead with one call that asks for a place; what other processes answer comes when the test says so. */
function asking(queueMax: number) {
  const clock = createFakeClock();
  let answers = { place: (): void => {}, noneFree: (): void => {} };
  const places: Places = {
    tryTake: () => false,
    acquire: (cancel, noneFree) =>
      new Promise((resolve, reject) => {
        cancel.onCancel(reject);
        answers = { place: resolve, noneFree: () => noneFree?.() };
      }),
    release() {},
  };
  const shared = createSharedBulkhead({ clock, target: 'it', concurrencyMax: 3, queueMax, waitMaxMs: 100, side: 'caller' }, places);
  let end = 'waits';
  shared.wait(createCall({ block: 'x', name: 'x', idempotent: true }, undefined)).then(
    () => (end = 'ran'),
    (error: Error) => (end = error.message),
  );
  const after = async (ms: number): Promise<string> => {
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
    return end;
  };
  return { after, answers };
}

it('an answer that takes its time refuses nothing while places are free', async () => {
  const { after, answers } = asking(0);
  expect(await after(500)).toBe('waits');
  answers.place();
  expect(await after(0)).toBe('ran');
});

it('who may not wait is refused soon after it is known that no place is free', async () => {
  const { after, answers } = asking(0);
  await after(500);
  answers.noneFree();
  expect(await after(19)).toBe('waits');
  expect(await after(1)).toBe('it has 3 calls under way; none may wait');
});

it('who may wait does so from the beginning', async () => {
  const { after, answers } = asking(1);
  await after(50);
  answers.noneFree();
  expect(await after(49)).toBe('waits');
  expect(await after(1)).toBe('it has 3 calls under way; no place became free within 100ms');
});

it('silence refuses in the end', async () => {
  const { after } = asking(0);
  expect(await after(1_999)).toBe('waits');
  expect(await after(1)).toBe('it: no other process says whether a place is free');
});
