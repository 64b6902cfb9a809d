import { describe, expect, it } from 'vitest';
import type { Commit, CommitResult } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { ReadGrants, readLeaseMs, type Reader } from './read-grants.ts';

const put = (...keys: string[]): Commit => ({ put: keys.map((key) => ({ key, value: Buffer.from('x') })) });
const done: CommitResult = { status: 'done', versions: [1], sequences: [] };
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Rigged extends Reader {
  closed: boolean;
  readonly told: { readonly id: number; readonly keys: readonly string[] }[];
}

async function rig(options: { servesForMs?: number } = {}) {
  const clock = createFakeClock();
  const sent: Commit[] = [];
  let answer: (commit: Commit) => Promise<CommitResult> = () => Promise.resolve(done);
  let opened = 0;
  const grants = new ReadGrants({
    clock,
    engine: {
      commit(commit) {
        sent.push(commit);
        return answer(commit);
      },
    },
    servesForMs: () => options.servesForMs ?? 1_000,
    first: () => Promise.resolve(void opened++),
  });
  const reader = async (...keys: string[]): Promise<Rigged> => {
    const made: Rigged = { closed: false, told: [], forget: (id, told) => void made.told.push({ id, keys: told }) };
    await grants.renew(made);
    for (const key of keys) expect(grants.grant(made, key)).toBe(true);
    return made;
  };
  /** Commits that reached the engine, but for the first lease's own. */
  const reached = (): string[] =>
    sent.flatMap(({ put: puts, deleteRange }) => [
      ...(puts ?? []).map(({ key }) => key),
      ...(deleteRange ?? []).map(({ from }) => `${from}..`),
    ]);
  return { clock, grants, reader, reached, sent, opened: () => opened, answerBy: (by: typeof answer) => void (answer = by) };
}

