/** What holds the peer back while nobody reads. */
export interface QueueFlow {
  pause(): void;
  resume(): void;
}

const pauseAt = 16;

/**
 * Received messages until somebody iterates over them; for one consumer. It pauses the source when more than a few wait, so it
 * holds at most what one flow control window carries. `fail` lets the consumer have what came before the error.
 */
export class MessageQueue<T> implements AsyncIterable<T> {
  readonly #flow: QueueFlow;
  #items: T[] = [];
  #taken = 0;
  #waiting: { resolve(result: IteratorResult<T, undefined>): void; reject(error: unknown): void } | undefined;
  #paused = false;
  #ended = false;
  #error: { readonly value: unknown } | undefined;

  constructor(flow: QueueFlow) {
    this.#flow = flow;
  }

  push(item: T): void {
    if (this.#ended) return;
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting.resolve({ value: item, done: false });
      return;
    }
    this.#items.push(item);
    if (!this.#paused && this.#items.length - this.#taken >= pauseAt) {
      this.#paused = true;
      this.#flow.pause();
    }
  }

  end(): void {
    this.#ended = true;
    this.#waiting?.resolve({ value: undefined, done: true });
    this.#waiting = undefined;
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    this.#error = { value: error };
    this.#ended = true;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: () => this.#next(),
      // Whoever leaves the loop wants nothing more; the source runs on into the void, so that its end is noticed.
      return: () => {
        this.#ended = true;
        this.#items = [];
        this.#taken = 0;
        this.#release();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }

  #next(): Promise<IteratorResult<T, undefined>> {
    if (this.#taken < this.#items.length) {
      const value = this.#items[this.#taken++] as T;
      if (this.#taken === this.#items.length) {
        this.#items = [];
        this.#taken = 0;
        this.#release();
      }
      return Promise.resolve({ value, done: false });
    }
    if (this.#error !== undefined) return Promise.reject(this.#error.value);
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #release(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#flow.resume();
  }
}
