import { expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { keptBytes } from '../../testing/kept-memory.ts';
import { AttemptWatch } from './attempt-watch.ts';

it('remembers the beginning of what the last heartbeat said, and nothing of the rest', async () => {
  const clock = createFakeClock();
  const ended: unknown[] = [];
  const watches: AttemptWatch[] = [];
  const details = (i: number): string => Buffer.from(`page ${i} `.repeat(10_000), 'latin1').toString('latin1');
  const bytes = await keptBytes(async () => {
    for (let i = 0; i < 400; i++) {
      const watch = new AttemptWatch(clock, { heartbeatTimeoutMs: 1_000 });
      watches.push(watch);
      void watch.race(new Promise(() => {})).then((answer) => ended.push(answer));
      await watch.heartbeat(details(i));
      // One without details says nothing new.
      await watch.heartbeat();
    }
  });
  // With all that they said it would be 30 MB.
  expect(bytes).toBeLessThan(6_000_000);
  clock.advance(1_000);
  await new Promise(setImmediate);
  expect(ended).toHaveLength(400);
  expect(ended[7]).toMatchObject({
    failure: { errorType: 'HeartbeatTimeout', errorMessage: expect.stringContaining('the last one said "page 7 page 7') },
  });
  await expect((watches[7] as AttemptWatch).heartbeat()).rejects.toMatchObject({ code: 'workflow.task-lost' });
});
