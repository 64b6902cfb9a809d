import type { Disk, DiskFile } from '../../kernel/ports.ts';
import { encodeHead, type HeadNumbers, segmentStart } from './format.ts';
import { Segment, type Segments } from './segment.ts';

/** Zeros are written this far ahead: a durable write inside them needs no metadata of the file system, which halves its time. */
const aheadBytesMin = 256 * 1024;
const aheadBytesMax = 1024 * 1024;
/** Larger groups pay for the metadata with few writes; writing every byte twice would cost them more. */
const zeroGroupMax = 64 * 1024;

export interface SegmentWriterOptions {
  readonly disk: Disk;
  readonly segments: Segments;
  readonly epoch: number;
  readonly segmentBytesMax: number;
}

/** What a new segment says about its predecessor: the seal. Number 0 = there is none. */
export interface Predecessor {
  readonly number: number;
  readonly epoch: number;
  readonly bytes: number;
}

/** Where a new segment continues. */
export interface Continuation {
  readonly sequence: number;
  readonly timeMs: number;
}

/** The end of the journal: one open segment, and the next when it is full. */
export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #segment: Segment;
  #file: DiskFile;
  #nextNumber: number;
  #zeroed: number;
  /** Behind the last write that was begun, durable or not. */
  #end: number;
  #ahead = aheadBytesMin;
  #zeroing: Promise<void> | undefined;

  private constructor(options: SegmentWriterOptions, segment: Segment, file: DiskFile) {
    this.#options = options;
    this.#segment = segment;
    this.#file = file;
    this.#nextNumber = segment.number + 1;
    this.#zeroed = segmentStart;
    this.#end = segment.bytes;
  }

  /** Begins a segment behind `before`; afterwards what lies behind the seal of `before` is void. */
  static async begin(options: SegmentWriterOptions, before: Predecessor, at: Continuation): Promise<SegmentWriter> {
    const { segment, file } = await createSegment(options, before, { ...at, number: before.number + 1 });
    return new SegmentWriter(options, segment, file);
  }

  get segment(): Segment {
    return this.#segment;
  }

  /** True when `length` more bytes do not fit into the segment. */
  isFull(length: number): boolean {
    return this.#end > segmentStart && this.#end + length > this.#options.segmentBytesMax;
  }

  /** Seals the segment at its valid length and begins the next one; nothing may be under way. After a failure it can be tried again. */
  async roll(at: Continuation): Promise<void> {
    const sealed = this.#segment;
    await this.#zeroing;
    const number = this.#nextNumber++;
    const { segment, file } = await createSegment(this.#options, sealed, { ...at, number });
    sealed.sealed = true;
    await this.#file.close();
    this.#segment = segment;
    this.#file = file;
    this.#zeroed = segmentStart;
    this.#end = segment.bytes;
  }

  /** Writes behind everything that was begun before; durable when it resolves. The segment grows by `advance`, in the same order. */
  async write(bytes: Uint8Array): Promise<void> {
    const at = this.#end;
    const end = at + bytes.length;
    this.#end = end;
    if (end > this.#zeroed) {
      // Zeros under way must not land on what is written now.
      if (this.#zeroing !== undefined) await this.#zeroing;
      this.#zeroed = Math.max(this.#zeroed, end);
    }
    await this.#file.write([bytes], at);
  }

  /** The oldest write that was begun is durable: the segment ends behind it. */
  advance(length: number): void {
    this.#segment.bytes += length;
    if (length <= zeroGroupMax && this.#zeroing === undefined && this.#zeroed - this.#segment.bytes < this.#ahead / 2) {
      this.#zeroing = this.#zeroAhead().finally(() => (this.#zeroing = undefined));
    }
  }

  /** Gives the zeros behind the end back, unless something was written there that the next owner may count as part of the journal. */
  async close(): Promise<void> {
    await this.#zeroing;
    const { bytes } = this.#segment;
    // It only saves space, and the next start a look through them.
    if (this.#end === bytes && this.#zeroed > bytes) await this.#file.truncate(bytes).catch(() => {});
    await this.#file.close();
  }

  async #zeroAhead(): Promise<void> {
    // Nor on what is being written.
    const from = Math.max(this.#zeroed, this.#end);
    const length = Math.min(this.#ahead, this.#options.segmentBytesMax - from);
    this.#ahead = Math.min(this.#ahead * 2, aheadBytesMax);
    if (length <= 0) return;
    try {
      await this.#file.write([zeros.subarray(0, length)], from);
      this.#zeroed = from + length;
    } catch {
      // It only saves time: without it the group itself makes the file longer, or meets the same error.
    }
  }
}

const zeros = new Uint8Array(aheadBytesMax);

async function createSegment(
  options: SegmentWriterOptions,
  before: Predecessor,
  at: Continuation & { readonly number: number },
): Promise<{ segment: Segment; file: DiskFile }> {
  const { disk, segments, epoch } = options;
  const segment = new Segment(segments.directory, { number: at.number, epoch, bytes: segmentStart, sealed: false });
  const file = await disk.open(segment.path, 'exclusive-durable');
  try {
    const head = encodeHead('SEGM', [at.number, epoch, before.number, before.epoch, before.bytes, at.sequence, 0, at.timeMs]);
    await file.write([head, zeros.subarray(0, segmentStart - head.length)], 0);
    await disk.syncDirectory(segments.directory);
  } catch (error) {
    await file.close();
    // Half a segment would have to be explained at the next start.
    await disk.remove(segment.path).catch(() => {});
    throw error;
  }
  segments.add(segment);
  return { segment, file };
}

/** What the head of a segment says. */
export interface SegmentHead extends Continuation {
  readonly number: number;
  readonly epoch: number;
  readonly before: Predecessor;
  /** Format 1: the number of its first group. */
  readonly group: number;
}

/** The numbers of a segment's head by name. */
export function segmentHead(numbers: HeadNumbers): SegmentHead {
  const [number, epoch, beforeNumber, beforeEpoch, beforeBytes, sequence, group, timeMs] = numbers;
  return { number, epoch, before: { number: beforeNumber, epoch: beforeEpoch, bytes: beforeBytes }, sequence, group, timeMs };
}
