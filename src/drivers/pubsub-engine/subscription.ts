import type { Engine, LogEntry } from '../../contracts/engine.ts';
import type { Liveness } from '../../contracts/liveness.ts';
import type { Consumer, Subscription } from '../../contracts/pubsub.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Random, Timer } from '../../kernel/ports.ts';
import { Delivery, type Pending } from './delivery.ts';
import { ensureGroup, laneOf } from './group.ts';
import type { BusKeys } from './keys.ts';
import { LaneBook, type HeldLane } from './lanes.ts';
import { hasRoom, LogReader } from './log-reader.ts';
import { incoming, isExpired } from './messages.ts';
import { Rebalancer } from './rebalancer.ts';

export interface SubscriptionOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly keys: BusKeys;
  readonly liveness: Liveness;
  readonly broker: string;
  readonly member: string;
  readonly topic: string;
  readonly group: string;
  readonly startFrom: string;
  readonly lanes: number;
  readonly recentMs: number;
  readonly redeliverMs: number;
  readonly redeliverMsMax: number;
  /** Fallback for hints that did not arrive. */
  readonly pollMs: number;
}

/** Settled events wait at most this long before they are made durable; after a crash they may be delivered again. */
const flushMs = 10;

/** Every so many polls the progress of lanes without traffic is stored, too: it is what lets old events be removed. */
const idlePolls = 20;

/** One consumer of a group: reads for the lanes that it holds, delivers, acknowledges in batches, shares lanes with the other members. */
export class GroupSubscription implements Subscription {
  readonly #options: SubscriptionOptions;
  readonly #delivery: Delivery<HeldLane>;
  readonly #book: LaneBook;
  readonly #reader: LogReader;
  readonly #rebalancer: Rebalancer;
  readonly #unlink: (() => void)[] = [];
  #lanes = 1;
  #polls = 0;
  #flushIdle = false;
  #paused = false;
  #flush: Timer | undefined;
  #poll: Timer | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SubscriptionOptions, consumer: Consumer) {
    this.#options = options;
    const { engine, keys, topic, group, clock, random, log, member, redeliverMs, redeliverMsMax } = options;
    const settled = (pending: Pending<HeldLane>): void => this.#settled(pending);
    this.#delivery = new Delivery({ clock, random, consumer, redeliverMs, redeliverMsMax, settled });
    this.#book = new LaneBook({
      engine,
      log,
      member,
      releasedKey: keys.released(topic, group),
      laneKey: (index) => keys.lane(topic, group, index),
      lost: (lane) => void this.#delivery.withdraw(lane),
    });
    this.#reader = new LogReader({
      engine,
      log: keys.log(topic),
      book: this.#book,
      laneOf: (entry) => laneOf(entry.key, entry.sequence, this.#lanes),
      accept: (lane, entry) => this.#accept(lane, entry),
      missed: (lane, upTo) => log.debug(`lane ${lane.index} of ${topic}: events up to ${upTo} were removed before this group read them`),
      failed: (error) => log.warn(`topic ${topic} cannot be read; trying again`, { error: String(error) }),
    });
    this.#rebalancer = new Rebalancer({
      ...options,
      book: this.#book,
      claimed: () => this.#reader.wake(),
      drain: (lane) => this.#delivery.withdraw(lane),
    });
  }

  /** Makes the group, joins it and takes lanes. Fails with the engine's error; then nothing is left running. */
  async start(): Promise<void> {
    const { engine, keys, topic, group, liveness } = this.#options;
    await liveness.ensure();
    this.#lanes = await ensureGroup(this.#options);
    this.#unlink.push(
      engine.onAppend(keys.log(topic), () => this.#reader.appended()),
      engine.watch(keys.members(topic, group), () => this.#rebalancer.wake()),
      liveness.onChange(() => this.#permit()),
    );
    this.#permit();
    this.#armPoll();
    await this.#rebalancer.join(this.#lanes);
  }

  pause(): void {
    this.#paused = true;
    this.#permit();
  }

  resume(): void {
    this.#paused = false;
    this.#permit();
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    this.#poll?.cancel();
    for (const unlink of this.#unlink) unlink();
    this.#reader.stop();
    this.#delivery.pause();
    await this.#rebalancer.stop();
    const lanes = Array.from(this.#book.all());
    for (const lane of lanes) lane.state = 'draining';
    await this.#within(graceMs, Promise.all(lanes.map((lane) => this.#delivery.withdraw(lane))));
    for (const lane of lanes) lane.state = 'releasing';
    this.#flush?.cancel();
    try {
      await this.#book.flush();
      await this.#rebalancer.leave();
    } catch (error) {
      this.#options.log.warn('the last acknowledgements could not be stored; those events come again', { error: String(error) });
    }
  }

  #within(graceMs: number, work: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.timer(graceMs, resolve);
      void work.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #permit(): void {
    if (this.#paused || !this.#options.liveness.alive || this.#closing !== undefined) this.#delivery.pause();
    else this.#delivery.resume();
  }

  #armPoll(): void {
    const { clock, pollMs } = this.#options;
    this.#poll = clock.timer(
      pollMs,
      () => {
        this.#armPoll();
        this.#reader.appended();
        this.#rebalancer.poll();
        if (++this.#polls % idlePolls === 0) this.#flushIdle = true;
        this.#scheduleFlush();
      },
      true,
    );
  }

  #accept(lane: HeldLane, entry: LogEntry): void {
    const { engine, keys, topic } = this.#options;
    const { sequence, key } = entry;
    const bytes = entry.data.length;
    lane.bytes += bytes;
    if (isExpired(entry, engine.now())) this.#settled({ lane, sequence, bytes });
    else this.#delivery.add({ lane, sequence, bytes, key, message: incoming({ engine, keys, topic, entry }) });
  }

  #settled({ lane, sequence, bytes }: Pick<Pending<HeldLane>, 'lane' | 'sequence' | 'bytes'>): void {
    if (this.#book.get(lane.index) !== lane) return;
    lane.progress.settle(sequence);
    lane.bytes -= bytes;
    lane.dirty = true;
    this.#scheduleFlush();
    if (!hasRoom(lane)) return;
    lane.full = false;
    this.#reader.wake();
  }

  #scheduleFlush(delayMs = flushMs): void {
    if (this.#flush !== undefined || this.#closing !== undefined) return;
    this.#flush = this.#options.clock.timer(delayMs, () => void this.#flushNow());
  }

  async #flushNow(): Promise<void> {
    let againMs: number | undefined;
    try {
      const idleToo = this.#flushIdle;
      this.#flushIdle = false;
      await this.#book.flush(idleToo);
    } catch (error) {
      this.#options.log.warn('acknowledgements could not be stored; trying again', { error: String(error) });
      againMs = 1_000;
    }
    this.#flush = undefined;
    if (this.#hasDirty()) this.#scheduleFlush(againMs);
  }

  #hasDirty(): boolean {
    for (const lane of this.#book.all()) if (lane.dirty) return true;
    return false;
  }
}
