import type { Key } from '../../kernel/tuple.ts';
import type { LeaseRow } from './operations.ts';
import type { Group, Pending } from './pending.ts';
import type { Recorder } from './recorder.ts';
import type { JournalState } from './state.ts';

/** A lease that nobody has held for this long is forgotten: its holder is gone, a name in use would be taken again before. */
const forgottenAfterMs = 24 * 3_600_000;
const sweepEveryMs = 3_600_000;
const batchLeases = 256;

export interface LeaseSweepParts {
  readonly state: JournalState;
  readonly pending: Pending;
  readonly recorder: Recorder;
  readonly now: () => number;
}

/**
 * Removes the leases that past runtimes left behind, once an hour. A removed name keeps its promise, that no epoch is given twice: the highest
 * epoch of all that are gone is kept, and whoever takes a name that is not there begins above it.
 */
export class LeaseSweep {
  readonly #parts: LeaseSweepParts;
  #dueMs = 0;
  #running = false;

  constructor(parts: LeaseSweepParts) {
    this.#parts = parts;
  }

  /** Called every few seconds: begins a sweep when one is due. A journal that takes no writes is swept the next time. */
  look(): void {
    const nowMs = this.#parts.now();
    if (this.#running || nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + sweepEveryMs;
    this.#running = true;
    void this.#sweep(nowMs - forgottenAfterMs)
      .catch(() => {})
      .finally(() => (this.#running = false));
  }

  async #sweep(before: number): Promise<void> {
    const { state, recorder } = this.#parts;
    let batch: [Key, LeaseRow][] = [];
    for (const lease of [...state.leases]) {
      if (lease[1].expiresAtMs < before) batch.push(lease);
      if (batch.length < batchLeases) continue;
      const full = batch;
      batch = [];
      await recorder.record((group) => this.#remove(full, group));
    }
    if (batch.length > 0) await recorder.record((group) => this.#remove(batch, group));
  }

  #remove(batch: readonly [Key, LeaseRow][], group: Group): void {
    const { pending } = this.#parts;
    for (const [name, row] of batch) {
      // Taken again meanwhile.
      if (pending.lease(name).value !== row) continue;
      group.buffer.leaseGone(name, row.epoch);
      pending.queue({ kind: 'leaseGone', name, epoch: row.epoch }, group);
    }
  }
}
