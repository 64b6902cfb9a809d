import type { Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Permits } from '../../fronts/app/permits.ts';

/** One process among which a bank divides its permits. */
export interface Holder {
  /** Permits are its own now, until it gives them back. */
  granted(count: number): void;
  /** Others wait: this many are wanted back as soon as they are not needed. */
  recalled(count: number): void;
}

/** Divides `--app-max-concurrency` among processes: whoever holds a permit may use it again and again, until somebody else waits for one. */
export interface PermitBank {
  want(holder: Holder, count: number): void;
  back(holder: Holder, count: number): void;
  /** The holder has ended: what it held is free. */
  gone(holder: Holder): void;
}

/** A bank of `max` permits. At no time do holders have more than that together. */
export function createPermitBank(max: number): PermitBank {
  const held = new Map<Holder, number>();
  const waiting: Holder[] = [];
  let free = max;

  const serve = (): void => {
    while (free > 0) {
      const next = waiting.shift();
      if (next === undefined) return;
      free--;
      held.set(next, (held.get(next) ?? 0) + 1);
      next.granted(1);
    }
  };
  return {
    want(holder, count) {
      for (let i = 0; i < count; i++) waiting.push(holder);
      serve();
      // Each waiter asks one holder, those with most first, so that permits move to where the work is.
      const missing = waiting.filter((each) => each === holder).length;
      const others = [...held].filter(([each, has]) => each !== holder && has > 0).toSorted((a, b) => b[1] - a[1]);
      for (let i = 0; i < Math.min(missing, count) && others.length > 0; i++) others[i % others.length]?.[0].recalled(1);
    },
    back(holder, count) {
      const has = held.get(holder) ?? 0;
      const returned = Math.min(has, count);
      held.set(holder, has - returned);
      free += returned;
      serve();
    },
    gone(holder) {
      free += held.get(holder) ?? 0;
      held.delete(holder);
      for (let at = waiting.indexOf(holder); at >= 0; at = waiting.indexOf(holder)) waiting.splice(at, 1);
      serve();
    },
  };
}

/** How a holder reaches its bank. */
export interface BankLink {
  want(count: number): void;
  back(count: number): void;
}

const waitersMax = 10_000;

/** Permits of one process, borrowed from a bank. */
export class BorrowedPermits implements Permits, Holder {
  readonly #bank: BankLink;
  #has = 0;
  #used = 0;
  #asked = 0;
  #owed = 0;
  readonly #waiting: (() => boolean)[] = [];

  constructor(bank: BankLink) {
    this.#bank = bank;
  }

  acquire(cancel: Cancellation): Promise<void> | undefined {
    if (this.#used < this.#has) {
      this.#used++;
      return undefined;
    }
    if (this.#waiting.length >= waitersMax) {
      return Promise.reject(new ProaError('overloaded', `more than ${waitersMax} calls wait for a place in the app (--app-max-concurrency)`));
    }
    const place = new Promise<void>((resolve, reject) => {
      let abandoned = false;
      const unlink = cancel.onCancel((reason) => {
        abandoned = true;
        reject(new ProaError('cancelled', 'the caller gave up while it waited for a place in the app', { cause: reason }));
      });
      this.#waiting.push(() => {
        if (abandoned) return false;
        unlink();
        resolve();
        return true;
      });
    });
    this.#ask();
    return place;
  }

  // A field, because callers hand it on as a function.
  readonly release = (): void => {
    this.#used--;
    // One that others wait for goes back before it is used again: else a busy process would starve an idle one.
    if (this.#owed > 0) this.#giveBack(1);
    this.#serve();
    this.#ask();
  };

  granted(count: number): void {
    this.#has += count;
    this.#asked = Math.max(0, this.#asked - count);
    this.#serve();
  }

  recalled(count: number): void {
    this.#owed += count;
    this.#giveBack(Math.min(this.#owed, this.#has - this.#used));
  }

  #giveBack(count: number): void {
    if (count <= 0) return;
    this.#has -= count;
    this.#owed -= count;
    this.#bank.back(count);
  }

  #serve(): void {
    while (this.#used < this.#has) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (next()) this.#used++;
    }
  }

  #ask(): void {
    const missing = this.#waiting.length - this.#asked;
    if (missing <= 0) return;
    this.#asked += missing;
    this.#bank.want(missing);
  }
}
