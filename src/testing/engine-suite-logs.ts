import { expect, it } from 'vitest';
import type { Engine, LogEntry, NewLogEntry } from '../contracts/engine.ts';
import { bytes, done, type EngineRig, text } from './engine-suite-rig.ts';

/** The part of the engine suite that is about logs; `engineSuite` calls it. */
export function logsSuite(rig: () => EngineRig): void {
  const append = async (engine: Engine, log: string, ...texts: readonly string[]): Promise<number> =>
    (await done(engine, { append: [{ log, entries: texts.map((data) => ({ data: bytes(data) })) }] })).sequences[0] as number;

  async function readAll(engine: Engine, log: string, limit?: number): Promise<LogEntry[]> {
    const entries: LogEntry[] = [];
    for (;;) {
      const page = await engine.readLog(log, entries.at(-1)?.sequence ?? 0, limit);
      if (page.entries.length === 0) return entries;
      entries.push(...page.entries);
    }
  }

  it('numbers entries from 1 without gaps, whoever appends', async () => {
    const { engine, under } = rig();
    const other = (await under.second?.()) ?? engine;
    await Promise.all(Array.from({ length: 40 }, (_, i) => append(i % 2 === 0 ? engine : other, 'l', `${i}a`, `${i}b`)));
    const entries = await readAll(engine, 'l', 7);
    expect(entries.map((entry) => entry.sequence)).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
    for (let i = 0; i < 80; i += 2) expect(text(entries[i + 1]?.data)).toBe(text(entries[i]?.data)?.replace('a', 'b'));
  });

  it('gives entries back as they were, with the time of their commit', async () => {
    const { engine } = rig();
    const full: NewLogEntry = { key: 'order/ä', dedupe: 'id-1', attributes: { type: 'x', 'trace parent': 'ü' }, data: bytes('data') };
    const before = engine.now();
    const result = await done(engine, {
      append: [
        { log: 'a', entries: [full, { data: new Uint8Array(0) }] },
        { log: 'b', entries: [{ data: bytes('b'), attributes: {} }] },
      ],
    });
    expect(result.sequences).toEqual([1, 1]);
    const [first, second] = (await engine.readLog('a', 0)).entries as [LogEntry, LogEntry];
    expect({ ...first, data: text(first.data), timeMs: 0 }).toEqual({ ...full, data: 'data', sequence: 1, timeMs: 0 });
    expect(first.timeMs).toBeGreaterThanOrEqual(before);
    expect(first.timeMs).toBeLessThanOrEqual(engine.now());
    expect([second.sequence, second.data.length, second.key, second.dedupe]).toEqual([2, 0, undefined, undefined]);
    expect((await engine.readLog('b', 0)).head).toBe(1);
  });

  it('leaves no gap for a commit that conflicts, and tests heads in order', async () => {
    const { engine } = rig();
    const entries = [{ data: bytes('x') }];
    const results = await Promise.all([
      engine.commit({ if: [{ kind: 'head', log: 'l', head: 0 }], append: [{ log: 'l', entries }] }),
      engine.commit({ if: [{ kind: 'head', log: 'l', head: 0 }], append: [{ log: 'l', entries }] }),
      engine.commit({ if: [{ kind: 'head', log: 'l', head: 1 }], append: [{ log: 'l', entries }] }),
    ]);
    expect(results.map((result) => result.status)).toEqual(['done', 'conflict', 'done']);
    expect(await engine.readLog('l', 0)).toMatchObject({ head: 2, first: 1 });
  });

  it('pages by limit and by bytes', async () => {
    const { engine } = rig();
    for (let i = 0; i < 5; i++) {
      await done(engine, { append: [{ log: 'big', entries: [{ data: new Uint8Array(500_000) }, { data: bytes('s') }] }] });
    }
    const page = await engine.readLog('big', 0);
    expect(page.entries.length).toBeGreaterThan(0);
    expect(page.entries.length).toBeLessThan(8);
    expect(page.head).toBe(10);
    expect(await readAll(engine, 'big')).toHaveLength(10);
    expect((await engine.readLog('big', 3, 2)).entries.map((entry) => entry.sequence)).toEqual([4, 5]);
    expect(await engine.readLog('big', 10)).toMatchObject({ entries: [], head: 10, first: 1 });
    expect(await engine.readLog('none', 0)).toEqual({ entries: [], first: 1, head: 0 });
  });

  it('trims from the front and never reuses a sequence, across restart and crash', async () => {
    await append(rig().engine, 'l', 'a', 'b', 'c', 'd');
    await rig().engine.trim('l', 2);
    for (const again of [undefined, rig().under.reopen, rig().under.crash]) {
      if (again !== undefined) rig().engine = await again();
      const page = await rig().engine.readLog('l', 0);
      expect([page.first, page.head, page.entries.map((entry) => text(entry.data)).join('')]).toEqual([3, 4, 'cd']);
    }
    await rig().engine.trim('l', 1);
    expect((await rig().engine.readLog('l', 0)).first).toBe(3);
    await rig().engine.trim('l', 1_000);
    const emptied = await rig().engine.readLog('l', 0);
    expect([emptied.first, emptied.head, emptied.entries.length]).toEqual([5, 4, 0]);
    const { reopen } = rig().under;
    if (reopen !== undefined) rig().engine = await reopen();
    expect(await append(rig().engine, 'l', 'e')).toBe(5);
    expect((await rig().engine.readLog('l', 0)).entries.map((entry) => entry.sequence)).toEqual([5]);
  });

  it('keeps a log of many entries readable from anywhere', async () => {
    const { engine, under } = rig();
    for (let i = 0; i < 40; i++) {
      const data = Array.from({ length: 25 }, (_, j) => `${i * 25 + j + 1}`);
      await Promise.all([append(engine, 'l', ...data), append(engine, `noise${i % 3}`, 'x')]);
    }
    const target = (await under.reopen?.()) ?? engine;
    for (const after of [0, 1, 24, 25, 333, 998, 999]) {
      const { entries } = await target.readLog('l', after, 10);
      expect(entries.map((entry) => text(entry.data))).toEqual(entries.map((entry) => String(entry.sequence)));
      expect(entries[0]?.sequence).toBe(after + 1);
      expect(entries).toHaveLength(Math.min(10, 1_000 - after));
    }
  });
}
