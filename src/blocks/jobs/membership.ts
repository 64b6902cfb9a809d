import type { BlockContext } from '../../contracts/block-context.ts';
import type { Engine } from '../../contracts/engine.ts';
import type { Membership, Placement } from '../../contracts/placement.ts';
import type { ShardTimers } from '../../contracts/timers.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { logFields } from '../../kernel/names.ts';
import type { Timer } from '../../kernel/ports.ts';
import { prefixEnd } from '../../kernel/tuple.ts';
import type { JobKeys } from './keys.ts';
import type { JobRunner } from './runner.ts';

export interface JobMembershipOptions {
  readonly context: BlockContext;
  readonly engine: Engine;
  readonly placement: Placement;
  readonly keys: JobKeys;
  readonly shards: number;
  readonly timers: ShardTimers;
  readonly runner: JobRunner;
}

const lookEveryMs = 10_000;
/** How often a member looks whether the app still has jobs; when twice in a row it has none, it leaves. */
const idleLookMs = 60_000;
const idleLooksMax = 2;
const retryMs = 1_000;
/** A run that takes longer when its shard goes to another runtime is begun there again. */
const drainMs = 30_000;

/**
 * Takes part in the running of an app's jobs while the app is ready. It joins the group when there is a job and leaves it when there has been none for a while: an app without jobs renews no lease and polls
 * next to nothing. When the app goes away its shards go to the other runtimes of the app; without one the jobs wait.
 */
export class JobMembership {
  readonly #options: JobMembershipOptions;
  readonly #log: Logger;
  #ready = false;
  #membership: Membership | undefined;
  #last: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #unwatch: () => void = () => {};
  /** Looks in a row, as a member, that found no job. */
  #idleLooks = 0;

  constructor(options: JobMembershipOptions) {
    this.#options = options;
    this.#log = options.context.log.scoped('proa.jobs');
  }

  /** The app takes jobs. */
  start(): void {
    if (this.#ready) return;
    this.#ready = true;
    this.#await();
  }

  /** There is a job. */
  needed(): void {
    if (!this.#ready || this.#membership !== undefined) return;
    void this.#inTurn(() => this.#join());
  }

  async pause(graceMs: number): Promise<void> {
    if (!this.#ready) return;
    this.#ready = false;
    this.#unwatch();
    this.#timer?.cancel();
    const { clock } = this.#options.context.ports;
    const late = clock.timer(graceMs, () => this.#options.runner.abandon(new ProaError('cancelled', 'the app takes no more jobs')), true);
    try {
      await this.#inTurn(() => this.#leave());
    } finally {
      late.cancel();
    }
  }

  async #leave(): Promise<void> {
    const membership = this.#membership;
    this.#membership = undefined;
    await membership?.leave().catch((error: unknown) => {
      this.#log.warn('the jobs of this app could not be handed over', { [logFields.error]: ProaError.from(error).message });
    });
  }

  /** Waits for a job to come. */
  #await(): void {
    this.#unwatch();
    this.#unwatch = this.#options.engine.watch(this.#options.keys.records, () => this.needed());
    this.#look();
  }

  /** Looks whether there is a job, now and then: the watch is only a hint, and a member is not told when the last one goes. */
  #look(): void {
    const { engine, keys } = this.#options;
    void engine
      .range({ from: keys.records, to: prefixEnd(keys.records), limit: 1, keysOnly: true })
      .then(
        ({ entries }) => this.#looked(entries.length > 0),
        (error: unknown) => this.#log.debug('jobs cannot be looked for', { [logFields.error]: ProaError.from(error).message }),
      )
      .finally(() => this.#arm());
  }

  #looked(found: boolean): void {
    if (this.#membership === undefined) {
      if (found) this.needed();
      return;
    }
    // Leaving would wait for a run whose job was deleted under it, and a new job for both.
    this.#idleLooks = found || this.#options.runner.underWay > 0 ? 0 : this.#idleLooks + 1;
    if (this.#idleLooks >= idleLooksMax) void this.#inTurn(() => this.#rest());
  }

  /** Leaves the group as long as there is no job. One that comes meanwhile is found by the look that follows. */
  async #rest(): Promise<void> {
    if (!this.#ready || this.#membership === undefined) return;
    await this.#leave();
    if (this.#ready) this.#await();
  }

  #arm(): void {
    this.#timer?.cancel();
    if (!this.#ready) return;
    const afterMs = this.#membership === undefined ? lookEveryMs : idleLookMs;
    this.#timer = this.#options.context.ports.clock.timer(afterMs, () => this.#look(), true);
  }

  async #join(): Promise<void> {
    if (!this.#ready || this.#membership !== undefined) return;
    this.#timer?.cancel();
    const { placement, keys, shards, timers, runner } = this.#options;
    this.#idleLooks = 0;
    try {
      this.#membership = await placement.join({
        group: keys.group,
        shards,
        drainMs,
        claimed: (owned) => {
          this.#unwatch();
          runner.claimed(owned);
          timers.open(owned);
        },
        async drain({ index }) {
          await timers.release(index);
          await runner.release(index, false);
        },
        lost({ index }) {
          void timers.release(index);
          void runner.release(index, true);
        },
      });
      this.#arm();
    } catch (error) {
      this.#log.warn('jobs cannot be run yet', { [logFields.error]: ProaError.from(error).message });
      this.#timer?.cancel();
      if (this.#ready) this.#timer = this.#options.context.ports.clock.timer(retryMs, () => this.needed(), true);
    }
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const done = this.#last.then(step);
    this.#last = done.catch(() => {});
    return done;
  }
}
