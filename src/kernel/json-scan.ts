import { isUtf8 } from 'node:buffer';
import { latin1Text } from './bytes.ts';

/** Nesting beyond this is not JSON for us (Go's decoder stops at the same depth). */
const depthMax = 10_000;

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const backslash = 0x5c;

/** A member of a JSON object: its name decoded, its value as a span of the scanned bytes. */
export interface JsonMember {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** True for exactly one JSON value in UTF-8 with nothing but white space around it. Allocates nothing in proportion to the text. */
export function isJson(bytes: Uint8Array): boolean {
  const end = valueEnd(bytes, skipSpace(bytes, 0));
  return end >= 0 && skipSpace(bytes, end) === bytes.length && isUtf8(bytes);
}

/** The members of a JSON object in their order; undefined when the bytes are not exactly one valid object in UTF-8. */
export function jsonMembers(bytes: Uint8Array): JsonMember[] | undefined {
  const members: JsonMember[] = [];
  const end = membersEnd(bytes, skipSpace(bytes, 0), { members, levels: depthMax });
  return end >= 0 && skipSpace(bytes, end) === bytes.length && isUtf8(bytes) ? members : undefined;
}

/** The members of each object of a JSON array; undefined when the bytes are not exactly one valid array of objects in UTF-8, nested at most `levels` deep. */
export function jsonObjects(bytes: Uint8Array, levels: number): JsonMember[][] | undefined {
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== openBracket || !isUtf8(bytes)) return undefined;
  const objects: JsonMember[][] = [];
  at = skipSpace(bytes, at + 1);
  if (bytes[at] === closeBracket) return skipSpace(bytes, at + 1) === bytes.length ? objects : undefined;
  for (;;) {
    const members: JsonMember[] = [];
    const end = membersEnd(bytes, at, { members, levels: levels - 2 });
    if (end < 0) return undefined;
    objects.push(members);
    at = skipSpace(bytes, end);
    if (bytes[at] === closeBracket) return skipSpace(bytes, at + 1) === bytes.length ? objects : undefined;
    if (bytes[at] !== comma) return undefined;
    at = skipSpace(bytes, at + 1);
  }
}

/** Adds the members of the object that begins at `from`, their values nested at most `levels` deep; the index behind it, -1 when it is not valid. */
function membersEnd(bytes: Uint8Array, from: number, into: { readonly members: JsonMember[]; readonly levels: number }): number {
  if (bytes[from] !== openBrace) return -1;
  let at = skipSpace(bytes, from + 1);
  if (bytes[at] === closeBrace) return at + 1;
  for (;;) {
    const nameEnd = bytes[at] === quote ? stringEnd(bytes, at) : -1;
    const begin = nameEnd < 0 ? -1 : afterColon(bytes, nameEnd);
    const to = begin < 0 ? -1 : valueEnd(bytes, begin, into.levels);
    if (to < 0) return -1;
    into.members.push({ name: stringAt(bytes, at, nameEnd), from: begin, to });
    at = skipSpace(bytes, to);
    if (bytes[at] === closeBrace) return at + 1;
    if (bytes[at] !== comma) return -1;
    at = skipSpace(bytes, at + 1);
  }
}

/** The value of a member that is a string; undefined for other kinds. */
export function stringMember(bytes: Uint8Array, member: JsonMember | undefined): string | undefined {
  return member !== undefined && bytes[member.from] === quote ? stringAt(bytes, member.from, member.to) : undefined;
}

function stringAt(bytes: Uint8Array, from: number, to: number): string {
  if (isPlainAscii(bytes, from + 1, to - 1)) return latin1Text(bytes, from + 1, to - 1);
  const inner = Buffer.from(bytes.buffer, bytes.byteOffset + from + 1, to - from - 2);
  return inner.includes(backslash) ? (JSON.parse(`"${inner.toString('utf8')}"`) as string) : inner.toString('utf8');
}

const plainBytesMax = 48;

/** True for short text that means what it says: names of members mostly, for which every way into native code counts. */
function isPlainAscii(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from > plainBytesMax) return false;
  for (let at = from; at < to; at++) if ((bytes[at] as number) >= 0x80 || bytes[at] === backslash) return false;
  return true;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (let c = bytes[at]; c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09; c = bytes[at]) at++;
  return at;
}

function afterColon(bytes: Uint8Array, from: number): number {
  const at = skipSpace(bytes, from);
  return bytes[at] === colon ? skipSpace(bytes, at + 1) : -1;
}

/** Where the member's value begins, for a key at `at`. */
function afterKey(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== quote) return -1;
  const end = stringEnd(bytes, at);
  return end < 0 ? -1 : afterColon(bytes, end);
}

/** The index behind the value that begins at `from`; -1 when it is not valid. Iterative: depth costs no stack. */
function valueEnd(bytes: Uint8Array, from: number, levels = depthMax): number {
  const open: number[] = [];
  let at = from;
  for (;;) {
    const c = bytes[at];
    if (c === openBrace || c === openBracket) {
      const close = c === openBrace ? closeBrace : closeBracket;
      if (open.length >= levels) return -1;
      at = skipSpace(bytes, at + 1);
      if (bytes[at] !== close) {
        open.push(close);
        if (c === openBrace) at = afterKey(bytes, at);
        if (at < 0) return -1;
        continue;
      }
      at++;
    } else at = scalarEnd(bytes, at);
    if (at < 0) return -1;
    at = close(bytes, at, open);
    if (open.length === 0 || at < 0) return at;
  }
}

