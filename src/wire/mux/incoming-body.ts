import type { Body, Flow, Sink } from '../../kernel/body.ts';

/** The stream that a body arrives on. */
export interface IncomingOwner {
  /** The reader took `bytes`; the peer may get credit for them. */
  bodyTook(bytes: number): void;
  /** The reader wants no more; what still comes is dropped. */
  bodyDropped(reason: unknown): void;
}

const endless = Number.MAX_SAFE_INTEGER;

/** A body that arrives in frames. What the reader has no credit for is copied and kept; the window bounds how much that can be. */
export class IncomingBody implements Body, Flow {
  readonly length: number | undefined;
  readonly #owner: IncomingOwner;
  #sink: Sink | undefined = undefined;
  #state: 'waiting' | 'piped' | 'dropped' | 'done' = 'waiting';
  #credit = 0;
  #queue: Uint8Array[] = [];
  #ended = false;
  #trailers: readonly string[] | undefined = undefined;
  #failure: { readonly error: unknown } | undefined = undefined;
  #delivering = false;
  delivered = 0;

  constructor(owner: IncomingOwner, length: number | undefined) {
    this.#owner = owner;
    this.length = length;
  }

  /** Bytes that wait for the reader. */
  get heldBytes(): number {
    let held = 0;
    for (const chunk of this.#queue) held += chunk.length;
    return held;
  }

  pipe(sink: Sink): void {
    if (this.#state !== 'waiting') throw new Error('a body can be piped once');
    this.#state = 'piped';
    this.#sink = sink;
    sink.open(this);
    this.#deliver();
  }

  discard(reason?: unknown): void {
    if (this.#state === 'waiting') this.#drop(reason);
  }

  credit(bytes: number): void {
    this.#credit = Math.min(this.#credit + bytes, endless);
    this.#deliver();
  }

  cancel(reason: unknown): void {
    if (this.#state === 'piped') this.#drop(reason);
  }

  /** Bytes of the peer; valid only during this call. */
  arrive(chunk: Uint8Array): void {
    if (this.#state === 'dropped' || this.#state === 'done' || this.#ended) return;
    if (this.#sink === undefined || this.#credit <= 0 || this.#queue.length > 0 || this.#delivering) {
      this.#queue.push(Uint8Array.prototype.slice.call(chunk));
      return;
    }
    this.#give(chunk);
  }

  /** The peer sends no more. */
  finish(trailers: readonly string[] | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#trailers = trailers;
    this.#deliver();
  }

  /** The peer broke off. What is held is lost, unless everything had arrived. */
  fail(error: unknown): void {
    if (this.#ended || this.#state === 'dropped' || this.#state === 'done') return;
    this.#queue = [];
    this.#failure = { error };
    this.#deliver();
  }

  #give(chunk: Uint8Array): void {
    this.#credit -= chunk.length;
    this.delivered += chunk.length;
    this.#sink?.chunk(chunk);
    this.#owner.bodyTook(chunk.length);
  }

  #deliver(): void {
    if (this.#delivering || this.#state !== 'piped') return;
    this.#delivering = true;
    while (this.#queue.length > 0 && this.#credit > 0 && this.#sink !== undefined) this.#give(this.#queue.shift() as Uint8Array);
    this.#delivering = false;
    const sink = this.#sink;
    if (sink === undefined || this.#queue.length > 0 || (!this.#ended && this.#failure === undefined)) return;
    this.#state = 'done';
    this.#sink = undefined;
    if (this.#failure === undefined) sink.end(this.#trailers);
    else sink.fail(this.#failure.error);
  }

  #drop(reason: unknown): void {
    this.#state = 'dropped';
    this.#sink = undefined;
    this.#queue = [];
    if (!this.#ended && this.#failure === undefined) this.#owner.bodyDropped(reason);
  }
}
