import type { Block } from './operations.ts';
import type { Segment } from './segment.ts';

/** Numbers per block in `LogRun.blocks`: first sequence, offset, bytes, CRC, count. */
export const blockFields = 5;

/** Consecutive entries of one log in one segment. */
export interface LogRun {
  /** Rises as entries move away or are trimmed. */
  first: number;
  last: number;
  readonly segment: Segment;
  bytes: number;
  /** Where each block lies, while the segment is young; later it lies in the segment's log index. */
  blocks: number[] | undefined;
  /** Place and CRC of the blocks in the log index. */
  index: { readonly at: number; readonly count: number; readonly crc: number } | undefined;
}

/** One log: what of it is readable, and where its entries lie. */
export class LogState {
  first = 1;
  head = 0;
  runs: LogRun[] = [];

  /** Adds a block that was appended; one that is known already (replay over a newer snapshot) changes nothing. Returns whether a run began. */
  append(block: Block, segment: Segment): boolean {
    const last = block.first + block.count - 1;
    if (last <= this.head) return false;
    this.head = last;
    return this.#extend(this.runs.length, block, segment);
  }

  /** Puts a block where compaction wrote it. */
  moved(block: Block, segment: Segment): boolean {
    const last = block.first + block.count - 1;
    const at = this.runs.findIndex((run) => run.last >= block.first);
    const run = this.runs[at];
    if (run === undefined || run.first > block.first || run.segment === segment || last < this.first) return false;
    run.first = last + 1;
    take(run, Math.min(block.bytes, run.bytes));
    if (run.first > run.last) this.#removeRun(at);
    return this.#extend(at, block, segment);
  }

  /** Makes entries below `first` unreadable and lets go of runs that lie below. */
  trim(first: number): void {
    if (first <= this.first) return;
    this.first = first;
    let gone = 0;
    while (gone < this.runs.length && (this.runs[gone] as LogRun).last < first) gone++;
    for (const run of this.runs.splice(0, gone)) release(run);
  }

  /** The run that holds `sequence`; undefined when it is not there. */
  runOf(sequence: number): LogRun | undefined {
    let low = 0;
    let high = this.runs.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.runs[middle] as LogRun).last < sequence) low = middle + 1;
      else high = middle;
    }
    return this.runs[low];
  }

  #removeRun(at: number): void {
    const [run] = this.runs.splice(at, 1);
    if (run !== undefined) release(run);
  }

  /** Adds a block behind the run before position `at`, or as a run of its own there. */
  #extend(at: number, block: Block, segment: Segment): boolean {
    const last = block.first + block.count - 1;
    const before = this.runs[at - 1];
    segment.liveBytes += block.bytes;
    if (before?.blocks !== undefined && before.segment === segment && before.last + 1 === block.first) {
      before.blocks.push(block.first, block.offset, block.bytes, block.crc, block.count);
      before.last = last;
      before.bytes += block.bytes;
      return false;
    }
    segment.refs++;
    const fields = [block.first, block.offset, block.bytes, block.crc, block.count];
    this.runs.splice(at, 0, { first: block.first, last, segment, bytes: block.bytes, blocks: fields, index: undefined });
    return true;
  }
}

function take(run: LogRun, bytes: number): void {
  run.bytes -= bytes;
  run.segment.liveBytes -= bytes;
}

function release(run: LogRun): void {
  take(run, run.bytes);
  run.segment.refs--;
}

/** The block that holds `sequence` among those of a run. */
export function findBlock(blocks: readonly number[], sequence: number): Block | undefined {
  let low = 0;
  let high = blocks.length / blockFields - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((blocks[middle * blockFields] as number) <= sequence) low = middle;
    else high = middle - 1;
  }
  const at = low * blockFields;
  const first = blocks[at];
  const count = blocks[at + 4] as number;
  if (first === undefined || first > sequence || sequence >= first + count) return undefined;
  return { first, count, offset: blocks[at + 1] as number, bytes: blocks[at + 2] as number, crc: blocks[at + 3] as number };
}
