import { expect, it } from 'vitest';
import { createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { silentLogger } from '../../kernel/log.ts';
import { tuple } from '../../kernel/tuple.ts';
import { changedEngine } from '../../testing/changed-engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { FirstReminder } from './first-reminder.ts';

const prefix = tuple('reminders', 'Cat');

it('sees the reminder that is registered while it looks, at once and once', async () => {
  const clock = createFakeClock();
  const engine = createMemoryEngine({ clock });
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const slow = changedEngine(engine, {
    async range(query) {
      const page = await engine.range(query);
      await held;
      return page;
    },
  });
  let found = 0;
  const first = new FirstReminder({ engine: slow, clock, log: silentLogger, prefix, found: () => found++ });
  first.begin();
  await engine.commit({ put: [{ key: `${prefix}1`, value: new Uint8Array(0) }] });
  release();
  await expect.poll(() => found).toBe(1);
  await engine.commit({ put: [{ key: `${prefix}2`, value: new Uint8Array(0) }] });
  first.seen();
  expect([found, clock.waiting]).toEqual([1, 0]);
});

it('looks again when it could not, and no more once it is closed', async () => {
  const clock = createFakeClock();
  const engine = createMemoryEngine({ clock });
  let looks = 0;
  const failing = changedEngine(engine, {
    range: () => {
      looks++;
      return Promise.reject(new Error('the owner is gone'));
    },
  });
  const first = new FirstReminder({ engine: failing, clock, log: silentLogger, prefix, found: () => expect.unreachable() });
  first.begin();
  await expect.poll(() => clock.waiting).toBe(1);
  clock.advance(5_000);
  await expect.poll(() => [looks, clock.waiting]).toEqual([2, 1]);
  first.close();
  await engine.commit({ put: [{ key: `${prefix}1`, value: new Uint8Array(0) }] });
  expect([looks, clock.waiting]).toEqual([2, 0]);
});
