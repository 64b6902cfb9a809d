import type { Segment } from './segment.ts';

/** Bytes of a segment in a slab. */
interface Stretch {
  readonly slab: Buffer;
  /** Where in the slab, and where in the segment it begins. */
  readonly at: number;
  readonly segment: Segment;
  readonly base: number;
  length: number;
}

const slabBytesMax = 1024 * 1024;
/** Groups that are filled or written lie in three at most, so the one that is taken next is free. */
const slabsMin = 4;

/**
 * The newest bytes of the journal as they were written: groups are filled here, one behind the other, and what was just written is read from here, so a write
 * keeps no copies of its values or entries. A ring of slabs that is made once and then overwritten, oldest first, so that it costs the garbage collector nothing.
 */
export class RecentBytes {
  readonly #slabBytes: number;
  readonly #slabsMax: number;
  /** Oldest first; the last one is being filled. */
  readonly #slabs: Buffer[] = [];
  /** Where in it the next group begins. */
  #begin = 0;
  /** What was written of them, oldest first. */
  readonly #stretches: Stretch[] = [];

  constructor(bytesMax: number) {
    this.#slabBytes = Math.min(slabBytesMax, Math.floor(bytesMax / slabsMin));
    this.#slabsMax = this.#slabBytes === 0 ? 0 : Math.floor(bytesMax / this.#slabBytes);
  }

  /** Memory for the group that is being filled: at least so many bytes. Undefined when it is too large to be kept. */
  room(least: number): Buffer | undefined {
    if (least > this.#slabBytes) return undefined;
    let slab = this.#slabs.at(-1);
    if (slab === undefined || this.#begin + least > slab.length) slab = this.#next();
    return slab.subarray(this.#begin);
  }

  /** The group is filled: the next one begins behind it, if it lies here. */
  close(bytes: Uint8Array): void {
    if (this.#slabs.at(-1)?.buffer === bytes.buffer) this.#begin = bytes.byteOffset + bytes.length;
  }

  /** A group was written at `offset`, the end of the segment so far. */
  add(segment: Segment, offset: number, bytes: Uint8Array): void {
    const slab = this.#slabs.find(({ buffer }) => buffer === bytes.buffer);
    if (slab === undefined) return;
    const { byteOffset: at, length } = bytes;
    const last = this.#stretches.at(-1);
    const follows = last?.slab === slab && last.at + last.length === at && last.segment === segment && last.base + last.length === offset;
    if (follows) last.length += length;
    else this.#stretches.push({ slab, at, segment, base: offset, length });
  }

  /** A view that is valid until the next group is filled: copy it. Undefined when the bytes are not all there. */
  view(segment: Segment, offset: number, length: number): Uint8Array | undefined {
    for (let i = this.#stretches.length - 1; i >= 0; i--) {
      const { slab, at, segment: of, base, length: kept } = this.#stretches[i] as Stretch;
      if (of !== segment || offset < base) continue;
      const from = at + offset - base;
      return offset + length <= base + kept ? slab.subarray(from, from + length) : undefined;
    }
    return undefined;
  }

  #next(): Buffer {
    const oldest = this.#slabs.length < this.#slabsMax ? undefined : this.#slabs.shift();
    while (oldest !== undefined && this.#stretches[0]?.slab === oldest) this.#stretches.shift();
    const slab = oldest ?? Buffer.allocUnsafeSlow(this.#slabBytes);
    this.#slabs.push(slab);
    this.#begin = 0;
    return slab;
  }
}
