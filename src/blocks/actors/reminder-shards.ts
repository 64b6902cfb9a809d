import type { Engine } from '../../contracts/engine.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { Rounds } from '../../kernel/rounds.ts';
import type { Key } from '../../kernel/tuple.ts';
import { prefixEnd } from '../../kernel/tuple.ts';
import { readName } from './reminder-record.ts';

export interface ReminderShardsOptions {
  readonly engine: Pick<Engine, 'range' | 'watch'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Below which the reminders of the type are kept. */
  readonly prefix: Key;
  /** Of an actor; undefined while that is not known. */
  readonly shardOf: (id: string) => number | undefined;
  /** Some shards have reminders, or have had none for long: `has` answers otherwise than before. */
  readonly changed: () => void;
}

/** With more reminders nearly every shard has one: all are taken to have some, and nobody looks which. */
const fewMax = 64;
/** How long a lost hint may go unnoticed: as long as one of a timer. */
const askEveryMs = 5_000;
const askManyEveryMs = 60_000;
/** The number of shards is not known yet. */
const askSoonMs = 50;
/** A reader that begins anew looks at a ring of logs; one that has nothing to read costs as much in some minutes. */
const quietMs = 300_000;

/**
 * Which shards of a type have reminders: only theirs need readers of timers, which are some hundred reads every few seconds when all 64 have one. Here it is one read
 * in five seconds. A reminder is the truth and its timer only a hint, so that none is missed.
 */
export class ReminderShards {
  readonly #options: ReminderShardsOptions;
  readonly #rounds = new Rounds(() => this.#look());
  /** When each was last seen to have one, on the monotonic clock. */
  readonly #seenMono = new Map<number, number>();
  /** When there were last seen to be many; undefined: few. */
  #manyMono: number | undefined;
  #begun = false;
  #timer: Timer | undefined;
  #unwatch: (() => void) | undefined;

  constructor(options: ReminderShardsOptions) {
    this.#options = options;
  }

  /** True for a shard that has reminders, or had some in the last minutes. */
  has(index: number): boolean {
    return this.#manyMono !== undefined || this.#seenMono.has(index);
  }

  /** Begins to ask; said again, it changes nothing. */
  begin(): void {
    if (this.#rounds.closed || this.#begun) return;
    this.#begun = true;
    this.#listen();
    this.#ask();
  }

  /** The shard has one: whoever registered it says so. */
  seen(index: number): void {
    if (this.#rounds.closed) return;
    const known = this.has(index);
    this.#seenMono.set(index, this.#options.clock.mono());
    if (!known) this.#options.changed();
  }

  close(): void {
    void this.#rounds.close();
    this.#unwatch?.();
    this.#timer?.cancel();
  }

  #ask(): void {
    const { log } = this.#options;
    this.#rounds.ask((error) => log.debug('which shards of an actor type have reminders could not be seen', { error: String(error) }));
  }

  async #look(): Promise<void> {
    const { engine, prefix } = this.#options;
    this.#timer?.cancel();
    let nextMs = askEveryMs;
    try {
      const { entries } = await engine.range({ from: prefix, to: prefixEnd(prefix), limit: fewMax + 1, keysOnly: true });
      if (this.#rounds.closed) return;
      nextMs = entries.length > fewMax ? this.#sawMany() : this.#sawFew(entries.map(({ key }) => readName(key, prefix).id));
    } finally {
      if (!this.#rounds.closed) this.#timer = this.#options.clock.timer(nextMs, () => this.#ask(), true);
    }
  }

  #sawMany(): number {
    const news = this.#manyMono === undefined;
    this.#manyMono = this.#options.clock.mono();
    // All are awake: hints say nothing new.
    this.#unwatch?.();
    this.#unwatch = undefined;
    if (news) this.#options.changed();
    return askManyEveryMs;
  }

  #sawFew(ids: readonly string[]): number {
    const { clock, shardOf, changed } = this.#options;
    const indices = new Set<number>();
    for (const id of ids) {
      const index = shardOf(id);
      if (index === undefined) return askSoonMs;
      indices.add(index);
    }
    const now = clock.mono();
    let news = false;
    for (const index of indices) {
      news ||= !this.has(index);
      this.#seenMono.set(index, now);
    }
    for (const [index, seenMono] of this.#seenMono) {
      if (now - seenMono < quietMs) continue;
      this.#seenMono.delete(index);
      news = true;
    }
    if (this.#manyMono !== undefined) {
      if (now - this.#manyMono < quietMs) return askManyEveryMs;
      this.#manyMono = undefined;
      this.#listen();
      news = true;
    }
    if (news) changed();
    return askEveryMs;
  }

  #listen(): void {
    this.#unwatch = this.#options.engine.watch(this.#options.prefix, () => this.#ask());
  }
}
