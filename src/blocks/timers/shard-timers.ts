import type { Append, Engine } from '../../contracts/engine.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import type { DurableTimer, ShardTimers, ShardTimersOptions } from '../../contracts/timers.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock } from '../../kernel/ports.ts';
import { dueOf, encodeTimer } from './entry.ts';
import { Firing } from './firing.ts';
import { bucketLog, inboxLog } from './keys.ts';
import type { FiringLimits } from './lane.ts';
import { Pace } from './pace.ts';
import { ShardReader } from './shard-reader.ts';
import { bucketOf, bucketsAt, opensAtMs } from './wheel.ts';

export interface TimersOptions extends ShardTimersOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  /** The group of the shards, as in placement. */
  readonly group: string;
  /** Others than the usual ones. */
  readonly limits?: Partial<FiringLimits>;
}

/** Memory of a held timer is about 150 bytes: these limits allow 20 MB, which are needed at some 10,000 timers a second. */
const usualLimits: FiringLimits = {
  batch: 256,
  laneBatches: 2,
  batches: 16,
  heldMax: 131_072,
  overdueMax: 16_384,
  lateMs: 2_000,
  overdueRate: 2_000,
};
const rearmTries = 10;
const rearmEveryMs = 1_000;

/** Durable timers over the engine; see the contract. */
export function createShardTimers(options: TimersOptions): ShardTimers {
  return new Timers(options);
}

class Timers implements ShardTimers {
  readonly #options: TimersOptions;
  readonly #firing: Firing;
  readonly #pace: Pace;
  readonly #readers = new Map<number, ShardReader>();
  /** Shards that are being let go. */
  readonly #leaving = new Set<Promise<void>>();
  #closed = false;

  constructor(options: TimersOptions) {
    this.#options = options;
    const { engine, clock, log, fire } = options;
    const limits = { ...usualLimits, ...options.limits };
    const room = (): void => {
      for (const reader of this.#readers.values()) reader.wake();
    };
    this.#pace = new Pace(clock);
    this.#firing = new Firing({ engine, clock, log, limits, fire, room });
  }

  append(shard: number, timer: DurableTimer): Append {
    return this.#append(shard, encodeTimer(timer), timer.dueMs);
  }

  armed(shard: number, append: Append): void {
    const { group, engine } = this.#options;
    if (append.log === inboxLog(group, shard)) {
      this.#readers.get(shard)?.appended();
      return;
    }
    const now = engine.now();
    for (const { data } of append.entries) {
      const dueMs = dueOf(data) as number;
      const bucket = bucketsAt(dueMs).find((each) => bucketLog(group, shard, each) === append.log);
      if (bucket !== undefined && opensAtMs(bucket) <= now) void this.#rearm(shard, this.#append(shard, data, dueMs));
    }
  }

  open(owned: OwnedShard): void {
    if (this.#closed) return;
    const before = this.#readers.get(owned.index);
    if (before?.lane.owned.epoch === owned.epoch) return;
    if (before !== undefined) void this.release(owned.index);
    const { engine, clock, log } = this.#options;
    const reader = new ShardReader({ engine, clock, log, firing: this.#firing, pace: this.#pace }, this.#firing.add(owned));
    this.#readers.set(owned.index, reader);
    reader.start();
  }

  async release(shard: number): Promise<void> {
    const reader = this.#readers.get(shard);
    if (reader === undefined) return;
    this.#readers.delete(shard);
    const left = reader.stop(() => this.#firing.release(reader.lane));
    this.#leaving.add(left);
    await left.finally(() => this.#leaving.delete(left));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const shard of Array.from(this.#readers.keys())) void this.release(shard);
    await Promise.all(this.#leaving);
    this.#firing.close();
  }

  #append(shard: number, data: Uint8Array, dueMs: number): Append {
    const { group, engine } = this.#options;
    const bucket = bucketOf(dueMs, engine.now());
    return { log: bucket === undefined ? inboxLog(group, shard) : bucketLog(group, shard, bucket), entries: [{ data }] };
  }

  /** The bucket was read before the commit was durable (this process or the engine stood still): once more, where it is read at once. */
  async #rearm(shard: number, append: Append): Promise<void> {
    const { engine, clock, log } = this.#options;
    for (let left = rearmTries; left > 0; left--) {
      const result = await engine.commit({ append: [append] }).catch((cause: unknown) => ({ status: 'unknown' as const, cause }));
      if (result.status === 'done') return this.#readers.get(shard)?.appended();
      await new Promise<void>((resolve) => clock.timer(rearmEveryMs, resolve, true));
    }
    log.error('a timer whose commit took very long comes later still: the engine refuses it');
  }
}
