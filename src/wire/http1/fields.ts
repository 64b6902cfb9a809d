import { nameClass, nameUnderscore, nameUpper, valueClass } from './char-class.ts';
import { faults, type Fault } from './fault.ts';
import { commonName } from './header-names.ts';

/** What the header section says, names in lower case; the framing rules judge `contentLength` and `chunked` afterwards. */
export interface Fields {
  /** Flat: name, value, name, value ... in the order of the message. Messages with the same headers may share the list. */
  headers: readonly string[];
  /** -1 when absent. */
  contentLength: number;
  chunked: boolean;
  /** What the Connection header says. */
  close: boolean;
  keepAlive: boolean;
  /** For how long the Keep-Alive header says that the connection stays without a message; `Infinity` when it does not say. */
  keptMs: number;
  /** The Host header; undefined when absent. */
  host: string | undefined;
  /** The Expect header in lower case; undefined when absent. */
  expect: string | undefined;
}

const noHeaders: readonly string[] = [];

/** A header section before anything of it was read. */
export class BlankFields implements Fields {
  headers = noHeaders;
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  keptMs = Infinity;
  host: string | undefined = undefined;
  expect: string | undefined = undefined;
}

/** Makes `into` say what another section said. */
export function takeFields(from: Fields, into: Fields): void {
  into.headers = from.headers;
  into.contentLength = from.contentLength;
  into.chunked = from.chunked;
  into.close = from.close;
  into.keepAlive = from.keepAlive;
  into.keptMs = from.keptMs;
  into.host = from.host;
  into.expect = from.expect;
}

export interface FieldLimits {
  readonly headersMax: number;
  /** Names (lower case, with `-`) that must not be spelled with `_`. */
  readonly guardedNames: ReadonlySet<string>;
}

/** Where a header section lies: `text` is the latin1 string of the bytes from `base` on, `end` is behind the empty line. */
export interface Section {
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly base: number;
  readonly end: number;
}

const carriageReturn = 13;
const lineFeed = 10;
const colon = 58;

/**
 * Parses the header lines from `start` up to the empty line. The section must end with CR LF CR LF (or be that empty line
 * alone), which stops every inner loop. Returns what is wrong, or undefined.
 */
export function parseFields(section: Section, start: number, limits: FieldLimits, into: Fields): Fault | undefined {
  const { bytes, text, base } = section;
  const headers: string[] = [];
  into.headers = headers;
  const last = section.end - 2;
  const entriesMax = limits.headersMax * 2;
  let at = start;
  while (at < last) {
    let seen = 0;
    let hash = 0;
    let p = at;
    for (let kind = nameClass[bytes[p] as number] as number; kind !== 0; kind = nameClass[bytes[p] as number] as number) {
      seen |= kind;
      hash = (hash * 31 + ((bytes[p] as number) | 0x20)) | 0;
      p++;
    }
    if (bytes[p] !== colon || p === at) return faults.headerName;
    let name = commonName(bytes, at, p, hash);
    if (name === undefined) {
      name = text.slice(at - base, p - base);
      if ((seen & nameUpper) !== 0) name = name.toLowerCase();
      if ((seen & nameUnderscore) !== 0 && limits.guardedNames.has(name.replaceAll('_', '-'))) return faults.headerAlias;
    }
    p++;
    while (bytes[p] === 32 || bytes[p] === 9) p++;
    const valueAt = p;
    while (valueClass[bytes[p] as number] !== 0) p++;
    if (bytes[p] !== carriageReturn || bytes[p + 1] !== lineFeed) return faults.headerValue;
    let valueEnd = p;
    while (valueEnd > valueAt && (bytes[valueEnd - 1] === 32 || bytes[valueEnd - 1] === 9)) valueEnd--;
    const value = text.slice(valueAt - base, valueEnd - base);
    if (headers.length === entriesMax) return faults.headersMax;
    headers.push(name, value);
    const wrong = note(into, name, value);
    if (wrong !== undefined) return wrong;
    at = p + 2;
  }
  return undefined;
}

/** Recognises the headers that frame and route the message, by length first. */
function note(into: Fields, name: string, value: string): Fault | undefined {
  switch (name.length) {
    case 4:
      if (name !== 'host') return undefined;
      if (into.host !== undefined) return faults.hostTwice;
      into.host = value;
      return undefined;
    case 6:
      if (name === 'expect') into.expect = into.expect === undefined ? value.toLowerCase() : `${into.expect},${value}`;
      return undefined;
    case 10:
      if (name === 'connection') noteConnection(into, value);
      else if (name === 'keep-alive') noteKept(into, value);
      return undefined;
    case 14:
      return name === 'content-length' ? noteLength(into, value) : undefined;
    case 17:
      if (name !== 'transfer-encoding') return undefined;
      if (into.chunked || value.toLowerCase() !== 'chunked') return faults.transferEncoding;
      into.chunked = true;
      return undefined;
    default:
      return undefined;
  }
}

function noteConnection(into: Fields, value: string): void {
  if (value === 'keep-alive') into.keepAlive = true;
  else if (value === 'close') into.close = true;
  else {
    for (const part of value.toLowerCase().split(',')) {
      const token = part.trim();
      if (token === 'close') into.close = true;
      else if (token === 'keep-alive') into.keepAlive = true;
    }
  }
}

/** `timeout=5, max=100`; what cannot be read says nothing, as of any hint. */
function noteKept(into: Fields, value: string): void {
  const seconds = /(?:^|[,\s])timeout=(\d{1,9})(?![^,\s])/i.exec(value)?.[1];
  if (seconds !== undefined) into.keptMs = Number(seconds) * 1_000;
}

function noteLength(into: Fields, value: string): Fault | undefined {
  if (into.contentLength !== -1) return faults.contentLengthTwice;
  // 15 digits stay below 2^53.
  if (value.length === 0 || value.length > 15) return faults.contentLength;
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return faults.contentLength;
    length = length * 10 + digit;
  }
  into.contentLength = length;
  return undefined;
}
