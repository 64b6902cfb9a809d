import { ProaError } from '../../kernel/errors.ts';
import type { Disk } from '../../kernel/ports.ts';
import { type Chain, readChain } from './chain.ts';
import { fileNames, type Listing, segmentStart } from './format.ts';
import { readMark } from './high-water.ts';
import { decodeOperations, decodeRecordHead, nextRecordAt, type RecordHead } from './record.ts';
import { Segment, type Segments } from './segment.ts';
import type { SegmentHead } from './segment-writer.ts';
import { loadSnapshot } from './snapshot-reader.ts';
import type { JournalState } from './state.ts';

export interface RecoveryOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly listing: Listing;
  readonly segments: Segments;
  readonly state: JournalState;
  /** Go on without what is damaged; it is kept in `quarantine-` files. */
  readonly acceptDataLoss: boolean;
  /** Lets other work run between segments. */
  pause(): Promise<void>;
}

export interface Recovered {
  /** The last segment, sealed now; undefined for a new journal. */
  readonly tip: Segment | undefined;
  /** Bytes that were replayed: a reason to write a snapshot soon. */
  readonly replayedBytes: number;
}

/** Builds the state from the newest snapshot and the segments behind it. Fails with `engine.corrupt` when something durable is damaged or missing. */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { disk, directory, listing, segments } = options;
  const damage = new Damage(options);
  const chain = await readChain(disk, directory, listing, damage.report);
  const from = await loadSnapshot({ ...options, chain, report: damage.report });
  for (const link of chain) {
    const known = segments.get(link.number);
    if (known !== undefined && known.epoch === link.epoch) continue;
    if (from !== undefined && link.number <= from.segment) continue;
    segments.add(new Segment(directory, { ...link, bytes: link.bytes ?? segmentStart, sealed: link.bytes !== undefined }));
  }
  const replay = chain.filter((link) => from === undefined || link.number >= from.segment);
  if (from === undefined && replay.length > 0 && replay[0]?.before.number !== 0)
    damage.report('the first segments of the journal are missing');
  let replayedBytes = 0;
  for (const link of replay) {
    const segment = segments.get(link.number);
    if (segment === undefined) continue;
    const at = from !== undefined && from.segment === link.number ? from.offset : segmentStart;
    replayedBytes += await new Replay(options, damage, { segment, link, at }).run();
    await options.pause();
  }
  const last = chain.at(-1);
  const tip = last === undefined ? undefined : segments.get(last.number);
  await checkMarks(options, chain, damage);
  damage.throwUnlessAccepted();
  // The old owner may have written without syncing: what was read is made durable before anything builds on it.
  if (tip !== undefined) await syncFile(disk, tip.path);
  return { tip, replayedBytes };
}

