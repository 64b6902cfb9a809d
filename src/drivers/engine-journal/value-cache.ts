/** Memory of a cached value beside its bytes: the objects that hold it, its places in the ring and in the table. */
const overheadBytes = 200;
const slabBytes = 64 * 1024;
const slabValueMax = 4 * 1024;

interface Cached {
  readonly version: number;
  /** Undefined once it was dropped. */
  value: Uint8Array | undefined;
  /** Read since the cache last looked. */
  hot: boolean;
}

/** Keeps values up to a number of bytes, by the version that they were written with. Second chance: what was read since the last look stays for another round. */
export class ValueCache {
  readonly #bytesMax: number;
  readonly #byVersion = new Map<number, Cached>();
  #ring: Cached[] = [];
  #next = 0;
  #slab = Buffer.alloc(0);
  #slabUsed = slabBytes;
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
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
    const cached: Cached = { version, value: this.#copy(value), hot: false };
    this.#byVersion.set(version, cached);
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
    cached.value = undefined;
    this.#byVersion.delete(cached.version);
  }

  /** Small values share slabs: an array buffer for each costs more than the rest of a commit. Slabs die in the order of the ring. */
  #copy(value: Uint8Array): Uint8Array {
    if (value.length > slabValueMax) return new Uint8Array(value);
    if (this.#slabUsed + value.length > slabBytes) {
      // A Buffer, because its views can be turned into text without another view.
      this.#slab = Buffer.alloc(slabBytes);
      this.#slabUsed = 0;
    }
    const copy = this.#slab.subarray(this.#slabUsed, this.#slabUsed + value.length);
    copy.set(value);
    this.#slabUsed += value.length;
    return copy;
  }

  #evictOne(): void {
    const cached = this.#ring[this.#next++];
    if (cached === undefined) return void (this.bytes = 0);
    if (cached.value !== undefined) {
      if (cached.hot) {
        cached.hot = false;
        // Copied again, so that one survivor does not keep its whole slab.
        cached.value = this.#copy(cached.value);
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
