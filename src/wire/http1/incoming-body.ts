import { partOf } from '../../kernel/bytes.ts';
import type { Body, Flow, Sink } from '../../kernel/body.ts';
import { ChunkDecoder, type ChunkLimits } from './chunk-decoder.ts';
import { faults, type Fault } from './fault.ts';

/** The connection that a body arrives on. */
export interface BodyOwner {
  /** The reader wants bytes: it piped, granted credit, or gave the body up. Deliver what is held, read on. */
  bodyWanted(): void;
}

const endless = Number.MAX_SAFE_INTEGER;

/** The three framings of a body that is not empty. */
export type Framing = { readonly length: number } | 'chunked' | 'until-close';

/** A body that is being received: takes its framing off and delivers to the sink as far as credit goes. */
export class IncomingBody implements Body, Flow {
  readonly length: number | undefined;
  readonly #owner: BodyOwner;
  readonly #chunks: ChunkDecoder | undefined;
  readonly #bytesMax: number;
  #remaining: number;
  #received = 0;
  #sink: Sink | undefined = undefined;
  #credit = 0;
  #state: 'waiting' | 'piped' | 'dropped' = 'waiting';
  #failure: unknown = undefined;
  /** All bytes have been taken and the sink knows. */
  complete = false;
  failed = false;

  constructor(owner: BodyOwner, framing: Framing, limits: ChunkLimits & { readonly bodyBytesMax: number }) {
    this.#owner = owner;
    this.#bytesMax = limits.bodyBytesMax;
    this.length = typeof framing === 'object' ? framing.length : undefined;
    this.#remaining = this.length ?? endless;
    this.#chunks = framing === 'chunked' ? new ChunkDecoder(limits) : undefined;
  }

  get delivered(): number {
    return this.length === undefined ? this.#received : this.length - this.#remaining;
  }

  /** The reader would take bytes now. */
  get wanting(): boolean {
    return !this.complete && !this.failed && (this.#state === 'dropped' || (this.#state === 'piped' && this.#credit > 0));
  }

  /** The reader gave it up; the rest is read to be thrown away. */
  get dropped(): boolean {
    return this.#state === 'dropped';
  }

  /** Nobody has asked for the body yet. */
  get untouched(): boolean {
    return this.#state === 'waiting';
  }

  /** How many bytes are still to come; undefined when nobody knows. */
  get remaining(): number | undefined {
    return this.length === undefined ? undefined : this.#remaining;
  }

  /** How many bytes are to come that nobody reads: endlessly many when the body was given up and nobody knows its length. */
  get unread(): number {
    if (this.complete || this.#state === 'piped') return 0;
    return this.remaining ?? (this.#state === 'dropped' ? endless : 0);
  }

  pipe(sink: Sink): void {
    if (this.#state !== 'waiting') throw new Error('a body can be piped once');
    this.#state = 'piped';
    this.#sink = sink;
    sink.open(this);
    if (this.failed) this.#break();
    else if (this.complete) {
      // It ended empty before anybody looked.
      const late = this.#sink as Sink | undefined;
      this.#sink = undefined;
      late?.end();
    } else this.#owner.bodyWanted();
  }

  discard(): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'dropped';
    this.#owner.bodyWanted();
  }

  credit(bytes: number): void {
    const wasDry = this.#credit <= 0;
    this.#credit = Math.min(this.#credit + bytes, endless);
    if (wasDry && this.#credit > 0 && this.#state === 'piped') this.#owner.bodyWanted();
  }

  cancel(): void {
    if (this.complete || this.failed || this.#state === 'dropped') return;
    this.#state = 'dropped';
    this.#sink = undefined;
    this.#owner.bodyWanted();
  }

  /** Consumes `bytes[at, end)` as far as the reader wants it; returns where it stopped, or what is wrong with the bytes. */
  take(bytes: Buffer, at: number, end: number): number | Fault {
    return this.#chunks === undefined ? this.#takePlain(bytes, at, end) : this.#takeChunked(this.#chunks, bytes, { at, end });
  }

  /** The connection was closed by the peer, in order: the end of a body that runs until then, a failure of any other. */
  ended(error: unknown): void {
    if (this.complete || this.failed) return;
    if (this.#chunks === undefined && this.length === undefined) this.#finish(undefined);
    else this.fail(error);
  }

  /** The source broke off. A reader that comes later learns it when it pipes. */
  fail(error: unknown): void {
    if (this.complete || this.failed) return;
    this.failed = true;
    this.#failure = error;
    this.#break();
  }

  #break(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.fail(this.#failure);
  }

  #takePlain(bytes: Buffer, at: number, end: number): number | Fault {
    let p = at;
    while (p < end && this.#remaining > 0 && this.wanting) {
      const count = Math.min(end - p, this.#remaining);
      this.#remaining -= count;
      if (this.length === undefined && this.#over(count)) return faults.bodyMax;
      p += count;
      this.#deliver(partOf(bytes, p - count, p));
    }
    if (this.#remaining === 0 && !this.complete && !this.failed) this.#finish(undefined);
    return p;
  }

  #takeChunked(chunks: ChunkDecoder, bytes: Buffer, range: { at: number; end: number }): number | Fault {
    let p = range.at;
    // Framing costs no credit: a reader that granted exactly the body's bytes still learns of its end.
    while (p < range.end && !this.complete && !this.failed && this.#state !== 'waiting') {
      if (chunks.dataBytes === 0) {
        p = chunks.frame(bytes, p, range.end);
        if (chunks.fault !== undefined) return chunks.fault;
        if (!chunks.done) continue;
        this.#finish(chunks.trailers);
        return p;
      }
      if (!this.wanting) return p;
      const count = Math.min(range.end - p, chunks.dataBytes);
      chunks.took(count);
      if (this.#over(count)) return faults.bodyMax;
      p += count;
      this.#deliver(partOf(bytes, p - count, p));
    }
    return p;
  }

  #over(count: number): boolean {
    this.#received += count;
    return this.#received > this.#bytesMax;
  }

  #deliver(chunk: Uint8Array): void {
    this.#credit -= chunk.length;
    this.#sink?.chunk(chunk);
  }

  #finish(trailers: readonly string[] | undefined): void {
    this.complete = true;
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.end(trailers);
  }
}
