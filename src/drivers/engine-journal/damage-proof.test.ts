import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createSimulatedDisk, type DiskCall, seededRandom, type SimulatedDisk } from '../../testing/simulator/disk.ts';
import { openJournalEngine } from './open-journal.ts';
import { decodeRecordHead } from './record.ts';

const directory = '/data';
const segment = `${directory}/segment-000000000001-1`;

interface Left {
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Acknowledged before the last write began: commit n has sequence n. */
  readonly sure: number;
  /** Acknowledged at all. */
  readonly acknowledged: number;
  /** Where each record begins, and the end of the last. */
  readonly places: readonly number[];
}

const writesTo = (call: DiskCall): boolean => call.kind === 'write' && call.path === segment;

/** Writers whose owner dies after 40 commits without a word about how far the journal was durable. */
async function killed(overlapBytes: number): Promise<Left> {
  const random = seededRandom(overlapBytes);
  const disk = createSimulatedDisk({ random });
  const clock = { ...createFakeClock(), soon: queueMicrotask };
  const engine = await openJournalEngine({ ports: { clock, disk }, directory, options: { overlapBytes } });
  let [next, acknowledged, sure] = [0, 0, 0];
  const delay = async (call: DiskCall): Promise<void> => {
    if (writesTo(call)) sure = acknowledged;
    for (let turn = random.u32() % 40; turn > 0; turn--) await Promise.resolve();
  };
  disk.options = { random, delay };
  const writer = async (): Promise<void> => {
    while (next < 40) {
      const n = ++next;
      const result = await engine.commit({ put: [{ key: `k${n}`, value: Buffer.alloc(50 + (n % 7) * 90, n) }] });
      expect(result.status).toBe('done');
      acknowledged++;
    }
  };
  await Promise.all([writer(), writer(), writer(), writer(), writer()]);
  await engine.abandon();
  disk.options = { random };
  await disk.remove(`${directory}/mark-1`);
  const files = new Map<string, Uint8Array>();
  for (const { path } of disk.files()) files.set(path, await disk.readFile(path));
  const bytes = Buffer.from(files.get(segment) as Uint8Array);
  const places = [4096];
  for (let head = decodeRecordHead(bytes, 4096); head !== undefined; head = decodeRecordHead(bytes, places.at(-1) as number)) {
    places.push((places.at(-1) as number) + head.headBytes + head.dataBytes);
  }
  return { files, sure, acknowledged, places };
}

async function diskOf(files: ReadonlyMap<string, Uint8Array>): Promise<SimulatedDisk> {
  const disk = createSimulatedDisk({ random: seededRandom(1) });
  await disk.makeDirectory(directory);
  for (const [path, bytes] of files) await (await disk.open(path, 'write')).write([bytes], 0);
  return disk;
}

/** How many of the first commits are there when it is opened; 'corrupt' when it refuses. */
async function reopened(disk: SimulatedDisk, acceptDataLoss = false): Promise<number[] | 'corrupt'> {
  const opening = openJournalEngine({ ports: { clock: createFakeClock(), disk }, directory, options: { acceptDataLoss } });
  const engine = await opening.catch((error: { code?: string }) => {
    if (error.code !== 'engine.corrupt') throw error;
  });
  if (engine === undefined) return 'corrupt';
  const { entries } = await engine.range({ from: 'k', to: 'l', keysOnly: true });
  await engine.close();
  return entries.map(({ key }) => Number(key.slice(1))).toSorted((a, b) => a - b);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

for (const [name, overlapBytes] of [
  ['groups one by one', 1_000_000],
  ['groups that are written before their turn', 1],
] as const) {
  describe(`damage without a mark that tells how far the journal was durable: ${name}`, () => {
    it('is reported wherever it lies in what was acknowledged before the last write began, and only the rest is kept', async () => {
      const { files, sure, acknowledged, places } = await killed(overlapBytes);
      expect([acknowledged, places.length]).toEqual([40, 41]);
      // Otherwise the last group was nearly everything, and the rest proves nothing.
      expect(sure).toBeGreaterThan(25);
      for (let n = 1; n <= acknowledged; n++) {
        const [begin, end] = [places[n - 1] as number, places[n] as number];
        for (const at of [begin, begin + 25, begin + 45, end - 1]) {
          const disk = await diskOf(files);
          disk.flip(segment, at * 8 + 3);
          const found = await reopened(disk);
          // Behind `sure` nothing on the disk says that it was more than a torn write.
          if (n <= sure) expect(found, `byte ${at} of commit ${n}`).toBe('corrupt');
          else if (found !== 'corrupt') expect(found).toEqual(upTo(n - 1));
          if (found !== 'corrupt') continue;
          expect(await reopened(disk, true)).toEqual(upTo(acknowledged).filter((other) => other !== n));
        }
      }
    });

    it('is not seen in a journal that ends anywhere: what was not written any more is nobody’s', async () => {
      const { files, acknowledged, places } = await killed(overlapBytes);
      for (let n = 1; n <= acknowledged; n++) {
        const [begin, end] = [places[n - 1] as number, places[n] as number];
        for (const at of [begin, begin + 1, begin + 41, end - 1]) {
          const torn = new Map(files).set(segment, (files.get(segment) as Uint8Array).slice(0, at));
          expect(await reopened(await diskOf(torn)), `up to ${at} in commit ${n}`).toEqual(upTo(n - 1));
        }
      }
    });
  });
}
