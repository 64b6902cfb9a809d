import { describe, expect, it } from 'vitest';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { lockSuite } from '../../testing/lock-suite.ts';
import { createMemoryContents, createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { createEngineLocks } from './engine-locks.ts';

const rig = () => {
  const clock = createFakeClock();
  const contents = createMemoryContents();
  const engine = createMemoryEngine({ clock, contents });
  const locks = () => createEngineLocks({ engine, random: createNodeRandom(), namespace: '', space: 'lockstore' });
  return { clock, contents, engine, locks };
};

lockSuite({
  name: 'lock.proa',
  fencing: true,
  async open() {
    const { clock, engine, locks } = rig();
    return { store: locks(), second: locks(), advance: clock.advance, destroy: () => engine.close() };
  },
});

describe('locks over the engine', () => {
  it('finds out what became of a commit whose answer was lost', async () => {
    const { engine, locks } = rig();
    const commit = engine.commit.bind(engine);
    let lost = 1;
    engine.commit = async (request) => {
      const result = await commit(request);
      return lost-- > 0 ? { status: 'unknown', cause: undefined } : result;
    };
    expect(await locks().tryLock('r', 'a', 10)).toMatchObject({ success: true });
    lost = 1;
    expect(await locks().unlock('r', 'a')).toBe(0);
    lost = Infinity;
    await expect(locks().tryLock('r', 'a', 10)).rejects.toMatchObject({ code: 'engine.outcome-unknown' });
  });

  it('never repeats a token, not after release and restart', async () => {
    const { clock, contents, engine, locks } = rig();
    const { fencingToken: first = Infinity } = await locks().tryLock('r', 'a', 10);
    await locks().unlock('r', 'a');
    await engine.close();
    const next = createMemoryEngine({ clock, contents });
    const after = createEngineLocks({ engine: next, random: createNodeRandom(), namespace: '', space: 'lockstore' });
    expect((await after.tryLock('r', 'a', 10)).fencingToken).toBeGreaterThan(first);
  });
});
