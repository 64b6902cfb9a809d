import { compareBytes } from '../../kernel/bytes.ts';

const slots = 16;
const sectionBytesMax = 2048;
// After so many different sections in a row a slot is looked at only now and then: comparing and keeping them would only cost.
const missesMax = 16;
const lookEvery = 16;

/** What a memo knows of some bytes: how many they are, and what they say. */
interface Known<T> {
  readonly length: number;
  readonly said: T;
}

interface Slot<T> {
  readonly bytes: Buffer;
  length: number;
  said: T;
  misses: number;
}

/**
 * The heads, or header sections, that came last, byte for byte, and what they say: most clients and apps send the same one again and again, and comparing
 * bytes is cheaper than parsing them. What it answers is what the parser found in the same bytes, so it is as strict as the parser. Slots are chosen by how
 * many bytes are there, so that messages of different kinds do not push each other out. What they say is shared by all messages that say it: nobody may change
 * it once it is kept.
 */
export class HeadMemo<T> {
  readonly #slots: (Slot<T> | undefined)[] = Array.from({ length: slots }, () => undefined);

  /** What is known of the bytes that begin at `at`, when they are what came last; it holds until the next call. */
  match(bytes: Buffer, at: number, end: number): Known<T> | undefined {
    const slot = this.#slots[(end - at) & (slots - 1)];
    if (slot === undefined) return undefined;
    const stop = at + slot.length;
    if (stop > end) return undefined;
    if (slot.misses >= missesMax && slot.misses % lookEvery !== 0) {
      slot.misses++;
      return undefined;
    }
    if (compareBytes(bytes, slot.bytes, 0, slot.length, at, stop) !== 0) {
      slot.misses++;
      return undefined;
    }
    slot.misses = 0;
    return slot;
  }

  /** Keeps what was parsed without a fault: `bytes[at, stop)`, its empty line included; `end` is where the bytes ended that were there. */
  keep(bytes: Buffer, range: { readonly at: number; readonly stop: number; readonly end: number }, said: T): void {
    const { at, stop, end } = range;
    if (stop - at > sectionBytesMax) return;
    const place = (end - at) & (slots - 1);
    const slot = (this.#slots[place] ??= { bytes: Buffer.allocUnsafeSlow(sectionBytesMax), length: 0, said, misses: 0 });
    if (slot.misses > missesMax && slot.misses % lookEvery !== 1) return;
    bytes.copy(slot.bytes, 0, at, stop);
    slot.length = stop - at;
    slot.said = said;
  }
}
