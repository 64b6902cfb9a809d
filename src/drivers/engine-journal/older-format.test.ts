import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { LeaseHeld, Lease } from '../../contracts/engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createSimulatedDisk, seededRandom, type SimulatedDisk } from '../../testing/simulator/disk.ts';
import { formatVersion } from './format.ts';
import { openJournalEngine } from './open-journal.ts';

/**
 * Directories that a Proa of format 1 left: names and bytes (latin1) of the files as JSON, packed. Eight records, a group each: a commit with an id, a conflict
 * with one, a delete, a lease of a second, a trim, and three commits. The first owner was killed, the second wrote a snapshot after five and closed.
 */
const packed = {
  killed: [
    'H4sIAAAAAAACA+3dz2vTYBjA8X9FAnpwK2tm98MfYCaIaKmODtylHpI2TO0vaavtKsJgG2MwDyriYV704JAdnLsoc0x43n9Mmoprad4uialM/fbwocn7psn7vO/7vMmleWpMPJxwH1Xz',
    '9xOmcckwxjvbdXep7FYaieTxx/SK57N35hau38jkHnd2eSZ7bS/KC/k+uH9QtXc1xmqnzX+7dYiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIj/g/O3',
    'sqa8kf1MzpHdweLxP/l/9rJyVx3JYetaz+sCJrXHRn9tgFqXdbPde5a+Ylm7XCgOvwTbDh4LK1IITf/9ZvdinLy34Zmc0h1QirerzmvKLsg79VU2cw1dtB4UYryQEEEN3rQnTf04nNGF',
    't6grKAzrQb/9ti5yalUOvW8pn7PYDbsze2/LR1k7OzOK5GBFrHocwIquZZVqlEw1Oabe37sYc1MdK0K1/jGSGt6zPgVOd+roilud1s4mrqTT8ferGbxfTV2/Oj2Zpz/nuHbd1RVWmxW3',
    'Fmrmyooc/Tyn1/+L8kUOpkcQk5QVsWrAZFEKMZW8NfmVdy5HtmVnabDO2G80ddaKWNVvffZJTCW73ohz4gVIoPKpqV46MayG4VaXE1bE9t+7qCzIa7UvH26GuzsJNKbyVsSqcQ+/cKkw',
    '0N3Z1Dm1rb4tdyKoPsuOOugOyZjDeMYKXytg8MrVmjuCnHni/F31fnBavZWtVvedYmW7Vvz1DrHMXDatO1ZtqV31XDZG91yiU/YsHiARERERERERERERERERERERERERERERERERERER',
    'ERERERERERERERERERERERERcRSe6j/rN579ACH96YG+zAAA',
  ],
  closed: [
    'H4sIAAAAAAACA+3d60tTYRzA8X8lBklkwx11ahfoGESUaaKQQSs406Xp3MSttIUkqF1AX1hEL4yghEwEb28M8wK/5x+LnZVubM98zjpbt+9efHDn9xzPeX7P5Wxv9nsaaBhuiI0l+4eC',
    'VuBCIHAu+z4VGxyNJdLB0PHLcsPdPbfae69e64w8yh5yDeWb6ZNFOSw+XqzavOxjsz/Nf7t3iIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiP+D3Td6',
    'LHkn252RqKwVh8/V8vfsZfq2OpC9ySt55QIatedWXjZAzcmclcm/SkFYZi8OjJS/Bccxz4VdUQqt0set3M1E+903rqGw7oS4v0N1VhNrko/qq7yKpHXZejjg4414SKp51x5P6Odhqy69',
    'I7rAQLkRLHXc0WVOzcie+1dzias4aSe7ertkVWZPt1Zjc7ArbHqcwISuZ4lkJTtVY736dO+8z12N2hU0K5wjzeVHtkQgmls6uvBktrdtwUsdHf6Pq2U+rpZuXKN5O0/hnhNzUjFdMDmR',
    'iI17WrkyLQc/rumOf5/syG5LFXLSbFfY1HCziHtYSu4z+Y17ragsycpgcZv6X+hqm11h01LP5xIbU9xJpf1ceAYbqGxMqNdRH56G3p4uJzwRM3/vQ6VX3qpt+Xzd26cToznVb1fY1O/p',
    '520rNPp0Fq5TS+rbk2wG1ZasqN3clPQ5jads760MkzeaHI9VYc88cf3OuP+wRb2X+clcTbFRZ3zkqIZYZ3tPh+5cNa/W1IK8qN73Ep2yafMFEhERERERERERERERERERERERERERERER',
    'ERERERERERERERERERERERERERERERGr4Uk/1i/792V5rJY/1a/WZduwXkKu8EAq4YylhpLpYOj4FT6qRNDb1d6t7dyGbNyNuIUMTDNmWEPBQ22ssuVpjMbQnztSL2WL8ghV0GrTRD3U',
    'hpFptWo9qOkyzE6HOk200fzO1YeM+vKs7Fl+lQYscU6uRKJlluOfZQQtXcGyJg8D9lyW43d00XgNF3dAE2n2MIYLsiKLuYJGNS0hdlPTOGw+L8/IzrAs6KKFlQ497b2/s/yhrjuFRfo8',
    'dkcOPe9uUU2kxXxuTcmW2pd1883UDkx9B/o0S6jU1AAA',
  ],
} as const;

