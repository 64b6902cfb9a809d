import type { Clock, Disk, DiskFile, Timer } from '../../kernel/ports.ts';
import { decodeHead, encodeHead, fileNames, headBytes } from './format.ts';

/** How far the journal was durable, at least. */
export interface Mark {
  readonly epoch: number;
  readonly segment: number;
  readonly offset: number;
  readonly sequence: number;
}

const everyMs = 20;

/**
 * The high-water mark, kept apart from the segments: damage below it is damage, above it a torn tail. It is written after what it
 * speaks of is durable and is not synced itself, so after a power cut it may be behind, never ahead. Two slots take turns.
 */
export class HighWater {
  readonly #clock: Clock;
  readonly #file: DiskFile;
  #latest: Mark;
  #written: Mark | undefined;
  #slot = 0;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(clock: Clock, file: DiskFile, first: Mark) {
    this.#clock = clock;
    this.#file = file;
    this.#latest = first;
  }

  static async create(ports: { readonly disk: Disk; readonly clock: Clock }, directory: string, first: Mark): Promise<HighWater> {
    const file = await ports.disk.open(`${directory}/${fileNames.mark(first.epoch)}`, 'write');
    const mark = new HighWater(ports.clock, file, first);
    await mark.#write();
    await mark.#write(true);
    await file.sync();
    return mark;
  }

  /** Raises the mark soon. */
  raise(mark: Mark): void {
    this.#latest = mark;
    this.#timer ??= this.#clock.timer(
      everyMs,
      () => {
        this.#timer = undefined;
        // Only a lower bound is lost when it cannot be written.
        this.#writing = this.#write().catch(() => {});
      },
      true,
    );
  }

  /** Writes the exact end: from then on nothing of the journal can be missing unnoticed. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#writing;
    try {
      await this.#write();
      await this.#file.sync();
    } finally {
      await this.#file.close();
    }
  }

  /** Ends without writing, as a crash would. */
  async abandon(): Promise<void> {
    this.#timer?.cancel();
    await this.#writing;
    await this.#file.close();
  }

  async #write(again = false): Promise<void> {
    const mark = this.#latest;
    if (this.#written === mark && !again) return;
    this.#slot ^= 1;
    this.#written = mark;
    await this.#file.write([encodeHead('MARK', [mark.epoch, mark.segment, mark.offset, mark.sequence])], this.#slot * 4096);
  }
}

/** The highest intact mark of a file; undefined when there is none. */
export async function readMark(disk: Disk, directory: string, epoch: number): Promise<Mark | undefined> {
  const path = `${directory}/${fileNames.mark(epoch)}`;
  const bytes = await disk.readFile(path);
  const slots = [0, 4096].flatMap((at) => {
    const numbers = decodeHead(bytes.subarray(at, at + headBytes), 'MARK', path);
    return numbers === undefined ? [] : [numbers];
  });
  const [best] = slots.sort((a, b) => b[3] - a[3] || b[1] - a[1]);
  return best === undefined ? undefined : { epoch: best[0], segment: best[1], offset: best[2], sequence: best[3] };
}