async function syncFile(disk: Disk, path: string): Promise<void> {
  const file = await disk.open(path, 'write');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Collects what is wrong, so that one error names it all. */
class Damage {
  readonly #options: RecoveryOptions;
  readonly #found: string[] = [];

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  readonly report = (what: string): void => {
    this.#found.push(what);
    this.#options.state.quarantined++;
  };

  /** Sets damaged bytes aside; without consent nothing is written. */
  async quarantine(segment: Segment, offset: number, bytes: Uint8Array): Promise<void> {
    this.report(`${segment.path}: ${bytes.length} damaged bytes at ${offset}`);
    if (!this.#options.acceptDataLoss) return;
    await this.#options.disk.replaceFile(`${this.#options.directory}/${fileNames.quarantine(segment.number, offset)}`, bytes);
  }

  throwUnlessAccepted(): void {
    if (this.#found.length === 0 || this.#options.acceptDataLoss) return;
    throw new ProaError('engine.corrupt', `the journal is damaged: ${this.#found.slice(0, 10).join('; ')}`, {
      hint: 'restore a backup, or start with acceptDataLoss to go on without what is damaged (it is set aside in quarantine files)',
    });
  }
}

/** A mark says what was durable: when the journal ends before it, something is missing. */
async function checkMarks(options: RecoveryOptions, chain: Chain, damage: Damage): Promise<void> {
  const tip = chain.at(-1);
  for (const epoch of options.listing.marks) {
    if (tip !== undefined && epoch < tip.epoch) continue;
    const mark = await readMark(options.disk, options.directory, epoch);
    if (mark === undefined) continue;
    const missing = tip === undefined || epoch > tip.epoch || mark.segment > tip.number;
    if (missing) damage.report(`${fileNames.segment(mark.segment, epoch)} is missing or unreadable`);
    else if (mark.segment === tip.number && (options.segments.get(tip.number)?.bytes ?? 0) < mark.offset) {
      damage.report(`${fileNames.segment(tip.number, tip.epoch)} ends before ${mark.offset}, up to which it was durable`);
    }
  }
}

/** The first `bytes` bytes; all when undefined. Behind the seal of a segment may lie megabytes that belong to nobody. */
async function readUpTo(disk: Disk, path: string, bytes: number | undefined): Promise<Uint8Array> {
  if (bytes === undefined) return disk.readFile(path);
  const file = await disk.open(path, 'read');
  try {
    return await file.read(0, Math.min(bytes, await file.size()));
  } finally {
    await file.close();
  }
}

/** Reads the records of one segment into the state. */
class Replay {
  readonly #options: RecoveryOptions;
  readonly #damage: Damage;
  readonly #segment: Segment;
  readonly #sealedBytes: number | undefined;
  readonly #head: SegmentHead | undefined;
  #at: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(options: RecoveryOptions, damage: Damage, from: { segment: Segment; link: Chain[number]; at: number }) {
    this.#options = options;
    this.#damage = damage;
    this.#segment = from.segment;
    this.#sealedBytes = from.link.bytes;
    this.#head = from.link.head;
    this.#at = from.at;
  }

  async run(): Promise<number> {
    const begin = this.#at;
    const raw = await readUpTo(this.#options.disk, this.#segment.path, this.#sealedBytes);
    this.#bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
    const { state } = this.#options;
    if (this.#at === segmentStart && this.#head !== undefined) {
      state.sequence = Math.max(state.sequence, this.#head.sequence - 1);
      state.group = Math.max(state.group, this.#head.group - 1);
      state.timeMs = Math.max(state.timeMs, this.#head.timeMs);
    }
    const end = this.#sealedBytes ?? this.#bytes.length;
    while (this.#at < end) {
      if (this.#step()) continue;
      const next = await this.#resume(end);
      if (next === undefined) break;
      this.#at = next;
    }
    this.#segment.bytes = this.#sealedBytes ?? this.#at;
    this.#segment.sealed = true;
    return this.#at - begin;
  }

  /** Applies the record at the current place; false when there is no good one. */
  #step(skipTo?: RecordHead): boolean {
    const { state } = this.#options;
    const head = skipTo ?? decodeRecordHead(this.#bytes, this.#at);
    if (head === undefined || (head.sequence !== state.sequence + 1 && skipTo === undefined)) return false;
    const operations = decodeOperations(this.#bytes, this.#at, head);
    if (operations === undefined) return false;
    for (const operation of operations) state.apply(operation, this.#segment, 0, head.timeMs);
    state.sequence = head.sequence;
    state.group = Math.max(state.group, head.group);
    state.timeMs = Math.max(state.timeMs, head.timeMs);
    this.#at += head.headBytes + head.dataBytes;
    return true;
  }

  /**
   * No good record at the current place. In a sealed segment that is damage. In the last one it is the end, or a torn tail, unless some record
   * behind says that what should be here was durable before it. Then it goes on with the first good record.
   */
  async #resume(end: number): Promise<number | undefined> {
    const from = this.#at;
    const next = this.#sealedBytes === undefined ? this.#provenNext() : this.#nextGood(from + 1);
    if (next === undefined) {
      if (this.#sealedBytes !== undefined) await this.#damage.quarantine(this.#segment, from, this.#bytes.subarray(from, end));
      return undefined;
    }
    await this.#damage.quarantine(this.#segment, from, this.#bytes.subarray(from, next.at));
    this.#at = next.at;
    this.#step(next.head);
    return this.#at;
  }

  /** The first good record behind the current place, when it or one behind it proves that something is missing here. */
  #provenNext(): GoodRecord | undefined {
    const missing = this.#options.state.sequence + 1;
    let first: GoodRecord | undefined;
    for (let good = this.#nextGood(this.#at + 1); good !== undefined; good = this.#nextGood(behind(good))) {
      first ??= good;
      // Of format 1: a group was written after the one before the one before it was durable.
      if (good.head.durable >= missing || good.head.group >= this.#options.state.group + 2) return first;
    }
    return undefined;
  }

  #nextGood(from: number): GoodRecord | undefined {
    for (let at = nextRecordAt(this.#bytes, from); at >= 0; at = nextRecordAt(this.#bytes, at + 1)) {
      const head = decodeRecordHead(this.#bytes, at);
      if (head === undefined || head.sequence <= this.#options.state.sequence) continue;
      if (decodeOperations(this.#bytes, at, head) !== undefined) return { at, head };
    }
    return undefined;
  }
}

interface GoodRecord {
  readonly at: number;
  readonly head: RecordHead;
}

function behind({ at, head }: GoodRecord): number {
  return at + head.headBytes + head.dataBytes;
}
