/**
 * How far a lane has come: every entry of the lane up to `position` is done, except those in `pending`. The floor lies before the first
 * pending entry, the acknowledged ranges between them; written this way the record is bounded by the lane's window, however far the lane
 * runs ahead of an event that keeps failing.
 */
export interface LaneSnapshot {
  readonly position: number;
  /** Sequences in ascending order, none above `position`. */
  readonly pending: readonly number[];
}

/**
 * The progress of one lane in memory. The reader offers the lane's entries in ascending order from `readAfter` on; whoever delivers
 * them settles each once. `snapshot()` is at any time what a successor needs: it repeats nothing that is settled and loses nothing that is not.
 */
export class LaneProgress {
  /** Entries up to here were offered; reading goes on behind it. */
  readAfter: number;
  #known: number;
  readonly #outstanding = new Set<number>();
  /** Pending entries of the predecessor that were not offered again yet. */
  readonly #ahead: Set<number>;

  constructor(snapshot: LaneSnapshot) {
    this.#known = snapshot.position;
    this.#ahead = new Set(snapshot.pending);
    this.readAfter = snapshot.pending.length > 0 ? (snapshot.pending[0] as number) - 1 : snapshot.position;
  }

  /** Entries offered and not settled. */
  get outstanding(): number {
    return this.#outstanding.size;
  }

  /** Everything of the lane up to here is done. */
  get floor(): number {
    for (const sequence of this.#outstanding) return sequence - 1;
    for (const sequence of this.#ahead) return sequence - 1;
    return Math.max(this.#known, this.readAfter);
  }

  /** Takes the lane's next entry; false when a predecessor has settled it already. */
  offer(sequence: number): boolean {
    this.readAfter = sequence;
    if (sequence <= this.#known && !this.#ahead.delete(sequence)) return false;
    this.#outstanding.add(sequence);
    return true;
  }

  /** The lane has no further entries up to `sequence`; pending ones that were not met are gone (trimmed). */
  advance(sequence: number): void {
    if (sequence <= this.readAfter) return;
    this.readAfter = sequence;
    for (const pending of this.#ahead) {
      if (pending > sequence) break;
      this.#ahead.delete(pending);
    }
  }

  /** The entry is done with. */
  settle(sequence: number): void {
    this.#outstanding.delete(sequence);
  }

  snapshot(): LaneSnapshot {
    return { position: Math.max(this.#known, this.readAfter), pending: [...this.#outstanding, ...this.#ahead] };
  }
}
