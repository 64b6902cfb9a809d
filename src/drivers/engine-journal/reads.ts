import type { Entry, LogEntry, LogPage, RangePage, RangeQuery } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Key } from '../../kernel/tuple.ts';
import { crc32 } from './crc32.ts';
import { decodeBlock } from './log-block.ts';
import type { LogIndexes } from './log-indexes.ts';
import { findBlock, type LogState } from './log-state.ts';
import type { Block, KeyEntry } from './operations.ts';
import type { Segment, Segments } from './segment.ts';
import type { JournalState } from './state.ts';

const pageBytesMax = 1024 * 1024;
const pageEntriesMax = 1_000;
/** Blocks this close together are read at once. */
const gapBytesMax = 64 * 1024;
const emptyValue = new Uint8Array(0);

interface PlacedBlock {
  readonly segment: Segment;
  readonly block: Block;
}

/** Reads of the durable state. What lies on disk is checked before it is handed out. */
export class JournalReads {
  readonly #state: JournalState;
  readonly #segments: Segments;
  readonly #indexes: LogIndexes;
  readonly #now: () => number;

  constructor(parts: { state: JournalState; segments: Segments; indexes: LogIndexes; now: () => number }) {
    this.#state = parts.state;
    this.#segments = parts.segments;
    this.#indexes = parts.indexes;
    this.#now = parts.now;
  }

  get(key: Key): Promise<Entry | undefined> {
    const found = this.#visible(key);
    if (found === undefined) return Promise.resolve(undefined);
    return this.#entry(key, found);
  }

  /** As `get`, for a value that is in memory; undefined for any other. */
  peek(key: Key): Entry | undefined {
    const found = this.#visible(key);
    if (found === undefined) return undefined;
    const value = this.#state.cache.get(found.version) ?? this.#recent(found);
    return value === undefined ? undefined : entryOf(key, found, value);
  }

  /** All of one instant: the entries are taken before the first value is read. */
  getMany(keys: readonly Key[]): Promise<(Entry | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  range(query: RangeQuery): Promise<RangePage> {
    const { found, more } = this.#collect(query);
    if (query.keysOnly === true) return Promise.resolve({ entries: found.map(([key, entry]) => entryOf(key, entry, emptyValue)), more });
    return Promise.all(found.map(([key, entry]) => this.#entry(key, entry))).then((entries) => ({ entries, more }));
  }

  async readLog(name: Key, after: number, limit = 256): Promise<LogPage> {
    const log = this.#state.logs.get(name);
    if (log === undefined) return { entries: [], first: 1, head: 0 };
    const { first, head } = log;
    const entries: LogEntry[] = [];
    let from = Math.max(after + 1, first);
    let size = 0;
    while (from <= head && entries.length < limit && size < pageBytesMax) {
      const blocks = await this.#nextBlocks(log, from, { count: limit - entries.length, bytes: pageBytesMax - size });
      if (blocks.length === 0) {
        // Trimmed meanwhile: what is left begins later.
        if (log.first > from) return this.readLog(name, after, limit);
        throw new ProaError('engine.corrupt', `entry ${from} of a log cannot be found`);
      }
      for (const entry of blocks) {
        if (entry.sequence < from || entries.length >= limit || size >= pageBytesMax) continue;
        entries.push(entry);
        size += entry.data.length;
      }
      from = (blocks.at(-1) as LogEntry).sequence + 1;
    }
    return { entries, first, head };
  }

  #visible(key: Key): KeyEntry | undefined {
    const entry = this.#state.keys.get(key);
    return entry !== undefined && entry.expiresAtMs > 0 && entry.expiresAtMs <= this.#now() ? undefined : entry;
  }

  #collect(query: RangeQuery): { found: [Key, KeyEntry][]; more: boolean } {
    const limit = Math.min(query.limit ?? pageEntriesMax, pageEntriesMax);
    const { keys } = this.#state;
    const now = this.#now();
    const found: [Key, KeyEntry][] = [];
    let size = 0;
    const walk = query.reverse === true ? keys.entriesReversed(query.to) : keys.entries(query.from);
    for (const [key, entry] of walk) {
      if (query.reverse === true ? key < query.from : key >= query.to) break;
      if (entry.expiresAtMs > 0 && entry.expiresAtMs <= now) continue;
      if (found.length >= limit || size >= pageBytesMax) return { found, more: true };
      found.push([key, entry]);
      size += query.keysOnly === true ? 0 : entry.length;
    }
    return { found, more: false };
  }

  #entry(key: Key, found: KeyEntry): Promise<Entry> {
    const value = this.#state.cache.get(found.version) ?? this.#recent(found);
    return value === undefined ? this.#load(key, found) : Promise.resolve(entryOf(key, found, value));
  }

