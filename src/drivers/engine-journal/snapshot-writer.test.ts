import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createSimulatedDisk, seededRandom } from '../../testing/simulator/disk.ts';
import type { JournalEngine } from './journal-engine.ts';
import { openJournalEngine } from './open-journal.ts';

const keysMax = 1_200;
/** So long that a chunk of a snapshot holds some two hundred. */
const keyOf = (n: number): string => `${String(n).padStart(5, '0')}${'k'.repeat(900)}`;

/** A journal on a disk that does something else before it takes each chunk of a snapshot. */
function rig(seed: number, segmentBytesMax = 64 * 1024) {
  const disk = createSimulatedDisk({ random: seededRandom(seed) });
  const clock = createFakeClock();
  const options = { segmentBytesMax, snapshotEveryBytes: 1e9 };
  return {
    disk,
    open: () => openJournalEngine({ ports: { clock, disk }, directory: '/j', options }),
    async whileWritten(engine: JournalEngine, other: () => Promise<void>): Promise<number> {
      let chunks = 0;
      disk.options = {
        ...disk.options,
        async delay({ kind, path }) {
          if (kind !== 'write' || !path.includes('/snapshot-')) return;
          chunks++;
          await other();
        },
      };
      await engine.snapshot();
      disk.options = { ...disk.options, delay: async () => {} };
      return chunks;
    },
  };
}

/** Puts the first `keys` keys. */
async function fill(engine: JournalEngine, model: Map<string, string>, keys: number): Promise<void> {
  const all = Array.from({ length: keys }, (_, n) => keyOf(n));
  for (let n = 0; n < keys; n += 100) {
    await engine.commit({ put: all.slice(n, n + 100).map((key) => ({ key, value: Buffer.from('first') })) });
  }
  for (const key of all) model.set(key, 'first');
}

/** Changes of some keys, here and there: puts, deletes and ranges; the same ones in `model`, with what was put. */
async function change(engine: JournalEngine, model: Map<string, string>, random: { u32(): number }): Promise<void> {
  const [at, text] = [random.u32() % keysMax, `${random.u32()}`];
  const many = Array.from({ length: 1 + (random.u32() % 60) }, (_, i) => keyOf((at + i * 7) % keysMax));
  if (random.u32() % 4 === 0) {
    const [from, to] = [keyOf(at), keyOf(at + 40)];
    await engine.commit({ deleteRange: [{ from, to }] });
    for (const key of model.keys()) if (from <= key && key < to) model.delete(key);
  } else if (random.u32() % 3 === 0) {
    await engine.commit({ delete: many });
    for (const key of many) model.delete(key);
  } else {
    await engine.commit({ put: many.map((key) => ({ key, value: Buffer.from(text) })) });
    for (const key of many) model.set(key, text);
  }
}

async function contentOf(engine: JournalEngine): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (let from = ''; ;) {
    const { entries, more } = await engine.range({ from, to: '\xff' });
    for (const { key, value } of entries) found.push([key, Buffer.from(value).toString()]);
    if (!more) return found;
    from = `${entries.at(-1)?.key}\0`;
  }
}

describe('a snapshot', () => {
  it('that commits go on beside comes to the same state, after a crash as after a second start', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = seededRandom(seed);
        const { disk, open, whileWritten } = rig(seed);
        const model = new Map<string, string>();
        const first = await open();
        await fill(first, model, keysMax);
        for (let i = 0; i < 20; i++) await change(first, model, random);
        const chunks = await whileWritten(first, async () => {
          for (let i = 0; i < 8; i++) await change(first, model, random);
        });
        expect(chunks).toBeGreaterThan(2);
        if (random.u32() % 2 === 0) await change(first, model, random);
        disk.crash();
        await first.abandon();
        disk.restart();
        const all = [...model].toSorted(([a], [b]) => (a < b ? -1 : 1));
        for (let start = 0; start < 2; start++) {
          const engine = await open();
          expect(await contentOf(engine)).toEqual(all);
          await engine.snapshot();
          await engine.close();
        }
      }),
      { numRuns: 6 },
    );
  });

  it('gives no version twice when what was put beside it is lost with the end of the journal', async () => {
    const { disk, open, whileWritten } = rig(3, 64 * 1024 * 1024);
    const first = await open();
    await fill(first, new Map(), 500);
    // The last of all keys, which the snapshot comes to last.
    const [last, value] = [keyOf(600), Buffer.from('w')];
    let version = 0;
    await whileWritten(first, async () => {
      if (version > 0) return;
      const result = await first.commit({ put: [{ key: last, value }] });
      version = result.status === 'done' ? (result.versions[0] as number) : 0;
    });
    await first.abandon();
    // As if the record had never been whole: nothing that lies behind says otherwise.
    const tip = disk
      .files()
      .flatMap(({ path }) => (path.includes('/segment-') ? [path] : []))
      .toSorted()
      .at(-1) as string;
    const bytes = Buffer.from(await disk.readFile(tip));
    const file = await disk.open(tip, 'write');
    await file.truncate(bytes.lastIndexOf('00600'));
    await file.sync();
    await file.close();
    for (const { path } of disk.files()) if (path.includes('/mark-')) await disk.remove(path);
    const next = await open();
    const result = await next.commit({ put: [{ key: 'new', value }] });
    expect(result.status === 'done' ? result.versions[0] : 0).toBeGreaterThan(version);
    await expect(next.get(last)).rejects.toMatchObject({ code: 'engine.corrupt' });
    await next.close();
  });
});
