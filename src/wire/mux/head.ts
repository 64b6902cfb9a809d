import { headFixedBytes, noTimeout, unknownLength } from './frame.ts';

/** The head of a request or an answer: flat fields whose meaning the user of the mux decides, and what frames the body. */
export interface Head {
  readonly fields: readonly string[];
  /** Milliseconds until the caller gives up; undefined: it waits. */
  readonly timeoutMs: number | undefined;
  /** Bytes of the body, where the sender knows. */
  readonly bodyLength: number | undefined;
}

/** Fields shorter than this have a length of one byte. */
const longField = 255;

/** Bytes that the fields take: a length each, then their text. */
export function fieldsBytes(fields: readonly string[]): number {
  let bytes = 0;
  for (let i = 0; i < fields.length; i++) {
    const { length } = fields[i] as string;
    bytes += length < longField ? length + 1 : length + 4;
  }
  return bytes;
}

const beyondLatin1 = /[^\x00-\xff]/;

/** True when every character is one byte in latin1, as all header text is. */
export function isLatin1(fields: readonly string[]): boolean {
  for (let i = 0; i < fields.length; i++) if (beyondLatin1.test(fields[i] as string)) return false;
  return true;
}

/** Writes u16 count, the lengths and the text of the fields (`fieldsBytes` of room) and returns the end. */
export function writeFields(to: Buffer, start: number, fields: readonly string[]): number {
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
  return at + to.write(text, at, 'latin1');
}

/** Writes a whole head (fixed part and fields) and returns where the body begins. */
export function writeHead(to: Buffer, start: number, head: Head): number {
  const length = head.bodyLength ?? unknownLength;
  to.writeUInt32BE(head.timeoutMs === undefined ? noTimeout : Math.min(Math.max(0, Math.ceil(head.timeoutMs)), noTimeout - 1), start);
  to.writeUInt16BE(Math.floor(length / 0x1_0000_0000), start + 4);
  to.writeUInt32BE(length % 0x1_0000_0000, start + 6);
  to.writeUInt16BE(head.fields.length, start + 10);
  return writeFields(to, start + headFixedBytes, head.fields);
}

/** A head that was read, and where the body begins behind it. */
export interface ReadHead extends Head {
  readonly bodyAt: number;
}

interface Bounds {
  readonly headBytesMax: number;
  readonly fieldsMax: number;
}

/** Reads a head from `bytes[at, end)`; a string says what is wrong. */
export function readHead(bytes: Buffer, range: { at: number; end: number }, limits: Bounds): ReadHead | string {
  const { at, end } = range;
  if (end - at < headFixedBytes) return 'a head is cut off';
  const timeout = bytes.readUInt32BE(at);
  const length = bytes.readUInt16BE(at + 4) * 0x1_0000_0000 + bytes.readUInt32BE(at + 6);
  const read = readFields(bytes, { at: at + headFixedBytes, end }, { count: bytes.readUInt16BE(at + 10), ...limits });
  if (typeof read === 'string') return read;
  return {
    fields: read.fields,
    timeoutMs: timeout === noTimeout ? undefined : timeout,
    bodyLength: length === unknownLength ? undefined : length,
    bodyAt: read.end,
  };
}

/** Reads `count` fields; a string says what is wrong. The text becomes one string of which the fields are slices. */
export function readFields(
  bytes: Buffer,
  range: { at: number; end: number },
  limits: Bounds & { readonly count: number },
): { fields: string[]; end: number } | string {
  const { count, fieldsMax, headBytesMax } = limits;
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
  const text = bytes.toString('latin1', at, at + total);
  const fields: string[] = [];
  let start = 0;
  for (const stop of ends) {
    fields.push(text.slice(start, stop));
    start = stop;
  }
  return { fields, end: at + total };
}