  /** The value of a key that was written not long ago; the next read finds it in the cache. */
  #recent(entry: KeyEntry): Uint8Array | undefined {
    const { offset, length, crc } = entry;
    const segment = entry.segment as Segment;
    if (length === 0) return emptyValue;
    const seen = this.#state.recent.view(segment, offset, length);
    if (seen === undefined) return undefined;
    this.#check(seen, crc, segment, offset);
    return this.#state.cache.add(entry.version, seen) ?? new Uint8Array(seen);
  }

  async #load(key: Key, entry: KeyEntry): Promise<Entry> {
    const { offset, length, crc } = entry;
    const segment = entry.segment as Segment;
    const value = await this.#segments.read(segment, offset, length);
    this.#check(value, crc, segment, offset);
    this.#state.cache.add(entry.version, value);
    return entryOf(key, entry, value);
  }

  #check(bytes: Uint8Array, crc: number, segment: Segment, offset: number): void {
    if (crc32(bytes) === crc) return;
    this.#state.quarantined++;
    throw new ProaError('engine.corrupt', `${segment.path}: ${bytes.length} bytes at ${offset} fail their checksum`, {
      hint: 'the disk changed stored bytes; restore this data from a backup',
    });
  }

  /** Entries from `from` on: some blocks that lie close together, in one read, from memory when they are recent. */
  async #nextBlocks(log: LogState, from: number, want: { count: number; bytes: number }): Promise<LogEntry[]> {
    const blocks = await this.#place(log, from, want);
    const begin = blocks[0];
    if (begin === undefined) return [];
    const end = (blocks.at(-1) as PlacedBlock).block;
    const { offset } = begin.block;
    const length = end.offset + end.bytes - offset;
    const recent = this.#state.recent.view(begin.segment, offset, length);
    const bytes = recent === undefined ? await this.#segments.read(begin.segment, offset, length) : new Uint8Array(recent);
    return blocks.flatMap(({ block, segment }) => {
      const at = block.offset - offset;
      const part = bytes.subarray(at, at + block.bytes);
      this.#check(part, block.crc, segment, block.offset);
      return decodeBlock(part, block.first, block.count);
    });
  }

  async #place(log: LogState, from: number, want: { count: number; bytes: number }): Promise<PlacedBlock[]> {
    const run = log.runOf(from);
    if (run === undefined || from < run.first || from > run.last) return [];
    const { segment, last } = run;
    const blocks = run.blocks ?? (await this.#indexes.load(log, run));
    const placed: PlacedBlock[] = [];
    let [next, count, size] = [from, 0, 0];
    while (next <= last && count < want.count && size < want.bytes) {
      const block = findBlock(blocks, next);
      if (block === undefined) break;
      const before = placed.at(-1)?.block;
      const gap = before === undefined ? 0 : block.offset - before.offset - before.bytes;
      if (before !== undefined && (block.offset < before.offset || gap > gapBytesMax)) break;
      placed.push({ segment, block });
      count += block.count - (next - block.first);
      // What lies between is read as well.
      size += gap + block.bytes;
      next = block.first + block.count;
    }
    return placed;
  }
}

function entryOf(key: Key, entry: KeyEntry, value: Uint8Array): Entry {
  const { version, expiresAtMs } = entry;
  return expiresAtMs === 0 ? { key, value, version } : { key, value, version, expiresAtMs };
}
