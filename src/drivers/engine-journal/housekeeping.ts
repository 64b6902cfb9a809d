import type { Clock, Disk, Timer } from '../../kernel/ports.ts';
import { fileNames, parseListing } from './format.ts';
import type { GroupWriter } from './group-writer.ts';
import type { LeaseSweep } from './lease-sweep.ts';
import type { LogIndexes } from './log-indexes.ts';
import type { Mover } from './mover.ts';
import type { Ownership } from './ownership.ts';
import type { Segment, Segments } from './segment.ts';
import type { SegmentWriter } from './segment-writer.ts';
import { writeSnapshot } from './snapshot-writer.ts';
import type { JournalState } from './state.ts';

export interface HousekeepingOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly state: JournalState;
  readonly segments: Segments;
  readonly writer: SegmentWriter;
  readonly groups: GroupWriter;
  readonly indexes: LogIndexes;
  readonly ownership: Ownership;
  readonly mover: Mover;
  readonly leases: LeaseSweep;
  /** A snapshot is due when this much was written since the last one, or as much as the last one is large. */
  readonly snapshotEveryBytes: number;
  readonly segmentBytesMax: number;
  /** Bytes that were replayed at the start. */
  readonly replayedBytes: number;
  readonly now: () => number;
}

/** Segments that use less than this part of their bytes are moved. */
const liveShareMin = 0.5;
/** More small sealed segments than this are moved into one: every start leaves one, and every later start reads them. */
const smallSegmentsMax = 4;
const smallSegmentBytes = 1024 * 1024;
const purgeEveryMs = 5_000;
const purgeLooks = 2_000;

