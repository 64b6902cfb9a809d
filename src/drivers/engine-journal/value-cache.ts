import { type Placed, ValueSlabs } from './value-slabs.ts';

/** Memory of a cached value beside its bytes: the objects that hold it, its places in the ring and in the table. */
const overheadBytes = 200;

interface Cached extends Placed {
  /** Read since the cache last looked. */
  hot: boolean;
}

/** Keeps values up to a number of bytes, by the version that they were written with. Second chance: what was read since the last look stays for another round. */
export class ValueCache {
  readonly #bytesMax: number;
  readonly #byVersion = new Map<number, Cached>();
  #ring: Cached[] = [];
  #next = 0;
  readonly #slabs: ValueSlabs;
  bytes = 0;

  /** `bytesMax` bounds what is kept; memory that its values have let go of is at most half as much, beside it. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#slabs = new ValueSlabs(bytesMax / 2, (version) => this.#byVersion.get(version));
  }

  /** The value of that version, which was read now. */
  get(version: number): Uint8Array | undefined {
    const cached = this.#byVersion.get(version);
    if (cached === undefined) return undefined;
    cached.hot = true;
    return cached.value;
  }

  /** The same for somebody who does not need it again. */
  look(version: number): Uint8Array | undefined {
    return this.#byVersion.get(version)?.value;
  }

  /** Keeps a copy of `value` and answers it; undefined when it is too large to be kept. */
  add(version: number, value: Uint8Array): Uint8Array | undefined {
    const known = this.#byVersion.get(version)?.value;
    if (known !== undefined || value.length > this.#bytesMax / 8) return known;
    const cached: Cached = { version, value: undefined, slab: undefined, hot: false };
    this.#byVersion.set(version, cached);
    this.#slabs.place(cached, value);
    this.#ring.push(cached);
    this.bytes += value.length + overheadBytes;
    const copy = cached.value;
    while (this.bytes > this.#bytesMax) this.#evictOne();
    return copy;
  }

  /** The value was replaced or deleted. Its place in the ring is freed when its turn comes. */
  drop(version: number): void {
    const cached = this.#byVersion.get(version);
    if (cached === undefined) return;
    this.#forget(cached);
    // Places of dropped values are reclaimed before they outnumber the living.
    if (this.#ring.length - this.#next > 1024 && (this.#ring.length - this.#next) * overheadBytes > 2 * this.#bytesMax) this.#compact();
  }

  #forget(cached: Cached): void {
    this.bytes -= (cached.value?.length ?? 0) + overheadBytes;
    this.#slabs.free(cached);
    this.#byVersion.delete(cached.version);
  }

  #evictOne(): void {
    const cached = this.#ring[this.#next++];
    if (cached === undefined) return void (this.bytes = 0);
    if (cached.value !== undefined) {
      if (cached.hot) {
        cached.hot = false;
        // Copied again, so that it lies beside what goes when it does.
        const { value } = cached;
        this.#slabs.free(cached);
        this.#slabs.place(cached, value);
        this.#ring.push(cached);
      } else this.#forget(cached);
    }
    if (this.#next > 4096 && this.#next * 2 > this.#ring.length) {
      this.#ring = this.#ring.slice(this.#next);
      this.#next = 0;
    }
  }

  #compact(): void {
    this.#ring = this.#ring.slice(this.#next).filter(({ value }) => value !== undefined);
    this.#next = 0;
  }
}
