import type { Engine } from '../../contracts/engine.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import type { ShardTimersOptions } from '../../contracts/timers.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { logFields } from '../../kernel/names.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import type { SoonTimer } from './deal.ts';
import { DueHeap } from './due-heap.ts';
import type { Page } from './log-feed.ts';
import { type FiringLimits, type Held, Lane } from './lane.ts';

export interface FiringOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: FiringLimits;
  readonly fire: ShardTimersOptions['fire'];
  /** There is room again for timers of logs. */
  room(): void;
}

/** Nothing sleeps longer: jumps of the clock show within it. */
const sleepMsMax = 1_000;
/** Timers that are due within a few milliseconds go out together. */
const sleepMsMin = 5;
const deadCheckMs = 250;
const retryMsMax = 30_000;
/** What waits for an engine that is away is not to blame: it comes soon after the engine is back. */
const awayRetryMsMax = 2_000;
const retryMsMin = 100;

/**
 * Holds the timers that are due soon and fires what is due, in batches, oldest first. What comes late for another reason than a busy owner (an outage, a jump of the clock) waits apart and
 * is let through at a bounded rate, so that it does not come all at once and does not hold up what is due now.
 */
export class Firing {
  readonly #options: FiringOptions;
  readonly #soon = new DueHeap<Held>();
  readonly #overdue = new DueHeap<Held>();
  readonly #lanes = new Set<Lane>();
  #held = 0;
  #full = false;
  #batches = 0;
  /** Overdue timers that may go now, and when that was counted. */
  #tokens: number;
  #countedMono: number;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: FiringOptions) {
    this.#options = options;
    this.#tokens = options.limits.batch;
    this.#countedMono = options.clock.mono();
  }

  add(owned: OwnedShard): Lane {
    const lane = new Lane(owned);
    this.#lanes.add(lane);
    return lane;
  }

  /** Whether a page may be read; `late`: of a bucket whose time is over. When the answer is no, `room` is called later. */
  takes(late: boolean): boolean {
    const { heldMax, overdueMax } = this.#options.limits;
    const takes = this.#held < heldMax && (!late || this.#overdue.size < overdueMax);
    if (!takes) this.#full = true;
    return takes;
  }

  /** Takes the timers of a page over, which is told when they were fired. */
  hold(lane: Lane, timers: readonly SoonTimer[], page: Page): void {
    for (const { timer, sequence } of timers) this.#soon.push({ timer, dueMs: timer.dueMs, lane, page, sequence });
    this.#held += timers.length;
    this.turn();
  }

  /** Fires nothing more of the lane; resolves when what is under way has ended. */
  async release(lane: Lane): Promise<void> {
    this.#held -= lane.close();
    this.#lanes.delete(lane);
    await lane.settled();
    this.#tellRoom();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Starts what is due and can be started, and arms the timer for what follows. */
  turn(): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = this.#options.engine.now();
    this.#sort(now);
    this.#letThrough();
    const mono = this.#options.clock.mono();
    for (const lane of Array.from(this.#lanes)) this.#start(lane, mono);
    this.#arm(now);
  }

  #sort(now: number): void {
    const { lateMs } = this.#options.limits;
    for (let held = this.#soon.first; held !== undefined && held.dueMs <= now; held = this.#soon.first) {
      this.#soon.pop();
      if (held.lane.closed) this.#held--;
      else if (now - held.dueMs > lateMs) this.#overdue.push(held);
      else held.lane.ready.push(held);
    }
  }

  #letThrough(): void {
    const { overdueRate, batch } = this.#options.limits;
    const mono = this.#options.clock.mono();
    this.#tokens = Math.min(batch, this.#tokens + ((mono - this.#countedMono) * overdueRate) / 1_000);
    this.#countedMono = mono;
    for (let held = this.#overdue.first; held !== undefined; held = this.#overdue.first) {
      if (held.lane.closed) this.#held--;
      else if (this.#tokens < 1) break;
      else {
        this.#tokens--;
        held.lane.ready.push(held);
      }
      this.#overdue.pop();
    }
    this.#tellRoom();
  }

  #start(lane: Lane, mono: number): void {
    const { limits } = this.#options;
    if (!lane.owned.alive) return;
    while (lane.batches < limits.laneBatches && this.#batches < limits.batches) {
      const next = lane.next(limits.batch, mono);
      if (next === undefined) return;
      // The next turn begins with another lane.
      this.#lanes.delete(lane);
      this.#lanes.add(lane);
      void this.#run(lane, next.items, next.attempts);
    }
  }

  async #run(lane: Lane, items: readonly Held[], attempts: number): Promise<void> {
    this.#batches++;
    lane.batches++;
    try {
      await this.#options.fire(
        lane.owned,
        items.map(({ timer }) => timer),
      );
      this.#done(lane, items);
    } catch (error) {
      this.#failed(lane, items, { attempts: attempts + 1, error });
    } finally {
      this.#batches--;
      lane.ended();
      this.turn();
    }
  }

  #done(lane: Lane, items: readonly Held[]): void {
    for (const { page, sequence } of items) page.settle(sequence);
    if (lane.closed) return;
    lane.done(items.length);
    this.#held -= items.length;
  }

  /** A batch that fails comes again later, in halves: one timer that always fails does not keep the others from being done. */
  #failed(lane: Lane, items: readonly Held[], { attempts, error }: { readonly attempts: number; readonly error: unknown }): void {
    if (lane.closed) return;
    const { code, message } = ProaError.from(error);
    const away = code.startsWith('engine.');
    const delay = Math.min(away ? awayRetryMsMax : retryMsMax, retryMsMin * 2 ** Math.min(attempts - 1, 20));
    const atMono = this.#options.clock.mono() + delay;
    this.#options.log.warn(`${items.length} timers could not be fired; they are tried again in ${delay} ms`, {
      [logFields.error]: message,
    });
    const half = away ? items.length : Math.ceil(items.length / 2);
    for (let at = 0; at < items.length; at += half) lane.retry({ items: items.slice(at, at + half), attempts, atMono });
  }

  #tellRoom(): void {
    const { heldMax, overdueMax } = this.#options.limits;
    if (!this.#full || this.#held >= heldMax || this.#overdue.size >= overdueMax) return;
    this.#full = false;
    this.#options.room();
  }

  #arm(now: number): void {
    const { laneBatches, batches } = this.#options.limits;
    let delay = Infinity;
    const { first } = this.#soon;
    if (first !== undefined) delay = Math.min(sleepMsMax, Math.ceil(first.dueMs - now));
    if (this.#overdue.size > 0) delay = Math.min(delay, Math.ceil(((1 - this.#tokens) * 1_000) / this.#options.limits.overdueRate));
    const mono = this.#options.clock.mono();
    for (const lane of this.#lanes) {
      if (lane.waiting && !lane.owned.alive) delay = Math.min(delay, deadCheckMs);
      else if (lane.batches < laneBatches && this.#batches < batches) delay = Math.min(delay, lane.retryAtMono - mono);
    }
    if (delay === Infinity || this.#closed) return;
    this.#timer = this.#options.clock.timer(Math.max(sleepMsMin, delay), () => this.turn(), true);
  }
}
