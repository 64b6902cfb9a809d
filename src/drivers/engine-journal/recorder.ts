import { ProaError } from '../../kernel/errors.ts';
import type { GroupWriter } from './group-writer.ts';
import type { Group, Waiter } from './pending.ts';

/** Puts records into the open group. */
export class Recorder {
  readonly #writer: GroupWriter;
  readonly #now: () => number;

  constructor(writer: GroupWriter, now: () => number) {
    this.#writer = writer;
    this.#now = now;
  }

  /** Adds one record that `fill` writes; `fill` must not fail. Throws when the journal takes no writes. */
  add(fill: (group: Group, nowMs: number) => void, waiter: Waiter): void {
    const group = this.#writer.join();
    const nowMs = this.#now();
    if (group.records === 0) group.sequence = this.#writer.sequence + 1;
    group.buffer.begin();
    fill(group, nowMs);
    group.buffer.end(++this.#writer.sequence, group.number, nowMs);
    group.timeMs = Math.max(group.timeMs, nowMs);
    group.records++;
    group.waiters.push(waiter);
  }

  /** The same for internal work: resolves when durable; fails with the reason, `engine.outcome-unknown` when it may have happened. */
  record(fill: (group: Group, nowMs: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.add(fill, (failure) => {
        if (failure === undefined) resolve();
        else if (!failure.mayHaveHappened) reject(failure.error);
        else reject(new ProaError('engine.outcome-unknown', 'the journal was lost while it was written', { cause: failure.error }));
      });
    });
  }
}
