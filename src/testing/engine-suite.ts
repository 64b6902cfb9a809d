import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Commit, CommitResult, Lease } from '../contracts/engine.ts';
import { engineLimits } from '../contracts/engine.ts';
import { prefixEnd, tuple } from '../kernel/tuple.ts';
import { hintsSuite, limitsSuite } from './engine-suite-limits.ts';
import { logsSuite } from './engine-suite-logs.ts';
import { bytes, done, type EngineRig, type EngineUnderTest, text } from './engine-suite-rig.ts';

export interface EngineSuiteOptions {
  readonly name: string;
  open(): Promise<EngineUnderTest>;
}

/** Defines the tests of every promise of `contracts/engine.ts` for one driver. Call it from a test file. */
export function engineSuite(options: EngineSuiteOptions): void {
  describe(`engine contract: ${options.name}`, () => {
    let rig: EngineRig;
    const current = (): EngineRig => rig;
    beforeEach(async () => {
      const under = await options.open();
      rig = {
        under,
        engine: under.engine,
        pass: async (ms) => {
          if (under.advance !== undefined) under.advance(ms);
          else await new Promise((resolve) => setTimeout(resolve, ms));
        },
      };
    });
    afterEach(() => rig.under.destroy());
    describe('keys and versions', () => {
      keysSuite(current);
    });
    describe('conditions', () => {
      conditionsSuite(current);
    });
    describe('ranges', () => {
      rangesSuite(current);
    });
    describe('time', () => {
      timeSuite(current);
    });
    describe('commit ids', () => {
      idsSuite(current);
    });
    describe('leases', () => {
      leasesSuite(current);
    });
    describe('limits', () => {
      limitsSuite(current);
    });
    describe('hints', () => {
      hintsSuite(current);
    });
    describe('logs', () => {
      logsSuite(current);
    });
  });
}

function keysSuite(rig: () => EngineRig): void {
  it('answers what was committed, with rising versions that are never reused', async () => {
    const { engine } = rig();
    const first = await done(engine, { put: [{ key: 'a', value: bytes('1') }] });
    const second = await done(engine, { put: [{ key: 'a', value: bytes('2') }] });
    await done(engine, { delete: ['a'] });
    expect(await engine.get('a')).toBeUndefined();
    const third = await done(engine, { put: [{ key: 'a', value: bytes('3') }] });
    const versions = [first, second, third].map((result) => result.versions[0] as number);
    expect(versions.every((version) => Number.isSafeInteger(version) && version > 0)).toBe(true);
    expect(versions[1]).toBeGreaterThan(versions[0] as number);
    expect(versions[2]).toBeGreaterThan(versions[1] as number);
    const entry = await engine.get('a');
    expect([entry?.key, text(entry?.value), entry?.version]).toEqual(['a', '3', versions[2]]);
  });

  it('peeks at what get answers, or at nothing', async () => {
    const { engine } = rig();
    const peek = (key: string) => engine.peek?.(key);
    expect(peek('a')).toBeUndefined();
    await done(engine, { put: [{ key: 'a', value: bytes('1') }] });
    await done(engine, { put: [{ key: 'a', value: bytes('2'), expiresAtMs: engine.now() + 1_000 }] });
    const read = await engine.get('a');
    const seen = peek('a');
    if (seen !== undefined) expect(seen).toEqual(read);
    const unanswered = engine.commit({ delete: ['a'] });
    // Not yet durable: it must not be seen as gone, nor may what is gone be seen later.
    const meanwhile = peek('a');
    if (meanwhile !== undefined) expect(meanwhile).toEqual(read);
    await unanswered;
    expect(peek('a')).toBeUndefined();
  });

  it('keeps versions rising through deletes, ranges and a restart', async () => {
    const before = await done(rig().engine, { put: [{ key: 'a', value: bytes('1') }] });
    await done(rig().engine, { deleteRange: [{ from: '', to: '\xff' }] });
    const { reopen } = rig().under;
    if (reopen !== undefined) rig().engine = await reopen();
    const after = await done(rig().engine, { put: [{ key: 'a', value: bytes('2') }] });
    expect(after.versions[0]).toBeGreaterThan(before.versions[0] as number);
  });

  it('keeps committed data across a restart and a crash', async () => {
    const value = new Uint8Array(70_000).map((_, i) => i % 251);
    for (const again of [rig().under.reopen, rig().under.crash]) {
      const key = again === rig().under.reopen ? 'r' : 'c';
      await done(rig().engine, { put: [{ key, value }], append: [{ log: 'l', entries: [{ data: value }] }] });
      if (again === undefined) continue;
      rig().engine = await again();
      const { engine } = rig();
      expect(Buffer.compare((await engine.get(key))?.value ?? bytes(''), value)).toBe(0);
      const page = await engine.readLog('l', 0);
      expect(Buffer.compare(page.entries.at(-1)?.data ?? bytes(''), value)).toBe(0);
    }
  });

  it('applies a commit as one: ranges first, then deletes, then puts', async () => {
    const { engine } = rig();
    await done(engine, { put: ['a', 'b', 'c', 'd'].map((key) => ({ key, value: bytes(key) })) });
    await done(engine, {
      put: [{ key: 'b', value: bytes('new') }],
      deleteRange: [{ from: 'b', to: 'd' }],
    });
    const found = await engine.getMany(['a', 'b', 'c', 'd', 'missing']);
    expect(found.map((entry) => text(entry?.value))).toEqual(['a', 'new', undefined, 'd', undefined]);
  });

  it('takes any bytes as key and value, the empty value included', async () => {
    const { engine } = rig();
    const keys = ['\x00', '\x00\xff', '\xff', tuple('ä\x00', 7), 'x'.repeat(engineLimits.keyBytesMax)];
    await done(engine, { put: keys.map((key, i) => ({ key, value: new Uint8Array(i) })) });
    const found = await engine.getMany(keys);
    expect(found.map((entry) => entry?.value.length)).toEqual([0, 1, 2, 3, 4]);
  });

  it('copies what it is given: the caller may reuse its buffers at once', async () => {
    const { engine } = rig();
    const value = Buffer.from('before');
    const data = Buffer.from('before');
    const committing = done(engine, { put: [{ key: 'a', value }], append: [{ log: 'l', entries: [{ data }] }] });
    value.fill(120);
    data.fill(120);
    await committing;
    expect(text((await engine.get('a'))?.value)).toBe('before');
    expect(text((await engine.readLog('l', 0)).entries[0]?.data)).toBe('before');
  });
}

