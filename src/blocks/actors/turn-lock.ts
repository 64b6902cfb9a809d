import type { Cancellable, Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';

/** Calls that may wait for one actor. */
const waitingMax = 1_000;

interface Waiter extends Cancellable {
  readonly enter: () => void;
}

/** One turn at a time, in the order in which they came. */
export class TurnLock {
  readonly #waiting = new Set<Waiter>();
  #last: (() => void) | undefined;
  #taken = false;

  /** Turns that run or wait. */
  get size(): number {
    return (this.#taken ? 1 : 0) + this.#waiting.size;
  }

  /** Takes the lock: at once (undefined) when it is free, else the promise resolves when it is this one's turn. Fails with `actor.busy` beyond the limit, and with the reason of a cancellation. */
  acquire(cancel: Cancellation): Promise<void> | undefined {
    if (!this.#taken) {
      this.#taken = true;
      return undefined;
    }
    if (this.#waiting.size >= waitingMax) throw new ProaError('actor.busy', `${waitingMax} calls wait for the actor`);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        enter() {
          cancel.release(waiter);
          resolve();
        },
        cancel: (reason) => {
          this.#waiting.delete(waiter);
          cancel.release(waiter);
          reject(reason as Error);
        },
      };
      this.#waiting.add(waiter);
      cancel.guard(waiter);
    });
  }

  /**
   * Takes the lock for the end of the actor: at once (undefined) when it is free, else as soon as the turn has ended, before every call that waits. However many wait, it is not refused: what
   * has to go goes. Asked for once at a time.
   */
  acquireLast(): Promise<void> | undefined {
    if (this.#taken) return new Promise((resolve) => (this.#last = resolve));
    this.#taken = true;
    return undefined;
  }

  /** Hands the lock to the next that waits. */
  release(): void {
    const last = this.#last;
    if (last !== undefined) {
      this.#last = undefined;
      last();
      return;
    }
    const next = this.#waiting.values().next();
    if (next.done === true) {
      this.#taken = false;
      return;
    }
    this.#waiting.delete(next.value);
    next.value.enter();
  }

  /** Every call that waits fails with the reason. */
  refuseWaiting(reason: ProaError): void {
    for (const waiter of Array.from(this.#waiting)) waiter.cancel(reason);
  }
}
