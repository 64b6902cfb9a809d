import type { Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Places } from '../../contracts/places.ts';

/** One process among which a bank divides its permits. */
export interface Holder {
  /** Permits are its own now, until it gives them back; 0: its wish was heard, and some of it has to wait until others give back. */
  granted(count: number): void;
  /** Others wait: this many are wanted back as soon as they are not needed. */
  recalled(count: number): void;
}

/** Divides places among processes: whoever holds a permit may use it again and again, until somebody else waits for one. */
export interface PermitBank {
  want(holder: Holder, count: number): void;
  back(holder: Holder, count: number): void;
  /** The holder has ended: what it held is free. */
  gone(holder: Holder): void;
  /** Nobody holds or wants anything. */
  readonly idle: boolean;
}

interface Account {
  /** Permits that are its own, those on their way to it included. */
  held: number;
  /** Of these, how many it was asked to give back. */
  recalled: number;
}

/** A bank of `max` permits. At no time do holders have more than that together. */
export function createPermitBank(max: number): PermitBank {
  const accounts = new Map<Holder, Account>();
  const waiting: Holder[] = [];
  let free = max;

  const accountOf = (holder: Holder): Account => {
    const known = accounts.get(holder) ?? { held: 0, recalled: 0 };
    accounts.set(holder, known);
    return known;
  };
  const serve = (): void => {
    while (free > 0) {
      const next = waiting.shift();
      if (next === undefined) break;
      free--;
      accountOf(next).held++;
      next.granted(1);
    }
    recallFor(waiting, accounts);
  };
  return {
    get idle() {
      return free === max && waiting.length === 0;
    },
    want(holder, count) {
      const waits = waiting.includes(holder);
      for (let i = 0; i < count; i++) waiting.push(holder);
      serve();
      // Who waits for more already has been told.
      if (!waits && waiting.includes(holder)) holder.granted(0);
    },
    back(holder, count) {
      const account = accountOf(holder);
      const returned = Math.min(account.held, count);
      account.held -= returned;
      account.recalled = Math.max(0, account.recalled - returned);
      free += returned;
      serve();
    },
    gone(holder) {
      free += accounts.get(holder)?.held ?? 0;
      accounts.delete(holder);
      for (let at = waiting.indexOf(holder); at >= 0; at = waiting.indexOf(holder)) waiting.splice(at, 1);
      serve();
    },
  };
}

// Every waiter has one permit on its way back from somebody else, as long as somebody else has one. Those who hold most are asked first.
function recallFor(waiting: readonly Holder[], accounts: ReadonlyMap<Holder, Account>): void {
  let outstanding = 0;
  for (const account of accounts.values()) outstanding += account.recalled;
  for (const waiter of waiting.slice(outstanding)) {
    let most: [Holder, Account] | undefined;
    for (const each of accounts) {
      const [holder, { held, recalled }] = each;
      if (holder !== waiter && held > recalled && (most === undefined || held - recalled > most[1].held - most[1].recalled)) most = each;
    }
    if (most === undefined) continue;
    most[1].recalled++;
    most[0].recalled(1);
  }
}

/** How a holder reaches its bank. */
export interface BankLink {
  want(count: number): void;
  back(count: number): void;
}

const waitersMax = 10_000;

interface Waiter {
  /** False: it has given up meanwhile. */
  readonly begin: () => boolean;
  readonly noneFree: (() => void) | undefined;
}

/** Permits of one process, borrowed from a bank. */
export class BorrowedPermits implements Places, Holder {
  readonly #bank: BankLink;
  #has = 0;
  #used = 0;
  #asked = 0;
  #owed = 0;
  /** The bank has said that what was asked for is not free. */
  #noneFree = false;
  readonly #waiting: Waiter[] = [];

  constructor(bank: BankLink) {
    this.#bank = bank;
  }

  /** Gives back what it holds when nothing of it is used or waited for; false when something is. */
  retire(): boolean {
    if (this.#used + this.#waiting.length + this.#asked > 0) return false;
    if (this.#has > 0) this.#bank.back(this.#has);
    this.#has = 0;
    return true;
  }

  tryTake(): boolean {
    if (this.#used >= this.#has) return false;
    this.#used++;
    return true;
  }

  acquire(cancel: Cancellation, noneFree?: () => void): Promise<void> | undefined {
    if (this.tryTake()) return undefined;
    if (this.#waiting.length >= waitersMax) {
      return Promise.reject(new ProaError('overloaded', `more than ${waitersMax} calls wait for a place that several processes share`));
    }
    const place = new Promise<void>((resolve, reject) => {
      let abandoned = false;
      const unlink = cancel.onCancel((reason) => {
        abandoned = true;
        reject(new ProaError('cancelled', 'the caller gave up while it waited for a place', { cause: reason }));
      });
      const begin = (): boolean => {
        if (abandoned) return false;
        unlink();
        resolve();
        return true;
      };
      this.#waiting.push({ begin, noneFree });
    });
    if (this.#noneFree) noneFree?.();
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
    // Places come in the order in which they were asked for: until all have come, later wishes wait too.
    const known = this.#noneFree;
    this.#noneFree = this.#asked > 0 && (known || count === 0);
    if (this.#noneFree && !known) for (const { noneFree } of this.#waiting) noneFree?.();
    this.#serve();
    // Whoever asked for it may have given up meanwhile.
    this.#giveBack(Math.min(this.#owed, this.#has - this.#used));
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
      if (next.begin()) this.#used++;
    }
  }

  #ask(): void {
    const missing = this.#waiting.length - this.#asked;
    if (missing <= 0) return;
    this.#asked += missing;
    this.#bank.want(missing);
  }
}