/** Behind a value: closes what ends here, and answers where the next value begins (or the end when nothing is open). */
function close(bytes: Uint8Array, from: number, open: number[]): number {
  let at = from;
  while (open.length > 0) {
    at = skipSpace(bytes, at);
    const closing = open[open.length - 1] as number;
    if (bytes[at] === comma) {
      at = skipSpace(bytes, at + 1);
      return closing === closeBrace ? afterKey(bytes, at) : at;
    }
    if (bytes[at] !== closing) return -1;
    open.pop();
    at++;
  }
  return at;
}

function scalarEnd(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case quote:
      return stringEnd(bytes, at);
    case 0x74:
      return wordEnd(bytes, at, 'true');
    case 0x66:
      return wordEnd(bytes, at, 'false');
    case 0x6e:
      return wordEnd(bytes, at, 'null');
    default:
      return numberEnd(bytes, at);
  }
}

function wordEnd(bytes: Uint8Array, at: number, word: string): number {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) return -1;
  return at + word.length;
}

function stringEnd(bytes: Uint8Array, from: number): number {
  const lastEight = bytes.length - 8;
  let at = from + 1;
  for (;;) {
    const soon = Math.min(at + shortBytes, lastEight);
    // One branch for eight bytes: most of a large body is the inside of strings.
    while (at <= soon && eightInside(bytes, at)) at += 8;
    if (at > soon) at = longInside(bytes, at);
    while (at < bytes.length && insideString[bytes[at] as number] === 1) at++;
    if (bytes[at] === quote) return at + 1;
    // A control character, or the end.
    if (bytes[at] !== backslash) return -1;
    at = escapeEnd(bytes, at);
    if (at < 0) return -1;
  }
}

/** Behind so many bytes a string is long enough for a view of numbers, which costs as much as they do. */
const shortBytes = 64;

/** On from `from` by sixteen bytes at a time, as long as all of them stand for themselves. */
function longInside(bytes: Uint8Array, from: number): number {
  const last = bytes.length - 16;
  if (from > last) return from;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = from;
  while (at <= last) {
    const low = strangeIn(view.getInt32(at, true)) | strangeIn(view.getInt32(at + 4, true));
    const high = strangeIn(view.getInt32(at + 8, true)) | strangeIn(view.getInt32(at + 12, true));
    if (((low | high) & highBits) !== 0) break;
    at += 16;
  }
  return at;
}

const highBits = 0x80808080 | 0;

/**
 * Four bytes at once: a high bit is set when one of them does not stand for itself. Below 0x21 lie, with the second bit turned over, the bytes below 0x20 and
 * the quote; each difference borrows from the next byte only if the answer is yes already.
 */
function strangeIn(bytes: number): number {
  return (((bytes ^ 0x02020202) - 0x21212121) | ((bytes ^ 0x5c5c5c5c) - 0x01010101)) & ~bytes;
}

function eightInside(bytes: Uint8Array, at: number): boolean {
  return (
    ((insideString[bytes[at] as number] as number) &
      (insideString[bytes[at + 1] as number] as number) &
      (insideString[bytes[at + 2] as number] as number) &
      (insideString[bytes[at + 3] as number] as number) &
      (insideString[bytes[at + 4] as number] as number) &
      (insideString[bytes[at + 5] as number] as number) &
      (insideString[bytes[at + 6] as number] as number) &
      (insideString[bytes[at + 7] as number] as number)) ===
    1
  );
}

/** 1 for bytes that stand for themselves in a string: one look per byte is what most of a scan does. */
const insideString = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x20 && byte !== quote && byte !== backslash ? 1 : 0));

function escapeEnd(bytes: Uint8Array, at: number): number {
  const c = bytes[at + 1];
  if (c === 0x75) {
    for (let i = at + 2; i < at + 6; i++) if (!isHex(bytes[i])) return -1;
    return at + 6;
  }
  // " \ / b f n r t
  const plain = c === quote || c === backslash || c === 0x2f || c === 0x62 || c === 0x66 || c === 0x6e || c === 0x72 || c === 0x74;
  return plain ? at + 2 : -1;
}

function isHex(c: number | undefined): boolean {
  return c !== undefined && ((c >= 0x30 && c <= 0x39) || (c >= 0x61 && c <= 0x66) || (c >= 0x41 && c <= 0x46));
}

function digitsEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  for (let c = bytes[at]; c !== undefined && c >= 0x30 && c <= 0x39; c = bytes[at]) at++;
  return at;
}

function numberEnd(bytes: Uint8Array, from: number): number {
  const start = bytes[from] === 0x2d ? from + 1 : from;
  let at = bytes[start] === 0x30 ? start + 1 : digitsEnd(bytes, start);
  if (at === start) return -1;
  if (bytes[at] === 0x2e) {
    const fraction = digitsEnd(bytes, at + 1);
    if (fraction === at + 1) return -1;
    at = fraction;
  }
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    const sign = bytes[at + 1];
    const digits = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1;
    const end = digitsEnd(bytes, digits);
    return end === digits ? -1 : end;
  }
  return at;
}
