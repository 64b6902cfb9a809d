/** Targets compile when they are next called: one that is quiet during some reloads must find its state again. */
const epochsKept = 16;

interface Kept {
  readonly fingerprint: string;
  readonly state: unknown;
  epoch: number;
}

/**
 * What policies remember (breakers, budgets, buckets), by target and class. It outlives an epoch when its parameters stay the same, so that an unrelated
 * reload loses nothing; what many epochs in a row did not ask for is forgotten.
 */
export class PolicyStates {
  readonly #kept = new Map<string, Kept>();
  #epoch = 0;

  /** The state under `key`; made anew when there is none, or when `parameters` are others now. */
  of<T>(key: string, parameters: unknown, make: () => T): T {
    const fingerprint = JSON.stringify(parameters, (_name, value: unknown) => (value === Infinity ? 'Infinity' : value));
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.fingerprint === fingerprint) {
      kept.epoch = this.#epoch;
      return kept.state as T;
    }
    const state = make();
    this.#kept.set(key, { fingerprint, state, epoch: this.#epoch });
    return state;
  }

  /** A new epoch begins. */
  turn(): void {
    this.#epoch++;
    for (const [key, { epoch }] of this.#kept) if (epoch < this.#epoch - epochsKept) this.#kept.delete(key);
  }

  /** Every state with its key, for whoever shows them. */
  entries(): Iterable<readonly [string, unknown]> {
    return [...this.#kept].map(([key, { state }]) => [key, state] as const);
  }
}
