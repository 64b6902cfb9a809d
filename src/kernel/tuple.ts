/**
 * Ordered keys. A key is a string of bytes (one byte per UTF-16 unit, 0 to 255), so JavaScript's string comparison is memcmp order
 * and keys can be held in maps and trees as they are. Tuples keep their order element by element; strings may hold any byte.
 */
export type Key = string;

export type TupleElement = string | number;

const stringTag = '\x02';
const integerTag = '\x03';
const plain = /^[\x01-\x7f]*$/;

/** Encodes strings (UTF-8, zero bytes escaped) and whole numbers from 0 to 2^53-1 (eight bytes, big endian). */
export function tuple(...elements: readonly TupleElement[]): Key {
  let key = '';
  for (const element of elements) {
    key += typeof element === 'string' ? stringTag + encodeString(element) + '\x00' : integerTag + encodeInteger(element);
  }
  return key;
}

/** The exclusive upper bound of all keys that begin with `prefix`. */
export function prefixEnd(prefix: Key): Key {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const code = prefix.charCodeAt(i);
    if (code < 255) return prefix.slice(0, i) + String.fromCharCode(code + 1);
  }
  return '\xff'.repeat(1025);
}

/** The elements of a key made by `tuple`; throws a RangeError for other bytes. */
export function untuple(key: Key): TupleElement[] {
  const elements: TupleElement[] = [];
  let at = 0;
  while (at < key.length) {
    const tag = key[at++];
    if (tag === integerTag) {
      elements.push(decodeInteger(key, at));
      at += 8;
    } else if (tag === stringTag) {
      const end = endOfString(key, at);
      elements.push(decodeString(key.slice(at, end)));
      at = end + 1;
    } else throw new RangeError('not a tuple key');
  }
  return elements;
}

function encodeString(text: string): string {
  if (plain.test(text)) return text;
  return Buffer.from(text, 'utf8').toString('latin1').replaceAll('\x00', '\x00\xff');
}

function endOfString(key: Key, from: number): number {
  for (let at = key.indexOf('\x00', from); at >= 0; at = key.indexOf('\x00', at + 2)) {
    if (key[at + 1] !== '\xff') return at;
  }
  throw new RangeError('not a tuple key');
}

function decodeString(bytes: string): string {
  return plain.test(bytes) ? bytes : Buffer.from(bytes.replaceAll('\x00\xff', '\x00'), 'latin1').toString('utf8');
}

function encodeInteger(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a whole number from 0 to 2^53-1: ${value}`);
  const high = Math.floor(value / 0x1_0000_0000);
  const low = value >>> 0;
  return fourBytes(high) + fourBytes(low);
}

function fourBytes(value: number): string {
  return String.fromCharCode((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

function decodeInteger(key: Key, at: number): number {
  let value = 0;
  for (let i = 0; i < 8; i++) value = value * 256 + key.charCodeAt(at + i);
  if (!Number.isSafeInteger(value)) throw new RangeError('not a tuple key');
  return value;
}
