import type { Fields } from './fields.ts';
import type { RequestHead } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';

const slots = 16;
const sectionBytesMax = 2048;
// After so many different sections in a row a slot is looked at only now and then: comparing and keeping them would only cost.
const missesMax = 16;
const lookEvery = 16;

interface Slot<T> {
  readonly bytes: Buffer;
  length: number;
  said: T | undefined;
  misses: number;
}

/** What a memo keeps: `copy` moves it between a message and a `blank` of the memo's own. */
export interface Kept<T> {
  blank(): T;
  copy(from: T, into: T): T;
}

/**
 * The heads, or header sections, that came last, byte for byte, and what they say: most clients and apps send the same one again and again, and comparing
 * bytes is cheaper than parsing them. What it answers is what the parser found in the same bytes, so it is as strict as the parser. Slots are chosen by how
 * many bytes are there, so that messages of different kinds do not push each other out. The lists of headers are shared: nobody may change them.
 */
export class HeadMemo<T extends Fields> {
  readonly #slots: (Slot<T> | undefined)[] = Array.from({ length: slots }, () => undefined);
  readonly #kept: Kept<T>;

  constructor(kept: Kept<T>) {
    this.#kept = kept;
  }

  /** The end of what begins at `at`, when it is what came last; `into` then holds what it says. Otherwise -1. */
  match(bytes: Buffer, range: { readonly at: number; readonly end: number }, into: T): number {
    const { at, end } = range;
    const slot = this.#slots[(end - at) & (slots - 1)];
    if (slot?.said === undefined) return -1;
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
    this.#kept.copy(slot.said, into);
    return stop;
  }

  /** Keeps what was parsed without a fault: `bytes[at, stop)`, its empty line included; `end` is where the bytes ended that were there. */
  keep(bytes: Buffer, range: { readonly at: number; readonly stop: number; readonly end: number }, said: T): void {
    const { at, stop, end } = range;
    if (stop - at > sectionBytesMax) return;
    const place = (end - at) & (slots - 1);
    const slot = (this.#slots[place] ??= { bytes: Buffer.allocUnsafeSlow(sectionBytesMax), length: 0, said: undefined, misses: 0 });
    if (slot.misses > missesMax && slot.misses % lookEvery !== 1) return;
    bytes.copy(slot.bytes, 0, at, stop);
    slot.length = stop - at;
    slot.said = this.#kept.copy(said, this.#kept.blank());
  }
}

/** Header sections: for messages whose first line changes. */
export const keptFields: Kept<Fields> = { blank: () => new BlankFields(), copy: copyFields };

/** Whole heads of requests that were found right, so that their line is not judged again either. */
export const keptRequestHead: Kept<RequestHead> = {
  blank: () => new BlankRequest(),
  copy(from, into) {
    into.method = from.method;
    into.target = from.target;
    into.path = from.path;
    into.query = from.query;
    into.version = from.version;
    copyFields(from, into);
    return into;
  },
};

/** Whole heads of answers that were found right. */
export const keptResponseHead: Kept<ResponseHead> = {
  blank: () => new BlankResponse(),
  copy(from, into) {
    into.status = from.status;
    into.version = from.version;
    copyFields(from, into);
    return into;
  },
};

const noHeaders: readonly string[] = [];

// Classes, because making an object by spreading another costs more than a whole head.
class BlankFields implements Fields {
  headers = noHeaders;
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  host: string | undefined = undefined;
  expect: string | undefined = undefined;
}

class BlankRequest extends BlankFields implements RequestHead {
  method = '';
  target = '';
  path = '';
  query: string | undefined = undefined;
  version = 11;
}

class BlankResponse extends BlankFields implements ResponseHead {
  status = 0;
  version = 11;
}

function copyFields(from: Fields, into: Fields): Fields {
  into.headers = from.headers;
  into.contentLength = from.contentLength;
  into.chunked = from.chunked;
  into.close = from.close;
  into.keepAlive = from.keepAlive;
  into.host = from.host;
  into.expect = from.expect;
  return into;
}
