/** Targets compile when they are next called: one that is quiet during some reloads must find its state again. */
const epochsKept = 16;
/** Names of apps come from callers, and a policy for all apps has state for each: of more, what was compiled longest ago is forgotten. Stacks that have it go on with it. */
const statesMaxDefault = 20_000;

interface Kept {
  readonly fingerprint: string;
  readonly state: unknown;
  readonly epoch: number;
}

/**
 * What policies remember (breakers, budgets, buckets), by target and class. It outlives an epoch when its parameters stay the same, so that an unrelated
 * reload loses nothing; what many epochs in a row did not ask for is forgotten, and what nobody compiled for longest when there are too many.
 */
export class PolicyStates {
  readonly #kept = new Map<string, Kept>();
  readonly #max: number;
  #epoch = 0;

  constructor(max: number = statesMaxDefault) {
    this.#max = max;
  }

  /** The state under `key`; made anew when there is none, or when `parameters` are others now. */
  of<T>(key: string, parameters: unknown, make: () => T): T {
    const fingerprint = JSON.stringify(parameters, (_name, value: unknown) => (value === Infinity ? 'Infinity' : value));
    const known = this.#kept.get(key);
    const state = known?.fingerprint === fingerprint ? (known.state as T) : make();
    // Put behind the others: the order is that of the last use.
    this.#kept.delete(key);
    if (this.#kept.size >= this.#max) this.#kept.delete(this.#kept.keys().next().value as string);
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
