import type { Engine, LogEntry } from '../../contracts/engine.ts';
import type { Key } from '../../kernel/tuple.ts';

/** Timers that were read together. They leave the log together, when all of them are settled. */
export interface Page {
  readonly entries: readonly LogEntry[];
  /** So many of its timers need not come again. */
  settle(count: number): void;
}

interface OpenPage extends Page {
  /** What was read before it. */
  readonly after: number;
  readonly last: number;
  open: number;
}

/**
 * Reads one log from its beginning, page by page and in passes, and trims it up to where everything is settled. What was not trimmed is read again after a crash. A pass ends at
 * what was the log's end when it began, so that entries which are put back into the same log do not keep it going.
 */
export class LogFeed {
  readonly #engine: Engine;
  readonly #log: Key;
  readonly #pages: OpenPage[] = [];
  #after = 0;
  /** Where the pass ends; undefined before its first page. */
  #target: number | undefined;
  #settled = 0;
  #trimmed = 0;

  constructor(engine: Engine, log: Key) {
    this.#engine = engine;
    this.#log = log;
  }

  /** The pass has come to its end. */
  get read(): boolean {
    return this.#target !== undefined && this.#after >= this.#target;
  }

  /** Everything that was read is settled and trimmed. */
  get idle(): boolean {
    return this.#pages.length === 0 && this.#settled <= this.#trimmed;
  }

  /** Begins another pass behind what was read. */
  pass(): void {
    this.#target = undefined;
  }

  /** The next page of the pass; it may be empty. Fails with the engine's error. */
  async next(limit: number): Promise<Page> {
    const after = this.#after;
    const { entries, head } = await this.#engine.readLog(this.#log, after, limit);
    this.#target ??= head;
    const last = entries.at(-1)?.sequence ?? Math.max(after, head);
    const page: OpenPage = {
      entries,
      after,
      last,
      open: entries.length,
      settle: (count) => {
        page.open -= count;
        if (page.open <= 0) this.#advance();
      },
    };
    this.#after = last;
    if (entries.length > 0) this.#pages.push(page);
    return page;
  }

  /** Nothing came of the page that was read last: it is read again. */
  unread(page: Page): void {
    const last = this.#pages.at(-1);
    if (last !== page) return;
    this.#pages.pop();
    this.#after = last.after;
  }

  /** Trims what is settled. Fails with the engine's error; the next call tries again. */
  async trim(): Promise<void> {
    const upTo = this.#settled;
    if (upTo <= this.#trimmed) return;
    await this.#engine.trim(this.#log, upTo);
    this.#trimmed = upTo;
  }

  #advance(): void {
    let gone = 0;
    while (gone < this.#pages.length && (this.#pages[gone] as OpenPage).open <= 0) gone++;
    const done = this.#pages.splice(0, gone);
    this.#settled = done.at(-1)?.last ?? this.#settled;
  }
}
