import { ProaError } from '../../kernel/errors.ts';
import { limits } from '../../kernel/limits.ts';
import { workflowLimits } from '../../contracts/workflow.ts';

/**
 * Values on their way into a history: JSON, and beyond it Date, bytes, Map, Set, BigInt, undefined and the numbers that JSON has no word for, each as an object
 * with one `$` key. What is none of these is refused with its path. What comes out is always a copy, so that nobody changes history afterwards.
 */

/** A value as the text that is recorded; undefined for undefined. Fails with `workflow.value`. */
export function encodeValue(value: unknown, what: string): string | undefined {
  if (value === undefined) return undefined;
  const text = JSON.stringify(plain(value, { what, path: '', depth: 0 }));
  // Three bytes a character are the most that UTF-8 takes: only long texts are measured.
  if (text.length * 3 > workflowLimits.payloadBytesMax && Buffer.byteLength(text) > workflowLimits.payloadBytesMax)
    throw new ProaError('workflow.value', `${what} has more than ${workflowLimits.payloadBytesMax} bytes`, {
      hint: 'put it into a state store or a bucket, and record where it is',
    });
  return text;
}

/** The value of a recorded text; what is no JSON stays text. */
export function decodeValue(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return text;
  }
  // A document without a `$` key is what it is.
  return text.includes('"$') ? revived(parsed) : parsed;
}

interface Place {
  readonly what: string;
  readonly path: string;
  readonly depth: number;
}

// What JSON.stringify may be given. The same object when nothing in it needs a word of its own.
function plain(value: unknown, place: Place): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: Object.is(value, -0) ? '-0' : String(value) };
    case 'bigint':
      return { $bigint: String(value) };
    case 'undefined':
      return { $undefined: true };
    case 'object':
      return value === null ? null : plainObject(value, place);
    default:
      throw refused(place, `a ${typeof value}`);
  }
}

function plainObject(value: object, place: Place): unknown {
  if (place.depth > limits.jsonDepth) throw refused(place, `nested more than ${limits.jsonDepth} deep, or part of itself`);
  const inside = (step: string): Place => ({ ...place, path: `${place.path}${step}`, depth: place.depth + 1 });
  if (Array.isArray(value)) return Array.from(value, (item, i) => plain(item, inside(`[${i}]`)));
  if (value instanceof Date) return { $date: Number.isNaN(value.getTime()) ? 'invalid' : value.toISOString() };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof Map) {
    const pairs = [...value].map(([key, item], i) => [plain(key, inside(`.key(${i})`)), plain(item, inside(`.value(${i})`))]);
    return { $map: pairs };
  }
  if (value instanceof Set) return { $set: [...value].map((item, i) => plain(item, inside(`.item(${i})`))) };
  if (!isPlain(value)) throw refused(place, `an instance of ${(value.constructor as { name?: string } | undefined)?.name || 'a class'}`);
  return plainFields(value, inside);
}

// Of this realm, or of another one such as that of a test.
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'));
}

function plainFields(value: object, inside: (step: string) => Place): unknown {
  const copy: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) if (field !== undefined) put(copy, key, plain(field, inside(stepOf(key))));
  // An object that looks like one of our words, without what is undefined, is put into another one.
  const [first, second] = Object.keys(copy);
  return first?.startsWith('$') === true && second === undefined ? { $object: copy } : copy;
}

function stepOf(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

// `__proto__` is a name like any other in a document.
function put(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  else target[key] = value;
}

function refused({ what, path }: Place, kind: string): ProaError {
  return new ProaError('workflow.value', `${what} cannot be recorded: ${path === '' ? 'it' : `value${path}`} is ${kind}`, {
    hint: 'record plain data: JSON, Date, bytes, Map, Set, BigInt',
  });
}

function revived(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(revived);
  const fields = Object.entries(value);
  const [first] = fields;
  if (fields.length === 1 && first !== undefined && first[0].startsWith('$')) {
    const word = words[first[0]];
    const found = word?.(first[1]);
    if (found !== undefined) return found.value;
  }
  const copy: Record<string, unknown> = {};
  for (const [key, field] of fields) put(copy, key, revived(field));
  return copy;
}

type Word = (content: unknown) => { readonly value: unknown } | undefined;

// What does not have the form that this file writes is an object of somebody else.
const words: Readonly<Record<string, Word | undefined>> = {
  $number: (content) => (typeof content === 'string' ? { value: Number(content) } : undefined),
  $bigint: (content) => (typeof content === 'string' && /^-?\d{1,100000}$/.test(content) ? { value: BigInt(content) } : undefined),
  $undefined: (content) => (content === true ? { value: undefined } : undefined),
  $date: (content) => (typeof content === 'string' ? { value: new Date(content === 'invalid' ? NaN : content) } : undefined),
  $bytes: (content) => (typeof content === 'string' ? { value: Uint8Array.from(Buffer.from(content, 'base64')) } : undefined),
  $map: (content) => (Array.isArray(content) && content.every(isPair) ? { value: new Map(content.map(pairOf)) } : undefined),
  $set: (content) => (Array.isArray(content) ? { value: new Set(content.map(revived)) } : undefined),
  $object: (content) => (typeof content === 'object' && content !== null ? { value: fieldsOf(content) } : undefined),
};

function isPair(pair: unknown): pair is readonly [unknown, unknown] {
  return Array.isArray(pair) && pair.length === 2;
}

function pairOf([key, item]: readonly [unknown, unknown]): readonly [unknown, unknown] {
  return [revived(key), revived(item)];
}

function fieldsOf(content: object): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(content)) put(copy, key, revived(field));
  return copy;
}
