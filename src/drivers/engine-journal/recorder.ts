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

  /** Begins a record in the open group; it must be filled and ended in this turn. Throws when the journal takes no writes. */
  begin(): Group {
    const group = this.#writer.join();
    if (group.records === 0) group.sequence = this.#writer.sequence + 1;
    group.nowMs = this.#now();
    group.buffer.begin();
    return group;
  }

  /** Ends the record that was begun last. */
  end(group: Group): void {
    group.buffer.end(++this.#writer.sequence, group.nowMs);
    group.records++;
    this.#writer.filled(group);
  }

  /** A whole record for internal work: resolves when durable; fails with the reason, `engine.outcome-unknown` when it may have happened. */
  record(fill: (group: Group) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = (failure) => {
        if (failure === undefined) resolve();
        else if (!failure.mayHaveHappened) reject(failure.error);
        else reject(new ProaError('engine.outcome-unknown', 'the journal was lost while it was written', { cause: failure.error }));
      };
      const group = this.begin();
      fill(group);
      this.end(group);
      group.waiters.push(waiter);
    });
  }
}
