import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createSimulatedDisk, seededRandom } from '../../testing/simulator/disk.ts';
import { openJournalEngine } from './open-journal.ts';

const entries = 150;
const first = '/j/segment-000000000001-1';

const dataOf = (n: number): Buffer => Buffer.alloc(100, n);

/** A segment with a log of many small appends that is mostly dead: values lie between them, all but the last overwritten. */
async function filled() {
  const clock = createFakeClock();
  const disk = createSimulatedDisk({ random: seededRandom(9) });
  const open = (acceptDataLoss = false) =>
    openJournalEngine({
      ports: { clock, disk },
      directory: '/j',
      options: { segmentBytesMax: 256 * 1024, snapshotEveryBytes: 1e9, cacheBytesMax: 0, acceptDataLoss },
    });
  const engine = await open();
  for (let n = 1; n <= entries; n++) {
    const data = dataOf(n);
    await engine.commit({ put: [{ key: 'k', value: new Uint8Array(1_000) }], append: [{ log: 'l', entries: [{ data }] }] });
  }
  /** Begins the next segment; then the first one is moved. */
  const roll = async (): Promise<void> => {
    await engine.commit({ put: [{ key: 'big', value: new Uint8Array(200_000) }] });
    await engine.snapshot();
    await engine.snapshot();
  };
  return { disk, engine, open, roll };
}

describe('compaction of a log', () => {
  it('moves many small blocks with few durable writes, and what they hold stays', async () => {
    const { disk, engine, open, roll } = await filled();
    await engine.trim('l', 30);
    let writes = 0;
    disk.options = {
      ...disk.options,
      fault: (call) => {
        if (call.kind === 'write' && call.path.includes('segment')) writes++;
        return undefined;
      },
    };
    await roll();
    expect(await disk.stat(first)).toBeUndefined();
    // The commit, the next segment, zeros ahead, and one record for all of the blocks.
    expect(writes).toBeGreaterThan(2);
    expect(writes).toBeLessThan(8);
    const check = async (from: Awaited<ReturnType<typeof open>>): Promise<void> => {
      const page = await from.readLog('l', 0, 1_000);
      expect([page.first, page.head]).toEqual([31, entries]);
      expect(page.entries.map(({ sequence, data }) => [sequence, Buffer.compare(data, dataOf(sequence))])).toEqual(
        Array.from({ length: entries - 30 }, (_, i) => [i + 31, 0]),
      );
    };
    await check(engine);
    await engine.close();
    const next = await open();
    await check(next);
    await next.close();
  });

  it('leaves a damaged block, and what lies behind it, where it is', async () => {
    const { disk, engine, roll } = await filled();
    const bytes = Buffer.from(await disk.readFile(first));
    // The 50th entry.
    disk.flip(first, (bytes.indexOf(dataOf(50)) + 10) * 8);
    await roll();
    expect(await disk.stat(first)).toBeDefined();
    expect((await engine.readLog('l', 0, 49)).entries.length).toBe(49);
    await expect(engine.readLog('l', 49, 1)).rejects.toMatchObject({ code: 'engine.corrupt' });
    expect((await engine.readLog('l', 50, 20)).entries[0]?.sequence).toBe(51);
    await engine.close();
  });
});
