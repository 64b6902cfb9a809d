/** A stretch of memory that frames are written into, front to back; what was handed to a socket is never written again. */
export interface Slab {
  readonly bytes: Buffer;
  at: number;
}

const slabBytes = 64 * 1024;
/** With less room than this a slab is not worth keeping. */
const roomMin = 4 * 1024;
const keptMax = 8;

/**
 * Slabs that connections borrow while they have something to write, so that idle connections hold none. A used-up slab is left to the collector,
 * which knows when the socket is done with it: no bookkeeping per write.
 */
export class Slabs {
  readonly #free: Slab[] = [];

  /** A slab with at least `room` bytes behind `at`. */
  take(room: number): Slab {
    const kept = this.#free.pop();
    if (kept !== undefined) {
      if (kept.bytes.length - kept.at >= room) return kept;
      if (room > slabBytes) this.#free.push(kept);
    }
    return { bytes: Buffer.allocUnsafeSlow(Math.max(slabBytes, room)), at: 0 };
  }

  give(slab: Slab): void {
    if (slab.bytes.length - slab.at >= roomMin && this.#free.length < keptMax) this.#free.push(slab);
  }
}
