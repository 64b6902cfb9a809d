import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Disk } from '../../kernel/ports.ts';
import { crc32 } from './crc32.ts';
import { encodeHead, fileNames, headBytes, segmentStart } from './format.ts';
import { blockFields, type LogRun, type LogState } from './log-state.ts';
import { decodeOperations, decodeRecordHead, nextRecordAt } from './record.ts';
import type { Segment } from './segment.ts';
import type { JournalState } from './state.ts';

/** Numbers that are kept, 8 bytes each: a log of single entries has five per entry. */
const cachedNumbersMax = 1024 * 1024;
const sliceMs = 4;

/**
 * Where the blocks of sealed segments lie, per log and segment: a file beside each segment, so that memory holds one item per log and
 * segment. The file is made from the segment and can be made again from it: a lost or damaged one costs time, nothing else.
 */
export class LogIndexes {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #state: JournalState;
  readonly #cached = new Map<LogRun, readonly number[]>();
  #cachedNumbers = 0;

  constructor(ports: { readonly disk: Disk; readonly clock: Clock }, directory: string, state: JournalState) {
    this.#disk = ports.disk;
    this.#clock = ports.clock;
    this.#directory = directory;
    this.#state = state;
  }

  /** Writes the blocks of all runs in a sealed segment to its index and takes them out of memory. */
  async write(segment: Segment, stopped: () => boolean): Promise<void> {
    const runs: { readonly run: LogRun; readonly numbers: Float64Array; readonly at: number }[] = [];
    let at = headBytes;
    let sliceEnd = this.#clock.mono() + sliceMs;
    for (const log of this.#state.logs.values()) {
      for (const run of log.runs) {
        if (run.segment !== segment || run.blocks === undefined) continue;
        const numbers = Float64Array.from(run.blocks);
        runs.push({ run, numbers, at });
        at += numbers.byteLength;
      }
      if (this.#clock.mono() < sliceEnd) continue;
      await new Promise<void>((resolve) => this.#clock.soon(resolve));
      if (stopped()) return;
      sliceEnd = this.#clock.mono() + sliceMs;
    }
    if (runs.length === 0) return;
    const parts = runs.map(({ numbers }) => new Uint8Array(numbers.buffer));
    await this.#save(segment, parts);
    runs.forEach(({ run, at: place, numbers }, i) => {
      run.index = { at: place, count: numbers.length, crc: crc32(parts[i] as Uint8Array) };
      run.blocks = undefined;
      this.#state.forgetBlocks(numbers.length / blockFields);
    });
  }

  /** The blocks of a run whose segment is indexed. */
  async load(log: LogState, run: LogRun): Promise<readonly number[]> {
    const cached = this.#cached.get(run);
    if (cached !== undefined) return cached;
    const blocks = (await this.#read(run)) ?? (await this.#rebuild(log, run));
    this.#keep(run, blocks);
    return blocks;
  }

  #keep(run: LogRun, blocks: readonly number[]): void {
    // Two readers may have asked for it at once.
    this.#cachedNumbers += blocks.length - (this.#cached.get(run)?.length ?? 0);
    this.#cached.set(run, blocks);
    for (const [oldest, { length }] of this.#cached) {
      if (this.#cachedNumbers <= cachedNumbersMax || oldest === run) break;
      this.#cached.delete(oldest);
      this.#cachedNumbers -= length;
    }
  }

  path(segment: Segment): string {
    return `${this.#directory}/${fileNames.logIndex(segment.number, segment.epoch)}`;
  }

  async #save(segment: Segment, parts: readonly Uint8Array[]): Promise<void> {
    const file = await this.#disk.open(this.path(segment), 'write');
    try {
      await file.truncate(0);
      await file.write([encodeHead('LIDX', [segment.number, segment.epoch, parts.length]), ...parts], 0);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #read(run: LogRun): Promise<readonly number[] | undefined> {
    const { index } = run;
    if (index === undefined) return undefined;
    try {
      const file = await this.#disk.open(this.path(run.segment), 'read');
      try {
        const bytes = await file.read(index.at, index.count * 8);
        if (crc32(bytes) !== index.crc) return undefined;
        return Array.from(new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)));
      } finally {
        await file.close();
      }
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Finds the run's blocks by reading its whole segment. */
  async #rebuild(log: LogState, run: LogRun): Promise<readonly number[]> {
    const raw = await this.#disk.readFile(run.segment.path);
    const bytes = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.length, run.segment.bytes));
    let name: string | undefined;
    for (const [candidate, state] of this.#state.logs) if (state === log) name = candidate;
    const blocks: number[] = [];
    for (let at = nextRecordAt(bytes, segmentStart); at >= 0; at = nextRecordAt(bytes, at)) {
      const head = decodeRecordHead(bytes, at);
      const operations = head === undefined ? undefined : decodeOperations(bytes, at, head);
      for (const operation of operations ?? []) {
        if (operation.kind !== 'append' || operation.log !== name) continue;
        const { first, offset, bytes: size, crc, count } = operation.block;
        if (first + count > run.first && first <= run.last) blocks.push(first, offset, size, crc, count);
      }
      at += head === undefined || operations === undefined ? 1 : head.headBytes + head.dataBytes;
    }
    if (blocks.length > 0) return blocks;
    throw new ProaError('engine.corrupt', `${run.segment.path}: entries ${run.first} to ${run.last} of a log cannot be read`);
  }
}
