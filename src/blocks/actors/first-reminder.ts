import type { Engine } from '../../contracts/engine.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
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
  #timer: Timer | undefined;
  #unwatch: (() => void) | undefined;
  #asking = false;
  #ended = false;

  constructor(options: FirstReminderOptions) {
    this.#options = options;
  }

  /** Begins to ask; said again, it changes nothing. */
  begin(): void {
    if (this.#ended || this.#unwatch !== undefined) return;
    this.#unwatch = this.#options.engine.watch(this.#options.prefix, () => this.#ask());
    this.#ask();
  }

  /** There is one: whoever registered it says so. */
  seen(): void {
    if (this.#ended) return;
    this.close();
    this.#options.found();
  }

  close(): void {
    this.#ended = true;
    this.#unwatch?.();
    this.#timer?.cancel();
  }

  #ask(): void {
    if (this.#asking || this.#ended) return;
    this.#asking = true;
    this.#timer?.cancel();
    const { engine, prefix, log, clock } = this.#options;
    engine
      .range({ from: prefix, to: prefixEnd(prefix), limit: 1 })
      .then(
        ({ entries }) => entries.length > 0 && this.seen(),
        (error: unknown) => log.debug('whether an actor type has reminders could not be seen', { error: String(error) }),
      )
      .finally(() => {
        this.#asking = false;
        if (!this.#ended) this.#timer = clock.timer(askEveryMs, () => this.#ask(), true);
      });
  }
}
