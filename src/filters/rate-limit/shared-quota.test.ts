import { describe, expect, it } from 'vitest';
import { createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createSharedQuota, type SharedLimiter } from './shared-quota.ts';

function rig(requests: number, runtimes: number) {
  const clock = createFakeClock(1_700_000_000_000);
  const engine = createMemoryEngine({ clock });
  let broken = false;
  let commits = 0;
  const lost: string[] = [];
  const asked = {
    now: () => engine.now(),
    get: (key: Parameters<typeof engine.get>[0]) => (broken ? Promise.reject(new Error('away')) : engine.get(key)),
    commit: (commit: Parameters<typeof engine.commit>[0]) => {
      commits++;
      return engine.commit(commit);
    },
  };
  const quotas = Array.from({ length: runtimes }, () =>
    createSharedQuota({ clock, engine: asked, name: 'q', requests, perMs: 1_000, lost: (error) => lost.push(String(error)) }),
  );
  const passed = async (quota: SharedLimiter, calls: number): Promise<number> => {
    const answers = await Promise.all(Array.from({ length: calls }, async () => quota.take(clock.mono())));
    return answers.filter((answer) => answer === 0).length;
  };
  return { clock, quotas, passed, lost, commits: () => commits, breakEngine: (is: boolean) => (broken = is) };
}

describe('a shared quota', () => {
  it('lets through together what one may, no more and no less while there is demand, with few commits', async () => {
    const { clock, quotas, passed, commits } = rig(100, 3);
    for (let window = 0; window < 3; window++) {
      const together = await Promise.all(quotas.map((quota) => passed(quota, 100)));
      expect(together.reduce((sum, each) => sum + each, 0)).toBe(100);
      expect(Math.min(...together)).toBeGreaterThan(0);
      clock.advance(1_000);
    }
    expect(commits()).toBeLessThan(3 * 3 * 25);
  });

  it('says when the next window begins, without asking again', async () => {
    const { clock, quotas, passed, commits } = rig(5, 1);
    const quota = quotas[0] as SharedLimiter;
    clock.advance(300);
    expect(await passed(quota, 10)).toBe(5);
    const before = commits();
    expect(await quota.take(clock.mono())).toBe(-700);
    expect(commits()).toBe(before);
  });

  it('counts alone while the engine is away, and together again later', async () => {
    const { clock, quotas, passed, lost, breakEngine } = rig(10, 2);
    breakEngine(true);
    expect([await passed(quotas[0] as SharedLimiter, 20), await passed(quotas[1] as SharedLimiter, 20)]).toEqual([10, 10]);
    expect(lost).toEqual(['Error: away', 'Error: away']);
    breakEngine(false);
    clock.advance(6_000);
    const together = await Promise.all(quotas.map((quota) => passed(quota, 20)));
    expect(together.reduce((sum, each) => sum + each, 0)).toBe(10);
  });
});
