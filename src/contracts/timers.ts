import type { Append } from './engine.ts';
import type { OwnedShard } from './placement.ts';

/**
 * A durable timer. It carries no truth: what it belongs to (a workflow's history, a job's record, a reminder) does, and whoever is woken looks there
 * whether the timer still counts. A timer is therefore never cancelled, only ignored, and may come twice.
 */
export interface DurableTimer {
  /** Chosen by its owner; need not be unique. */
  readonly id: string;
  /** In the engine's `now()`. Timers are never early. */
  readonly dueMs: number;
  /** What the owner needs to find its record. Id and data have 2 KB or less. */
  readonly data?: string;
}

/**
 * Durable timers of the shards of one group. A timer is one log entry in the bucket of its due time: far ones take no memory, near ones are read ahead of time. They survive every
 * crash and change of owner; after a jump of the clock or a long outage what is due comes in portions, oldest first, never all at once.
 */
export interface ShardTimers {
  /** The part that makes a timer durable; it belongs into the commit that creates what the timer belongs to, which is to be made now. Fails with `engine.limit` and `bad-request` for a timer beyond the limits. */
  append(shard: number, timer: DurableTimer): Append;
  /** That commit is done, with what `append` answered. Whoever calls it, owner or not, is safe from a commit that took so long that the bucket was read meanwhile; for own shards it spares the wait for the engine's hint. */
  armed(shard: number, append: Append): void;
  /** Begins to fire the timers of a shard that was claimed; nothing when closed. */
  open(shard: OwnedShard): void;
  /** Fires no more; resolves when what was under way is settled. Does nothing for a shard that is not open. */
  release(shard: number): Promise<void>;
  close(): Promise<void>;
}

export interface ShardTimersOptions {
  /** Several timers of one shard that are due. They are done with when the answer resolves, which must mean that it is durable; they come again when it fails. */
  fire(shard: OwnedShard, timers: readonly DurableTimer[]): Promise<void>;
}
