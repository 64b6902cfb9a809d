import { parseByteSize } from '../../kernel/byte-size.ts';
import { closest } from '../../kernel/closest.ts';
import { lacksUnit, parseDuration } from '../../kernel/duration.ts';
import type { Problem } from './problem.ts';
import { originOf, type Span } from './source.ts';
import { toPlain, type YamlNode } from './yaml.ts';

/** One pass over one resource: where problems go, and where each value came from (path such as `spec.tracing.stdout` to `file:line`). */
export interface Reading {
  readonly problems: Problem[];
  readonly origins: Map<string, string>;
}

/** Turns a node into a value. Undefined: it was wrong, and the problem is reported. */
export type Reader<T> = (node: YamlNode, path: string, reading: Reading) => T | undefined;

export interface Field<T, Need extends 'required' | 'optional' = 'required' | 'optional'> {
  readonly need: Need;
  readonly read: Reader<T>;
  readonly fallback?: T;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type ValueOf<F> = F extends Field<infer T> ? T : never;
type RequiredKeys<F extends Fields> = { [K in keyof F]: F[K] extends Field<unknown, 'required'> ? K : never }[keyof F];

/** The object that `object(fields)` reads. */
export type ObjectOf<F extends Fields> = { readonly [K in RequiredKeys<F>]: ValueOf<F[K]> } & {
  readonly [K in Exclude<keyof F, RequiredKeys<F>>]?: ValueOf<F[K]>;
};

/** A key that must be there. */
export function required<T>(read: Reader<T>): Field<T, 'required'> {
  return { need: 'required', read };
}

/** A key that may be missing or null. */
export function optional<T>(read: Reader<T>): Field<T, 'optional'> {
  return { need: 'optional', read };
}

/** A key that is always in the result. */
export function withDefault<T>(read: Reader<T>, fallback: T): Field<T, 'required'> {
  return { need: 'required', read, fallback };
}

/** Reports a wrong value; for readers of special forms. */
export function wrongValue(reading: Reading, at: Span, message: string): undefined {
  reading.problems.push({ severity: 'error', code: 'config.wrong-value', message, at });
  return undefined;
}

function kindOf(node: YamlNode): string {
  if (node.kind !== 'scalar') return `a ${node.kind}`;
  return node.value === null ? 'nothing' : `a ${typeof node.value === 'string' ? 'text' : typeof node.value}`;
}

function isNull(node: YamlNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/** A map with these keys and no others. */
export function object<F extends Fields>(fields: F): Reader<ObjectOf<F>> {
  return (node, path, reading) => {
    if (node.kind !== 'map') return wrongValue(reading, node.span, `${path} must be a map, not ${kindOf(node)}`);
    const result: Record<string, unknown> = {};
    let sound = true;
    for (const { key, keySpan, value } of node.entries) {
      const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (field === undefined) {
        reportUnknown(reading, { key, keySpan, path, known: Object.keys(fields) });
        sound = false;
      } else if (!isNull(value)) {
        const inner = path === '' ? key : `${path}.${key}`;
        const read = field.read(value, inner, reading);
        if (read === undefined) sound = false;
        else result[key] = read;
        if (value.kind === 'scalar') reading.origins.set(inner, originOf(value.span));
      }
    }
    if (!fillMissing(fields, result, { node, path, reading })) sound = false;
    return sound ? (result as ObjectOf<F>) : undefined;
  };
}

function fillMissing(fields: Fields, result: Record<string, unknown>, at: { node: YamlNode; path: string; reading: Reading }): boolean {
  let complete = true;
  for (const [key, field] of Object.entries(fields)) {
    if (key in result || field.need === 'optional') continue;
    if (field.fallback !== undefined) {
      result[key] = field.fallback;
      continue;
    }
    complete = false;
    const written = at.node.kind === 'map' && at.node.entries.some((entry) => entry.key === key && !isNull(entry.value));
    // A key that is there but wrong has its own problem.
    if (written) continue;
    const message = at.path === '' ? `\`${key}\` is missing` : `${at.path}: \`${key}\` is missing`;
    at.reading.problems.push({ severity: 'error', code: 'config.missing-key', message, at: firstLine(at.node.span) });
  }
  return complete;
}

function firstLine(span: Span): Span {
  const lineEnd = span.source.text.indexOf('\n', span.start);
  return { ...span, end: lineEnd === -1 ? span.end : Math.min(span.end, lineEnd) };
}

function reportUnknown(reading: Reading, at: { key: string; keySpan: Span; path: string; known: readonly string[] }): void {
  const guess = closest(at.key, at.known);
  reading.problems.push({
    severity: 'error',
    code: 'config.unknown-key',
    message: at.path === '' ? `unknown key \`${at.key}\`` : `${at.path}: unknown key \`${at.key}\``,
    at: at.keySpan,
    notes: [`known keys: ${at.known.join(', ')}`],
    ...(guess !== undefined && { help: `did you mean \`${guess}\`?` }),
  });
}

/** Any scalar, as it is written. */
export const text: Reader<string> = (node, path, reading) =>
  node.kind === 'scalar' && node.value !== null ? node.text : wrongValue(reading, node.span, `${path} must be a text, not ${kindOf(node)}`);

/** A text that is not empty. */
export const filledText: Reader<string> = (node, path, reading) => {
  const value = text(node, path, reading);
  return value === '' ? wrongValue(reading, node.span, `${path} must not be empty`) : value;
};

/** true or false, also in quotes. */
export const flag: Reader<boolean> = (node, path, reading) => {
  const written = node.kind === 'scalar' ? node.text.toLowerCase() : '';
  if (written === 'true' || written === 'false') return written === 'true';
  return wrongValue(reading, node.span, `${path} must be true or false`);
};

/** A whole number within limits, also in quotes. */
export function whole(min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): Reader<number> {
  return (node, path, reading) => {
    const value = node.kind === 'scalar' && /^[+-]?\d+$/.test(node.text) ? Number(node.text) : undefined;
    if (value !== undefined && value >= min && value <= max) return value;
    const limits =
      min === Number.MIN_SAFE_INTEGER ? '' : max === Number.MAX_SAFE_INTEGER ? ` of at least ${min}` : ` from ${min} to ${max}`;
    return wrongValue(reading, node.span, `${path} must be a whole number${limits}`);
  };
}

/** A Go duration such as `1h30m` or `500ms`; in milliseconds. */
export const duration: Reader<number> = (node, path, reading) => {
  const value = node.kind === 'scalar' ? parseDuration(node.text) : undefined;
  if (value === undefined) return wrongValue(reading, node.span, `${path} must be a duration such as 500ms, 10s, 1h30m`);
  if (node.kind !== 'scalar' || !lacksUnit(node.text)) return value;
  const number = node.text.trim();
  return wrongValue(reading, node.span, `${path} needs a unit: ${number}ms or ${number}s`);
};

/** The same where daprd takes a number without a unit for milliseconds. */
export const durationOrMs: Reader<number> = (node, path, reading) =>
  node.kind === 'scalar' && lacksUnit(node.text) ? Number(node.text) : duration(node, path, reading);

/** A size such as `4Mi`; in bytes. */
export const size: Reader<number> = (node, path, reading) => {
  const value = node.kind === 'scalar' ? parseByteSize(node.text) : undefined;
  return value ?? wrongValue(reading, node.span, `${path} must be a size such as 512, 4Ki, 100Mi`);
};

/** One of some words. */
export function word<const W extends readonly string[]>(...words: W): Reader<W[number]> {
  return (node, path, reading) => {
    const written = node.kind === 'scalar' ? node.text : '';
    if (words.includes(written)) return written;
    const guess = closest(written, words);
    const message = `${path} must be one of ${words.join(', ')}`;
    reading.problems.push({
      severity: 'error',
      code: 'config.wrong-value',
      message,
      at: node.span,
      ...(guess !== undefined && { help: `did you mean \`${guess}\`?` }),
    });
    return undefined;
  };
}

/** A list of such values. */
export function list<T>(read: Reader<T>): Reader<readonly T[]> {
  return (node, path, reading) => {
    if (node.kind !== 'list') return wrongValue(reading, node.span, `${path} must be a list, not ${kindOf(node)}`);
    const items = node.items.map((item, index) => {
      const inner = `${path}[${index}]`;
      if (item.kind === 'scalar') reading.origins.set(inner, originOf(item.span));
      return read(item, inner, reading);
    });
    return items.includes(undefined) ? undefined : (items as T[]);
  };
}

/** A map from any names to such values. */
export function record<T>(read: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (node, path, reading) => {
    if (node.kind !== 'map') return wrongValue(reading, node.span, `${path} must be a map, not ${kindOf(node)}`);
    const values = node.entries.map(({ key, value }) => [key, read(value, `${path}.${key}`, reading)] as const);
    for (const { key, value } of node.entries) {
      if (value.kind === 'scalar') reading.origins.set(`${path}.${key}`, originOf(value.span));
    }
    // Without a prototype: a key may be called __proto__.
    const result: Record<string, T> = Object.create(null) as Record<string, T>;
    for (const [key, value] of values) if (value !== undefined) result[key] = value;
    return values.some(([, value]) => value === undefined) ? undefined : result;
  };
}

/** Anything, as plain JSON values. */
export const anything: Reader<unknown> = (node) => toPlain(node) ?? undefined;

/** The value together with where it stands. */
export interface Located<T> {
  readonly value: T;
  readonly at: Span;
}

export function located<T>(read: Reader<T>): Reader<Located<T>> {
  return (node, path, reading) => {
    const value = read(node, path, reading);
    return value === undefined ? undefined : { value, at: node.span };
  };
}
