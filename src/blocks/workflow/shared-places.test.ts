import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { silentLogger } from '../../kernel/log.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { fairShare, type Share } from './fair-share.ts';
import { SharedPlaces } from './shared-places.ts';

const share = (places: number, waitsSinceMs = 0): Share => ({ places, untilMs: 1, waitsSinceMs });
const claim = { name: 'me', busy: 0, wanted: 0, spare: 0, waitsSinceMs: 0 };

describe('a share of places', () => {
  it.each([
    ['nobody else: all that is wanted', 5, [], { wanted: 3 }, 3],
    ['nobody else: never more than there are', 5, [], { wanted: 9 }, 5],
    ['what is not used is kept while nobody waits', 5, [], { wanted: 1, spare: 4 }, 4],
    ['what others hold is theirs', 5, [share(4)], { wanted: 3, waitsSinceMs: 9 }, 1],
    ['who waits longer comes first', 1, [share(0, 5)], { wanted: 1, waitsSinceMs: 9 }, 0],
    ['who waits shorter comes later', 1, [share(0, 9)], { wanted: 1, waitsSinceMs: 5 }, 1],
    ['of two at the same moment the first name', 1, [share(0, 5)], { name: 'a', wanted: 1, waitsSinceMs: 5 }, 1],
    ['down to an even share when others wait', 10, [share(0, 1)], { wanted: 20, waitsSinceMs: 2 }, 5],
    ['but not below what is under work', 10, [share(0, 1)], { busy: 8, wanted: 20, waitsSinceMs: 2 }, 8],
    ['whoever has an even share has no claim to more', 3, [share(1, 1)], { wanted: 3, waitsSinceMs: 2 }, 2],
    ['spare ones go to who waits', 5, [share(0, 1)], { wanted: 0, spare: 5 }, 0],
  ])('%s', (_title, max, others, mine, expected) => {
    const rows = new Map(others.map((row, i) => [`other-${i}`, row]));
    expect(fairShare(max, rows, { ...claim, ...mine })).toBe(expected);
  });
});

const settled = async (): Promise<void> => {
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
};

function rig(max: number) {
  const clock = createFakeClock();
  const engine = createMemoryEngine({ clock });
  let broken = false;
  const runtime = (name: string) => {
    const state = { busy: 0, waiting: 0, done: 0, running: true };
    const tell = () => places.demand(state.busy, state.waiting);
    const take = () => {
      while (state.running && state.waiting > 0 && state.busy < places.granted) {
        state.busy++;
        state.waiting--;
        tell();
      }
    };
    const places = new SharedPlaces({
      engine: {
        get: (key) => (broken ? Promise.reject(new Error('down')) : engine.get(key)),
        commit: (commit) => engine.commit(commit),
        now: () => engine.now(),
        watch: (prefix, changed) => engine.watch(prefix, changed),
      },
      clock,
      log: silentLogger,
      key: 'limit',
      max,
      name,
      more: take,
    });
    return {
      places,
      state,
      ask(count: number) {
        state.waiting += count;
        tell();
        take();
      },
      /** One piece of work ends. */
      end() {
        if (state.busy === 0) return;
        state.busy--;
        state.done++;
        tell();
        take();
      },
    };
  };
  return { clock, engine, runtime, breakDown: (now: boolean) => void (broken = now) };
}

describe('places that runtimes share', () => {
  it('are never more than there are, and everybody gets on', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.nat({ max: 8 }), { minLength: 20, maxLength: 60 }),
        async (max, steps) => {
          const { clock, runtime } = rig(max);
          const all = ['a', 'b', 'c'].map(runtime);
          for (const one of all) one.ask(5);
          for (const step of steps) {
            if (step < 3) all[step]?.end();
            else if (step < 6) all[step - 3]?.ask(1);
            else clock.advance(700);
            await settled();
            expect(all.reduce((sum, { state }) => sum + state.busy, 0)).toBeLessThanOrEqual(max);
          }
          for (let round = 0; round < 200 && all.some(({ state }) => state.waiting > 0); round++) {
            for (const one of all) one.end();
            await settled();
            clock.advance(700);
            await settled();
          }
          expect(all.map(({ state }) => state.waiting)).toEqual([0, 0, 0]);
          for (const one of all) await one.places.close();
          expect(clock.waiting).toBe(0);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('go round when there is one and all have much to do', async () => {
    const { clock, runtime } = rig(1);
    const [a, b] = [runtime('a'), runtime('b')];
    a.ask(50);
    await settled();
    b.ask(50);
    await settled();
    for (let i = 0; i < 20; i++) {
      clock.advance(1);
      a.end();
      b.end();
      await settled();
    }
    expect(a.state.done).toBeGreaterThan(5);
    expect(b.state.done).toBeGreaterThan(5);
  });

  it('of a runtime that died are free when its row has run out, and nobody who could not renew begins anything', async () => {
    const { clock, runtime, breakDown } = rig(1);
    const [dead, other] = [runtime('dead'), runtime('other')];
    dead.ask(2);
    await settled();
    expect(dead.state.busy).toBe(1);
    breakDown(true);
    clock.advance(3_400);
    await settled();
    dead.state.running = false;
    expect(dead.places.granted).toBe(0);
    breakDown(false);
    await dead.places.close();
    other.ask(1);
    await settled();
    expect(other.state.busy).toBe(0);
    clock.advance(5_000);
    await settled();
    clock.advance(500);
    await settled();
    expect(other.state.busy).toBe(1);
  });

  it('leave nothing in the engine once nothing is to be done', async () => {
    const { clock, engine, runtime } = rig(3);
    const one = runtime('one');
    one.ask(2);
    await settled();
    expect(await engine.get('limit')).toBeDefined();
    one.end();
    one.end();
    for (let i = 0; i < 4; i++) {
      clock.advance(1_000);
      await settled();
    }
    expect(await engine.get('limit')).toBeUndefined();
    expect(clock.waiting).toBe(0);
  });
});
