import { contextKey, valueOf, type Context } from './context.ts';

/** W3C trace context as it travels with a call. Empty strings mean "absent". */
export interface TraceContext {
  /** `00-<32 hex>-<16 hex>-<2 hex>`, validated. */
  readonly traceparent: string;
  /** At most 512 bytes; longer ones are dropped. */
  readonly tracestate: string;
  readonly baggage: string;
  /** The traceparent as a line of a head of HTTP/1.1, its end included, where whoever made it has that in one piece. */
  readonly line?: string | undefined;
  /** Whether the trace is recorded, where that is known without looking at the text (which may be in pieces). */
  readonly sampled?: boolean;
}

/** No trace. */
export const noTrace: TraceContext = { traceparent: '', tracestate: '', baggage: '' };

/** The trace that a call belongs to: the span of the nearest caller. */
export const traceKey = contextKey<TraceContext>('trace', noTrace);

/** What a call's trace says in the headers of HTTP, as flat pairs: nothing without a trace. Its baggage stays where the caller wrote it. */
export function traceHeaders({ traceparent, tracestate }: TraceContext): string[] {
  if (traceparent === '') return [];
  return tracestate === '' ? ['traceparent', traceparent] : ['traceparent', traceparent, 'tracestate', tracestate];
}

/** Headers as flat pairs, and behind them what the trace of a context says. */
export function tracedHeaders(headers: readonly string[], context: Context): string[] {
  return [...headers, ...traceHeaders(valueOf(context, traceKey))];
}

/** True for the names of those headers, in lower case. */
export function isTraceHeader(name: string): boolean {
  return (name.length === 11 && name === 'traceparent') || (name.length === 10 && name === 'tracestate');
}

const lowerHexDigits = Uint8Array.from({ length: 128 }, (_, code) => (/[0-9a-f]/.test(String.fromCharCode(code)) ? 1 : 0));

/** No branch asks about a character: which of them are letters is chance, and every second guess of the processor would be wrong. */
function isLowerHex(text: string, from: number, to: number): boolean {
  let codes = 0;
  let digits = 1;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    codes |= code;
    digits &= lowerHexDigits[code & 127] as number;
  }
  return digits === 1 && codes < 128;
}

function isZero(text: string, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (text.charCodeAt(i) !== 48) return false;
  return true;
}

/** True for a traceparent of version 00 with non-zero ids (W3C Trace Context, section 3.2). */
export function isTraceparent(text: string): boolean {
  if (text.length !== 55) return false;
  if (text.charCodeAt(0) !== 48 || text.charCodeAt(1) !== 48) return false;
  if (text.charCodeAt(2) !== 45 || text.charCodeAt(35) !== 45 || text.charCodeAt(52) !== 45) return false;
  if (!isLowerHex(text, 3, 35) || !isLowerHex(text, 36, 52) || !isLowerHex(text, 53, 55)) return false;
  return !isZero(text, 3, 35) && !isZero(text, 36, 52);
}

/**
 * A traceparent as version 00: the text itself, or what it says of it when its version is a later one, of which only the ids and the sampled flag are
 * known (W3C Trace Context, section 3.2.4). Empty: it is none.
 */
export function readTraceparent(text: string): string {
  if (isTraceparent(text)) return text;
  if (text.length < 55 || !isLowerHex(text, 0, 2)) return '';
  const version = text.slice(0, 2);
  if (version === '00' || version === 'ff' || (text.length > 55 && text[55] !== '-')) return '';
  const known = `00${text.slice(2, 55)}`;
  return isTraceparent(known) ? `${known.slice(0, 53)}${isSampled(known) ? '01' : '00'}` : '';
}

const memberPattern =
  /^([a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}$/;
const membersMax = 32;

/** The members of a tracestate without the spaces around them; empty when it is not a list of at most 32 whose keys differ (W3C Trace Context, section 3.3). */
export function readTracestate(text: string): string {
  const keys = new Set<string>();
  const members: string[] = [];
  for (const part of text.split(',')) {
    const member = part.trim();
    if (member === '') continue;
    const key = memberPattern.exec(member)?.[1];
    if (key === undefined || keys.has(key) || members.length === membersMax) return '';
    keys.add(key);
    members.push(member);
  }
  return members.join(',');
}

/** True when the sampled flag is set; the text must be a valid traceparent. */
export function isSampled(traceparent: string): boolean {
  // An odd code is an even letter: "a" is 97 and means 10.
  const code = traceparent.charCodeAt(54);
  return ((code > 57 ? code + 1 : code) & 1) === 1;
}

/** Whether a trace is recorded; cheap where its maker said so. */
export function isRecorded({ sampled, traceparent }: TraceContext): boolean {
  return sampled ?? (traceparent !== '' && isSampled(traceparent));
}
