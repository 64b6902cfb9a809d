import type { Body, Flow, Sink } from '../../kernel/body.ts';

export interface PushBodyOwner {
  /** After a `write` that returned false: there is room again. */
  bodyRoom(): void;
  /** The reader wants no more. */
  bodyCancelled(reason: unknown): void;
}

/** A body that is written piece by piece. What the reader has no credit for is copied and waits. */
export class PushBody implements Body, Flow {
  readonly length = undefined;
  readonly #owner: PushBodyOwner;
  #sink: Sink | undefined = undefined;
  #credit = 0;
  #queue: Uint8Array[] = [];
  #ended = false;
  #trailers: readonly string[] | undefined = undefined;
  #refused = false;
  #writing = false;
  #gone = false;
  queuedBytes = 0;

  constructor(owner: PushBodyOwner) {
    this.#owner = owner;
  }

  /** `bytes` are read before the call returns. False: wait for `bodyRoom`. */
  write(bytes: Uint8Array): boolean {
    if (this.#gone || this.#ended) return true;
    if (this.#sink !== undefined && this.#credit > 0 && this.#queue.length === 0) {
      this.#credit -= bytes.length;
      this.#writing = true;
      this.#sink.chunk(bytes);
      this.#writing = false;
    } else {
      this.#queue.push(Uint8Array.prototype.slice.call(bytes));
      this.queuedBytes += bytes.length;
    }
    this.#refused = this.#queue.length > 0 || this.#credit <= 0;
    return !this.#refused;
  }

  end(trailers?: readonly string[]): void {
    if (this.#gone || this.#ended) return;
    this.#ended = true;
    this.#trailers = trailers;
    this.#flush();
  }

  pipe(sink: Sink): void {
    this.#sink = sink;
    sink.open(this);
    this.#flush();
  }

  discard(reason?: unknown): void {
    this.cancel(reason);
  }

  credit(bytes: number): void {
    this.#credit = Math.min(this.#credit + bytes, Number.MAX_SAFE_INTEGER);
    if (this.#writing) return;
    this.#flush();
    if (!this.#refused || this.#gone || this.#queue.length > 0 || this.#credit <= 0) return;
    this.#refused = false;
    this.#owner.bodyRoom();
  }

  cancel(reason: unknown): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#queue = [];
    this.queuedBytes = 0;
    this.#owner.bodyCancelled(reason);
  }

  #flush(): void {
    const sink = this.#sink;
    if (sink === undefined || this.#writing) return;
    this.#writing = true;
    while (this.#queue.length > 0 && this.#credit > 0 && !this.#gone) {
      const next = this.#queue.shift() as Uint8Array;
      this.queuedBytes -= next.length;
      this.#credit -= next.length;
      sink.chunk(next);
    }
    this.#writing = false;
    if (!this.#ended || this.#queue.length > 0 || this.#gone) return;
    this.#gone = true;
    sink.end(this.#trailers);
  }
}
