import type { Fields } from './fields.ts';

const slots = 16;
const sectionBytesMax = 2048;
// After so many different sections in a row a slot is looked at only now and then: comparing and keeping them would only cost.
const missesMax = 16;
const lookEvery = 16;

interface Slot {
  readonly bytes: Buffer;
  length: number;
  fields: Fields | undefined;
  misses: number;
}

/**
 * The header sections that came last, byte for byte, and what they say: most clients and apps send the same one again and again, and comparing bytes
 * is cheaper than parsing them. What it answers is what the parser found in the same bytes, so it is as strict as the parser. Slots are chosen by how
 * many bytes are there, so that messages of different kinds do not push each other out. The lists of headers are shared: nobody may change them.
 */
export class HeadMemo {
  readonly #slots: (Slot | undefined)[] = Array.from({ length: slots }, () => undefined);

  /** The end of the section that begins at `at`, when it is the one that came last; `into` then holds its fields. Otherwise -1. */
  match(bytes: Buffer, range: { readonly at: number; readonly end: number }, into: Fields): number {
    const { at, end } = range;
    const slot = this.#slots[(end - at) & (slots - 1)];
    if (slot?.fields === undefined) return -1;
    const stop = at + slot.length;
    if (stop > end) return -1;
    if (slot.misses >= missesMax && slot.misses % lookEvery !== 0) {
      slot.misses++;
      return -1;
    }
    if (bytes.compare(slot.bytes, 0, slot.length, at, stop) !== 0) {
      slot.misses++;
      return -1;
    }
    slot.misses = 0;
    copy(slot.fields, into);
    return stop;
  }

  /** Keeps a section that was parsed without a fault: `bytes[at, stop)`, its empty line included; `end` is where the bytes ended that were there. */
  keep(bytes: Buffer, range: { readonly at: number; readonly stop: number; readonly end: number }, fields: Fields): void {
    const { at, stop, end } = range;
    if (stop - at > sectionBytesMax) return;
    const place = (end - at) & (slots - 1);
    const slot = (this.#slots[place] ??= { bytes: Buffer.allocUnsafeSlow(sectionBytesMax), length: 0, fields: undefined, misses: 0 });
    if (slot.misses > missesMax && slot.misses % lookEvery !== 1) return;
    bytes.copy(slot.bytes, 0, at, stop);
    slot.length = stop - at;
    slot.fields = copy(fields, emptyFields());
  }
}

function emptyFields(): Fields {
  return { headers: [], contentLength: -1, chunked: false, close: false, keepAlive: false, host: undefined, expect: undefined };
}

function copy(from: Fields, into: Fields): Fields {
  into.headers = from.headers;
  into.contentLength = from.contentLength;
  into.chunked = from.chunked;
  into.close = from.close;
  into.keepAlive = from.keepAlive;
  into.host = from.host;
  into.expect = from.expect;
  return into;
}
