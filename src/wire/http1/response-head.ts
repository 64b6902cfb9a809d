import { valueClass } from './char-class.ts';
import { faults, type Fault } from './fault.ts';
import { parseFields, type FieldLimits, type Fields } from './fields.ts';

/** The parsed head of a response. */
export interface ResponseHead extends Fields {
  status: number;
  /** 10 or 11. */
  version: number;
}

/**
 * Parses `bytes[start, end)`, a whole response head whose first CR LF CR LF is at its end. Returns what is wrong, or undefined.
 * A missing reason phrase is accepted with or without its space; everything else is as strict as for requests.
 */
export function parseResponseHead(
  bytes: Buffer,
  range: { start: number; end: number },
  limits: FieldLimits,
  into: ResponseHead,
): Fault | undefined {
  const { start, end } = range;
  into.version = versionAt(bytes, start);
  const status = digit(bytes, start + 9) * 100 + digit(bytes, start + 10) * 10 + digit(bytes, start + 11);
  // A wrong digit makes the sum not a number.
  if (into.version === 0 || !(status >= 100 && status <= 599)) return faults.statusLine;
  into.status = status;
  let p = start + 12;
  if (bytes[p] === 32) while (valueClass[bytes[p] as number] !== 0) p++;
  if (bytes[p] !== 13 || bytes[p + 1] !== 10) return faults.statusLine;
  const text = bytes.toString('latin1', start, end);
  const wrong = parseFields({ bytes, text, base: start, end }, p + 2, limits, into);
  if (wrong !== undefined) return wrong;
  if (into.chunked && into.contentLength !== -1) return faults.lengthAndEncoding;
  if (into.chunked && into.version === 10) return faults.encodingVersion;
  return undefined;
}

/** `HTTP/1.0 ` or `HTTP/1.1 ` at `at`: 10 or 11, else 0. */
function versionAt(bytes: Uint8Array, at: number): number {
  const right =
    bytes[at] === 72 && bytes[at + 1] === 84 && bytes[at + 2] === 84 && bytes[at + 3] === 80 && bytes[at + 4] === 47 &&
    bytes[at + 5] === 49 && bytes[at + 6] === 46 && bytes[at + 8] === 32; // prettier-ignore
  if (!right) return 0;
  return bytes[at + 7] === 49 ? 11 : bytes[at + 7] === 48 ? 10 : 0;
}

function digit(bytes: Uint8Array, at: number): number {
  const value = (bytes[at] as number) - 48;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}
