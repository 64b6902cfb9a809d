import { describe, expect, it } from 'vitest';
import { shardOf } from '../placement/index.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import type { WorkflowWorker } from '../../contracts/workflow.ts';
import { type Held, WorkerPool } from './worker-pool.ts';

const unlimited = { max: Infinity, shared: { max: Infinity, names: new Map<string, number>() } };

function rig() {
  const clock = createFakeClock();
  const pool = new WorkerPool(clock, { workflows: unlimited, activities: unlimited }, () => {
    throw new Error('nothing is shared here');
  });
  const worker = (turnsMax: number, keeps = true): WorkflowWorker => ({
    ...{ turnsMax, activitiesMax: 1, keeps },
    turn: () => new Promise(() => {}),
    activity: () => new Promise(() => {}),
    forget: () => {},
  });
  const home = (id: string) => pool.home('w', (seat) => shardOf(`${seat}\x00${id}`, 2 ** 31))?.id;
  return { clock, pool, worker, home };
}
/** What became of something that is asked for, after all that follows at once. */
async function now(held: Promise<Held>): Promise<string | undefined> {
  let found: string | undefined;
  void held.then(({ seat }) => (found = seat.id));
  await new Promise((resolve) => setImmediate(resolve));
  return found;
}

describe('workers that keep what they have seen', () => {
  it('share instances evenly, always the same to the same, and only those of one that left move', () => {
    const { pool, worker, home } = rig();
    pool.attach(worker(1));
    expect(home('i')).toBeUndefined();
    pool.attach(worker(1));
    pool.attach(worker(1, false));
    const leave = pool.attach(worker(1));
    const ids = Array.from({ length: 3_000 }, (_, i) => `instance-${i}`);
    const before = new Map(ids.map((id) => [id, home(id)]));
    const counts = ['0', '1', '2', '3'].map((seat) => [...before.values()].filter((of) => of === seat).length);
    expect(counts[2]).toBe(0);
    for (const count of [counts[0], counts[1], counts[3]]) expect(Math.abs((count ?? 0) - 1_000)).toBeLessThan(150);
    leave();
    const moved = ids.filter((id) => home(id) !== before.get(id));
    expect(moved.every((id) => before.get(id) === '3')).toBe(true);
    expect(moved).toHaveLength(counts[3] as number);
  });

  it('are waited for a moment when they are busy, and hold nobody else up meanwhile', async () => {
    const { clock, pool, worker } = rig();
    pool.attach(worker(1));
    const first = await pool.acquire('workflows', 'w').held;
    pool.attach(worker(2));
    const own = pool.acquire('workflows', 'w', first.seat).held;
    expect(await now(own)).toBeUndefined();
    expect(await now(pool.acquire('workflows', 'other').held)).toBe('1');
    // The same name, too: whoever waits for its own worker is not in the way.
    const late = pool.acquire('workflows', 'w').held;
    await pool.acquire('activities', 'a').held.then(({ release }) => release());
    first.release();
    expect(await now(own)).toBe('0');
    expect(await now(late)).toBe('1');
    const again = pool.acquire('workflows', 'w', (await own).seat).held;
    expect(await now(again)).toBeUndefined();
    (await late).release();
    expect(await now(again)).toBeUndefined();
    clock.advance(2);
    expect(await now(again)).toBe('1');
  });

  it('that went away are waited for by nobody', async () => {
    const { pool, worker } = rig();
    const leave = pool.attach(worker(1));
    const held = await pool.acquire('workflows', 'w').held;
    pool.attach(worker(1));
    leave();
    expect(await now(pool.acquire('workflows', 'w', held.seat).held)).toBe('1');
  });
});

describe('a workflow that no worker takes', () => {
  it('is told of once until another worker comes, with a guess at what was meant', () => {
    const { pool, worker } = rig();
    expect(pool.unheard('ordr')).toBeUndefined();
    const leave = pool.attach({ ...worker(1), workflows: new Set(['order', 'reminder']) });
    expect(pool.unheard('ordr')).toEqual({ hint: 'did you mean order?' });
    expect(pool.unheard('ordr')).toBeUndefined();
    expect(pool.unheard('xyz')).toEqual({ hint: 'there is order, reminder' });
    leave();
    pool.attach({ ...worker(1), workflows: new Set() });
    expect(pool.unheard('ordr')).toEqual({});
  });
});
