import type { Disk } from '../../kernel/ports.ts';
import type { Chain } from './chain.ts';
import { crc32 } from './crc32.ts';
import { decodeHead, headBytes, type Listing } from './format.ts';
import { KeyEntry, type KeptResult } from './operations.ts';
import { Segment, type Segments } from './segment.ts';
import { sections } from './snapshot-writer.ts';
import type { JournalState } from './state.ts';

export interface LoadOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly listing: Listing;
  readonly chain: Chain;
  readonly segments: Segments;
  readonly state: JournalState;
  report(what: string): void;
  pause(): Promise<void>;
}

/** Loads the newest snapshot that fits the chain; answers where replay begins, undefined without a snapshot. */
export async function loadSnapshot(options: LoadOptions): Promise<{ readonly segment: number; readonly offset: number } | undefined> {
  const { disk, directory, listing, chain } = options;
  for (const { name } of listing.snapshots) {
    const path = `${directory}/${name}`;
    const raw = await disk.readFile(path);
    const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
    const numbers = decodeHead(bytes, 'SNAP', path);
    const chunks = numbers === undefined ? undefined : readChunks(bytes);
    if (numbers === undefined || chunks === undefined) {
      options.report(`${path} is damaged`);
      continue;
    }
    const [sequence, , group, timeMs, lastVersion, segment, offset, leaseEpochsGone] = numbers;
    const link = chain.find((candidate) => candidate.number === segment);
    // Written by an owner that had lost the journal.
    if (link === undefined || (link.bytes !== undefined && offset > link.bytes)) continue;
    Object.assign(options.state, { sequence, group, timeMs, lastVersion, leaseEpochsGone });
    await new SnapshotLoad(options, { segment, offset }).run(chunks);
    return { segment, offset };
  }
  return undefined;
}

interface Chunk {
  readonly section: number;
  readonly count: number;
  readonly bytes: Buffer;
}

/** All chunks, checked; undefined when one is damaged or the end is missing. */
function readChunks(bytes: Buffer): Chunk[] | undefined {
  const chunks: Chunk[] = [];
  let items = 0;
  for (let at = headBytes; at + 16 <= bytes.length;) {
    const length = bytes.readUInt32LE(at);
    const body = bytes.subarray(at + 16, at + 16 + length);
    if (body.length !== length || bytes.readInt32LE(at + 12) !== crc32(body, crc32(bytes.subarray(at, at + 12)))) return undefined;
    const chunk = { section: bytes.readUInt32LE(at + 4), count: bytes.readUInt32LE(at + 8), bytes: body };
    at += 16 + length;
    if (chunk.section === sections.end) return body.readDoubleLE(0) === items && at === bytes.length ? chunks : undefined;
    items += chunk.count;
    chunks.push(chunk);
  }
  return undefined;
}

class SnapshotLoad {
  readonly #options: LoadOptions;
  readonly #position: { readonly segment: number; readonly offset: number };
  readonly #segments: (Segment | undefined)[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(options: LoadOptions, position: { segment: number; offset: number }) {
    this.#options = options;
    this.#position = position;
  }

  async run(chunks: readonly Chunk[]): Promise<void> {
    for (const chunk of chunks) {
      this.#bytes = chunk.bytes;
      this.#at = 0;
      for (let i = 0; i < chunk.count; i++) {
        if (chunk.section === sections.keys) this.#key();
        else if (chunk.section === sections.segments) await this.#segment();
        else if (chunk.section === sections.logs) this.#log();
        else if (chunk.section === sections.leases) this.#lease();
        else this.#id();
      }
      await this.#options.pause();
    }
  }

  async #segment(): Promise<void> {
    const { disk, directory, segments, chain } = this.#options;
    const [number, epoch, bytes] = [this.#double(), this.#double(), this.#double()];
    // The segment of the position may have grown since; its length comes from the chain.
    const link = chain.find((candidate) => candidate.number === number && candidate.epoch === epoch);
    const segment = new Segment(directory, { number, epoch, bytes: link?.bytes ?? bytes, sealed: true });
    const stat = await disk.stat(segment.path);
    if (stat === undefined || stat.sizeBytes < bytes)
      this.#options.report(`${segment.path} is ${stat === undefined ? 'missing' : 'too short'}`);
    const usable = stat !== undefined;
    this.#segments.push(usable ? segment : undefined);
    if (usable) segments.add(segment);
  }

  #key(): void {
    const key = this.#text('latin1');
    const [version, expiresAtMs] = [this.#double(), this.#double()];
    const [place, offset, length, crc] = [this.#u32(), this.#u32(), this.#u32(), this.#i32()];
    const segment = this.#segments[place];
    // Its segment is missing, which was reported.
    if (segment === undefined) return;
    this.#options.state.load(key, new KeyEntry({ version, expiresAtMs, length, crc, offset }), segment);
  }

  #log(): void {
    const { state, segments } = this.#options;
    const name = this.#text('latin1');
    const log = state.log(name);
    [log.first, log.head] = [this.#double(), this.#double()];
    const runs = this.#u32();
    for (let i = 0; i < runs; i++) {
      const [first, last, number, bytes, at] = [this.#double(), this.#double(), this.#double(), this.#double(), this.#double()];
      const [count, crc] = [this.#u32(), this.#i32()];
      const blocks = Array.from({ length: this.#u32() }, () => this.#double());
      const segment = segments.get(number) ?? this.#newer(number);
      if (segment === undefined) continue;
      segment.refs++;
      segment.liveBytes += bytes;
      const young = blocks.length > 0;
      log.runs.push({ first, last, segment, bytes, blocks: young ? blocks : undefined, index: young ? undefined : { at, count, crc } });
      state.countRun(blocks.length);
    }
  }

  /** A log may have moved on while the snapshot was written, into segments behind its position. */
  #newer(number: number): Segment | undefined {
    const { chain, segments, directory } = this.#options;
    const link = chain.find((candidate) => candidate.number === number);
    if (link === undefined || number < this.#position.segment) return undefined;
    const segment = new Segment(directory, { ...link, bytes: link.bytes ?? 0, sealed: link.bytes !== undefined });
    segments.add(segment);
    return segment;
  }

  #lease(): void {
    const name = this.#text('latin1');
    const owner = this.#text('utf8');
    const row = { owner, epoch: this.#double(), expiresAtMs: this.#double() };
    const { state } = this.#options;
    state.apply({ kind: 'lease', name, row }, this.#segments[0] as Segment, 0, 0);
  }

  #id(): void {
    const id = this.#text('utf8');
    const timeMs = this.#double();
    this.#options.state.keepId(id, this.#kept(), timeMs);
  }

  #kept(): KeptResult {
    const firstVersion = this.#double();
    if (firstVersion === -1) return { status: 'conflict', failed: this.#double() };
    const puts = this.#double();
    return { status: 'done', firstVersion, puts, sequences: Array.from({ length: this.#double() }, () => this.#double()) };
  }

  #double(): number {
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  #u32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32LE(this.#at - 4);
  }

  #i32(): number {
    this.#at += 4;
    return this.#bytes.readInt32LE(this.#at - 4);
  }

  #text(encoding: 'latin1' | 'utf8'): string {
    const length = this.#u32();
    this.#at += length;
    return this.#bytes.toString(encoding, this.#at - length, this.#at);
  }
}