function conditionsSuite(rig: () => EngineRig): void {
  it('compares versions, absence and existence, and names the first condition that failed', async () => {
    const { engine } = rig();
    const { versions } = await done(engine, { put: [{ key: 'a', value: bytes('1') }] });
    const version = versions[0] as number;
    const put = [{ key: 'b', value: bytes('x') }];
    const absent = { kind: 'version', key: 'a', version: 0 } as const;
    const exact = { kind: 'version', key: 'a', version } as const;
    expect(await engine.commit({ if: [exact, absent], put })).toEqual({ status: 'conflict', failed: 1 });
    expect(await engine.commit({ if: [{ kind: 'exists', key: 'b' }], put })).toEqual({ status: 'conflict', failed: 0 });
    expect(await engine.get('b')).toBeUndefined();
    await done(engine, { if: [exact, { kind: 'exists', key: 'a' }, { kind: 'version', key: 'b', version: 0 }], put });
    expect(text((await engine.get('b'))?.value)).toBe('x');
  });

  it('judges a commit against all that were queued before it', async () => {
    const { engine } = rig();
    const absent = { kind: 'version', key: 'a', version: 0 } as const;
    const results = await Promise.all([
      engine.commit({ if: [absent], put: [{ key: 'a', value: bytes('1') }] }),
      engine.commit({ if: [absent], put: [{ key: 'a', value: bytes('2') }] }),
      engine.commit({ if: [{ kind: 'exists', key: 'a' }], delete: ['a'] }),
      engine.commit({ if: [absent], put: [{ key: 'a', value: bytes('3') }] }),
      engine.commit({ deleteRange: [{ from: 'a', to: 'b' }] }),
      engine.commit({ if: [{ kind: 'exists', key: 'a' }], put: [{ key: 'z', value: bytes('no') }] }),
    ]);
    expect(results.map((result) => result.status)).toEqual(['done', 'conflict', 'done', 'done', 'done', 'conflict']);
    expect(await engine.getMany(['a', 'z'])).toEqual([undefined, undefined]);
  });

  it('answers a conflict only when what it rests on can be read', async () => {
    const { engine } = rig();
    const first = engine.commit({ put: [{ key: 'a', value: bytes('1') }] });
    const second = await engine.commit({ if: [{ kind: 'version', key: 'a', version: 0 }], delete: ['a'] });
    expect(second.status).toBe('conflict');
    expect(text((await engine.get('a'))?.value)).toBe('1');
    await first;
  });

  it('lets exactly one of 64 concurrent commits win, and a conflict never fails its neighbours', async () => {
    const { engine, under } = rig();
    const other = (await under.second?.()) ?? engine;
    const attempts = Array.from({ length: 64 }, (_, i) => {
      const put = { key: 'lock', value: bytes(String(i)) };
      const target = i % 2 === 0 ? engine : other;
      const cas = target.commit({ if: [{ kind: 'version', key: 'lock', version: 0 }], put: [put] });
      const neighbour = target.commit({ put: [{ key: tuple('n', i), value: bytes('n') }] });
      return Promise.all([cas, neighbour]);
    });
    const results = await Promise.all(attempts);
    const winners = results.flatMap(([cas], i) => (cas.status === 'done' ? [i] : []));
    expect(winners).toHaveLength(1);
    expect(results.every(([cas, neighbour]) => neighbour.status === 'done' && cas.status !== 'unknown')).toBe(true);
    expect(text((await engine.get('lock'))?.value)).toBe(String(winners[0]));
    const page = await engine.range({ from: tuple('n'), to: prefixEnd(tuple('n')), keysOnly: true });
    expect(page.entries).toHaveLength(64);
  });

  it('counts correctly when many increment by compare and set', async () => {
    const { engine } = rig();
    const increment = async (): Promise<void> => {
      for (;;) {
        const entry = await engine.get('n');
        const value = bytes(String(Number(text(entry?.value) ?? 0) + 1));
        const version = entry?.version ?? 0;
        const result = await engine.commit({ if: [{ kind: 'version', key: 'n', version }], put: [{ key: 'n', value }] });
        if (result.status === 'done') return;
      }
    };
    await Promise.all(Array.from({ length: 12 }, () => increment()));
    expect(text((await engine.get('n'))?.value)).toBe('12');
  });
}

