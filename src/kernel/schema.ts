import * as v from 'valibot';
import { parseDuration } from './duration.ts';
import { parseByteSize } from './byte-size.ts';

/**
 * Schemas of component metadata. Every property arrives as text (Dapr writes metadata as strings) and leaves with its type; names are
 * matched without regard to case by the loader. One schema gives type, validation, JSON schema, reference page and redaction list.
 */
const yes = new Set(['true', 'yes', 'on', '1', 'y', 't']);
const no = new Set(['false', 'no', 'off', '0', 'n', 'f', '']);

/** Any text. */
export function text() {
  return v.string();
}

/** Text that is never printed. */
export function secretText() {
  return v.pipe(v.string(), v.metadata({ sensitive: true }));
}

/** true, yes, on, 1, y, t and their opposites, in any case. */
export function flag() {
  return v.pipe(
    v.string(),
    v.check((value) => yes.has(value.toLowerCase()) || no.has(value.toLowerCase()), 'must be true or false'),
    v.transform((value) => yes.has(value.toLowerCase())),
  );
}

/** A whole number. */
export function wholeNumber(min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  return v.pipe(v.string(), v.regex(/^[+-]?\d+$/, 'must be a whole number'), v.transform(Number), v.minValue(min), v.maxValue(max));
}

/** A Go duration (`1h30m`, `500ms`) or a bare number of seconds; the result is in milliseconds. */
export function durationMs() {
  return v.pipe(
    v.string(),
    v.check((value) => parseDuration(value) !== undefined, 'must be a duration such as 500ms, 10s, 1h30m'),
    v.transform((value) => parseDuration(value) as number),
  );
}

/** A size such as `4Mi`, `100Ki`, `512`; the result is in bytes. */
export function byteSize() {
  return v.pipe(
    v.string(),
    v.check((value) => parseByteSize(value) !== undefined, 'must be a size such as 512, 4Ki, 100Mi'),
    v.transform((value) => parseByteSize(value) as number),
  );
}

/** One of some words. */
export function oneOf<const T extends readonly string[]>(...words: T) {
  return v.picklist(words);
}
