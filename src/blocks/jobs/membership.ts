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
const retryMs = 1_000;
/** A run that takes longer when its shard goes to another runtime is begun there again. */
const drainMs = 30_000;

/**
 * Takes part in the running of an app's jobs while the app is ready. It joins the group when there is a job: an app without jobs renews no lease and polls next to nothing. When the app goes away its shards go to
 * the other runtimes of the app; without one the jobs wait.
 */
export class JobMembership {
  readonly #options: JobMembershipOptions;
  readonly #log: Logger;
  #ready = false;
  #membership: Membership | undefined;
  #last: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #unwatch: () => void = () => {};

  constructor(options: JobMembershipOptions) {
    this.#options = options;
    this.#log = options.context.log.scoped('proa.jobs');
  }

  /** The app takes jobs. */
  start(): void {
    if (this.#ready) return;
    this.#ready = true;
    this.#unwatch = this.#options.engine.watch(this.#options.keys.records, () => this.needed());
    this.#look();
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
      await this.#inTurn(async () => {
        const membership = this.#membership;
        this.#membership = undefined;
        await membership?.leave().catch((error: unknown) => {
          this.#log.warn('the jobs of this app could not be handed over', { [logFields.error]: ProaError.from(error).message });
        });
      });
    } finally {
      late.cancel();
    }
  }

  /** Looks whether there is a job, now and then until there is one: the watch is only a hint. */
  #look(): void {
    const { engine, keys, context } = this.#options;
    void engine
      .range({ from: keys.records, to: prefixEnd(keys.records), limit: 1, keysOnly: true })
      .then(
        ({ entries }) => entries.length > 0 && this.needed(),
        (error: unknown) => this.#log.debug('jobs cannot be looked for', { [logFields.error]: ProaError.from(error).message }),
      )
      .finally(() => {
        this.#timer?.cancel();
        if (this.#ready && this.#membership === undefined) this.#timer = context.ports.clock.timer(lookEveryMs, () => this.#look(), true);
      });
  }

  async #join(): Promise<void> {
    if (!this.#ready || this.#membership !== undefined) return;
    this.#timer?.cancel();
    const { placement, keys, shards, timers, runner } = this.#options;
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
