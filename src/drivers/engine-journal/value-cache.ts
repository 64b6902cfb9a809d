import type { KeyEntry } from './operations.ts';

/** Memory of a cached value beside its bytes: the array's own object and its place in the ring. */
const overheadBytes = 120;
const slabBytes = 64 * 1024;
const slabValueMax = 4 * 1024;

/** Keeps values up to a number of bytes. Second chance: what was read since the last look stays for another round. */
export class ValueCache {
  readonly #bytesMax: number;
  #ring: KeyEntry[] = [];
  #next = 0;
  #slab = Buffer.alloc(0);
  #slabUsed = slabBytes;
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Keeps a copy of `value`. */
  add(entry: KeyEntry, value: Uint8Array): void {
    if (entry.value !== undefined || value.length > this.#bytesMax / 8) return;
    entry.value = this.#copy(value);
    this.bytes += value.length + overheadBytes;
    this.#ring.push(entry);
    while (this.bytes > this.#bytesMax) this.#evictOne();
  }

  /** The entry was replaced or deleted. Its place in the ring is freed when its turn comes. */
  drop(entry: KeyEntry): void {
    if (entry.value === undefined) return;
    this.bytes -= entry.value.length + overheadBytes;
    entry.value = undefined;
    entry.hot = false;
    // Places of dropped entries are reclaimed before they outnumber the living.
    if (this.#ring.length - this.#next > 1024 && (this.#ring.length - this.#next) * overheadBytes > 2 * this.#bytesMax) this.#compact();
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
    const entry = this.#ring[this.#next++];
    if (entry === undefined) return void (this.bytes = 0);
    if (entry.value !== undefined) {
      if (entry.hot) {
        entry.hot = false;
        // Copied again, so that one survivor does not keep its whole slab.
        entry.value = this.#copy(entry.value);
        this.#ring.push(entry);
      } else {
        this.bytes -= entry.value.length + overheadBytes;
        entry.value = undefined;
      }
    }
    if (this.#next > 4096 && this.#next * 2 > this.#ring.length) {
      this.#ring = this.#ring.slice(this.#next);
      this.#next = 0;
    }
  }

  #compact(): void {
    this.#ring = this.#ring.slice(this.#next).filter((entry) => entry.value !== undefined);
    this.#next = 0;
  }
}
