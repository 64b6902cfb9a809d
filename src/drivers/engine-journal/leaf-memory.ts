import type { Segment } from './segment.ts';

/** Pieces grow in such steps: half of one lies idle. */
const stepBytes = 1024;
/** Pieces of one size that are kept for the next leaf. */
const freeMax = 8;
/** Memory of a leaf beside its piece: its objects, its prefix, its key and its place in the node above. */
const overheadBytes = 450;

/** What a key adds beside its own bytes, at most, when its share of a leaf that is half full is counted. */
export const packedKeyMax = 64;

/** The memory of the packed leaves of one index: hands out its pieces and counts them. Entries name their segment by its number. */
export class LeafMemory {
  readonly segmentOf: (number: number) => Segment | undefined;
  /** Of all leaves. */
  bytes = 0;
  /** Pieces that nobody has any more, by how many steps they have: a leaf that grows needs the next larger one. */
  readonly #free: Buffer[][] = [];

  constructor(segmentOf: (number: number) => Segment | undefined) {
    this.segmentOf = segmentOf;
  }

  /** A piece of at least so many bytes for a leaf. */
  take(bytes: number): Buffer {
    const steps = Math.ceil(bytes / stepBytes);
    const piece = this.#free[steps]?.pop() ?? Buffer.allocUnsafeSlow(steps * stepBytes);
    this.bytes += this.bytesOf(piece);
    return piece;
  }

  /** What a leaf with that piece takes. */
  bytesOf(piece: Buffer): number {
    return piece.length + overheadBytes;
  }

  /** Its leaf has it no longer. */
  give(piece: Buffer): void {
    this.bytes -= this.bytesOf(piece);
    const steps = piece.length / stepBytes;
    const free = (this.#free[steps] ??= []);
    if (free.length < freeMax) free.push(piece);
  }
}
