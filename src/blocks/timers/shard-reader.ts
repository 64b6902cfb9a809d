import type { Append, Engine } from '../../contracts/engine.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { logFields } from '../../kernel/names.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { Buckets } from './buckets.ts';
import { dealOut } from './deal.ts';
import type { Firing } from './firing.ts';
import { inboxLog, positionKey } from './keys.ts';
import type { Lane } from './lane.ts';
import { LogFeed } from './log-feed.ts';
import { type Pace, pauseAfter } from './pace.ts';
import { decodePosition, encodePosition, inboxPlace } from './position.ts';

export interface ReaderOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly firing: Firing;
  /** Of all readers of the group. */
  readonly pace: Pace;
}

const pageEntries = 400;
/** How long a lost hint may go unnoticed. */
const pollMs = 5_000;
const trimEveryMs = 1_000;
/** The position saves reads after a change of owner, nothing else. */
const positionEveryMs = 300_000;

/** The logs of the shard, as far as they are read. */
interface Logs {
  readonly inbox: LogFeed;
  readonly buckets: Buckets;
}

/** Reads the timers of one shard in time: hands over what is due soon, deals out the rest to the buckets where it belongs, trims what is settled. */
export class ShardReader {
  readonly lane: Lane;
  readonly #options: ReaderOptions;
  /** Undefined until it is known where the last owner stopped. */
  #logs: Logs | undefined;
  #appended = true;
  #unlisten: () => void = () => {};
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #timer: Timer | undefined;
  #failures = 0;
  #trimmedMono = 0;
  #polledMono = 0;
  /** Saved as soon as the first pass is over: an owner that dies early would leave the next one every timer of the ring to read. */
  #positionedMono = -Infinity;

  constructor(options: ReaderOptions, lane: Lane) {
    this.#options = options;
    this.lane = lane;
  }

  start(): void {
    const { group, index } = this.lane.owned;
    this.#unlisten = this.#options.engine.onAppend(inboxLog(group, index), () => this.appended());
    this.wake();
  }

  /** The inbox has something new. */
  appended(): void {
    this.#appended = true;
    this.wake();
  }

