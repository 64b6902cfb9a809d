/** Who hears of an identity: that it is another one now, or that it could not be renewed. */
export class IdentityListeners {
  readonly #changed = new Set<() => void>();
  readonly #failed = new Set<(error: unknown) => void>();

  /** See `IdentitySource`. */
  onChange(listener: () => void): () => void {
    this.#changed.add(listener);
    return () => this.#changed.delete(listener);
  }

  /** See `IdentitySource`. */
  onFailure(listener: (error: unknown) => void): () => void {
    this.#failed.add(listener);
    return () => this.#failed.delete(listener);
  }

  changed(): void {
    for (const listener of [...this.#changed]) listener();
  }

  failed(error: unknown): void {
    for (const listener of [...this.#failed]) listener(error);
  }

  /** Nobody hears of anything any more. */
  clear(): void {
    this.#changed.clear();
    this.#failed.clear();
  }
}
