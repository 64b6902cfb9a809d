import { latin1Text } from '../../kernel/bytes.ts';
import { hostClass, nameClass, targetClass } from './char-class.ts';
import { faults, type Fault } from './fault.ts';
import { BlankFields, parseFields, type FieldLimits, type Fields } from './fields.ts';

/** The parsed head of a request. */
export interface RequestHead extends Fields {
  method: string;
  /** As it was sent. */
  target: string;
  /** The target up to the question mark, without scheme and authority. Not decoded, not normalised. */
  path: string;
  /** What follows the question mark; undefined without one. */
  query: string | undefined;
  /** 10 or 11. */
  version: number;
}

/** A head before anything of it was read. */
export function blankRequestHead(): RequestHead {
  return new BlankRequestHead();
}

// A class, because making an object by spreading another costs more than parsing a whole head.
class BlankRequestHead extends BlankFields implements RequestHead {
  method = '';
  target = '';
  path = '';
  query: string | undefined = undefined;
  version = 11;
}

export interface RequestHeadLimits extends FieldLimits {
  readonly requestLineBytesMax: number;
}

// What llhttp knows, without CONNECT and TRACE.
const methods = new Set([
    'GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'QUERY', 'ACL', 'BIND', 'CHECKOUT', 'COPY', 'LINK', 'LOCK', 'M-SEARCH', 'MERGE',
    'MKACTIVITY', 'MKCALENDAR', 'MKCOL', 'MOVE', 'NOTIFY', 'PROPFIND', 'PROPPATCH', 'PURGE', 'REBIND', 'REPORT', 'SEARCH', 'SOURCE',
    'SUBSCRIBE', 'UNBIND', 'UNLINK', 'UNLOCK', 'UNSUBSCRIBE',
]); // prettier-ignore

const usualMethods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'].map((name) => ({ name, codes: Buffer.from(name) }));

const space = 32;
const slash = 47;

/**
 * Parses the request line at `start` of `bytes[start, end)`: the index behind it, or what is wrong with it. What `end` cuts off is wrong too, so the
 * verdict counts only when the head is whole; a line that is right stays right.
 */
export function parseRequestLine(
  bytes: Buffer,
  range: { start: number; end: number },
  limits: RequestHeadLimits,
  into: RequestHead,
): number | Fault {
  const { start: base, end } = range;
  let p = base;
  while (p < end && nameClass[bytes[p] as number] !== 0) p++;
  if (p === base || p >= end || bytes[p] !== space) return faults.requestLine;
  const nameEnd = p;
  const targetAt = ++p;
  let question = -1;
  for (; p < end; p++) {
    const kind = targetClass[bytes[p] as number] as number;
    if (kind === 0) break;
    if (kind === 2 && question === -1) question = p;
  }
  if (p >= end || bytes[p] !== space) return p === targetAt ? faults.requestLine : faults.target;
  // A text of its own: it is looked up as it is, and whoever keeps it keeps nothing else.
  const target = latin1Text(bytes, targetAt, p);
  into.target = target;
  const lineEnd = p + 11;
  into.version = lineEnd <= end ? versionAt(bytes, p + 1) : 0;
  if (into.version === 0) return faults.version;
  if (lineEnd - base > limits.requestLineBytesMax) return faults.requestLineMax;
  const method = usualMethod(bytes, base, nameEnd) ?? latin1Text(bytes, base, nameEnd);
  if (!methods.has(method)) return methodFault(method) as Fault;
  into.method = method;
  if (question === -1) into.path = target;
  else {
    into.path = target.slice(0, question - targetAt);
    into.query = target.slice(question + 1 - targetAt);
  }
  return lineEnd;
}

/** The method in `bytes[at, end)` when it is one of those that nearly all requests have: found without making its text. */
function usualMethod(bytes: Buffer, at: number, end: number): string | undefined {
  for (const { name, codes } of usualMethods) {
    if (codes.length !== end - at) continue;
    let same = 0;
    while (same < codes.length && bytes[at + same] === codes[same]) same++;
    if (same === codes.length) return name;
  }
  return undefined;
}

