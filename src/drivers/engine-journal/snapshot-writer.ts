import { engineLimits } from '../../contracts/engine.ts';
import type { Clock, Disk } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import { crc32 } from './crc32.ts';
import { encodeHead, fileNames } from './format.ts';
import type { LogState } from './log-state.ts';
import type { KeyEntry } from './operations.ts';
import type { PackedLeaf } from './packed-leaf.ts';
import type { JournalState } from './state.ts';

/** Parts of a snapshot; each chunk holds items of one of them. */
export const sections = { segments: 1, keys: 2, logs: 3, leases: 4, ids: 5, end: 6 } as const;

const chunkBytes = 256 * 1024;
const sliceMs = 4;
/** Items between two looks at the clock. */
const itemsPerLook = 64;

export interface SnapshotOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly epoch: number;
  readonly state: JournalState;
  /** Where replay begins: everything before is in the snapshot. */
  readonly segment: number;
  readonly offset: number;
  /** The segments to which the snapshot points, and their valid lengths. */
  readonly segments: readonly { readonly number: number; readonly epoch: number; readonly bytes: number }[];
  /** True when the work should stop (closing). */
  stopped(): boolean;
}

/** What a finished snapshot is called and how large it is. */
export interface WrittenSnapshot {
  readonly name: string;
  readonly bytes: number;
}

/**
 * Writes all of the index in slices of a few milliseconds. Each part is as it is when its turn comes, with commits that came after `offset`: replay from there does
 * them once more, and comes to the same end. Undefined when it was stopped.
 */
export async function writeSnapshot(options: SnapshotOptions): Promise<WrittenSnapshot | undefined> {
  const { disk, directory, epoch, state } = options;
  // In the place of the 0 stood the number of a group in format 1.
  const numbers = [state.sequence, epoch, 0, state.timeMs, state.lastVersion, options.segment, options.offset, state.leaseEpochsGone];
  const name = fileNames.snapshot(state.sequence, epoch);
  const path = `${directory}/${name}`;
  const file = await disk.open(`${path}.tmp`, 'write');
  let bytes: number | undefined;
  try {
    await file.truncate(0);
    const out = new ChunkWriter(options, (chunk, at) => file.write([chunk], at));
    await out.raw(encodeHead('SNAP', numbers));
    bytes = (await writeSections(options, out)) ? out.at : undefined;
    if (bytes !== undefined) await file.sync();
  } finally {
    await file.close();
  }
  if (bytes === undefined) {
    await disk.remove(`${path}.tmp`);
    return undefined;
  }
  await disk.rename(`${path}.tmp`, path);
  await disk.syncDirectory(directory);
  return { name, bytes };
}

async function writeSections(options: SnapshotOptions, out: ChunkWriter): Promise<boolean> {
  const { state } = options;
  const segmentIndex = new Map<number, number>();
  for (const [i, segment] of options.segments.entries()) segmentIndex.set(segment.number, i);
  await out.section(sections.segments, options.segments, (item) => {
    out.begin();
    out.double(item.number);
    out.double(item.epoch);
    out.double(item.bytes);
  });
  await out.section(sections.keys, state.keys.steadyLeaves(), ({ leaf, first }) => {
    for (let at = first; at < leaf.size; at++) {
      const entry = leaf.valueAt(at);
      out.begin();
      out.key(leaf, at);
      out.entry(entry, segmentIndex.get(entry.segment?.number ?? -1) ?? 0xffffffff);
    }
  });
  await out.section(sections.logs, state.logs, ([name, log]) => writeLog(out, name, log));
  await out.section(sections.leases, state.leases, ([name, row]) => {
    out.begin();
    out.text(name, 'latin1');
    out.text(row.owner, 'utf8');
    out.double(row.epoch);
    out.double(row.expiresAtMs);
  });
  await out.section(sections.ids, state.ids, ([id, { result, timeMs }]) => {
    out.begin();
    out.text(id, 'utf8');
    out.double(timeMs);
    if (result.status === 'conflict') {
      out.double(-1);
      return out.double(result.failed);
    }
    out.double(result.firstVersion);
    out.double(result.puts);
    out.double(result.sequences.length);
    for (const sequence of result.sequences) out.double(sequence);
  });
  await out.section(sections.end, [out.items], (items) => {
    out.begin();
    out.double(items);
  });
  return !options.stopped();
}

