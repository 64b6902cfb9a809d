import type { OwnedShard } from '../../contracts/placement.ts';
import type { DurableTimer } from '../../contracts/timers.ts';
import type { Due } from './due-heap.ts';
import type { Page } from './log-feed.ts';

export interface FiringLimits {
  /** Timers of one call of `fire`, and what may be let through at once after an outage. */
  readonly batch: number;
  /** Calls of `fire` at a time, of one shard and of all. */
  readonly laneBatches: number;
  readonly batches: number;
  /** Timers in memory: those that are due soon and those that are being fired. */
  readonly heldMax: number;
  /** Of these, overdue ones. */
  readonly overdueMax: number;
  /** A timer that is found this late is overdue. */
  readonly lateMs: number;
  /** Overdue timers that are let through per second. */
  readonly overdueRate: number;
}

/** A timer in memory. */
export interface Held extends Due {
  readonly timer: DurableTimer;
  readonly lane: Lane;
  readonly page: Page;
  /** Its entry in the page. */
  readonly sequence: number;
}

interface Retry {
  readonly items: readonly Held[];
  readonly attempts: number;
  readonly atMono: number;
}

/** What of one shard is to be fired now, and what is being fired. */
export class Lane {
  readonly owned: OwnedShard;
  readonly ready: Held[] = [];
  readonly #retries: Retry[] = [];
  /** Calls of `fire` under way. */
  batches = 0;
  #closed = false;
  #underWay = 0;
  #waiters: (() => void)[] = [];

  constructor(owned: OwnedShard) {
    this.owned = owned;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get waiting(): boolean {
    return this.ready.length > 0 || this.#retries.length > 0;
  }

  /** When the next failed batch is tried again; Infinity for none. */
  get retryAtMono(): number {
    return this.#retries.reduce((soonest, { atMono }) => Math.min(soonest, atMono), Infinity);
  }

  retry(retry: Retry): void {
    this.done(retry.items.length);
    this.#retries.push(retry);
  }

  /** So many are not being fired any more. */
  done(count: number): void {
    this.#underWay -= count;
  }

  /** The next batch; failed ones go first when their time has come. */
  next(max: number, mono: number): { readonly items: readonly Held[]; readonly attempts: number } | undefined {
    const at = this.#retries.findIndex(({ atMono }) => atMono <= mono);
    const [retry] = at < 0 ? [] : this.#retries.splice(at, 1);
    const batch = retry ?? { items: this.ready.splice(0, max), attempts: 0 };
    this.#underWay += batch.items.length;
    return batch.items.length === 0 ? undefined : batch;
  }

  ended(): void {
    this.batches--;
    if (this.batches > 0) return;
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  /** Drops what is not being fired; answers how many timers are let go, those that are being fired included. */
  close(): number {
    if (this.#closed) return 0;
    this.#closed = true;
    const retried = this.#retries.splice(0).reduce((sum, { items }) => sum + items.length, 0);
    return this.ready.splice(0).length + retried + this.#underWay;
  }

  settled(): Promise<void> {
    return this.batches === 0 ? Promise.resolve() : new Promise((resolve) => this.#waiters.push(resolve));
  }
}
