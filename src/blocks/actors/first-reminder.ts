import type { Engine } from '../../contracts/engine.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { Rounds } from '../../kernel/rounds.ts';
import type { Key } from '../../kernel/tuple.ts';
import { prefixEnd } from '../../kernel/tuple.ts';

export interface FirstReminderOptions {
  readonly engine: Pick<Engine, 'range' | 'watch'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Below which the reminders of the type are kept. */
  readonly prefix: Key;
  /** Called once, when the type has a reminder. */
  readonly found: () => void;
}

/** How long a lost hint may go unnoticed: as long as one of a timer. */
const askEveryMs = 5_000;

/**
 * Waits until a type has a reminder. Before that nobody needs to read the timers of its shards, which is some hundred reads every few seconds; here it is one. A
 * reminder is the truth and its timer only a hint, so that none is missed.
 */
export class FirstReminder {
  readonly #options: FirstReminderOptions;
  readonly #rounds = new Rounds(() => this.#look());
  #timer: Timer | undefined;
  #unwatch: (() => void) | undefined;

  constructor(options: FirstReminderOptions) {
    this.#options = options;
  }

  /** Begins to ask; said again, it changes nothing. */
  begin(): void {
    if (this.#rounds.closed || this.#unwatch !== undefined) return;
    this.#unwatch = this.#options.engine.watch(this.#options.prefix, () => this.#ask());
    this.#ask();
  }

  /** There is one: whoever registered it says so. */
  seen(): void {
    if (this.#rounds.closed) return;
    this.close();
    this.#options.found();
  }

  close(): void {
    void this.#rounds.close();
    this.#unwatch?.();
    this.#timer?.cancel();
  }

  #ask(): void {
    const { log } = this.#options;
    this.#rounds.ask((error) => log.debug('whether an actor type has reminders could not be seen', { error: String(error) }));
  }

  async #look(): Promise<void> {
    const { engine, prefix, clock } = this.#options;
    this.#timer?.cancel();
    try {
      const { entries } = await engine.range({ from: prefix, to: prefixEnd(prefix), limit: 1 });
      if (entries.length > 0) this.seen();
    } finally {
      if (!this.#rounds.closed) this.#timer = clock.timer(askEveryMs, () => this.#ask(), true);
    }
  }
}
