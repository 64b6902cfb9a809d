/** Larger pieces waste more when one value of them stays, and are kept as a whole by whoever remembers a value. */
const slabBytes = 16 * 1024;
const slabValueMax = 4 * 1024;
/** So much may be wasted of any cache. */
const wastedLeast = 4 * slabBytes;

interface Slab {
  // A Buffer, because its views can be turned into text without another view.
  readonly bytes: Buffer;
  used: number;
  /** Bytes of values that are not free. */
  live: number;
  /** Whose values were put here, free ones included. */
  readonly versions: number[];
}

/** A value, and where its bytes lie. */
export interface Placed {
  readonly version: number;
  /** Undefined once it is free. */
  value: Uint8Array | undefined;
  /** Undefined for a value that has memory of its own. */
  slab: Slab | undefined;
}

/**
 * Memory for values. Small ones share pieces: an array buffer for each costs more than the rest of a commit. A piece is kept as long as one of its values is, so what is left of
 * the emptiest pieces moves together when too much of them is free: one value that stays among hundreds that are replaced would keep the memory of all.
 */
export class ValueSlabs {
  readonly #wastedMax: number;
  readonly #find: (version: number) => Placed | undefined;
  readonly #slabs = new Set<Slab>();
  #current: Slab | undefined;
  #live = 0;

  /** `find` answers the value of a version that is not free. */
  constructor(wastedMax: number, find: (version: number) => Placed | undefined) {
    this.#wastedMax = Math.max(wastedMax, wastedLeast);
    this.#find = find;
  }

  /** Makes a copy of `value` the value of `placed`, which has none. */
  place(placed: Placed, value: Uint8Array): void {
    this.#put(placed, value);
    while (this.#slabs.size * slabBytes - this.#live > this.#wastedMax) this.#empty();
  }

  /** `placed` has no value any more. */
  free(placed: Placed): void {
    const { slab, value } = placed;
    placed.value = undefined;
    placed.slab = undefined;
    if (slab === undefined || value === undefined) return;
    slab.live -= value.length;
    this.#live -= value.length;
    if (slab.live === 0 && slab !== this.#current) this.#slabs.delete(slab);
  }

  #put(placed: Placed, value: Uint8Array): void {
    if (value.length > slabValueMax) {
      placed.value = new Uint8Array(value);
      return;
    }
    const slab = this.#room(value.length);
    const copy = slab.bytes.subarray(slab.used, slab.used + value.length);
    copy.set(value);
    slab.used += value.length;
    slab.live += value.length;
    slab.versions.push(placed.version);
    this.#live += value.length;
    placed.value = copy;
    placed.slab = slab;
  }

  #room(bytes: number): Slab {
    const full = this.#current;
    if (full !== undefined && full.used + bytes <= slabBytes) return full;
    if (full?.live === 0) this.#slabs.delete(full);
    const slab: Slab = { bytes: Buffer.allocUnsafeSlow(slabBytes), used: 0, live: 0, versions: [] };
    this.#current = slab;
    this.#slabs.add(slab);
    return slab;
  }

  /** Moves what is left of the slab with least in it. */
  #empty(): void {
    let emptiest: Slab | undefined;
    for (const slab of this.#slabs) if (slab !== this.#current && (emptiest === undefined || slab.live < emptiest.live)) emptiest = slab;
    if (emptiest === undefined) return;
    for (const version of emptiest.versions) {
      const placed = this.#find(version);
      if (placed?.slab !== emptiest) continue;
      const value = placed.value as Uint8Array;
      this.free(placed);
      this.#put(placed, value);
    }
    // Of nothing but empty values nobody said that they went.
    this.#slabs.delete(emptiest);
  }
}
