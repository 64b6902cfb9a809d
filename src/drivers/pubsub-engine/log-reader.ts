import type { Engine, LogEntry, LogPage } from '../../contracts/engine.ts';
import { Rounds } from '../../kernel/rounds.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { HeldLane, LaneBook } from './lanes.ts';

/** The most unsettled events of a lane in memory; a lane reads again when half of them are settled. */
export const laneWindow = 64;
/** The most bytes of a lane's unsettled events in memory, but always at least one event. */
export const laneBytesMax = 512 * 1024;

export interface LogReaderOptions {
  readonly engine: Engine;
  readonly log: Key;
  readonly book: LaneBook;
  readonly laneOf: (entry: LogEntry) => number;
  /** The lane has taken the entry; it is not settled. */
  readonly accept: (lane: HeldLane, entry: LogEntry) => void;
  /** Unread entries were trimmed away, up to and including `upTo`. */
  readonly missed: (lane: HeldLane, upTo: number) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Reads a topic for the lanes that this member holds, as far as their windows allow: a backlog stays in the engine. One page serves every
 * lane that stands at its beginning or further; a lane that fell behind (its window was full) reads its part again later.
 */
export class LogReader {
  readonly #options: LogReaderOptions;
  readonly #rounds = new Rounds(() => this.#read());
  #head = 0;
  #stale = true;
  #turn = 0;

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  /** There may be new entries. */
  appended(): void {
    this.#stale = true;
    this.wake();
  }

  /** A lane came, or has room again. */
  wake(): void {
    this.#rounds.ask(this.#options.failed);
  }

  stop(): void {
    void this.#rounds.close();
  }

  async #read(): Promise<void> {
    for (let lane = this.#pick(); lane !== undefined && !this.#rounds.closed; lane = this.#pick()) await this.#readFor(lane);
  }

  /** Lanes take turns, so that one far behind the others does not hold them up. */
  #pick(): HeldLane | undefined {
    const lanes = Array.from(this.#options.book.all());
    for (let i = 0; i < lanes.length; i++) {
      const lane = lanes[(this.#turn + i) % lanes.length] as HeldLane;
      if (lane.state !== 'held' || lane.full || !hasRoom(lane)) continue;
      if (lane.progress.readAfter >= this.#head && !this.#stale) continue;
      this.#turn = (this.#turn + i + 1) % lanes.length;
      return lane;
    }
    return undefined;
  }

  async #readFor(lane: HeldLane): Promise<void> {
    const after = lane.progress.readAfter;
    this.#stale = false;
    const page = await this.#options.engine.readLog(this.#options.log, after, 256);
    this.#head = page.head;
    if (this.#rounds.closed) return;
    this.#distribute(page, after);
  }

  #distribute(page: LogPage, after: number): void {
    const { book, laneOf, accept, missed } = this.#options;
    const { entries, first } = page;
    const reading = new Set<HeldLane>();
    for (const lane of book.all()) {
      if (lane.state !== 'held' || lane.progress.readAfter < after) continue;
      reading.add(lane);
      if (lane.progress.readAfter < first - 1) {
        missed(lane, first - 1);
        lane.progress.advance(first - 1);
      }
    }
    for (const entry of entries) {
      const lane = book.get(laneOf(entry));
      if (lane === undefined || !reading.has(lane) || entry.sequence <= lane.progress.readAfter) continue;
      if (lane.progress.outstanding > 0 && (lane.progress.outstanding >= laneWindow || lane.bytes + entry.data.length > laneBytesMax)) {
        lane.progress.advance(entry.sequence - 1);
        lane.full = true;
        reading.delete(lane);
        continue;
      }
      if (lane.progress.offer(entry.sequence)) accept(lane, entry);
    }
    const end = entries.at(-1)?.sequence ?? page.head;
    for (const lane of reading) lane.progress.advance(end);
  }
}

/** True when enough of the window is free that reading another page is worth it. */
export function hasRoom(lane: HeldLane): boolean {
  const { outstanding } = lane.progress;
  return outstanding === 0 || (outstanding <= laneWindow / 2 && lane.bytes <= laneBytesMax / 2);
}
