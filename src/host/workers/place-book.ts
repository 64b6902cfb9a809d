import { ownText } from '../../kernel/flat-text.ts';
import { BorrowedPermits, createPermitBank, type BankLink, type Holder, type PermitBank } from './permit-bank.ts';

/** Which places, and how many of them: another number is another set, so that a reload begins anew. */
export interface PlaceName {
  readonly name: string;
  readonly max: number;
}

/** A message about places, between a process and their bank. */
export interface PlaceParcel extends PlaceName {
  readonly count: number;
}

// Limits per key make a set of places for each key: sets that nobody uses are forgotten beyond this.
const setsMax = 10_000;

const idOf = ({ name, max }: PlaceName): string => `${max} ${name}`;

/** The places of one process, by name; each set is borrowed from its bank. */
export class PlaceBook {
  readonly #sets = new Map<string, BorrowedPermits>();
  readonly #link: (name: PlaceName) => BankLink;

  constructor(link: (name: PlaceName) => BankLink) {
    this.#link = link;
  }

  of(name: PlaceName): BorrowedPermits {
    const id = idOf(name);
    let set = this.#sets.get(id);
    if (set === undefined) {
      if (this.#sets.size >= setsMax) for (const [other, each] of this.#sets) if (each.retire()) this.#sets.delete(other);
      // Some names end with a piece of a head.
      const own = { name: ownText(name.name), max: name.max };
      this.#sets.set(idOf(own), (set = new BorrowedPermits(this.#link(own))));
    }
    return set;
  }

  granted(parcel: PlaceParcel): void {
    this.of(parcel).granted(parcel.count);
  }

  recalled(parcel: PlaceParcel): void {
    this.of(parcel).recalled(parcel.count);
  }
}

/** A process as the banks see it: what becomes of its wishes is told by name. */
export interface Borrower {
  granted(parcel: PlaceParcel): void;
  recalled(parcel: PlaceParcel): void;
}

interface Bank {
  readonly bank: PermitBank;
  readonly holders: Map<Borrower, Holder>;
}

/** The banks of all places; they are in the first process. */
export class BankBook {
  readonly #banks = new Map<string, Bank>();

  want(borrower: Borrower, parcel: PlaceParcel): void {
    const found = this.#of(parcel);
    found.bank.want(holderOf(found, borrower, parcel), parcel.count);
  }

  back(borrower: Borrower, parcel: PlaceParcel): void {
    const found = this.#of(parcel);
    found.bank.back(holderOf(found, borrower, parcel), parcel.count);
  }

  /** The process has ended. */
  gone(borrower: Borrower): void {
    for (const { bank, holders } of this.#banks.values()) {
      const holder = holders.get(borrower);
      if (holder !== undefined) bank.gone(holder);
      holders.delete(borrower);
    }
  }

  #of(name: PlaceName): Bank {
    const id = idOf(name);
    let found = this.#banks.get(id);
    if (found === undefined) {
      if (this.#banks.size >= setsMax) for (const [other, { bank }] of this.#banks) if (bank.idle) this.#banks.delete(other);
      this.#banks.set(id, (found = { bank: createPermitBank(name.max), holders: new Map() }));
    }
    return found;
  }
}

function holderOf({ holders }: Bank, borrower: Borrower, { name, max }: PlaceName): Holder {
  let holder = holders.get(borrower);
  if (holder === undefined) {
    const made: Holder = {
      granted: (count) => borrower.granted({ name, max, count }),
      recalled: (count) => borrower.recalled({ name, max, count }),
    };
    holders.set(borrower, (holder = made));
  }
  return holder;
}
