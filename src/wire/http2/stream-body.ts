import { copyOf } from '../../kernel/bytes.ts';
import type { Body, Flow, Sink } from '../../kernel/body.ts';

/** The stream that a body arrives on. */
export interface StreamBodyOwner {
  /** The reader would take bytes: receive. */
  bodyWanted(): void;
  /** The reader takes no more for now: the window has to hold the peer back. */
  bodyFull(): void;
  /** Nobody wants the rest. */
  bodyDropped(): void;
}

/** The body of an HTTP/2 message that is being received: delivered as far as credit goes, what came too early is copied (at most a window of it). */
export class StreamBody implements Body, Flow {
  readonly #length: number | undefined;
  readonly #owner: StreamBodyOwner;
  #held: Uint8Array[] = [];
  #sink: Sink | undefined = undefined;
  #state: 'waiting' | 'piped' | 'dropped' = 'waiting';
  #credit = 0;
  #end: { readonly trailers: readonly string[] } | undefined = undefined;
  #failure: { readonly error: unknown } | undefined = undefined;
  #delivering = false;
  #filled = false;
  #over = false;
  delivered = 0;

  constructor(owner: StreamBodyOwner, length: number | undefined) {
    this.#owner = owner;
    this.#length = length;
  }

  /** A message that ended without a byte has length 0, whatever it announced. */
  get length(): number | undefined {
    return this.#end !== undefined && !this.#filled ? 0 : this.#length;
  }

  /** The reader waits for the peer. */
  get wanting(): boolean {
    return !this.#over && this.#end === undefined && this.#state === 'piped' && this.#credit > 0;
  }

  pipe(sink: Sink): void {
    if (this.#state !== 'waiting') throw new Error('a body can be piped once');
    this.#state = 'piped';
    this.#sink = sink;
    // What credit the sink grants in here is used below.
    this.#delivering = true;
    sink.open(this);
    this.#delivering = false;
    this.#deliver();
  }

  discard(): void {
    if (this.#state === 'waiting') this.#drop();
  }

  credit(bytes: number): void {
    this.#credit = Math.min(this.#credit + bytes, Number.MAX_SAFE_INTEGER);
    this.#deliver();
  }

  cancel(): void {
    if (!this.#over && this.#state === 'piped') this.#drop();
  }

  /** Bytes came; `chunk` is copied when it cannot be delivered now. */
  push(chunk: Uint8Array): void {
    this.#filled = true;
    if (this.#state === 'dropped' || this.#over) return;
    if (this.#credit <= 0 || this.#held.length > 0 || this.#delivering) {
      this.#held.push(copyOf(chunk, 0, chunk.length));
      this.#owner.bodyFull();
      return;
    }
    this.#give(chunk);
    if (this.#credit <= 0 && !this.#over) this.#owner.bodyFull();
  }

  /** The peer has sent everything. */
  ended(trailers: readonly string[]): void {
    this.#end ??= { trailers };
    this.#deliver();
  }

  /** The source broke off: nothing new when all had come. A reader that comes later learns it when it pipes. */
  fail(error: unknown): void {
    if (this.#over || this.#end !== undefined || this.#failure !== undefined) return;
    this.#failure = { error };
    this.#held = [];
    this.#deliver();
  }

  #give(chunk: Uint8Array): void {
    this.#credit -= chunk.length;
    this.delivered += chunk.length;
    this.#delivering = true;
    this.#sink?.chunk(chunk);
    this.#delivering = false;
  }

  #deliver(): void {
    if (this.#delivering || this.#over || this.#state !== 'piped') return;
    while (this.#held.length > 0 && this.#credit > 0) this.#give(this.#held.shift() as Uint8Array);
    // A sink may have given the body up in the loop.
    const sink = this.#sink;
    if (sink === undefined) return;
    if (this.#failure !== undefined) {
      this.#over = true;
      sink.fail(this.#failure.error);
    } else if (this.#held.length > 0) return;
    else if (this.#end !== undefined) {
      this.#over = true;
      sink.end(this.#end.trailers.length === 0 ? undefined : this.#end.trailers);
    } else if (this.#credit > 0) this.#owner.bodyWanted();
  }

  #drop(): void {
    this.#state = 'dropped';
    this.#sink = undefined;
    this.#held = [];
    if (this.#end === undefined && this.#failure === undefined) this.#owner.bodyDropped();
  }
}
