/**
 * Runs work of one key one after another; other keys do not wait. It orders what is under way in this process: an event that the broker
 * redelivers later comes behind those of its key that were delivered meanwhile. Bounded by the subscription's concurrency.
 */
export class KeyGate {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const mine = before === undefined ? work() : before.then(work, work);
    this.#last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}
