import { compareBytes, latin1Text } from '../../kernel/bytes.ts';
import { fold, lengthsLooked, longField, places } from './fields-writer.ts';

/** What one head may hold. */
export interface FieldBounds {
  readonly headBytesMax: number;
  readonly fieldsMax: number;
}

/** What heads have in common that differ in the texts of a few fields and in nothing else. */
export class HeadForm {
  /** The places of the fields that differ, rising. */
  readonly varying: readonly number[];
  /** More than one head of this form has come: it pays to find out what they have in common. */
  repeats = false;
  /** What the user of the mux has found out about all heads of this form. It may depend on nothing but the fields that do not vary. */
  known: unknown = undefined;

  constructor(varying: readonly number[]) {
    this.varying = varying;
  }
}

/** Fields that were read, and where what follows them begins. The list is shared with other heads: nobody may change it. */
export interface ReadFields {
  readonly fields: readonly string[];
  readonly end: number;
  /** The same for heads that have all but their varying fields in common; undefined for a head that is not kept. */
  readonly form: HeadForm | undefined;
}

const keptBytesMax = 4096;
/** A head with more fields than this that change from one to the next is read as a whole. */
const varyingMax = 6;

interface Seen {
  /** The last head of this form, byte for byte, and what it says. */
  readonly bytes: Buffer;
  fields: readonly string[];
  readonly length: number;
  readonly form: HeadForm;
  /** Where the text of each field begins. */
  readonly starts: readonly number[];
}

/**
 * Reads the fields of heads. Most heads of a connection differ from the one before in a field or two (a trace, a date), so that the last one is kept
 * for each form (`placeOf`): what has the same bytes is the same text, and only the fields that vary are read. What it answers is what reading every
 * field would answer. A head that repeats the last one is the same list, so that what is made of it can be found again by a comparison of addresses.
 */
export class FieldsReader {
  readonly #bounds: FieldBounds;
  readonly #last: (Seen | undefined)[] = Array.from({ length: places }, () => undefined);

  constructor(bounds: FieldBounds) {
    this.#bounds = bounds;
  }

  /** Reads `count` fields from `bytes[at, end)`; a string says what is wrong. */
  read(bytes: Buffer, range: { readonly at: number; readonly end: number }, count: number): ReadFields | string {
    const { at, end } = range;
    const place = placeOf(bytes, range, count);
    const last = this.#last[place];
    if (last !== undefined && last.fields.length === count && at + last.length <= end && fits(last, bytes, at)) {
      last.form.repeats = true;
      if (last.form.varying.length > 0) renew(last, bytes, at);
      return { fields: last.fields, end: at + last.length, form: last.form };
    }
    const read = parse(bytes, range, { count, ...this.#bounds });
    if (typeof read === 'string') return read;
    const { fields } = read;
    const form = read.end - at <= keptBytesMax && count > 0 ? this.#keep(place, bytes.subarray(at, read.end), fields) : undefined;
    return { fields, end: read.end, form };
  }

  #keep(place: number, bytes: Buffer, fields: readonly string[]): HeadForm {
    const last = this.#last[place];
    const kept = last?.bytes ?? Buffer.allocUnsafeSlow(keptBytesMax);
    const starts: number[] = [];
    let start = bytes.length;
    for (let i = fields.length - 1; i >= 0; i--) {
      start -= (fields[i] as string).length;
      starts[i] = start;
    }
    const form = new HeadForm(last === undefined ? [] : varyingOf(last, fields));
    kept.set(bytes);
    this.#last[place] = { bytes: kept, length: bytes.length, fields, starts, form };
    return form;
  }
}

/** Where heads of one form are kept: their fields are as many and, the first of them, as long. */
function placeOf(bytes: Buffer, { at, end }: { readonly at: number; readonly end: number }, count: number): number {
  let place = count;
  const stop = Math.min(end, at + Math.min(count, lengthsLooked));
  for (let i = at; i < stop; i++) place = (Math.imul(place, 31) + (bytes[i] as number)) | 0;
  return fold(place);
}

/** True when the head has the bytes of the last one, except for the text of what varies. */
function fits(last: Seen, bytes: Buffer, at: number): boolean {
  const { form, starts, fields } = last;
  const { varying } = form;
  let from = 0;
  for (let i = 0; i < varying.length; i++) {
    const index = varying[i] as number;
    const start = starts[index] as number;
    if (from < start && compareBytes(bytes, last.bytes, from, start, at + from, at + start) !== 0) return false;
    from = start + (fields[index] as string).length;
  }
  return from === last.length || compareBytes(bytes, last.bytes, from, last.length, at + from, at + last.length) === 0;
}

/** Makes `last` the head that fits it. The list stays the same one when nothing is new. */
function renew(last: Seen, bytes: Buffer, at: number): void {
  const { fields, form, starts } = last;
  let read: string[] | undefined;
  for (let i = 0; i < form.varying.length; i++) {
    const index = form.varying[i] as number;
    const start = starts[index] as number;
    const before = fields[index] as string;
    const text = latin1Text(bytes, at + start, at + start + before.length);
    if (text === before) continue;
    read ??= fields.slice();
    read[index] = text;
  }
  if (read !== undefined) last.fields = read;
}

/** What varies in heads of this form, now that it is known that these two do. None when the form is another, or when nearly all of it varies. */
function varyingOf(last: Seen, fields: readonly string[]): readonly number[] {
  if (last.fields.length !== fields.length) return [];
  const varying: number[] = [];
  for (let i = 0; i < fields.length; i++) {
    const [before, now] = [last.fields[i] as string, fields[i] as string];
    if (before.length !== now.length) return [];
    if (before !== now || last.form.varying.includes(i)) varying.push(i);
  }
  return varying.length > varyingMax ? [] : varying;
}

function parse(
  bytes: Buffer,
  range: { readonly at: number; readonly end: number },
  bounds: FieldBounds & { readonly count: number },
): Pick<ReadFields, 'fields' | 'end'> | string {
  const { count, fieldsMax, headBytesMax } = bounds;
  if (count > fieldsMax) return `a head has ${count} fields, more than ${fieldsMax}`;
  const ends: number[] = [];
  let at = range.at;
  let total = 0;
  for (let i = 0; i < count; i++) {
    if (at >= range.end) return 'a head is cut off';
    let length = bytes[at++] as number;
    if (length === longField) {
      if (at + 3 > range.end) return 'a head is cut off';
      length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
      at += 3;
    }
    total += length;
    ends.push(total);
  }
  if (at + total > range.end) return 'a head is cut off';
  if (at + total - range.at > headBytesMax) return `a head has more than ${headBytesMax} bytes`;
  const text = latin1Text(bytes, at, at + total);
  const fields: string[] = [];
  let start = 0;
  for (const stop of ends) {
    fields.push(text.slice(start, stop));
    start = stop;
  }
  return { fields, end: at + total };
}
