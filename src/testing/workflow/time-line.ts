interface Due {
  readonly timeMs: number;
  readonly callback: () => unknown;
}

/** What is due, in the order of time; what is due at the same time in the order in which it came. */
export class TimeLine {
  readonly #due: Due[] = [];

  add(timeMs: number, callback: () => unknown): void {
    let [low, high] = [0, this.#due.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#due[middle] as Due).timeMs <= timeMs) low = middle + 1;
      else high = middle;
    }
    this.#due.splice(low, 0, { timeMs, callback });
  }

  /** Infinity: nothing is. */
  get nextMs(): number {
    return this.#due[0]?.timeMs ?? Infinity;
  }

  /** The next one, which is not there any more. */
  take(): (() => unknown) | undefined {
    return this.#due.shift()?.callback;
  }
}
