import type { Segment } from './segment.ts';

/** A stretch of a segment in memory. */
interface Slab {
  readonly bytes: Buffer;
  segment: Segment | undefined;
  /** Where in the segment it begins. */
  base: number;
  length: number;
}

const slabBytesMax = 1024 * 1024;
const slabsMin = 4;

/**
 * The newest bytes of the journal as they were written: what was just written is read from here, so a write keeps no copies of its values
 * or entries. A ring of slabs that is made once and then overwritten, oldest first, so that it costs the garbage collector nothing.
 */
export class RecentBytes {
  readonly #slabBytes: number;
  readonly #slabsMax: number;
  /** Oldest first. */
  #slabs: Slab[] = [];

  constructor(bytesMax: number) {
    this.#slabBytes = Math.min(slabBytesMax, Math.floor(bytesMax / slabsMin));
    this.#slabsMax = this.#slabBytes === 0 ? 0 : Math.floor(bytesMax / this.#slabBytes);
  }

  /** Copies what was written at `offset`, the end of the segment so far. What is larger than a slab is not kept. */
  add(segment: Segment, offset: number, bytes: Uint8Array): void {
    if (bytes.length > this.#slabBytes) return;
    let slab = this.#slabs.at(-1);
    if (slab?.segment !== segment || slab.base + slab.length !== offset || slab.length + bytes.length > slab.bytes.length) {
      slab = this.#next(segment, offset);
    }
    slab.bytes.set(bytes, slab.length);
    slab.length += bytes.length;
  }

  /** A view that is valid until the next `add`: copy it. Undefined when the bytes are not all there. */
  view(segment: Segment, offset: number, length: number): Uint8Array | undefined {
    for (let i = this.#slabs.length - 1; i >= 0; i--) {
      const slab = this.#slabs[i] as Slab;
      if (slab.segment !== segment || offset < slab.base) continue;
      const at = offset - slab.base;
      return at + length <= slab.length ? slab.bytes.subarray(at, at + length) : undefined;
    }
    return undefined;
  }

  #next(segment: Segment, base: number): Slab {
    const oldest = this.#slabs.length < this.#slabsMax ? undefined : this.#slabs.shift();
    const slab: Slab = { bytes: oldest?.bytes ?? Buffer.allocUnsafeSlow(this.#slabBytes), segment, base, length: 0 };
    this.#slabs.push(slab);
    return slab;
  }
}
