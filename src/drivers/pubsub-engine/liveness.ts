import type { Engine, Lease } from '../../contracts/engine.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import type { BusKeys } from './keys.ts';

export interface LivenessOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly keys: BusKeys;
  /** This broker instance; also the lease's owner. */
  readonly broker: string;
  readonly ttlMs: number;
}

/**
 * The sign of life of a broker instance: one lease for all of its subscriptions, renewed three times per TTL. A holder that could not renew for
 * two thirds of the TTL stops taking events until it can.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  readonly #listeners = new Set<(alive: boolean) => void>();
  #lease: Lease | undefined;
  #renewedAtMs = -Infinity;
  #alive = false;
  #timer: Timer | undefined;
  #round: Promise<void> | undefined;
  #closed = false;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Takes the lease on first use. Fails with the engine's error. */
  async ensure(): Promise<void> {
    if (this.#timer !== undefined || this.#closed) return;
    this.#arm();
    await this.#renew();
  }

  /** Calls back when life is lost and when it is back. */
  onChange(listener: (alive: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** True when another instance's lease has run out. It is then fenced: its holder has to begin anew. */
  async expired(broker: string): Promise<boolean> {
    const { engine, keys, ttlMs } = this.#options;
    const lease = await engine.acquireLease(keys.lease(broker), this.#options.broker, ttlMs);
    if (!lease.held) return false;
    await engine.releaseLease(lease);
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#round;
    if (this.#lease !== undefined) await this.#options.engine.releaseLease(this.#lease);
    this.#lease = undefined;
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
      .catch((error: unknown) => this.#options.log.warn('the lease of this consumer could not be renewed', { error: String(error) }))
      .finally(() => {
        this.#round = undefined;
      });
  }

  async #renew(): Promise<void> {
    const { engine, keys, broker, ttlMs, clock } = this.#options;
    const askedAtMs = clock.mono();
    const lease = this.#lease === undefined ? undefined : await engine.renewLease(this.#lease, ttlMs);
    this.#lease = lease;
    if (lease === undefined) {
      const acquired = await engine.acquireLease(keys.lease(broker), broker, ttlMs);
      if (acquired.held) this.#lease = acquired;
    }
    if (this.#lease !== undefined) this.#renewedAtMs = askedAtMs;
    this.#judge();
  }

  #judge(): void {
    const alive = this.#options.clock.mono() - this.#renewedAtMs < (this.#options.ttlMs * 2) / 3;
    if (alive === this.#alive) return;
    this.#alive = alive;
    for (const listener of this.#listeners) listener(alive);
  }
}