/** Snapshots, compaction, log indexes, expired keys and forgotten leases: one job at a time, in slices, beside the commits. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  #running: Promise<void> | undefined;
  #stopped = false;
  #snapshotBytes = 0;
  #unsnapshotBytes: number;
  /** The segment that was written when the last round began: a higher one means that some were sealed since. */
  #roundAt: number;
  #timer: Timer | undefined;
  #error: unknown;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    this.#unsnapshotBytes = options.replayedBytes;
    this.#roundAt = options.writer.segment.number;
    this.#armPurge();
  }

  /** What the last job failed with; it is tried again when the next segment is sealed. */
  get error(): unknown {
    return this.#error;
  }

  /** Called after each group; begins a job when one is due. */
  look(length: number): void {
    this.#unsnapshotBytes += length;
    if (this.#running !== undefined || this.#stopped) return;
    const due = this.#unsnapshotBytes > Math.max(this.#options.snapshotEveryBytes, this.#snapshotBytes);
    if (!due && this.#options.writer.segment.number === this.#roundAt) return;
    void this.run(due);
  }

  /** Runs a whole round now: indexes, compaction, snapshot when asked or needed, removal. Used by `backup` and by tests. */
  run(snapshot: boolean): Promise<void> {
    this.#running ??= this.#round(snapshot).finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** Waits for the job under way, then runs one more with a snapshot. Fails when it fails. */
  async snapshotNow(): Promise<void> {
    await this.#running;
    await this.run(true);
    if (this.#error !== undefined) throw this.#error;
  }

  /** Takes a snapshot, then runs `use` while nothing is removed: the files of that moment and what is appended meanwhile are complete. */
  async holding<Result>(use: () => Promise<Result>): Promise<Result> {
    await this.#running;
    let result: Promise<Result> | undefined;
    this.#running = this.#round(true)
      .then(() => {
        if (this.#error !== undefined) throw this.#error;
        return (result = use());
      })
      .then(
        () => {},
        () => {},
      )
      .finally(() => (this.#running = undefined));
    await this.#running;
    if (result === undefined) throw this.#error;
    return result;
  }

  /** Merges small segments when there are too many: what it moves is bounded, and an owner that lives shortly leaves no heap of them. */
  async tidy(): Promise<void> {
    await this.#running;
    if (!this.#stopped && this.#small().length > smallSegmentsMax) await this.run(false);
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  /** Removes what is not part of the journal: leftovers of crashes and of owners that lost it. */
  async clean(): Promise<void> {
    const { disk, directory, ownership, segments, state } = this.#options;
    ownership.check();
    const names = await disk.list(directory);
    const listing = parseListing(names);
    const known = new Set(segments.all().map((segment) => fileNames.segment(segment.number, segment.epoch)));
    const indexed = new Set(segments.all().map((segment) => fileNames.logIndex(segment.number, segment.epoch)));
    const newest = listing.snapshots.findIndex((snapshot) => snapshot.number <= state.sequence);
    const doomed = [
      ...names.filter((name) => name.endsWith('.tmp')),
      ...listing.segments.flatMap(({ name, epoch }) => (known.has(name) || epoch >= ownership.epoch ? [] : [name])),
      ...listing.logIndexes.flatMap(({ name, epoch }) => (indexed.has(name) || epoch >= ownership.epoch ? [] : [name])),
      ...listing.snapshots.slice(newest + 1).map(({ name }) => name),
      ...listing.marks.filter((epoch) => epoch < ownership.epoch).map(fileNames.mark),
    ];
    for (const name of doomed) await disk.remove(`${directory}/${name}`);
  }

  async #round(snapshot: boolean): Promise<void> {
    this.#error = undefined;
    this.#roundAt = this.#options.writer.segment.number;
    const stopped = (): boolean => this.#stopped;
    try {
      for (const segment of this.#options.segments.all()) {
        if (segment.sealed && segment.refs > 0 && !stopped()) await this.#options.indexes.write(segment, stopped);
      }
      const victims = this.#victims();
      if (victims.length > 0) await this.#options.mover.move(new Set(victims), stopped);
      const dead = this.#options.segments.all().some((segment) => segment.sealed && segment.refs === 0);
      if ((snapshot || dead) && !stopped()) await this.#snapshot();
    } catch (error) {
      // Nothing is lost: the journal itself is complete. The error shows in the stats and the work is tried again.
      this.#error = error;
    }
  }

  #victims(): Segment[] {
    const sealed = this.#options.segments.all().filter((segment) => segment.sealed && segment.refs > 0);
    const small = this.#small();
    return sealed.filter(
      (segment) => segment.liveBytes < liveShareMin * segment.bytes || (small.length > smallSegmentsMax && small.includes(segment)),
    );
  }

  /** Those without any content count too: only a round removes them. */
  #small(): Segment[] {
    const { segments, segmentBytesMax } = this.#options;
    const below = Math.min(smallSegmentBytes, segmentBytesMax / 8);
    return segments.all().filter((segment) => segment.sealed && segment.bytes < below);
  }

  async #snapshot(): Promise<void> {
    const { disk, clock, directory, ownership, state, segments, writer } = this.#options;
    const current = writer.segment;
    const kept = segments.all().filter((segment) => segment === current || !segment.sealed || segment.refs > 0);
    const dead = segments.all().filter((segment) => !kept.includes(segment));
    const listed = kept.map(({ number, epoch, bytes }) => ({ number, epoch, bytes }));
    const before = this.#unsnapshotBytes;
    const place = { segment: current.number, offset: current.bytes, segments: listed };
    const stopped = (): boolean => this.#stopped;
    const written = await writeSnapshot({ disk, clock, directory, epoch: ownership.epoch, state, ...place, stopped });
    if (written === undefined) return;
    this.#snapshotBytes = written.bytes;
    this.#unsnapshotBytes -= before;
    ownership.check();
    const others = parseListing(await disk.list(directory)).snapshots.filter(({ name }) => name !== written.name);
    for (const { name } of others) await disk.remove(`${directory}/${name}`);
    for (const segment of dead) if (segment.pins === 0) await this.#remove(segment);
    await disk.syncDirectory(directory);
  }

  async #remove(segment: Segment): Promise<void> {
    const { disk, indexes, segments } = this.#options;
    await segments.remove(segment);
    if ((await disk.stat(indexes.path(segment))) !== undefined) await disk.remove(indexes.path(segment));
  }

  #armPurge(): void {
    const { clock, state, now, leases } = this.#options;
    this.#timer = clock.timer(
      purgeEveryMs,
      () => {
        const again = (): void => {
          if (!this.#stopped && state.purge(now(), purgeLooks)) clock.soon(again);
        };
        again();
        leases.look();
        if (!this.#stopped) this.#armPurge();
      },
      true,
    );
  }
}
