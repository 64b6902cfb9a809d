import { flatText } from '../../kernel/flat-text.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { TraceContext } from '../../kernel/trace-context.ts';
import { latin1 } from './latin1.ts';

/** Headers that the codec alone writes, because they frame the message or belong to one connection. */
function ownedByCodec(name: string): boolean {
  switch (name.length) {
    case 7:
      return same(name, 'upgrade');
    case 10:
      return same(name, 'connection') || same(name, 'keep-alive');
    case 14:
      return same(name, 'content-length');
    case 16:
      return same(name, 'proxy-connection');
    case 17:
      return same(name, 'transfer-encoding');
    default:
      return false;
  }
}

function same(name: string, lower: string): boolean {
  return name === lower || name.toLowerCase() === lower;
}

/**
 * The header lines of a flat list, without those that the codec writes itself. A name that is no token, or a value with CR, LF,
 * NUL, another control character or one above U+00FF (latin1 would cut it into something else) is a `bad-request` error.
 */
export function headerLines(headers: readonly string[]): string {
  let lines = '';
  for (let i = 0; i + 1 < headers.length; i += 2) lines += headerLine(headers[i] as string, headers[i + 1] as string);
  return lines;
}

function headerLine(name: string, value: string): string {
  if (ownedByCodec(name)) return '';
  if (name.length === 0 || wrongInName.test(name))
    throw new ProaError('bad-request', `the header name ${JSON.stringify(name.slice(0, 64))} is not valid`);
  return checkedLine(name, value);
}

// The name is known to be good.
function checkedLine(name: string, value: string): string {
  if (wrongInValue.test(value))
    throw new ProaError('bad-request', `the value of the header "${name}" holds a character that is not allowed`);
  return name + ': ' + value + '\r\n';
}

const placesMax = 24;
const keptCharsMax = 256;
// A place whose value was another one so often in a row is looked at only now and then: comparing long texts that always differ costs as much as checking.
const missesMax = 16;
const lookEvery = 16;

/** What stood in one place of the last list. */
interface Place {
  /** Only one that was found valid; undefined is none, and matches none. */
  name: string | undefined;
  value: string;
  /** Undefined for what was seen once: a value that changes every time is not worth a copy. */
  line: string | undefined;
  /** How often in a row the value was another one. */
  misses: number;
}

/**
 * Writes the headers of one server or pool. Most of what follows each other there is the same: a list that comes again is written as it was, and a line whose
 * name and value stood in the same place of the last one is neither checked nor joined again.
 */
export class HeaderWriter {
  readonly #places: readonly Place[] = Array.from({ length: placesMax + 1 }, () => ({
    name: undefined,
    value: '',
    line: undefined,
    misses: 0,
  }));
  /** The list that was written last, and its lines. Lists of headers do not change once they are made. */
  #list: readonly string[] | undefined = undefined;
  #lines = '';
  /** Whether the list that was written last held these headers. */
  hasHost = false;
  hasDate = false;

  /** As `headerLines`. */
  lines(headers: readonly string[]): string {
    if (headers === this.#list) return this.#lines;
    this.#list = undefined;
    this.hasHost = false;
    this.hasDate = false;
    const count = headers.length >> 1;
    let lines = '';
    for (let i = 0; i < count; i++) {
      const name = headers[i * 2] as string;
      if (name.length === 4) this.#note(name);
      lines += this.#line(i, name, headers[i * 2 + 1] as string);
    }
    this.#list = headers;
    this.#lines = lines;
    return lines;
  }

  #note(name: string): void {
    if (same(name, 'host')) this.hasHost = true;
    else if (same(name, 'date')) this.hasDate = true;
  }

  /** One header beside a list; it has a place of its own. */
  line(name: string, value: string): string {
    return this.#line(placesMax, name, value);
  }

  #line(at: number, name: string, value: string): string {
    if (at > placesMax) return headerLine(name, value);
    const place = this.#places[at] as Place;
    if (place.name !== name) return this.#first(at, name, value);
    if (place.misses >= missesMax && place.misses % lookEvery !== 0) {
      place.misses++;
      return ownedByCodec(name) ? '' : checkedLine(name, value);
    }
    if (place.value !== value) {
      const { misses } = place;
      this.#keep(at, name, value);
      place.misses = misses + 1;
      return ownedByCodec(name) ? '' : checkedLine(name, value);
    }
    place.misses = 0;
    return (place.line ??= flatText(headerLine(name, value)));
  }

  #first(at: number, name: string, value: string): string {
    const line = headerLine(name, value);
    this.#keep(at, name, value);
    return line;
  }

  #keep(at: number, name: string, value: string): void {
    const place = this.#places[at] as Place;
    const kept = name.length + value.length <= keptCharsMax;
    place.name = kept ? name : undefined;
    place.value = kept ? value : '';
    place.line = undefined;
    place.misses = 0;
  }
}