describe('what clients may keep', () => {
  it('is forgotten before a commit that changes it reaches the engine', async () => {
    const { grants, reader, reached } = await rig();
    const [one, two] = [await reader('a', 'b'), await reader('b')];
    const committed = grants.commit(put('b', 'z'));
    await settled();
    expect(reached()).toEqual([]);
    expect([one.told[0]?.keys, two.told[0]?.keys]).toEqual([['b'], ['b']]);
    grants.forgotten(one, one.told[0]?.id as number);
    await settled();
    expect(reached()).toEqual([]);
    grants.forgotten(two, two.told[0]?.id as number);
    expect(await committed).toBe(done);
    expect(reached()).toEqual(['b', 'z']);
    // Nobody keeps it any more: the next commit waits for nobody.
    await grants.commit(put('b'));
    expect(one.told).toHaveLength(1);
  });

  it('is let go of by deletions, of keys and of ranges', async () => {
    const { grants, reader } = await rig();
    const one = await reader('a', 'b', 'c', 'd');
    void grants.commit({ delete: ['d'], deleteRange: [{ from: 'b', to: 'd' }] });
    await settled();
    expect(one.told[0]?.keys.toSorted()).toEqual(['b', 'c', 'd']);
  });

  it('holds a commit up no longer than the lease lasts, whether the client stands still or its connection is gone', async () => {
    for (const gone of [false, true]) {
      const { clock, grants, reader, reached } = await rig();
      const one = await reader('a');
      clock.advance(50);
      if (gone) {
        one.closed = true;
        grants.left(one);
      }
      const committed = grants.commit(put('a'));
      clock.advance(readLeaseMs - 50);
      await settled();
      expect(reached()).toEqual([]);
      clock.advance(10);
      expect(await committed).toBe(done);
      expect(one.told).toHaveLength(gone ? 0 : 1);
    }
  });

  it('is not waited for when the lease is over', async () => {
    const { clock, grants, reader } = await rig();
    const one = await reader('a');
    clock.advance(readLeaseMs);
    expect(await grants.commit(put('a'))).toBe(done);
    expect(one.told).toEqual([]);
    // And the client hears that all is to be forgotten when it asks again.
    expect(await grants.renew(one)).toEqual({ ms: readLeaseMs, fresh: true });
    clock.advance(readLeaseMs / 2);
    expect(await grants.renew(one)).toEqual({ ms: readLeaseMs, fresh: false });
  });

  it('is not granted while a commit that changes it is under way, nor soon after', async () => {
    const { clock, grants, reader, answerBy } = await rig();
    const one = await reader();
    let finish: (result: CommitResult) => void = () => {};
    answerBy(() => new Promise((resolve) => void (finish = resolve)));
    const committed = grants.commit({ ...put('a'), deleteRange: [{ from: 'r', to: 's' }] });
    expect([grants.grant(one, 'a'), grants.grant(one, 'r1'), grants.grant(one, 'b')]).toEqual([false, false, true]);
    finish(done);
    await committed;
    expect([grants.grant(one, 'a'), grants.grant(one, 'r1')]).toEqual([true, true]);
    answerBy(() => Promise.resolve(done));
    const again = grants.commit(put('a'));
    grants.forgotten(one, one.told[0]?.id as number);
    await again;
    expect(grants.grant(one, 'a')).toBe(false);
    for (let passed = 0; passed < 1_000; passed += 100) {
      clock.advance(100);
      await grants.renew(one);
    }
    expect(grants.grant(one, 'a')).toBe(true);
  });

  it('keeps the order of commits: those behind one that waits wait too, and buffers may be used again', async () => {
    const { grants, reader, reached, sent } = await rig();
    const one = await reader('a');
    const value = Buffer.from('x');
    const first: Commit = { put: [{ key: 'a', value }] };
    const all = [grants.commit(first), grants.commit(put('b')), grants.commit(put('c'))];
    value.fill('y');
    await settled();
    expect(reached()).toEqual([]);
    grants.forgotten(one, one.told[0]?.id as number);
    await Promise.all(all);
    expect(reached()).toEqual(['a', 'b', 'c']);
    expect(Buffer.from(sent.find(({ put: puts }) => puts?.[0]?.key === 'a')?.put?.[0]?.value ?? []).toString()).toBe('x');
    await grants.commit(put('d'));
    expect(reached()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('begins only after every commit from before, is announced once, and not beyond what the owner may serve', async () => {
    const { grants, reader, opened, answerBy } = await rig({ servesForMs: 30 });
    await grants.commit(put('before'));
    expect(opened()).toBe(0);
    let barrier: (result: CommitResult) => void = () => {};
    answerBy(() => new Promise((resolve) => void (barrier = resolve)));
    const made: Rigged = { closed: false, told: [], forget: () => {} };
    let leased = false;
    const renewed = grants.renew(made).then((lease) => {
      leased = true;
      return lease;
    });
    await settled();
    expect([leased, grants.grant(made, 'a')]).toEqual([false, false]);
    barrier(done);
    expect(await renewed).toEqual({ ms: 30, fresh: true });
    answerBy(() => Promise.resolve(done));
    await reader();
    expect(opened()).toBe(1);
  });

  it('ends for good when nobody knows what a commit did, and not by one that was refused', async () => {
    for (const [answer, goesOn] of [
      [() => Promise.reject(new ProaError('engine.limit', 'too large')), true],
      [() => Promise.resolve<CommitResult>({ status: 'conflict', failed: 0 }), true],
      [() => Promise.resolve<CommitResult>({ status: 'unknown', cause: 'x' }), false],
      [() => Promise.reject(new ProaError('engine.unavailable', 'gone')), false],
    ] as const) {
      const { grants, reader, answerBy } = await rig();
      const one = await reader();
      answerBy(answer);
      await grants.commit(put('x')).catch(() => {});
      expect(grants.grant(one, 'a')).toBe(goesOn);
    }
  });

  it('is nothing any more once it has ended, and the end waits for everybody', async () => {
    const { clock, grants, reader } = await rig();
    const [one, two, idle] = [await reader('a', 'b'), await reader('c'), await reader()];
    grants.left(two);
    let ended = false;
    const ending = grants.end().then(() => void (ended = true));
    await settled();
    expect([one.told[0]?.keys, idle.told, grants.grant(idle, 'z')]).toEqual([['a', 'b'], [], false]);
    grants.forgotten(one, one.told[0]?.id as number);
    await settled();
    expect(ended).toBe(false);
    clock.advance(readLeaseMs + 10);
    await ending;
    expect(await grants.renew(one)).toMatchObject({ ms: 0 });
  });

  it('is not waited for when a client that goes away says that it keeps nothing', async () => {
    const { grants, reader, reached } = await rig();
    const one = await reader('a', 'b');
    const waiting = grants.commit(put('b'));
    await settled();
    expect(reached()).toEqual([]);
    grants.forgotten(one, 0);
    one.closed = true;
    grants.left(one);
    await waiting;
    await grants.commit(put('a'));
    expect(reached()).toEqual(['b', 'a']);
    await grants.end();
  });

  it('has a limit', async () => {
    const { grants, reader } = await rig();
    const one = await reader();
    let granted = 0;
    for (let i = 0; i < 9_000; i++) if (grants.grant(one, `k${i}`)) granted++;
    expect(granted).toBe(8_192);
  });
});
