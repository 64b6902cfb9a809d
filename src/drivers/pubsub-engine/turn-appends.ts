import type { CommitResult, Engine, NewLogEntry } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';

/** A log to which entries are appended, and the topic by which people know it. */
export interface TopicLog {
  readonly topic: string;
  readonly log: Key;
}

/**
 * The most that shares a commit, and with it a checksum. A damaged page of a disk (4 KB, often more) voids its neighbours anyway; a whole turn of
 * events need not be lost with one.
 */
const sharedBytesMax = 16 * 1024;
const sharedEntriesMax = 64;
/** What an entry weighs beside its texts and data, roughly. */
const entryBytes = 128;

interface Batch extends TopicLog {
  readonly entries: NewLogEntry[];
  bytes: number;
  readonly done: Promise<void>;
  readonly settle: (outcome: Promise<void>) => void;
}

/**
 * Single entries on their way into the logs. While a commit is under way, those of one turn and log share the next commit, up to 16 KB of them: one promise,
 * one record, one place in the index. One that comes alone does not wait for anybody. The order of a log is that of the calls.
 */
export class TurnAppends {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #open = new Map<Key, Batch>();
  #underWay = 0;
  #scheduled = false;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Resolves when the entry is durable; fails with `engine.outcome-unknown` or as `commit` does. The entry must not change before. */
  append(to: TopicLog, entry: NewLogEntry): Promise<void> {
    const bytes = weightOf(entry);
    let batch = this.#open.get(to.log);
    if (batch !== undefined && (batch.bytes + bytes > sharedBytesMax || batch.entries.length === sharedEntriesMax)) {
      this.flush(to.log);
      batch = undefined;
    }
    if (batch === undefined) {
      if (this.#underWay === 0 || bytes > sharedBytesMax) return this.#commit(to, [entry]);
      batch = openBatch(to);
      this.#open.set(to.log, batch);
      this.#schedule();
    }
    batch.entries.push(entry);
    batch.bytes += bytes;
    return batch.done;
  }

  /** Commits what waits for the end of the turn: whoever commits to the same log by other ways comes behind it. */
  flush(log: Key): void {
    const batch = this.#open.get(log);
    if (batch === undefined) return;
    this.#open.delete(log);
    batch.settle(this.#commit(batch, batch.entries));
  }

  /** The same for every log. */
  flushAll(): void {
    for (const log of this.#open.keys()) this.flush(log);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.soon(() => {
      this.#scheduled = false;
      this.flushAll();
    });
  }

  #commit({ topic, log }: TopicLog, entries: readonly NewLogEntry[]): Promise<void> {
    this.#underWay++;
    return this.#engine.commit({ append: [{ log, entries }], bytesGiven: true }).then(
      (result) => {
        this.#underWay--;
        requireAppended(topic, result);
      },
      (error: unknown) => {
        this.#underWay--;
        throw error;
      },
    );
  }
}

/** All that one entry makes a commit larger by, at least: what is over the limit goes alone, so that nobody fails for its sake. */
function weightOf({ data, key, attributes }: NewLogEntry): number {
  let bytes = data.length + entryBytes + (key?.length ?? 0);
  for (const name in attributes) bytes += name.length + (attributes[name] as string).length;
  return bytes;
}

function openBatch({ topic, log }: TopicLog): Batch {
  let settle: (outcome: Promise<void>) => void = () => {};
  const done = new Promise<void>((resolve) => (settle = resolve));
  return { topic, log, entries: [], bytes: 0, done, settle };
}

/** Fails with `engine.outcome-unknown` unless an unconditional commit to the topic was done. */
export function requireAppended(topic: string, result: CommitResult): void {
  if (result.status === 'done') return;
  const cause = result.status === 'unknown' ? result.cause : undefined;
  throw new ProaError('engine.outcome-unknown', `whether the event was appended to topic ${topic} is not known`, { cause });
}
