import type { Logger } from '../../kernel/log.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import type { ClientStream } from '../../wire/grpc/client.ts';

const backoffMinMs = 100;
const backoffMaxMs = 10_000;

export interface MessageStreamOptions<I, O> {
  readonly clock: Clock;
  readonly log: Logger;
  /** For log lines, for example `topic orders`. */
  readonly what: string;
  readonly concurrency: number;
  open(): Promise<ClientStream<I, O>>;
  /** Handles one message; the answer, if there is one, goes back on the stream that the message came from. Never rejects. */
  handle(message: O): Promise<I | undefined>;
}

/**
 * Messages that a component pushes, and answers to them. At most `concurrency` are handled at once; then the stream is not read, so the component
 * feels it. A stream that breaks is opened again, after a growing pause.
 */
export class MessageStream<I, O> {
  readonly #options: MessageStreamOptions<I, O>;
  readonly #running = new Set<Promise<void>>();
  #stream: ClientStream<I, O> | undefined;
  #paused = false;
  #closed = false;
  #wake: (() => void) | undefined;
  #timer: Timer | undefined;
  #backoffMs = backoffMinMs;

  private constructor(options: MessageStreamOptions<I, O>) {
    this.#options = options;
  }

  /** Resolves when the first stream is open; fails when it cannot be opened. */
  static async open<I, O>(options: MessageStreamOptions<I, O>): Promise<MessageStream<I, O>> {
    const stream = new MessageStream(options);
    const first = await options.open();
    stream.#stream = first;
    void stream.#keepReading(first);
    return stream;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wake?.();
  }

  /** True once `close` was called: what is decided from now on is not told to the component. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Takes no more messages, waits for those under way, at most `graceMs`, and ends the stream. Twice is once. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    this.#timer?.cancel();
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#options.clock.timer(graceMs, resolve);
        void Promise.all(this.#running).then(() => {
          timer.cancel();
          resolve();
        });
      });
    }
    this.#stream?.end();
    this.#stream?.cancel('unsubscribed');
    this.#stream = undefined;
  }

  async #keepReading(first: ClientStream<I, O>): Promise<void> {
    let stream: ClientStream<I, O> | undefined = first;
    while (!this.#closed) {
      try {
        stream ??= await this.#options.open();
        if (this.#closed) stream.cancel('unsubscribed');
        this.#stream = stream;
        await this.#read(stream);
        if (!this.#closed) this.#options.log.info(`the component ended its stream of ${this.#options.what}; opening it again`);
      } catch (error) {
        if (!this.#closed) this.#options.log.warn(`the stream of ${this.#options.what} broke; opening it again`, { error: String(error) });
      }
      stream = undefined;
      if (!this.#closed) await this.#pauseBeforeRetry();
    }
  }

  async #read(stream: ClientStream<I, O>): Promise<void> {
    const messages = stream[Symbol.asyncIterator]();
    for (;;) {
      await this.#room();
      if (this.#closed) return;
      const next = await messages.next();
      if (next.done === true) return;
      // Paused or closed while it waited: the end of the stream gives the message back, a pause holds it.
      await this.#room();
      if (this.#closed) return;
      this.#backoffMs = backoffMinMs;
      const work = this.#handle(stream, next.value).finally(() => {
        this.#running.delete(work);
        this.#wake?.();
      });
      this.#running.add(work);
    }
  }

  async #handle(stream: ClientStream<I, O>, message: O): Promise<void> {
    const answer = await this.#options.handle(message);
    if (answer === undefined) return;
    // A stream that broke meanwhile has given its messages back: the component delivers them again.
    await stream
      .write(answer)
      .catch((error: unknown) => this.#options.log.warn(`${this.#options.what}: a message was not settled`, { error: String(error) }));
  }

  async #room(): Promise<void> {
    while (!this.#closed && (this.#paused || this.#running.size >= this.#options.concurrency)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  async #pauseBeforeRetry(): Promise<void> {
    const delayMs = this.#backoffMs;
    this.#backoffMs = Math.min(delayMs * 2, backoffMaxMs);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#timer = this.#options.clock.timer(delayMs, resolve);
    });
    this.#wake = undefined;
  }
}
