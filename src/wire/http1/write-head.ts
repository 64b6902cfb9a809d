import { ProaError } from '../../kernel/errors.ts';
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
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (ownedByCodec(name)) continue;
    const value = headers[i + 1] as string;
    if (name.length === 0 || wrongInName.test(name))
      throw new ProaError('bad-request', `the header name ${JSON.stringify(name.slice(0, 64))} is not valid`);
    if (wrongInValue.test(value))
      throw new ProaError('bad-request', `the value of the header "${name}" holds a character that is not allowed`);
    lines += name + ': ' + value + '\r\n';
  }
  return lines;
}

// Expressions, not loops: names and values are mostly slices of a received head, and reading those one by one costs three times as much.
const wrongInName = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;
const wrongInValue = /[^\t\x20-\x7e\x80-\xff]/;

/** True when the list holds `name` (lower case). */
export function hasHeader(headers: readonly string[], name: string): boolean {
  for (let i = 0; i < headers.length; i += 2) {
    const candidate = headers[i] as string;
    if (candidate.length === name.length && same(candidate, name)) return true;
  }
  return false;
}

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

/** A string as the latin1 string of its UTF-8 bytes: itself when it is ASCII, as most are. */
export function utf8AsLatin1(text: string): string {
  return Buffer.byteLength(text) === text.length ? text : latin1(Buffer.from(text));
}
