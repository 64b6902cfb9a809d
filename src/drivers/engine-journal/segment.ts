import { ProaError } from '../../kernel/errors.ts';
import type { Disk, DiskFile } from '../../kernel/ports.ts';
import { fileNames } from './format.ts';

/** One file of records. It is read through a handle that is opened on demand. */
export class Segment {
  readonly number: number;
  readonly epoch: number;
  readonly path: string;
  /** The valid length: it grows while the segment is written, then it is the seal. */
  bytes: number;
  /** The offset of the next record is known and nothing more will be written. */
  sealed: boolean;
  /** Keys and log runs that lie here, and how many bytes of it they use. */
  refs = 0;
  liveBytes = 0;
  /** Reads under way. */
  pins = 0;
  removed = false;
  handle: Promise<DiskFile> | undefined;
  /** The same once it is open. */
  file: DiskFile | undefined;

  constructor(directory: string, place: { number: number; epoch: number; bytes: number; sealed: boolean }) {
    this.number = place.number;
    this.epoch = place.epoch;
    this.bytes = place.bytes;
    this.sealed = place.sealed;
    this.path = `${directory}/${fileNames.segment(place.number, place.epoch)}`;
  }
}

const handlesMax = 128;

/** The segments of a journal and their read handles, of which at most 128 are open at a time. */
export class Segments {
  readonly directory: string;
  readonly #disk: Disk;
  readonly #byNumber = new Map<number, Segment>();
  readonly #open = new Set<Segment>();

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.directory = directory;
  }

  add(segment: Segment): void {
    this.#byNumber.set(segment.number, segment);
  }

  get(number: number): Segment | undefined {
    return this.#byNumber.get(number);
  }

  all(): Segment[] {
    return [...this.#byNumber.values()];
  }

  /** Reads exactly `length` bytes, or fails with `engine.corrupt` when the file is shorter. */
  read(segment: Segment, offset: number, length: number): Promise<Uint8Array> {
    segment.pins++;
    const handle = this.#handle(segment);
    const { file } = segment;
    const reading = file === undefined ? handle.then((opened) => opened.read(offset, length)) : file.read(offset, length);
    return reading.then(
      (bytes) => {
        this.#unpin(segment);
        if (bytes.length === length) return bytes;
        throw new ProaError('engine.corrupt', `${segment.path} ends at ${offset + bytes.length}, but data lie up to ${offset + length}`);
      },
      (error: unknown) => {
        this.#unpin(segment);
        throw error;
      },
    );
  }

  #unpin(segment: Segment): void {
    if (--segment.pins === 0 && segment.removed) void this.#shut(segment);
  }

  /** Forgets a segment and removes its file; reads under way finish first. */
  async remove(segment: Segment): Promise<void> {
    this.#byNumber.delete(segment.number);
    segment.removed = true;
    await this.#disk.remove(segment.path);
    if (segment.pins === 0) await this.#shut(segment);
  }

  async close(): Promise<void> {
    for (const segment of this.#open) await this.#shut(segment);
  }

  #handle(segment: Segment): Promise<DiskFile> {
    this.#open.delete(segment);
    this.#open.add(segment);
    if (segment.handle !== undefined) return segment.handle;
    for (const other of this.#open) {
      if (this.#open.size <= handlesMax) break;
      if (other.pins === 0) void this.#shut(other);
    }
    const handle = this.#disk.open(segment.path, 'read');
    handle.then(
      (file) => {
        if (segment.handle === handle) segment.file = file;
      },
      () => (segment.handle = undefined),
    );
    return (segment.handle = handle);
  }

  async #shut(segment: Segment): Promise<void> {
    const { handle } = segment;
    segment.handle = undefined;
    segment.file = undefined;
    this.#open.delete(segment);
    // A handle that could not be opened needs no closing.
    await handle?.then((file) => file.close()).catch(() => {});
  }
}
