import type { Membership, OwnedShard, Placement } from '../../contracts/placement.ts';
import type { DurableTimer, ShardTimers, ShardTimersOptions } from '../../contracts/timers.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Timer } from '../../kernel/ports.ts';
import { untuple } from '../../kernel/tuple.ts';
import { backoffMs, pause } from './commit-firm.ts';
import { type Core, workflowShards } from './core.ts';
import type { Exposed } from './exposed.ts';
import { below } from './history-lines.ts';
import type { InstanceCache } from './instance-cache.ts';
import { OutageScans } from './outage-scans.ts';
import type { TurnRunner } from './turn-runner.ts';

export interface ShardKeeperParts {
  readonly core: Core;
  readonly placement: Placement;
  readonly createTimers: (options: ShardTimersOptions) => ShardTimers;
  readonly cache: InstanceCache;
  readonly runner: TurnRunner;
  readonly exposed: Exposed;
  readonly fire: (timer: DurableTimer) => Promise<void>;
  /** A shard is ours: what waits for it besides instances that are under way. */
  readonly claimed: (shard: OwnedShard) => void;
  /** How much waits for workers. */
  readonly waiting: () => number;
}

/** Instances that wait for a worker before more are taken into memory. */
const waitingMax = 5_000;
/** A worker that reconnects finds the shards where they were. */
const leaveAfterMs = 15_000;
const roomPollMs = 50;

/** This runtime's share of the app's workflows: it joins with the first worker, and leaves some time after the last one. */
export class ShardKeeper {
  readonly #parts: ShardKeeperParts;
  readonly timers: ShardTimers;
  readonly #outages: OutageScans;
  #membership: Membership | undefined;
  #joining: Promise<void> | undefined;
  /** The group is left: who joins again does so behind it. */
  #left: Promise<void> = Promise.resolve();
  #leaving: Timer | undefined;
  #closed = false;

  constructor(parts: ShardKeeperParts) {
    this.#parts = parts;
    this.#outages = new OutageScans({ clock: parts.core.clock, scan: () => this.#scanAll() });
    this.timers = parts.createTimers({ fire: async (_shard, timers) => void (await Promise.all(timers.map(parts.fire))) });
  }

  get membership(): Membership | undefined {
    return this.#membership;
  }

  get group(): string {
    return groupOf(this.#parts.core.self);
  }

  /** There is a worker. Goes on trying while the engine cannot be reached. */
  join(): void {
    this.#leaving?.cancel();
    this.#leaving = undefined;
    this.#joining ??= this.#left.then(() => this.#join());
  }

  /** There is none any more. */
  leaveSoon(): void {
    if (this.#leaving !== undefined || this.#closed) return;
    this.#leaving = this.#parts.core.clock.timer(leaveAfterMs, () => void this.#leave(), true);
  }

  /** The engine was away for a moment: marks may have come that nobody was woken for, and shards that are held are looked through like new ones. */
  engineAway(): void {
    this.#outages.noted();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#outages.close();
    this.#leaving?.cancel();
    await this.#leave();
    await this.timers.close();
  }

  async #join(): Promise<void> {
    const { core, placement } = this.#parts;
    for (let tries = 0; !this.#closed; tries++) {
      try {
        this.#membership = await placement.join({
          group: this.group,
          shards: workflowShards,
          claimed: (shard) => this.#claimed(shard),
          drain: (shard) => this.#drain(shard),
          lost: (shard) => this.#lost(shard),
        });
        // Shards that were claimed before it answered are looked at now.
        for (const shard of this.#early.splice(0)) this.#claimed(shard);
        return;
      } catch (error) {
        core.log.warn('workflows cannot be shared among runtimes yet', { error: ProaError.from(error).message });
        await pause(core.clock, backoffMs(core.random, tries));
      }
    }
  }

  #leave(): Promise<void> {
    this.#leaving = undefined;
    const joined = this.#joining;
    this.#joining = undefined;
    this.#left = this.#leaveAfter(joined);
    return this.#left;
  }

  async #leaveAfter(joined: Promise<void> | undefined): Promise<void> {
    await joined;
    try {
      await this.#membership?.leave();
    } catch (error) {
      // Whoever notices that this runtime is no member any more takes its shards.
      this.#parts.core.log.warn('the group of the workflows could not be left', { error: ProaError.from(error).message });
    }
    this.#membership = undefined;
  }

  readonly #early: OwnedShard[] = [];

  #claimed(shard: OwnedShard): void {
    if (this.#membership === undefined) {
      this.#early.push(shard);
      return;
    }
    this.timers.open(shard);
    void this.#scan(shard).catch((error: unknown) => {
      this.#parts.core.log.warn('workflows that were under way cannot be read; they are looked for again', {
        error: ProaError.from(error).message,
      });
      this.#parts.core.clock.timer(1_000, () => this.#owns(shard) && this.#claimed(shard), true);
    });
  }

  // One after the other: nobody waits for it, and what is under way anyway goes first.
  async #scanAll(): Promise<void> {
    const { membership } = this;
    for (let index = 0; membership !== undefined && index < membership.shards; index++) {
      const shard = membership.owned(index);
      if (shard === undefined || !this.#owns(shard)) continue;
      try {
        await this.#scan(shard);
      } catch (error) {
        this.#parts.core.log.warn('workflows cannot be looked at after an outage; they are looked at later', {
          error: ProaError.from(error).message,
        });
        this.engineAway();
        return;
      }
    }
  }

  #owns(shard: OwnedShard): boolean {
    return !this.#closed && this.#membership?.owned(shard.index)?.epoch === shard.epoch;
  }

  /** What is busy in the shard, in portions, so that a long list waits on the engine and not in memory. */
  async #scan(shard: OwnedShard): Promise<void> {
    const { core, runner, claimed } = this.#parts;
    claimed(shard);
    const prefix = core.keys.readies(shard.index);
    const { from: first, to } = below(prefix);
    let from = first;
    while (this.#owns(shard)) {
      const page = await core.engine.range({ from, to, limit: 256, keysOnly: true });
      for (const { key } of page.entries) {
        await this.#room(shard);
        if (this.#owns(shard)) runner.wake(untuple(key.slice(prefix.length))[0] as string);
      }
      const last = page.entries.at(-1);
      if (!page.more || last === undefined) return;
      from = `${last.key}\x00`;
    }
  }

  async #room(shard: OwnedShard): Promise<void> {
    while (this.#owns(shard) && this.#parts.waiting() > waitingMax) await pause(this.#parts.core.clock, roomPollMs);
  }

  /** Turns under way end, results that only memory knows are written; then the next owner goes on. */
  async #drain(shard: OwnedShard): Promise<void> {
    const { cache, runner, exposed, core } = this.#parts;
    await this.timers.release(shard.index);
    const lives = [...cache.values()].filter((live) => live.shard === shard.index);
    for (const live of lives) {
      while (live.driving && !live.gone && live.turning && shard.alive) await pause(core.clock, roomPollMs / 5);
      await exposed.persist(live).catch(() => {});
      runner.drop(live);
    }
  }

  #lost(shard: OwnedShard): void {
    void this.timers.release(shard.index);
    for (const live of this.#parts.cache.values()) if (live.shard === shard.index) this.#parts.runner.drop(live);
  }
}

/** The group in the placement that the workflows of an app are. */
export function groupOf({ namespace, appId }: { readonly namespace: string; readonly appId: string }): string {
  return `workflows/${namespace}/${appId}`;
}
