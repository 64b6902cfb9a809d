/**
 * Work that looks at everything anew, one round at a time: whoever asks while a round is under way gets one that begins after it, because the one under way may have
 * seen what was before. However many ask meanwhile, one round follows.
 */
export class Rounds {
  readonly #work: () => Promise<void>;
  #current: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #told: Promise<void> | undefined;
  #closed = false;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Asks for a round, and does not wait for it. Of all who ask for one round, the first is told when it fails. */
  ask(failed: (error: unknown) => void): void {
    const round = this.round();
    if (this.#told === round) return;
    this.#told = round;
    round.catch(failed);
  }

  /** Resolves when a round that began after the call has ended; fails with its error. After `close` there is none, and nothing to wait for. */
  round(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    if (this.#current === undefined) return this.#begin();
    this.#next ??= this.#current.then(this.#begin, this.#begin);
    return this.#next;
  }

  /** Begins no further round. Resolves when the one under way has ended, well or not. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#current?.catch(() => {});
  }

  readonly #begin = (): Promise<void> => {
    this.#next = undefined;
    if (this.#closed) return Promise.resolve();
    const round = this.#work();
    this.#current = round;
    // Whoever asks between the end of the work and this callback has a next round already, which takes the place of this one itself.
    const over = (): void => {
      if (this.#next === undefined) this.#current = undefined;
    };
    round.then(over, over);
    return round;
  };
}
