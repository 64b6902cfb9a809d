import { ProaError } from '../../kernel/errors.ts';
import type { GroupWriter } from './group-writer.ts';
import type { CommitResult } from '../../contracts/engine.ts';
import type { Group, Waiter } from './pending.ts';

/** Puts records into the open group. */
export class Recorder {
  readonly #writer: GroupWriter;
  readonly #now: () => number;

  constructor(writer: GroupWriter, now: () => number) {
    this.#writer = writer;
    this.#now = now;
  }

  /** Adds the record of a commit: `fill` writes it, must not fail, and answers what the commit gets once it is durable. Throws when the journal takes no writes. */
  commit(fill: (group: Group, nowMs: number) => CommitResult): Promise<CommitResult> {
    const group = this.#writer.join();
    const result = this.#write(group, fill);
    return new Promise((resolve, reject) => group.commits.push({ result, resolve, reject }));
  }

  /** The same for internal work: resolves when durable; fails with the reason, `engine.outcome-unknown` when it may have happened. */
  record(fill: (group: Group, nowMs: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = (failure) => {
        if (failure === undefined) resolve();
        else if (!failure.mayHaveHappened) reject(failure.error);
        else reject(new ProaError('engine.outcome-unknown', 'the journal was lost while it was written', { cause: failure.error }));
      };
      const group = this.#writer.join();
      this.#write(group, fill);
      group.waiters.push(waiter);
    });
  }

  #write<Result>(group: Group, fill: (group: Group, nowMs: number) => Result): Result {
    const nowMs = this.#now();
    if (group.records === 0) group.sequence = this.#writer.sequence + 1;
    group.buffer.begin();
    const result = fill(group, nowMs);
    group.buffer.end(++this.#writer.sequence, group.number, nowMs);
    if (nowMs > group.timeMs) group.timeMs = nowMs;
    group.records++;
    return result;
  }
}