  wake(): void {
    if (this.#stopped) return;
    if (this.#running !== undefined) this.#again = true;
    else this.#running = this.#run().finally(() => this.#ended());
  }

  /** Reads no more, and says where it stopped when the shard is still held. */
  async stop(settled: () => Promise<void>): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#unlisten();
    await this.#running;
    await settled();
    if (this.#logs === undefined) return;
    try {
      await this.#trim(this.#logs);
      this.#logs.buckets.close(this.#options.engine.now());
      if (this.lane.owned.alive) await this.#savePosition(this.#logs);
    } catch (error) {
      // Whoever comes next reads a little more.
      this.#options.log.debug('the position of timers was not saved', { [logFields.error]: ProaError.from(error).message });
    }
  }

  #ended(): void {
    this.#running = undefined;
    if (this.#stopped) return;
    if (this.#again && this.#failures === 0) {
      this.#again = false;
      return this.wake();
    }
    this.#arm();
  }

  #arm(): void {
    const { clock, engine, pace } = this.#options;
    const logs = this.#logs;
    const openingMs = logs === undefined ? pollMs : logs.buckets.nextOpensAtMs() - engine.now();
    const busy = logs !== undefined && feedsOf(logs).some((feed) => !feed.idle);
    const delay =
      this.#failures > 0
        ? pauseAfter(this.#failures)
        : Math.min(openingMs, pollMs - (clock.mono() - this.#polledMono), busy ? trimEveryMs : Infinity);
    this.#timer?.cancel();
    this.#timer = clock.timer(Math.max(1, delay, pace.leftMs), () => this.wake(), true);
  }

  async #run(): Promise<void> {
    const { clock, log, pace } = this.#options;
    if (!pace.enter()) return;
    try {
      this.#logs ??= await this.#load();
      if (clock.mono() - this.#polledMono >= pollMs) this.#appended = true;
      while (!this.#stopped && (await this.#round(this.#logs)));
      if (this.#stopped) return;
      await this.#tidy(this.#logs);
      this.#failures = 0;
    } catch (thrown) {
      const error = ProaError.from(thrown);
      this.#failures++;
      this.#appended = true;
      pace.failed(error);
      log.warn('timers could not be read; they are tried again', { [logFields.error]: error.message });
    }
  }

  async #load(): Promise<Logs> {
    const { group, index } = this.lane.owned;
    const { engine } = this.#options;
    const entry = await engine.get(positionKey(group, index));
    this.#options.pace.answered();
    const position = entry === undefined ? { buckets: [], done: new Map() } : decodePosition(entry.value);
    const inbox = new LogFeed(engine, inboxLog(group, index), position.done.get(inboxPlace));
    return { inbox, buckets: new Buckets(engine, this.lane.owned, position) };
  }

  /** One page of each log that matters now, so that what is due never waits for a long bucket. False when nothing was left to read, or may be. */
  async #round({ inbox, buckets }: Logs): Promise<boolean> {
    const { engine, clock, firing } = this.#options;
    const now = engine.now();
    buckets.advance(now);
    if (inbox.read && this.#appended) {
      this.#appended = false;
      this.#polledMono = clock.mono();
      inbox.pass();
    }
    const { current, upper, late } = buckets.readable(now);
    let progress = false;
    for (const feed of [inbox, ...current, upper]) {
      if (feed?.read === false && firing.takes(false)) progress = (await this.#page(feed)) || progress;
    }
    for (const feed of late) {
      if (!firing.takes(true) || this.#stopped) break;
      progress = (await this.#page(feed)) || progress;
      // Behind one with content the others wait for the next round.
      if (!feed.idle) break;
    }
    return progress && !this.#stopped;
  }

  /** False when the shard belongs to somebody else by now. */
  async #page(feed: LogFeed): Promise<boolean> {
    const { engine, firing, pace } = this.#options;
    const page = await feed.next(pageEntries);
    pace.answered();
    if (page.entries.length === 0) return true;
    const { soon, settled, later, damaged } = dealOut(this.lane.owned, page.entries, engine.now());
    try {
      if (later.length > 0 && !(await this.#deal(later))) {
        feed.unread(page);
        return false;
      }
    } catch (error) {
      feed.unread(page);
      throw error;
    }
    if (damaged > 0) this.#options.log.error(`a log of timers holds ${damaged} entries that are none`);
    for (const sequence of settled) page.settle(sequence);
    page.taken();
    firing.hold(this.lane, soon, page);
    return true;
  }

  async #deal(later: readonly Append[]): Promise<boolean> {
    const result = await this.#options.engine.commit({ if: [this.lane.owned.condition], append: later });
    if (result.status === 'unknown') throw outcomeUnknown('timers may or may not have been dealt out', result.cause);
    if (result.status === 'conflict') this.#stopped = true;
    return result.status === 'done';
  }

  async #tidy(logs: Logs): Promise<void> {
    const mono = this.#options.clock.mono();
    if (mono - this.#trimmedMono < trimEveryMs) return;
    this.#trimmedMono = mono;
    await this.#trim(logs);
    if (logs.buckets.close(this.#options.engine.now())) this.#again = true;
    if (mono - this.#positionedMono < positionEveryMs) return;
    this.#positionedMono = mono;
    if (this.lane.owned.alive) await this.#savePosition(logs);
  }

  async #trim(logs: Logs): Promise<void> {
    for (const feed of feedsOf(logs)) await feed.trim();
  }

  /** A position that is not saved, or is older than it could be, costs reading. */
  async #savePosition({ inbox, buckets }: Logs): Promise<void> {
    const { owned } = this.lane;
    const { buckets: next, done } = buckets.position();
    const value = encodePosition({ buckets: next, done: new Map(done).set(inboxPlace, inbox.done()) });
    await this.#options.engine.commit({ if: [owned.condition], put: [{ key: positionKey(owned.group, owned.index), value }] });
  }
}

function feedsOf({ inbox, buckets }: Logs): readonly LogFeed[] {
  return [inbox, ...buckets.feeds()];
}
