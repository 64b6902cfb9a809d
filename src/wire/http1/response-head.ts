import { latin1Text } from '../../kernel/bytes.ts';
import { valueClass } from './char-class.ts';
import { faults, type Fault } from './fault.ts';
import { BlankFields, parseFields, type FieldLimits, type Fields } from './fields.ts';

/** The parsed head of a response. */
export interface ResponseHead extends Fields {
  status: number;
  /** 10 or 11. */
  version: number;
}

/** A head before anything of it was read. */
export function blankResponseHead(): ResponseHead {
  return new BlankResponseHead();
}

class BlankResponseHead extends BlankFields implements ResponseHead {
  status = 0;
  version = 11;
}

/**
 * Parses the status line at `start` of `bytes[start, end)`: the index behind it; -1 when it is not one, or cut off by `end`. A missing reason phrase is
 * accepted with or without its space; everything else is as strict as for requests.
 */
export function parseStatusLine(bytes: Buffer, range: { start: number; end: number }, into: ResponseHead): number {
  const { start, end } = range;
  if (end - start < 14) return -1;
  into.version = versionAt(bytes, start);
  const status = digit(bytes, start + 9) * 100 + digit(bytes, start + 10) * 10 + digit(bytes, start + 11);
  // A wrong digit makes the sum not a number.
  if (into.version === 0 || !(status >= 100 && status <= 599)) return -1;
  into.status = status;
  let p = start + 12;
  if (bytes[p] === 32) while (p < end && valueClass[bytes[p] as number] !== 0) p++;
  return p + 2 <= end && bytes[p] === 13 && bytes[p + 1] === 10 ? p + 2 : -1;
}

/** Parses `bytes[start, end)`, a whole header section whose empty line is at its end. Returns what is wrong, or undefined. */
export function parseResponseFields(
  bytes: Buffer,
  range: { start: number; end: number },
  limits: FieldLimits,
  into: ResponseHead,
): Fault | undefined {
  const { start, end } = range;
  const text = latin1Text(bytes, start, end);
  return parseFields({ bytes, text, base: start, end }, start, limits, into) ?? judgeResponse(into);
}

/** What must hold across the lines of a response; without a fault its framing is unambiguous. */
export function judgeResponse(into: ResponseHead): Fault | undefined {
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
