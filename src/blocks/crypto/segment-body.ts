import type { Body, Flow, Sink } from '../../kernel/body.ts';
import { ProaError } from '../../kernel/errors.ts';

const segmentsMax = 2 ** 32;

export interface SegmentBodyOptions {
  readonly source: Body;
  /** Bytes of a segment of the source; the last one may be shorter. */
  readonly segmentBytes: number;
  /** Delivered before the first segment. */
  readonly prefix?: Uint8Array;
  /** Bytes of the result, when they are known. */
  readonly length?: number | undefined;
  /** Turns one segment into its result, valid until the next call; throws to break the body off. */
  transform(segment: Uint8Array, index: number, last: boolean): Uint8Array;
}

/**
 * A body whose segments are transformed one by one, as they arrive. Credit is asked of the source for one segment at a time and only while the reader has
 * granted some, so memory holds one segment whatever the body's size. A segment waits until it is known whether it is the last.
 */
export function segmentBody(options: SegmentBodyOptions): Body {
  return {
    length: options.length,
    pipe: (sink) => options.source.pipe(new Segments(options, sink)),
    discard: (reason) => options.source.discard(reason),
  };
}

class Segments implements Sink {
  readonly #options: SegmentBodyOptions;
  readonly #sink: Sink;
  #buffer: Uint8Array;
  #filled = 0;
  #index = 0;
  #prefix: Uint8Array | undefined;
  #flow: Flow | undefined;
  /** What the reader granted and has not received; negative after an overshoot. */
  #granted = 0;
  /** What was asked of the source and has not arrived; negative after an overshoot, which the source counts as well. */
  #asked = 0;
  #busy = false;
  #ended = false;
  #done = false;

  constructor(options: SegmentBodyOptions, sink: Sink) {
    this.#options = options;
    this.#sink = sink;
    this.#prefix = options.prefix;
    // Most documents are small; 64 KiB for each would cost more than the cipher.
    this.#buffer = Buffer.allocUnsafe(Math.min(options.segmentBytes, options.source.length ?? 4096));
  }

  open(flow: Flow): void {
    this.#flow = flow;
    this.#sink.open({
      credit: (bytes) => {
        this.#granted += bytes;
        this.#pump();
      },
      cancel: (reason) => {
        if (this.#done) return;
        this.#done = true;
        flow.cancel(reason);
      },
    });
  }

  chunk(chunk: Uint8Array): void {
    if (this.#done) return;
    this.#asked -= chunk.length;
    const nested = this.#busy;
    this.#busy = true;
    this.#take(chunk);
    this.#busy = nested;
    this.#pump();
  }

  end(): void {
    this.#ended = true;
    this.#pump();
    // A reader that grants nothing more can still learn that there is nothing more.
    if (!this.#done && this.#filled === 0 && this.#prefix === undefined) this.#finish();
  }

  fail(error: unknown): void {
    if (this.#done) return;
    this.#done = true;
    this.#sink.fail(error);
  }

  #take(chunk: Uint8Array): void {
    const size = this.#options.segmentBytes;
    let from = 0;
    while (from < chunk.length && !this.#done) {
      if (this.#filled === size) this.#emit(this.#buffer, false);
      // Whole segments inside the chunk are not copied, except for the one that could be the last.
      if (this.#filled === 0 && chunk.length - from > size) {
        this.#emit(chunk.subarray(from, from + size), false);
        from += size;
        continue;
      }
      const count = Math.min(size - this.#filled, chunk.length - from);
      this.#makeRoom(this.#filled + count);
      this.#buffer.set(chunk.subarray(from, from + count), this.#filled);
      this.#filled += count;
      from += count;
    }
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.min(this.#options.segmentBytes, Math.max(bytes, this.#buffer.length * 4)));
    larger.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer = larger;
  }

  // Sources and readers may answer within these calls: the flag makes nested ones leave the work to the outermost.
  #pump(): void {
    if (this.#busy) return;
    this.#busy = true;
    for (let before = -1; before !== this.#progress() && !this.#done && this.#granted > 0;) {
      before = this.#progress();
      this.#sendPrefix();
      if (this.#ended) this.#finish();
      else this.#ask();
    }
    this.#busy = false;
  }

  #progress(): number {
    return this.#index * this.#options.segmentBytes + this.#filled + (this.#prefix === undefined ? 1 : 0) + (this.#ended ? 1 : 0);
  }

  #ask(): void {
    const bytes = this.#options.segmentBytes + 1 - this.#filled - this.#asked;
    if (bytes <= 0) return;
    this.#asked += bytes;
    this.#flow?.credit(bytes);
  }

  #finish(): void {
    this.#sendPrefix();
    if (this.#filled > 0 && !this.#done) this.#emit(this.#buffer.subarray(0, this.#filled), true);
    if (this.#done) return;
    this.#done = true;
    this.#sink.end();
  }

  #sendPrefix(): void {
    const prefix = this.#prefix;
    if (prefix === undefined || this.#done) return;
    this.#prefix = undefined;
    this.#send(prefix);
  }

  #emit(segment: Uint8Array, last: boolean): void {
    this.#sendPrefix();
    if (this.#done) return;
    try {
      if (this.#index === segmentsMax) throw new ProaError('crypto.failed', 'failed to perform operation: input stream is too large');
      const result = this.#options.transform(segment, this.#index++, last);
      this.#filled = 0;
      if (result.length > 0) this.#send(result);
    } catch (error) {
      this.#done = true;
      this.#flow?.cancel(error);
      this.#sink.fail(error);
    }
  }

  #send(bytes: Uint8Array): void {
    this.#granted -= bytes.length;
    this.#sink.chunk(bytes);
  }
}
