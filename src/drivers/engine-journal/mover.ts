import type { Clock } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import { crc32 } from './crc32.ts';
import type { LogIndexes } from './log-indexes.ts';
import { blockFields, type LogState } from './log-state.ts';
import { KeyEntry } from './operations.ts';
import type { Recorder } from './recorder.ts';
import type { Segment, Segments } from './segment.ts';
import type { JournalState } from './state.ts';

/** Values and blocks of one record, at most; the next is written when it is durable, so that moving never floods the disk. */
const batchBytes = 256 * 1024;
const batchItems = 256;
const sliceMs = 4;

/** Compaction: writes what is alive in some segments again at the end of the journal, so that they can be removed. */
export class Mover {
  readonly #parts: { state: JournalState; segments: Segments; indexes: LogIndexes; recorder: Recorder; clock: Clock };

  constructor(parts: { state: JournalState; segments: Segments; indexes: LogIndexes; recorder: Recorder; clock: Clock }) {
    this.#parts = parts;
  }

  /** Returns when everything alive was moved, or when stopped. Damaged values stay where they are. */
  async move(victims: ReadonlySet<Segment>, stopped: () => boolean): Promise<void> {
    await this.#moveKeys(victims, stopped);
    const names = [...this.#parts.state.logs.keys()];
    for (const name of names) {
      if (stopped()) return;
      const log = this.#parts.state.logs.get(name);
      if (log !== undefined && log.runs.some((run) => victims.has(run.segment))) await this.#moveLog(name, log, victims);
    }
  }

  async #moveKeys(victims: ReadonlySet<Segment>, stopped: () => boolean): Promise<void> {
    const { state, clock } = this.#parts;
    let sliceEnd = clock.mono() + sliceMs;
    let batch: [Key, KeyEntry][] = [];
    let size = 0;
    let looks = 0;
    // A copy of the tree: iterating must not meet the changes of commits.
    for (const [key, entry] of state.keys.clone().entries()) {
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
    const { state, segments, recorder } = this.#parts;
    const alive = batch.filter(([key, { version }]) => state.keys.get(key)?.version === version);
    const values = await Promise.all(
      alive.map(
        async ([, { version, segment, offset, length }]) =>
          state.cache.look(version) ?? (await segments.read(segment as Segment, offset, length)),
      ),
    );
    await recorder.record((group) => {
      alive.forEach(([key, entry], i) => {
        const value = values[i] as Uint8Array;
        if (crc32(value) !== entry.crc) return;
        const { version, expiresAtMs, length, crc } = entry;
        const moved = new KeyEntry({ version, expiresAtMs, length, crc, offset: 0 });
        group.buffer.put(key, moved, value, true);
        group.operations.push({ kind: 'put', key, entry: moved, moved: true });
      });
    });
  }

  async #moveLog(name: Key, log: LogState, victims: ReadonlySet<Segment>): Promise<void> {
    const { indexes, segments, recorder } = this.#parts;
    for (const run of log.runs.filter(({ segment }) => victims.has(segment))) {
      const numbers = run.blocks ?? (await indexes.load(log, run));
      for (let at = 0; at < numbers.length; at += blockFields) {
        const [first, offset, bytes, crc, count] = numbers.slice(at, at + blockFields) as [number, number, number, number, number];
        if (first < run.first || first + count <= log.first) continue;
        const data = await segments.read(run.segment, offset, bytes);
        // A damaged block ends the run's move: its segment stays, and reading it says why.
        if (crc32(data) !== crc) break;
        await recorder.record((group) => {
          const block = { first, bytes, crc, count, offset: 0 };
          group.buffer.append(name, block, data, true);
          group.operations.push({ kind: 'append', log: name, block, moved: true });
        });
      }
    }
  }
}
