import { expect, it } from 'vitest';
import type { Entry } from '../../contracts/engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { keptBytes } from '../../testing/kept-memory.ts';
import { KeptReads } from './kept-reads.ts';
import { readLeaseMs, type ReadLease } from './read-grants.ts';

const entry = (key: string, bytes = 1): Entry => ({ key, value: new Uint8Array(bytes), version: 1 });

function rig(open = true) {
  const clock = createFakeClock();
  const asked: { answer: (lease: ReadLease) => void; fail: () => void }[] = [];
  const kept = new KeptReads(
    clock,
    (heard) =>
      new Promise((resolve, reject) => {
        asked.push({
          answer(lease) {
            heard(lease);
            resolve();
          },
          fail: () => reject(new Error('lost')),
        });
      }),
  );
  if (open) kept.open();
  const hot = (key: string): boolean => [1, 2, 3, 4].map(() => kept.wants(key)).at(-1) as boolean;
  const lease = async (fresh = false, ms: number = readLeaseMs): Promise<void> => {
    asked.at(-1)?.answer({ ms, fresh });
    await Promise.resolve();
    await Promise.resolve();
  };
  return { clock, asked, kept, hot, lease };
}

it('asks for keys that are read often, once there is a lease', async () => {
  const { asked, kept, hot, lease } = rig();
  expect([hot('a'), asked.length]).toEqual([false, 1]);
  expect([hot('b'), asked.length]).toEqual([false, 1]);
  await lease();
  expect([kept.wants('a'), kept.wants('new')]).toEqual([true, false]);
});

it('asks nobody where the owner does not know of it', () => {
  const { asked, kept, hot } = rig(false);
  expect([hot('a'), asked.length, kept.peek('a')]).toEqual([false, 0, undefined]);
});

it('answers until the lease is over, counted from when it was asked for', async () => {
  const { clock, kept, hot, lease } = rig();
  hot('a');
  clock.advance(150);
  await lease();
  kept.keep(entry('a'));
  expect(kept.peek('a')?.key).toBe('a');
  clock.advance(49);
  expect(kept.peek('a')?.key).toBe('a');
  clock.advance(1);
  expect(kept.peek('a')).toBeUndefined();
});

it('renews the lease while it is used, and keeps what it has unless the owner says that it ended', async () => {
  const { clock, asked, kept, hot, lease } = rig();
  hot('a');
  await lease();
  kept.keep(entry('a'));
  clock.advance(readLeaseMs / 2 + 1);
  expect(kept.peek('a')?.key).toBe('a');
  expect(asked).toHaveLength(2);
  await lease();
  clock.advance(readLeaseMs - 1);
  expect(kept.peek('a')?.key).toBe('a');
  expect(asked).toHaveLength(3);
  await lease(true);
  expect(kept.peek('a')).toBeUndefined();
});

it('forgets what it is told to, and all of it with the connection', async () => {
  const { kept, hot, lease } = rig();
  hot('a');
  await lease();
  kept.keep(entry('a'));
  kept.keep(entry('b'));
  kept.forget('a');
  expect([kept.peek('a'), kept.peek('b')?.key]).toEqual([undefined, 'b']);
  kept.close();
  expect([kept.peek('b'), kept.wants('b')]).toEqual([undefined, false]);
});

it('leaves an owner in peace that gives no lease, or cannot be asked', async () => {
  for (const how of ['none', 'lost'] as const) {
    const { clock, asked, hot, lease } = rig();
    hot('a');
    if (how === 'none') await lease(true, 0);
    else asked[0]?.fail();
    await new Promise((resolve) => setImmediate(resolve));
    hot('b');
    expect(asked).toHaveLength(1);
    clock.advance(1_001);
    hot('c');
    expect(asked).toHaveLength(2);
  }
});

it('keeps so many entries and bytes, the newest ones', async () => {
  const { kept, hot, lease } = rig();
  hot('a');
  await lease();
  for (let i = 0; i < 5_000; i++) kept.keep(entry(`k${i}`));
  expect([kept.peek('k0'), kept.peek('k4999')?.key]).toEqual([undefined, 'k4999']);
  for (let i = 0; i < 300; i++) kept.keep(entry(`large${i}`, 64 * 1024));
  expect([kept.peek('large0'), kept.peek('k4999'), kept.peek('large299')?.key]).toEqual([undefined, undefined, 'large299']);
});

it('keeps entries, and not the memory that their values share with what was read beside them', async () => {
  const { kept, hot, lease } = rig();
  hot('a');
  await lease();
  const bytes = await keptBytes(() => {
    for (let i = 0; i < 2_000; i++) {
      kept.keep({ key: `k${i}`, value: Buffer.from(`value ${i}`.padEnd(100)), version: 1 });
      for (let j = 0; j < 80; j++) Buffer.from('x'.repeat(100));
    }
  });
  // With the shared memory it would be 16 MB.
  expect(bytes).toBeLessThan(4_000_000);
  expect(kept.peek('k7')?.value.toString()).toBe('value 7'.padEnd(100));
});