function writeLog(out: ChunkWriter, name: Key, log: LogState): void {
  out.begin();
  out.text(name, 'latin1');
  out.double(log.first);
  out.double(log.head);
  out.u32(log.runs.length);
  for (const run of log.runs) {
    out.double(run.first);
    out.double(run.last);
    out.double(run.segment.number);
    out.double(run.bytes);
    out.double(run.index?.at ?? 0);
    out.u32(run.index?.count ?? 0);
    out.i32(run.index?.crc ?? 0);
    const blocks = run.index === undefined ? (run.blocks ?? []) : [];
    out.u32(blocks.length);
    for (const number of blocks) out.double(number);
  }
}

/** Collects items into chunks of a quarter megabyte, each with length, section, number of items and CRC. */
class ChunkWriter {
  readonly #options: SnapshotOptions;
  readonly #write: (chunk: Uint8Array, at: number) => Promise<void>;
  #bytes = Buffer.allocUnsafeSlow(chunkBytes * 2);
  #view = viewOf(this.#bytes);
  #length = 16;
  #count = 0;
  #sliceEndMono = 0;
  at = 0;
  items = 0;

  constructor(options: SnapshotOptions, write: (chunk: Uint8Array, at: number) => Promise<void>) {
    this.#options = options;
    this.#write = write;
  }

  async raw(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes, this.at);
    this.at += bytes.length;
  }

  /** Writes all items, one or more at a time; stops early when the snapshot was stopped. */
  async section<Some>(section: number, all: Iterable<Some>, write: (some: Some) => void): Promise<void> {
    const { clock } = this.#options;
    let looked = this.items;
    for (const some of all) {
      write(some);
      if (this.#length >= chunkBytes) await this.#flush(section);
      if (this.items - looked < itemsPerLook) continue;
      looked = this.items;
      if (clock.mono() < this.#sliceEndMono) continue;
      await new Promise<void>((resolve) => clock.soon(resolve));
      if (this.#options.stopped()) return;
      this.#sliceEndMono = clock.mono() + sliceMs;
    }
    if (this.#count > 0) await this.#flush(section);
  }

  /** Begins an item. */
  begin(): void {
    this.#count++;
    this.items++;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  i32(value: number): void {
    this.#reserve(4);
    this.#view.setInt32(this.#length, value, true);
    this.#length += 4;
  }

  /** A key of a leaf as `text` writes it. */
  key(leaf: PackedLeaf, index: number): void {
    this.#reserve(4 + engineLimits.keyBytesMax);
    const length = leaf.copyKey(index, this.#bytes, this.#length + 4);
    this.#view.setUint32(this.#length, length, true);
    this.#length += 4 + length;
  }

  /** What stands behind a key. */
  entry({ version, expiresAtMs, offset, length, crc }: KeyEntry, segment: number): void {
    this.#reserve(32);
    const [view, at] = [this.#view, this.#length];
    view.setFloat64(at, version, true);
    view.setFloat64(at + 8, expiresAtMs, true);
    view.setUint32(at + 16, segment, true);
    view.setUint32(at + 20, offset, true);
    view.setUint32(at + 24, length, true);
    view.setInt32(at + 28, crc, true);
    this.#length += 32;
  }

  text(text: string, encoding: 'latin1' | 'utf8'): void {
    this.#reserve(4 + 3 * text.length);
    const length = encoding === 'latin1' ? this.#latin1(text, this.#length + 4) : this.#bytes.write(text, this.#length + 4, 'utf8');
    this.#view.setUint32(this.#length, length, true);
    this.#length += 4 + length;
  }

  /** Short keys are written here: the way into native code costs more. */
  #latin1(text: string, at: number): number {
    if (text.length > 32) return this.#bytes.write(text, at, 'latin1');
    for (let i = 0; i < text.length; i++) this.#bytes[at + i] = text.charCodeAt(i);
    return text.length;
  }

  async #flush(section: number): Promise<void> {
    const bytes = this.#bytes.subarray(0, this.#length);
    bytes.writeUInt32LE(bytes.length - 16, 0);
    bytes.writeUInt32LE(section, 4);
    bytes.writeUInt32LE(this.#count, 8);
    bytes.writeInt32LE(crc32(bytes.subarray(16), crc32(bytes.subarray(0, 12))), 12);
    await this.raw(bytes);
    this.#length = 16;
    this.#count = 0;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#length + count, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
