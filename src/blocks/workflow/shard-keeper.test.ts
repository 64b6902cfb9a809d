import { expect, it } from 'vitest';
import type { JoinOptions, Membership, Placement } from '../../contracts/placement.ts';
import type { ShardTimers } from '../../contracts/timers.ts';
import { recordingLogger } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import type { Core } from './core.ts';
import { ShardKeeper, type ShardKeeperParts } from './shard-keeper.ts';

/** A keeper whose group can be left only when the test says how that ends. */
function rig() {
  const clock = createFakeClock();
  const lines: string[] = [];
  const ends: { done: () => void; fail: (error: Error) => void }[] = [];
  const joined: Membership[] = [];
  const join = (options: JoinOptions): Promise<Membership> => {
    const leave = (): Promise<void> => new Promise((done, fail) => ends.push({ done, fail }));
    const membership = { shards: options.shards, shardOf: () => 0, owned: () => undefined, leave };
    joined.push(membership);
    return Promise.resolve(membership);
  };
  const core = { clock, log: recordingLogger(lines), self: { namespace: 'default', appId: 'shop' } } as unknown as Core;
  const parts = {
    core,
    placement: { join } as unknown as Placement,
    createTimers: () => ({ close: () => Promise.resolve() }) as unknown as ShardTimers,
  } as unknown as ShardKeeperParts;
  return { keeper: new ShardKeeper(parts), clock, lines, ends, joined };
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

it('joins behind the leaving that is under way when a worker comes back', async () => {
  const { keeper, clock, ends, joined } = rig();
  keeper.join();
  await turn();
  expect(keeper.membership).toBe(joined[0]);
  keeper.leaveSoon();
  clock.advance(15_000);
  await turn();
  keeper.join();
  await turn();
  ends[0]?.done();
  await turn();
  expect(joined).toHaveLength(2);
  expect(keeper.membership).toBe(joined[1]);
});

it('says when the group cannot be left, and can join again', async () => {
  const { keeper, clock, ends, joined, lines } = rig();
  keeper.join();
  await turn();
  keeper.leaveSoon();
  clock.advance(15_000);
  await turn();
  ends[0]?.fail(new Error('the owner is gone'));
  await turn();
  expect(lines.join('\n')).toContain('the group of the workflows could not be left');
  expect(keeper.membership).toBeUndefined();
  keeper.join();
  await turn();
  expect(keeper.membership).toBe(joined[1]);
});