const directory = '/j';
const segment = `${directory}/segment-000000000001-1`;
const startMs = 1_700_000_000_000;

async function unpacked(name: keyof typeof packed): Promise<SimulatedDisk> {
  const disk = createSimulatedDisk({ random: seededRandom(1) });
  await disk.makeDirectory(directory);
  const files = JSON.parse(gunzipSync(Buffer.from(packed[name].join(''), 'base64')).toString()) as Record<string, string>;
  for (const [path, text] of Object.entries(files)) {
    const file = await disk.open(path, 'write');
    await file.write([Buffer.from(text, 'latin1')], 0);
    await file.close();
  }
  return disk;
}

const open = (disk: SimulatedDisk, clock = createFakeClock(startMs)) => openJournalEngine({ ports: { clock, disk }, directory });

async function formatOf(disk: SimulatedDisk, path: string): Promise<number> {
  return Buffer.from(await disk.readFile(path)).readUInt32LE(8);
}

/** Where the records of a segment begin. */
async function recordsOf(disk: SimulatedDisk): Promise<number[]> {
  const bytes = Buffer.from(await disk.readFile(segment));
  const places: number[] = [];
  for (let at = bytes.indexOf('PJR1'); at >= 0; at = bytes.indexOf('PJR1', at + 1)) places.push(at);
  return places;
}

describe('a journal of format 1', () => {
  for (const name of ['killed', 'closed'] as const) {
    it(`is read, goes on in today's format, and is read again (${name})`, async () => {
      const disk = await unpacked(name);
      const clock = createFakeClock(startMs);
      for (let life = 1; life <= 2; life++) {
        const engine = await open(disk, clock);
        const texts = (await engine.getMany(['\x00ÿ', 'aa', 'last', 'more'])).map((entry) => entry && Buffer.from(entry.value).toString());
        expect(texts).toEqual(['v', undefined, 'y', 'x']);
        expect((await engine.get('\x00ÿ'))?.expiresAtMs).toBe(1_800_000_000_000);
        const log = await engine.readLog('l', 0);
        expect([log.first, log.head, log.entries.length]).toEqual([2, life + 1, life]);
        expect(log.entries[0]).toMatchObject({ sequence: 2, key: 'k', dedupe: 'd', attributes: { a: 'ü' } });
        // Commit ids and epochs of leases are kept, too.
        expect(await engine.commit({ id: 'no', put: [{ key: 'no', value: Buffer.from('n') }] })).toEqual({ status: 'conflict', failed: 0 });
        clock.advance(2_000);
        expect(((await engine.acquireLease('lease', 'other', 1_000)) as Lease | LeaseHeld).epoch).toBe(life + 1);
        await engine.commit({ append: [{ log: 'l', entries: [{ data: Buffer.from('new') }] }] });
        await engine.close();
      }
      const formats = await Promise.all(disk.files().flatMap(({ path }) => (path.includes('segment') ? [formatOf(disk, path)] : [])));
      expect(formats.toSorted((a, b) => a - b)).toEqual([1, formatVersion, formatVersion]);
    });
  }

  it('is refused when a record is damaged behind which two groups lie; its last ones may be a torn end', async () => {
    const places = await recordsOf(await unpacked('killed'));
    expect(places).toHaveLength(8);
    const outcomes: string[] = [];
    for (const at of places) {
      const disk = await unpacked('killed');
      await disk.remove(`${directory}/mark-1`);
      disk.flip(segment, (at + 20) * 8);
      outcomes.push(
        await open(disk).then(
          async (engine) => {
            await engine.close();
            return 'opened';
          },
          (error: { code?: string }) => String(error.code),
        ),
      );
    }
    // A group behind it has a number that is two above that of the last good record: every one but the last.
    expect(outcomes).toEqual([...Array.from({ length: 7 }, () => 'engine.corrupt'), 'opened']);
  });
});