function rangesSuite(rig: () => EngineRig): void {
  const keys = Array.from({ length: 25 }, (_, i) => tuple('k', i * 300));

  it('pages in byte order both ways, without a repeat or a gap', async () => {
    const { engine } = rig();
    await done(engine, { put: keys.toReversed().map((key) => ({ key, value: bytes(key) })) });
    const from = tuple('k');
    const to = prefixEnd(from);
    const forwards: string[] = [];
    for (let at = from; ;) {
      const page = await engine.range({ from: at, to, limit: 7 });
      forwards.push(...page.entries.map((entry) => entry.key));
      expect(page.entries.length).toBeLessThanOrEqual(7);
      if (!page.more) break;
      at = `${forwards.at(-1)}\x00`;
    }
    expect(forwards).toEqual(keys);
    const backwards: string[] = [];
    for (let until = to; ;) {
      const page = await engine.range({ from, to: until, limit: 7, reverse: true, keysOnly: true });
      backwards.push(...page.entries.map((entry) => entry.key));
      expect(page.entries.every((entry) => entry.value.length === 0 && entry.version > 0)).toBe(true);
      if (!page.more) break;
      until = backwards.at(-1) as string;
    }
    expect(backwards).toEqual(keys.toReversed());
  });

  it('has an inclusive lower and an exclusive upper bound', async () => {
    const { engine } = rig();
    await done(engine, { put: ['a', 'b', 'b\x00', 'c'].map((key) => ({ key, value: bytes(key) })) });
    const inside = async (from: string, to: string): Promise<string[]> => (await engine.range({ from, to })).entries.map((e) => e.key);
    expect(await inside('a', 'c')).toEqual(['a', 'b', 'b\x00']);
    expect(await inside('b\x00', '\xff')).toEqual(['b\x00', 'c']);
    expect(await inside('c', 'a')).toEqual([]);
    expect((await engine.range({ from: 'b', to: 'c', reverse: true })).entries.map((e) => text(e.value))).toEqual(['b\x00', 'b']);
  });

  it('ends a page at about 1 MB', async () => {
    const { engine } = rig();
    const value = new Uint8Array(400_000);
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) await done(engine, { put: [{ key, value }] });
    const page = await engine.range({ from: 'a', to: 'z' });
    expect(page.more).toBe(true);
    expect(page.entries.length).toBeGreaterThan(0);
    expect(page.entries.length).toBeLessThan(5);
  });
}