/** Parses `bytes[start, end)`, a whole header section whose empty line is at its end. Returns what is wrong, or undefined. */
export function parseRequestFields(
  bytes: Buffer,
  range: { start: number; end: number },
  limits: RequestHeadLimits,
  into: RequestHead,
): Fault | undefined {
  const { start, end } = range;
  const text = latin1Text(bytes, start, end);
  return parseFields({ bytes, text, base: start, end }, start, limits, into) ?? judgeRequest(into);
}

/** `HTTP/1.0 CR LF` or `HTTP/1.1 CR LF` at `at`: 10 or 11, else 0. */
function versionAt(bytes: Uint8Array, at: number): number {
  const right =
    bytes[at] === 72 && bytes[at + 1] === 84 && bytes[at + 2] === 84 && bytes[at + 3] === 80 && bytes[at + 4] === slash &&
    bytes[at + 5] === 49 && bytes[at + 6] === 46 && bytes[at + 8] === 13 && bytes[at + 9] === 10; // prettier-ignore
  if (!right) return 0;
  const minor = bytes[at + 7];
  return minor === 49 ? 11 : minor === 48 ? 10 : 0;
}

/** What must hold across the lines of a request; without a fault its framing is unambiguous. */
export function judgeRequest(head: RequestHead): Fault | undefined {
  if (head.chunked) {
    if (head.contentLength !== -1) return faults.lengthAndEncoding;
    if (head.version === 10) return faults.encodingVersion;
  }
  const { host } = head;
  if (host === undefined) {
    if (head.version === 11) return faults.hostMissing;
  } else if (!validHost(host)) return faults.host;
  if (head.expect !== undefined && head.expect !== '100-continue') return faults.expectation;
  if (head.target.charCodeAt(0) === slash) return undefined;
  if (head.target === '*') return head.method === 'OPTIONS' ? undefined : faults.target;
  return absoluteForm(head);
}

/** Why a method cannot be served. */
export function methodFault(name: string): Fault | undefined {
  if (methods.has(name)) return undefined;
  return name === 'CONNECT' || name === 'TRACE' ? faults.methodRefused : faults.methodUnknown;
}

/** Whether the target of a request over HTTP/2 could stand in a request line, in origin form or as the asterisk. */
export function targetFault({ method, target }: RequestHead): Fault | undefined {
  if (target === '*') return method === 'OPTIONS' ? undefined : faults.target;
  if (target.charCodeAt(0) !== slash) return faults.target;
  for (let i = 0; i < target.length; i++) if (!targetClass[target.charCodeAt(i)]) return faults.target;
  return undefined;
}

/** Whether a text can be a Host header. */
export function validHost(host: string): boolean {
  if (host.length === 0 || host.length > 260) return false;
  for (let i = 0; i < host.length; i++) if (hostClass[host.charCodeAt(i) & 0xff] === 0) return false;
  return true;
}

/** `http://authority/path`: only with the authority that Host names; routing and policy must see one name. */
function absoluteForm(head: RequestHead): Fault | undefined {
  const { target } = head;
  if (target.slice(0, 7).toLowerCase() !== 'http://') return faults.target;
  const pathAt = target.indexOf('/', 7);
  const queryAt = target.indexOf('?', 7);
  const authorityEnd = pathAt === -1 || (queryAt !== -1 && queryAt < pathAt) ? (queryAt === -1 ? target.length : queryAt) : pathAt;
  if (head.host?.toLowerCase() !== target.slice(7, authorityEnd).toLowerCase()) return faults.authority;
  const path = target.slice(authorityEnd, queryAt === -1 ? target.length : queryAt);
  head.path = path === '' ? '/' : path;
  return undefined;
}
