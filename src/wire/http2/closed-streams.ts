const keptMax = 2_000;

/** Streams that we reset not long ago: the peer may have sent frames of them before it knew (RFC 9113, section 5.1, "closed"). */
export class ClosedStreams {
  readonly #ids = new Set<number>();

  add(id: number): void {
    this.#ids.add(id);
    if (this.#ids.size <= keptMax) return;
    const [oldest] = this.#ids;
    if (oldest !== undefined) this.#ids.delete(oldest);
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}
