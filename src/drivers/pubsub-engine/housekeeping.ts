import type { Engine } from '../../contracts/engine.ts';
import { readAll } from '../../contracts/read-all.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { prefixEnd, untuple } from '../../kernel/tuple.ts';
import type { BusKeys } from './keys.ts';
import { sequenceBefore } from './log-position.ts';
import { decodeLane } from './records.ts';

export interface Retention {
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly keepConsumedMs: number;
}

export interface HousekeepingOptions extends Retention {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly keys: BusKeys;
  readonly broker: string;
  readonly intervalMs: number;
}

/** Trims the topics of a bus now and then; of all broker instances the one that holds the lease does it. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  #timer: Timer | undefined;
  #pass: Promise<void> | undefined;
  #closed = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  /** Begins on first use. */
  start(): void {
    if (this.#timer !== undefined || this.#closed) return;
    const { clock, intervalMs, log } = this.#options;
    this.#timer = clock.timer(
      intervalMs,
      () => {
        this.#timer = undefined;
        this.#pass = this.pass()
          .catch((error: unknown) => log.warn('old events could not be removed; trying again', { error: String(error) }))
          .finally(() => this.start());
      },
      true,
    );
  }

  /** One round over all topics, if this instance holds the lease. */
  async pass(): Promise<void> {
    const { engine, keys, broker, intervalMs } = this.#options;
    const lease = await engine.acquireLease(keys.housekeeping, broker, intervalMs * 3);
    if (!lease.held) return;
    for (const { key } of await readAll(engine, keys.topics)) {
      if (this.#closed) return;
      const topic = untuple(key.slice(keys.topics.length))[0];
      if (typeof topic === 'string') await trimTopic(engine, keys, { topic, ...this.#options });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#pass;
  }
}

/**
 * Removes what no group needs any more: entries that all groups are past and that are older than `keepConsumedMs`, whatever is older than
 * `retentionMs`, and the oldest beyond about `retentionBytes` (estimated from a sample). Answers the last removed sequence.
 */
export async function trimTopic(engine: Engine, keys: BusKeys, options: Retention & { readonly topic: string }): Promise<number> {
  const log = keys.log(options.topic);
  const sample = await engine.readLog(log, 0, 64);
  const { first, head, entries } = sample;
  if (entries.length === 0) return 0;
  const now = engine.now();
  const tooOld = await sequenceBefore(engine, log, now - options.retentionMs);
  const bytes = entries.reduce((sum, entry) => sum + entry.data.length + 64, 0) / entries.length;
  const tooMany = head - Math.floor(options.retentionBytes / bytes);
  const floor = await lowestFloor(engine, keys, options.topic);
  const consumed = floor === undefined ? 0 : Math.min(floor, await sequenceBefore(engine, log, now - options.keepConsumedMs));
  const upTo = Math.max(tooOld, tooMany, consumed);
  if (upTo >= first) await engine.trim(log, upTo);
  return upTo;
}

/** The sequence that all lanes of all groups are past; undefined when the topic has no group. */
async function lowestFloor(engine: Engine, keys: BusKeys, topic: string): Promise<number | undefined> {
  let lowest: number | undefined;
  const groups = keys.groups(topic);
  const page = await engine.range({ from: groups, to: prefixEnd(groups), keysOnly: true });
  for (const { key } of page.entries) {
    const group = untuple(key.slice(groups.length))[0];
    if (typeof group !== 'string') continue;
    for (const { value } of await readAll(engine, keys.lanes(topic, group))) {
      const { position, pending } = decodeLane(value);
      const floor = pending.length > 0 ? (pending[0] as number) - 1 : position;
      lowest = lowest === undefined ? floor : Math.min(lowest, floor);
    }
  }
  // More groups than one page holds: be careful and remove nothing on their account.
  return page.more ? 0 : lowest;
}
