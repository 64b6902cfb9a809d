// One process of the crash tests. `write <journal> <acknowledgements> [nosync]` writes numbered records until it is killed and notes each
// number after the journal said that it is durable; `check <journal> <acknowledgements>` prints what is missing or wrong as JSON.
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { openJournalEngine } from '../../src/drivers/engine-journal/open-journal.ts';
import type { Disk, DiskFile } from '../../src/kernel/ports.ts';
import { tuple } from '../../src/kernel/tuple.ts';
import { nodeClock } from '../../src/ports/node/clock.ts';
import { createNodeDisk } from '../../src/ports/node/disk.ts';
import { createNodeRandom } from '../../src/ports/node/random.ts';

const [mode, directory, acknowledgements, syncing] = process.argv.slice(2) as [string, string, string, string?];
const nodeDisk = createNodeDisk(createNodeRandom());
const writers = 16;
const options = { segmentBytesMax: 1024 * 1024, snapshotEveryBytes: 512 * 1024, cacheBytesMax: 100_000 };

function valueOf(n: number): Buffer {
  return Buffer.from(`${n};`.repeat(1 + (n % 150)));
}

/** A disk that lies: nothing is synced. The tests must notice. */
const lyingDisk: Disk = {
  ...nodeDisk,
  async open(path, openMode) {
    const file = await nodeDisk.open(path, openMode === 'exclusive-durable' ? 'exclusive' : openMode);
    return Object.assign(Object.create(file) as DiskFile, {
      sync: async () => {},
      write: file.write.bind(file),
      read: file.read.bind(file),
      truncate: file.truncate.bind(file),
      size: file.size.bind(file),
      close: file.close.bind(file),
    });
  },
  syncDirectory: async () => {},
};

async function write(): Promise<void> {
  const disk = syncing === 'nosync' ? lyingDisk : nodeDisk;
  const engine = await openJournalEngine({ ports: { clock: nodeClock, disk }, directory, options });
  const out = openSync(acknowledgements, 'a');
  const last = await engine.range({ from: '', to: '\xff', reverse: true, limit: 1, keysOnly: true });
  const head = (await engine.readLog('log', Number.MAX_SAFE_INTEGER)).head;
  // Numbers are never used twice, whatever became of the last ones.
  let next = Math.max(head, last.entries.length === 0 ? 0 : Number.parseInt(last.entries[0]?.key.slice(-12) ?? '0', 10)) + 1_000;
  const loop = async (): Promise<void> => {
    for (;;) {
      const n = next++;
      const key = tuple('n') + String(n).padStart(12, '0');
      const entries = [{ key: String(n), data: valueOf(n) }];
      const result = await engine.commit({ id: `c${n}`, put: [{ key, value: valueOf(n) }], append: [{ log: 'log', entries }] });
      if (result.status !== 'done') throw new Error(JSON.stringify(result));
      writeSync(out, `${n} ${result.sequences[0]}\n`);
    }
  };
  await Promise.all(Array.from({ length: writers }, loop)).finally(() => closeSync(out));
}

async function check(): Promise<void> {
  const lines = readFileSync(acknowledgements, 'utf8').split('\n').slice(0, -1);
  const report = { acknowledged: lines.length, lost: 0, wrong: 0, head: 0, gaps: 0, error: '' };
  try {
    const engine = await openJournalEngine({ ports: { clock: nodeClock, disk: nodeDisk }, directory, options });
    for (const line of lines) {
      const n = Number(line.split(' ')[0]);
      const entry = await engine.get(tuple('n') + String(n).padStart(12, '0'));
      if (entry === undefined) report.lost++;
      else if (!valueOf(n).equals(entry.value)) report.wrong++;
    }
    let sequence = 0;
    const logged = new Map<number, number>();
    for (;;) {
      const page = await engine.readLog('log', sequence, 1_000);
      if (page.entries.length === 0) break;
      for (const entry of page.entries) {
        if (entry.sequence !== sequence + 1) report.gaps++;
        if (!valueOf(Number(entry.key)).equals(entry.data)) report.wrong++;
        logged.set(entry.sequence, Number(entry.key));
        sequence = entry.sequence;
      }
    }
    report.head = sequence;
    for (const line of lines) {
      const [n, at] = line.split(' ').map(Number) as [number, number];
      if (logged.get(at) !== n) report.lost++;
    }
    await engine.close();
  } catch (error) {
    report.error = String(error);
  }
  process.stdout.write(JSON.stringify(report));
  const file = openSync(acknowledgements, 'r');
  fsyncSync(file);
  closeSync(file);
}

await (mode === 'write' ? write() : check());