// Expressions, not loops: names and values are mostly slices of a received head, and reading those one by one costs three times as much.
const wrongInName = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;
const wrongInValue = /[^\t\x20-\x7e\x80-\xff]/;

const phrases: Readonly<Record<number, string>> = {
  100: 'Continue', 103: 'Early Hints', 200: 'OK', 201: 'Created', 202: 'Accepted', 203: 'Non-Authoritative Information', 204: 'No Content',
  205: 'Reset Content', 206: 'Partial Content', 207: 'Multi-Status', 300: 'Multiple Choices', 301: 'Moved Permanently', 302: 'Found',
  303: 'See Other', 304: 'Not Modified', 307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized',
  402: 'Payment Required', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 406: 'Not Acceptable', 408: 'Request Timeout',
  409: 'Conflict', 410: 'Gone', 411: 'Length Required', 412: 'Precondition Failed', 413: 'Content Too Large', 414: 'URI Too Long',
  415: 'Unsupported Media Type', 416: 'Range Not Satisfiable', 417: 'Expectation Failed', 421: 'Misdirected Request',
  422: 'Unprocessable Content', 423: 'Locked', 425: 'Too Early', 426: 'Upgrade Required', 428: 'Precondition Required',
  429: 'Too Many Requests', 431: 'Request Header Fields Too Large', 451: 'Unavailable For Legal Reasons', 500: 'Internal Server Error',
  501: 'Not Implemented', 502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Gateway Timeout', 507: 'Insufficient Storage',
  508: 'Loop Detected', 511: 'Network Authentication Required',
}; // prettier-ignore

const statusLines: (string | undefined)[] = [];

/** `HTTP/1.1 200 OK` with its line end. Statuses outside 200 to 599 are a `malformed-response` error: 1xx is not an answer. */
export function statusLine(status: number): string {
  const known = statusLines[status];
  if (known !== undefined) return known;
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new ProaError('malformed-response', `${status} is not the status of an answer`);
  return (statusLines[status] = `HTTP/1.1 ${status} ${phrases[status] ?? ''}\r\n`);
}

const lengthsMax = 4096;
const lengthEnds: (string | undefined)[] = Array.from({ length: lengthsMax + 1 }, () => undefined);

/** The end of a head whose body has a length: the header that says so, and the empty line. One piece for most messages, because every piece is walked at each write. */
export function lengthEnd(length: number): string {
  if (length > lengthsMax) return `content-length: ${length}\r\n\r\n`;
  return (lengthEnds[length] ??= flatText(`content-length: ${length}\r\n\r\n`));
}

/** The end of a head whose body comes in chunks. */
export const chunkedEnd = 'transfer-encoding: chunked\r\n\r\n';

/** The header line of a traceparent, which was checked, or made, where the trace began. */
export function traceLine({ traceparent, line }: TraceContext): string {
  return line ?? 'traceparent: ' + traceparent + '\r\n';
}

/** A string as the latin1 string of its UTF-8 bytes: itself when it is ASCII, as most are. */
export function utf8AsLatin1(text: string): string {
  return Buffer.byteLength(text) === text.length ? text : latin1(Buffer.from(text));
}
