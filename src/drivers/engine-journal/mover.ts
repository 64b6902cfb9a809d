import type { Clock } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import { crc32 } from './crc32.ts';
import type { LogIndexes } from './log-indexes.ts';
import { blockFields, type LogState } from './log-state.ts';
import { type Block, KeyEntry } from './operations.ts';
import type { Group } from './pending.ts';
import type { Recorder } from './recorder.ts';
import type { Segment, Segments } from './segment.ts';
import type { JournalState } from './state.ts';

/** Values and blocks of one record, at most; one record is written while the next is read, so that moving never floods the disk. */
const batchBytes = 256 * 1024;
const batchItems = 256;
/** Blocks this close together are read at once. */
const gapBytesMax = 64 * 1024;
const sliceMs = 4;

/** Compaction: writes what is alive in some segments again at the end of the journal, so that they can be removed. */
export class Mover {
  /** The last record, on its way to the disk. */
  #written: Promise<void> = Promise.resolve();
  readonly #parts: { state: JournalState; segments: Segments; indexes: LogIndexes; recorder: Recorder; clock: Clock };

  constructor(parts: { state: JournalState; segments: Segments; indexes: LogIndexes; recorder: Recorder; clock: Clock }) {
    this.#parts = parts;
  }

  /** Returns when everything alive was moved, or when stopped. Damaged values stay where they are. */
  async move(victims: ReadonlySet<Segment>, stopped: () => boolean): Promise<void> {
    try {
      await this.#moveKeys(victims, stopped);
      await this.#moveLogs(victims, stopped);
    } finally {
      const last = this.#written;
      this.#written = Promise.resolve();
      await last;
    }
  }

  /** Writes a record when the one before it is durable, and does not wait for it; fails when the one before it did. */
  async #write(fill: (group: Group) => void): Promise<void> {
    await this.#written;
    this.#written = this.#parts.recorder.record(fill);
    // Looked at by whoever comes next.
    this.#written.catch(() => {});
  }

  async #moveLogs(victims: ReadonlySet<Segment>, stopped: () => boolean): Promise<void> {
    const names = [...this.#parts.state.logs.keys()];
    for (const name of names) {
      if (stopped()) return;
      const log = this.#parts.state.logs.get(name);
      if (log !== undefined && log.runs.some((run) => victims.has(run.segment))) await this.#moveLog({ name, log }, victims, stopped);
    }
  }

  async #moveKeys(victims: ReadonlySet<Segment>, stopped: () => boolean): Promise<void> {
    const { state, clock } = this.#parts;
    let sliceEnd = clock.mono() + sliceMs;
    let batch: [Key, KeyEntry][] = [];
    let size = 0;
    let looks = 0;
    // What is put meanwhile lies elsewhere.
    for (const [key, entry] of state.keys.steadyEntries()) {
      if (victims.has(entry.segment as Segment)) {
        batch.push([key, entry]);
        size += entry.length;
      }
      if (size >= batchBytes || batch.length >= batchItems) {
        await this.#moveBatch(batch);
        [batch, size, sliceEnd] = [[], 0, clock.mono() + sliceMs];
      }
      if ((++looks & 63) !== 0 || clock.mono() < sliceEnd) continue;
      await new Promise<void>((resolve) => clock.soon(resolve));
      if (stopped()) return;
      sliceEnd = clock.mono() + sliceMs;
    }
    if (batch.length > 0) await this.#moveBatch(batch);
  }

  async #moveBatch(batch: readonly [Key, KeyEntry][]): Promise<void> {
    const { state, segments } = this.#parts;
    const alive = batch.filter(([key, { version }]) => state.keys.get(key)?.version === version);
    const values = await Promise.all(
      alive.map(
        async ([, { version, segment, offset, length }]) =>
          state.cache.look(version) ?? (await segments.read(segment as Segment, offset, length)),
      ),
    );
    await this.#write((group) => {
      alive.forEach(([key, entry], i) => {
        const value = values[i] as Uint8Array;
        if (crc32(value) !== entry.crc) return;
        const { version, expiresAtMs, length, crc } = entry;
        const moved = new KeyEntry({ version, expiresAtMs, length, crc, offset: 0 });
        group.buffer.put(key, moved, value, true);
        group.add({ kind: 'put', key, entry: moved, moved: true });
      });
    });
  }

  async #moveLog({ name, log }: NamedLog, victims: ReadonlySet<Segment>, stopped: () => boolean): Promise<void> {
    for (const run of log.runs.filter(({ segment }) => victims.has(segment))) {
      const numbers = run.blocks ?? (await this.#parts.indexes.load(log, run));
      const blocks = blocksOf(numbers).filter(({ first, count }) => first >= run.first && first + count > log.first);
      for (let at = 0; at < blocks.length && !stopped();) {
        const batch = nextBatch(blocks, at);
        // A damaged block ends the run's move: its segment stays, and reading it says why.
        if (!(await this.#moveBlocks(name, run.segment, batch))) break;
        at += batch.length;
      }
    }
  }

  /** False when one is damaged; those before it are moved. */
  async #moveBlocks(name: Key, segment: Segment, batch: readonly Block[]): Promise<boolean> {
    const [begin, end] = [batch[0] as Block, batch.at(-1) as Block];
    const bytes = await this.#parts.segments.read(segment, begin.offset, end.offset + end.bytes - begin.offset);
    const data = batch.map(({ offset, bytes: size }) => bytes.subarray(offset - begin.offset, offset - begin.offset + size));
    const damaged = data.findIndex((part, i) => crc32(part) !== (batch[i] as Block).crc);
    const good = damaged < 0 ? batch : batch.slice(0, damaged);
    if (good.length > 0) {
      await this.#write((group) => {
        for (const [i, { first, bytes: size, crc, count }] of good.entries()) {
          const block = { first, bytes: size, crc, count, offset: 0 };
          group.buffer.append(name, block, data[i] as Uint8Array, true);
          group.add({ kind: 'append', log: name, block, moved: true });
        }
      });
    }
    return damaged < 0;
  }
}

interface NamedLog {
  readonly name: Key;
  readonly log: LogState;
}

function blocksOf(numbers: readonly number[]): Block[] {
  return Array.from({ length: numbers.length / blockFields }, (_, i) => {
    const [first, offset, bytes, crc, count] = numbers.slice(i * blockFields, (i + 1) * blockFields) as [
      number,
      number,
      number,
      number,
      number,
    ];
    return { first, offset, bytes, crc, count };
  });
}

/** The blocks from `at` on that go into one record: those that lie close together, at least one. */
function nextBatch(blocks: readonly Block[], at: number): Block[] {
  const batch: Block[] = [];
  let [size, end] = [0, -1];
  for (const block of blocks.slice(at, at + batchItems)) {
    const gap = block.offset - end;
    if (batch.length > 0 && (size + block.bytes > batchBytes || gap < 0 || gap > gapBytesMax)) break;
    batch.push(block);
    size += block.bytes;
    end = block.offset + block.bytes;
  }
  return batch;
}
