import type { Engine, LogEntry } from '../../contracts/engine.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { DoneRange } from './position.ts';

/** Timers that were read together. They leave the log together, when all of them are settled. */
export interface Page {
  /** Those that are not done with; none once they were taken. */
  readonly entries: readonly LogEntry[];
  /** Whoever needs the entries has them: until all are settled, the page holds no more than which ones are. */
  taken(): void;
  /** That one need not come again. */
  settle(sequence: number): void;
}

/** What a former owner was done with, its bits as bytes. */
interface Skipped {
  readonly range: DoneRange;
  readonly bits: Uint8Array | undefined;
}

interface OpenPage extends Page {
  entries: readonly LogEntry[];
  /** What was read before it. */
  readonly after: number;
  readonly first: number;
  last: number;
  open: number;
  /** A bit per entry from `first` on. */
  readonly done: Uint8Array;
}

/**
 * Reads one log from its beginning, page by page and in passes, and trims it up to where everything is settled. What was not trimmed is read again after a crash. A pass ends at
 * what was the log's end when it began, so that entries which are put back into the same log do not keep it going.
 */
export class LogFeed {
  readonly #engine: Engine;
  readonly #log: Key;
  #pages: OpenPage[] = [];
  /** What is not read yet and was done with before. */
  #skipped: readonly Skipped[];
  #after = 0;
  /** Where the pass ends; undefined before its first page. */
  #target: number | undefined;
  #settled = 0;
  #trimmed = 0;

  /** `done`: what a former owner had settled beyond what it had trimmed. */
  constructor(engine: Engine, log: Key, done: readonly DoneRange[] = []) {
    this.#engine = engine;
    this.#log = log;
    this.#skipped = done.map((range) => ({ range, bits: range.bits === undefined ? undefined : Buffer.from(range.bits, 'base64') }));
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
    const page = this.#open(entries, after);
    this.#after = entries.length === 0 ? Math.max(after, head) : page.last;
    if (entries.length > 0) this.#pages.push(page);
    if (page.open === 0) this.#advance();
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

  /** What is settled and cannot be trimmed, because something before it is not. */
  done(): DoneRange[] {
    const read = this.#pages
      .filter(({ done }) => done.some((bits) => bits !== 0))
      .map(({ first, last, open, done }) => (open === 0 ? { first, last } : { first, last, bits: Buffer.from(done).toString('base64') }));
    return [...read, ...this.#skipped.map(({ range }) => range).filter(({ last }) => last > this.#after)];
  }

  #open(entries: readonly LogEntry[], after: number): OpenPage {
    const first = entries[0]?.sequence ?? after + 1;
    const last = entries.at(-1)?.sequence ?? after;
    const page: OpenPage = {
      entries,
      after,
      first,
      last,
      open: entries.length,
      done: new Uint8Array((last - first + 8) >> 3),
      settle: (sequence) => this.#settle(page, sequence),
      taken: () => void (page.entries = []),
    };
    const skipped = this.#skipped.filter(({ range }) => range.first <= last && first <= range.last);
    if (skipped.length > 0) {
      page.entries = entries.filter(({ sequence }) => !skipped.some((each) => isIn(each, sequence)) || !mark(page, sequence));
      page.open = page.entries.length;
    }
    return page;
  }

  #settle(page: OpenPage, sequence: number): void {
    if (!mark(page, sequence) || --page.open > 0) return;
    page.taken();
    this.#advance();
  }

  /** Pages behind one that is not settled become one when they are: however long a timer cannot be fired, what comes after it does not fill the memory. */
  #advance(): void {
    const kept: OpenPage[] = [];
    for (const page of this.#pages) {
      const before = kept.at(-1);
      if (page.open > 0) kept.push(page);
      else if (before === undefined) this.#settled = page.last;
      else if (before.open === 0) before.last = page.last;
      else kept.push(page);
    }
    this.#pages = kept;
  }
}

/** False when it was marked before. */
function mark({ first, done }: OpenPage, sequence: number): boolean {
  const at = sequence - first;
  const bit = 1 << (at & 7);
  const bits = done[at >> 3] as number;
  done[at >> 3] = bits | bit;
  return (bits & bit) === 0;
}

function isIn({ range, bits }: Skipped, sequence: number): boolean {
  if (sequence < range.first || sequence > range.last) return false;
  if (bits === undefined) return true;
  const at = sequence - range.first;
  return ((bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
}
