import { putBytes, writeLatin1 } from '../../kernel/bytes.ts';
/** Fields shorter than this have a length of one byte. */
export const longField = 255;
/** What `measure` answers for text that is not latin1. */
export const notLatin1 = -1;

/** How many heads a writer or a reader keeps; a power of two. */
export const places = 16;
/** The lengths of so many fields choose the place of a head. */
export const lengthsLooked = 9;
const keptBytesMax = 4096;
/** A head in which more fields than this are others is written anew. */
const changesMax = 8;

/** The fields of a message. */
export interface Fields {
  /** Not to be changed after they were given to a writer. */
  readonly fields: readonly string[];
  /** One more behind them, of characters of one byte, that is another one with every message: those that differ in nothing else can share `fields`. */
  readonly last?: string | undefined;
}

/** How many lists a writer keeps the bytes of, for messages with another last field each. */
const sharedMax = 4;

/** A list that messages share, as it is written: the lengths of all fields, then the text of all but the last. */
interface Shared {
  readonly list: readonly string[];
  readonly lastLength: number;
  readonly bytes: Buffer;
}

interface Written {
  readonly bytes: Buffer;
  /** The part of `bytes` that holds the head. */
  readonly head: Buffer;
  readonly fields: string[];
  /** The list that `fields` is a copy of: the same list again needs no comparison. */
  list: readonly string[];
  /** Where the text of each field is. */
  readonly starts: number[];
}

/**
 * Writes the fields of heads: their lengths, then their text. The heads of a connection differ in a field or two from the one before (a trace, a
 * date), so the bytes of the last head are kept for each form (`placeOf`), and only what is new in the next one is checked and written. Of a list that
 * messages share nothing is looked at any more.
 */
export class FieldsWriter {
  readonly #last: (Written | undefined)[] = Array.from({ length: places }, () => undefined);

  readonly #shared: Shared[] = [];
  #nextShared = 0;
  /** The list that came last with a field behind it, and both as one: a list that comes again is worth keeping. */
  #seen: readonly string[] | undefined = undefined;
  #joined: readonly string[] = [];

  /** Bytes that `write` takes for these fields; `notLatin1` when a character needs more than a byte. */
  measure(message: Fields): number {
    const { fields, last } = message;
    if (last === undefined) return this.#measure(fields);
    const shared = this.#sharedOf(message);
    if (shared !== undefined) return shared.bytes.length + last.length;
    const joined = [...fields, last];
    const bytes = this.#measure(joined);
    if (this.#seen === fields && bytes !== notLatin1 && bytes <= keptBytesMax) this.#share(fields, joined, bytes);
    this.#seen = fields;
    this.#joined = joined;
    return bytes;
  }

  /** Writes u8 or u32 lengths and the text of the fields, which `measure` found to be good just now; returns the end. */
  write(to: Buffer, start: number, message: Fields): number {
    const { fields, last } = message;
    if (last === undefined) return this.#write(to, start, fields);
    const shared = this.#sharedOf(message);
    if (shared === undefined) return this.#write(to, start, this.#isSeen(message) ? this.#joined : [...fields, last]);
    const { bytes } = shared;
    putBytes(to, bytes, start);
    return start + bytes.length + writeLatin1(to, last, start + bytes.length, last.length);
  }

  #sharedOf({ fields, last }: Fields): Shared | undefined {
    const known = this.#shared;
    for (let i = 0; i < known.length; i++) {
      const shared = known[i] as Shared;
      if (shared.list === fields && shared.lastLength === (last as string).length) return shared;
    }
    return undefined;
  }

  #isSeen({ fields, last }: Fields): boolean {
    return this.#seen === fields && this.#joined.at(-1) === last;
  }

  #share(list: readonly string[], joined: readonly string[], bytes: number): void {
    const whole = Buffer.allocUnsafeSlow(bytes);
    encode(whole, 0, joined);
    const lastLength = (joined.at(-1) as string).length;
    this.#shared[this.#nextShared] = { list, lastLength, bytes: whole.subarray(0, bytes - lastLength) };
    this.#nextShared = (this.#nextShared + 1) % sharedMax;
  }

  #measure(fields: readonly string[]): number {
    const last = this.#last[placeOf(fields)];
    if (last !== undefined && last.fields.length === fields.length && patch(last, fields)) return last.head.length;
    let bytes = 0;
    for (let i = 0; i < fields.length; i++) {
      const { length } = fields[i] as string;
      bytes += length < longField ? length + 1 : length + 4;
    }
    for (let i = 0; i < fields.length; i++) if (beyondLatin1.test(fields[i] as string)) return notLatin1;
    return bytes;
  }

  #write(to: Buffer, start: number, fields: readonly string[]): number {
    const place = placeOf(fields);
    const last = this.#last[place];
    if (last !== undefined && (last.list === fields || same(last.fields, fields))) {
      putBytes(to, last.head, start);
      return start + last.head.length;
    }
    const end = encode(to, start, fields);
    if (end - start <= keptBytesMax)
      this.#last[place] = keep(last?.bytes ?? Buffer.allocUnsafeSlow(keptBytesMax), to.subarray(start, end), fields);
    return end;
  }
}

/** Where heads of one form are kept: their fields are as many and, the first of them, as long. */
function placeOf(fields: readonly string[]): number {
  let place = fields.length;
  for (let i = 0; i < fields.length && i < lengthsLooked; i++) place = (Math.imul(place, 31) + (fields[i] as string).length) | 0;
  return fold(place);
}

/** A place of a number whose higher bits count too. */
export function fold(hash: number): number {
  return (hash ^ (hash >>> 5) ^ (hash >>> 10)) & (places - 1);
}

const beyondLatin1 = /[^\x00-\xff]/;

/** Makes `last` the head of `fields`; false, with nothing changed, when its form is another. */
function patch(last: Written, fields: readonly string[]): boolean {
  if (last.list === fields) return true;
  const before = last.fields;
  let changes = 0;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as string;
    if (field === before[i]) continue;
    if (field.length !== (before[i] as string).length || ++changes > changesMax || beyondLatin1.test(field)) return false;
  }
  for (let i = 0; changes > 0; i++) {
    const field = fields[i] as string;
    if (field === before[i]) continue;
    writeLatin1(last.bytes, field, last.starts[i] as number, field.length);
    before[i] = field;
    changes--;
  }
  last.list = fields;
  return true;
}

function same(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function encode(to: Buffer, start: number, fields: readonly string[]): number {
  let at = start;
  let text = '';
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as string;
    const { length } = field;
    if (length < longField) to[at++] = length;
    else {
      to[at] = longField;
      to[at + 1] = length >>> 16;
      to[at + 2] = length >>> 8;
      to[at + 3] = length;
      at += 4;
    }
    text += field;
  }
  return at + writeLatin1(to, text, at, text.length);
}

function keep(bytes: Buffer, written: Buffer, fields: readonly string[]): Written {
  bytes.set(written);
  const starts: number[] = [];
  let end = written.length;
  for (let i = fields.length - 1; i >= 0; i--) {
    end -= (fields[i] as string).length;
    starts[i] = end;
  }
  return { bytes, head: bytes.subarray(0, written.length), fields: fields.slice(), list: fields, starts };
}