/** Puts `a`, which expires in 400 ms, and sees it there. */
async function putExpiring({ engine, under }: EngineRig): Promise<{ readonly versions: readonly number[] }> {
  for (let tries = 1; ; tries++) {
    const expiresAtMs = engine.now() + 400;
    const { versions } = await done(engine, { put: [{ key: 'a', value: bytes('1'), expiresAtMs }] });
    const seen = await engine.get('a');
    // In real time it may have expired before it was read: then that says nothing.
    if (seen === undefined && under.advance === undefined && tries < 20) continue;
    expect(seen?.expiresAtMs).toBe(expiresAtMs);
    return { versions };
  }
}

function timeSuite(rig: () => EngineRig): void {
  it('hides keys from reads and conditions from the instant they expire', async () => {
    const { engine, pass } = rig();
    const { versions } = await putExpiring(rig());
    await pass(450);
    expect(await engine.get('a')).toBeUndefined();
    expect((await engine.range({ from: '', to: '\xff' })).entries).toEqual([]);
    expect(await engine.commit({ if: [{ kind: 'exists', key: 'a' }], put: [{ key: 'b', value: bytes('') }] })).toMatchObject({ failed: 0 });
    const again = await done(engine, { if: [{ kind: 'version', key: 'a', version: 0 }], put: [{ key: 'a', value: bytes('2') }] });
    expect(again.versions[0]).toBeGreaterThan(versions[0] as number);
    expect(text((await engine.get('a'))?.value)).toBe('2');
  });

  it('has a clock that never goes backwards, across a restart too', async () => {
    const first = rig().engine.now();
    await rig().pass(5);
    await done(rig().engine, { put: [{ key: 'a', value: bytes('') }] });
    const second = rig().engine.now();
    expect(second).toBeGreaterThanOrEqual(first);
    const { reopen } = rig().under;
    if (reopen !== undefined) expect((await reopen()).now()).toBeGreaterThanOrEqual(second);
  });
}

function idsSuite(rig: () => EngineRig): void {
  it('answers a repeated id with the first result and changes nothing, across restart and crash', async () => {
    const commit: Commit = {
      id: 'order-1',
      if: [{ kind: 'version', key: 'a', version: 0 }],
      put: [{ key: 'a', value: bytes('1') }],
      append: [{ log: 'l', entries: [{ data: bytes('e') }] }],
    };
    const refused: Commit = { id: 'order-2', if: [{ kind: 'version', key: 'a', version: 0 }], put: [{ key: 'b', value: bytes('1') }] };
    const first = await done(rig().engine, commit);
    const conflict = await rig().engine.commit(refused);
    expect(conflict).toEqual({ status: 'conflict', failed: 0 });
    await done(rig().engine, { delete: ['a'] });
    for (const again of [undefined, rig().under.reopen, rig().under.crash]) {
      if (again !== undefined) rig().engine = await again();
      expect(await rig().engine.commit(commit)).toEqual(first);
      expect(await rig().engine.commit(refused)).toEqual(conflict);
      expect(await rig().engine.get('a')).toBeUndefined();
      expect((await rig().engine.readLog('l', 0)).head).toBe(1);
    }
  });

  it('answers a repeat that is queued behind the first, too', async () => {
    const { engine } = rig();
    const commit: Commit = { id: 'x', append: [{ log: 'l', entries: [{ data: bytes('1') }] }] };
    const results = await Promise.all([engine.commit(commit), engine.commit(commit), engine.commit(commit)]);
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    expect((await engine.readLog('l', 0)).head).toBe(1);
  });

  it('keeps ids for ten minutes', async () => {
    const { engine, under, pass } = rig();
    if (under.advance === undefined) return;
    const commit: Commit = { id: 'x', append: [{ log: 'l', entries: [{ data: bytes('1') }] }] };
    await done(engine, commit);
    await pass(engineLimits.commitIdKeptMs - 1_000);
    await done(engine, commit);
    expect((await engine.readLog('l', 0)).head).toBe(1);
    await pass(2_000);
    await done(engine, commit);
    expect((await engine.readLog('l', 0)).head).toBe(2);
  });
}

