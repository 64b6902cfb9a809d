import type { Logger } from '../kernel/log.ts';
import type { Clock, Timer } from '../kernel/ports.ts';
import type { Key } from '../kernel/tuple.ts';
import type { Condition, Engine, Lease, LeaseHeld } from './engine.ts';

export interface LivenessOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  /** The lease of a holder. */
  readonly leaseOf: (holder: string) => Key;
  /** Whose life this is; unique per start of a process. Also the lease's owner. */
  readonly holder: string;
  readonly ttlMs: number;
}

/** The lease of another holder, kept here while somebody needs that holder not to come back. */
interface Fence {
  readonly lease: Promise<Lease | LeaseHeld>;
  users: number;
}

/**
 * The sign of life of one holder: one lease for all that it does, renewed three times per TTL. A holder that could not renew for two thirds of the TTL
 * stops taking on work until it can.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  readonly #listeners = new Set<(alive: boolean) => void>();
  readonly #fences = new Map<string, Fence>();
  #lease: Lease | undefined;
  #renewedAtMs = -Infinity;
  #lapses = 0;
  #taken = false;
  #alive = false;
  /** When the lease was last taken again after it had been lost. */
  #backAtMs = -Infinity;
  #timer: Timer | undefined;
  #first: Promise<void> | undefined;
  #round: Promise<void> | undefined;
  #closed = false;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** Judged when it is asked for: after a freeze the answer is true for no instant. */
  get alive(): boolean {
    return this.#alive && this.#fresh();
  }

  /** How often the lease was lost and taken again: meanwhile others may have taken over what this holder had. */
  get lapses(): number {
    return this.#lapses;
  }

  /** Takes the lease on first use. Fails with the engine's error. */
  ensure(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    if (this.#timer === undefined) this.#arm();
    this.#first ??= this.#renew().catch((error: unknown) => {
      this.#first = undefined;
      throw error;
    });
    return this.#first;
  }

  /** Calls back when life is lost and when it is back, also when it was lost unnoticed. */
  onChange(listener: (alive: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** True when another holder's lease has run out. It is then fenced: that holder has to begin anew. */
  expired(holder: string): Promise<boolean> {
    return this.fencing(holder, async () => {});
  }

  /**
   * When another holder's lease has run out, does what follows from that (true); does nothing while it lives (false). A commit under the condition counts only while that holder has
   * not come back: it cannot take its lease before the work has ended, so that it never believes in what the commit takes from it. Whoever's own lease has run out, too, judges nobody for a TTL:
   * the engine was away, or its clock has jumped, and the others have to come back as well.
   */
  async fencing(holder: string, work: (condition: Condition) => Promise<void>): Promise<boolean> {
    const { engine, leaseOf, ttlMs } = this.#options;
    if (this.#isLost() || this.#cameBack()) return false;
    let fence = this.#fences.get(holder);
    // One lease for all who ask at the same time: the first who gives it back would take it from the others.
    if (fence === undefined)
      this.#fences.set(holder, (fence = { lease: engine.acquireLease(leaseOf(holder), this.#options.holder, ttlMs), users: 0 }));
    fence.users++;
    try {
      const lease = await fence.lease;
      if (!lease.held || !(await this.#holdsStill())) return false;
      await work({ kind: 'lease', name: lease.name, epoch: lease.epoch });
      return true;
    } finally {
      await this.#leave(holder, fence);
    }
  }

  /** Gives the lease back, so that others need not wait until it runs out. Never fails: where the engine is away, they wait. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#round;
    this.#renewedAtMs = -Infinity;
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) await this.#giveBack(lease);
  }

  async #leave(holder: string, fence: Fence): Promise<void> {
    if (--fence.users > 0) return;
    this.#fences.delete(holder);
    const lease = await fence.lease;
    if (lease.held) await this.#giveBack(lease);
  }

  /** What was done under the lease is done, whether or not the engine hears that it is over. */
  #giveBack(lease: Lease): Promise<void> {
    return this.#options.engine.releaseLease(lease).catch((error: unknown) => {
      this.#options.log.warn('a lease could not be given back and will run out', { error: String(error) });
    });
  }

  #arm(): void {
    this.#timer = this.#options.clock.timer(this.#options.ttlMs / 3, () => this.#tick(), true);
  }

  #tick(): void {
    if (this.#closed) return;
    this.#arm();
    this.#judge();
    if (this.#round !== undefined) return;
    this.#round = this.#renew()
      .catch((error: unknown) =>
        this.#options.log.warn('the lease that says that this runtime lives could not be renewed', { error: String(error) }),
      )
      .finally(() => {
        this.#round = undefined;
      });
  }

  async #renew(): Promise<void> {
    const { engine, leaseOf, holder, ttlMs, clock } = this.#options;
    const askedAtMs = clock.mono();
    let unnoticed = false;
    const lease = this.#lease === undefined ? undefined : await engine.renewLease(this.#lease, ttlMs);
    this.#lease = lease;
    if (lease === undefined) {
      // Lost, whatever the own clock says: that of the engine may have been set forward.
      this.#renewedAtMs = -Infinity;
      const acquired = await engine.acquireLease(leaseOf(holder), holder, ttlMs);
      if (acquired.held) this.#lease = acquired;
      if (acquired.held && this.#taken) {
        this.#lapses++;
        this.#backAtMs = this.#options.clock.mono();
      }
      unnoticed = acquired.held && this.#taken && this.#alive;
      this.#taken ||= acquired.held;
    }
    if (this.#lease !== undefined) this.#renewedAtMs = askedAtMs;
    this.#judge();
    if (unnoticed) for (const listener of this.#listeners) listener(this.#alive);
  }

  /** Asks the engine: since the last renewal its clock may have jumped. */
  async #holdsStill(): Promise<boolean> {
    // A renewal that is under way may have been answered before the jump.
    await this.#round;
    if (this.#taken) await this.#renew();
    return !this.#isLost() && !this.#cameBack();
  }

  /** It had the lease and has it no more: perhaps others hold it just now, who judge it as it would judge them. */
  #isLost(): boolean {
    return this.#taken && this.#lease === undefined;
  }

  #cameBack(): boolean {
    return this.#options.clock.mono() - this.#backAtMs < this.#options.ttlMs;
  }

  #fresh(): boolean {
    return this.#options.clock.mono() - this.#renewedAtMs < (this.#options.ttlMs * 2) / 3;
  }

  #judge(): void {
    const alive = this.#fresh();
    if (alive === this.#alive) return;
    this.#alive = alive;
    for (const listener of this.#listeners) listener(alive);
  }
}
