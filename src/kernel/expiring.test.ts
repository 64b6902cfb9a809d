import { expect, it } from 'vitest';
import { callOf } from '../testing/actors-rig.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { settle } from '../testing/test-process.ts';
import { ProaError } from './errors.ts';
import { expiring } from './expiring.ts';
import type { Clock } from './ports.ts';

/** A call of 100 ms whose service fails after `failsMs`, on a clock whose timers are `lateMs` late for whoever waits. */
async function outcomeOf(failsMs: number, error: ProaError, lateMs = 0): Promise<string> {
  const fake = createFakeClock();
  const clock: Clock = { ...fake, timer: (ms, callback) => fake.timer(ms + lateMs, callback) };
  const service = (): Promise<never> => new Promise((_, reject) => void fake.timer(failsMs, () => reject(error)));
  const expired = (): ProaError => new ProaError('deadline-exceeded', 'our time is over');
  const outcome = expiring(service, callOf(undefined), { clock, afterMs: 100, deadlineMs: clock.mono() + 100, error: expired }).then(
    () => 'answered',
    ({ message }: Error) => message,
  );
  for (let ms = 0; ms < 200; ms += 10) {
    fake.advance(10);
    await settle();
  }
  return outcome;
}

const elsewhere = new ProaError('deadline-exceeded', 'noticed there');

it('is the same expiry when whoever was called notices first that the time is over', async () => {
  expect(await outcomeOf(1_000, elsewhere)).toBe('our time is over');
  expect(await outcomeOf(100, elsewhere, 5)).toBe('our time is over');
});

it('passes on what failed before, also deadlines of others, and what failed otherwise', async () => {
  expect(await outcomeOf(50, elsewhere)).toBe('noticed there');
  expect(await outcomeOf(100, new ProaError('unavailable', 'gone'), 5)).toBe('gone');
});