function leasesSuite(rig: () => EngineRig): void {
  it('gives a lease to one owner and fences commits by its epoch', async () => {
    const { engine } = rig();
    const lease = (await engine.acquireLease('l', 'one', 60_000)) as Lease;
    expect(lease).toMatchObject({ held: true, owner: 'one', name: 'l' });
    expect(await engine.acquireLease('l', 'two', 60_000)).toEqual({ held: false, owner: 'one', epoch: lease.epoch });
    expect(await engine.acquireLease('l', 'one', 60_000)).toMatchObject({ held: true, epoch: lease.epoch });
    const fenced = (epoch: number): Promise<CommitResult> =>
      engine.commit({ if: [{ kind: 'lease', name: 'l', epoch }], put: [{ key: 'a', value: bytes('x') }] });
    expect((await fenced(lease.epoch)).status).toBe('done');
    expect(await fenced(lease.epoch + 1)).toEqual({ status: 'conflict', failed: 0 });
    await engine.releaseLease(lease);
    expect((await fenced(lease.epoch)).status).toBe('conflict');
    expect(await engine.renewLease(lease, 60_000)).toBeUndefined();
    const next = (await engine.acquireLease('l', 'two', 60_000)) as Lease;
    expect(next.held).toBe(true);
    expect(next.epoch).toBeGreaterThan(lease.epoch);
    await engine.releaseLease(lease);
    expect((await fenced(next.epoch)).status).toBe('done');
  });

  it('ends a lease that is not renewed', async () => {
    const { engine, under, pass } = rig();
    const acquire = async (): Promise<Lease> => (await engine.acquireLease('l', 'one', 600)) as Lease;
    const renew = async (held: Lease): Promise<Lease | undefined> => {
      await pass(300);
      return engine.renewLease(held, 60_000);
    };
    let lease = await acquire();
    let renewed = await renew(lease);
    // In real time more may have passed than was asked for: then it ended rightly, and the next one may be renewed in time.
    while (renewed === undefined && under.advance === undefined) renewed = await renew((lease = await acquire()));
    expect(renewed).toMatchObject({ epoch: lease.epoch, ttlMs: 60_000 });
    await pass(400);
    expect(await engine.acquireLease('l', 'two', 600)).toMatchObject({ held: false });
    expect(await engine.renewLease(lease, 300)).toMatchObject({ epoch: lease.epoch, ttlMs: 300 });
    await pass(400);
    const result = await engine.commit({ if: [{ kind: 'lease', name: 'l', epoch: lease.epoch }], put: [{ key: 'a', value: bytes('') }] });
    expect(result.status).toBe('conflict');
    expect(await engine.renewLease(lease, 600)).toBeUndefined();
    const next = await engine.acquireLease('l', 'one', 600);
    expect(next.held && next.epoch > lease.epoch).toBe(true);
  });

  it('keeps holders and rising epochs across restart and crash', async () => {
    const first = (await rig().engine.acquireLease('l', 'one', 60_000)) as Lease;
    let epoch = first.epoch;
    for (const again of [rig().under.reopen, rig().under.crash]) {
      if (again === undefined) continue;
      rig().engine = await again();
      expect(await rig().engine.acquireLease('l', 'two', 60_000)).toMatchObject({ held: false, owner: 'one', epoch });
      await rig().engine.releaseLease({ ...first, epoch });
      const next = (await rig().engine.acquireLease('l', 'one', 60_000)) as Lease;
      expect(next.epoch).toBeGreaterThan(epoch);
      epoch = next.epoch;
    }
  });

  it('gives a contended lease to exactly one', async () => {
    const { engine, under } = rig();
    const other = (await under.second?.()) ?? engine;
    const owners = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? engine : other).acquireLease('l', `o${i}`, 60_000));
    expect((await Promise.all(owners)).filter((lease) => lease.held)).toHaveLength(1);
  });
}
