import * as zlib from 'node:zlib';

type Crc = (bytes: Uint8Array, seed?: number) => number;

// Node has it natively from 20.15 on.
const native = (zlib as { crc32?: Crc }).crc32;

/** CRC-32 (IEEE, as in zlib) of the bytes as a signed 32-bit number, so that it stays a small integer in memory. `seed` continues one. */
export const crc32: Crc = native === undefined ? tableCrc32 : (bytes, seed = 0) => native(bytes, seed >>> 0) | 0;

/** Of a part of the bytes. Short parts are summed here: a view of them, and the way into native code, cost more. */
export function crc32Between(bytes: Uint8Array, from: number, to: number): number {
  if (to - from > 128) return crc32(bytes.subarray(from, to));
  const one = (table ??= makeTable());
  const [two, three, four] = (more ??= furtherTables(one));
  let crc = ~0;
  let at = from;
  // Four bytes a step: each look-up waits for the one before it.
  for (const last = to - 3; at < last; at += 4) {
    crc ^= (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
    crc =
      (four[crc & 255] as number) ^
      (three[(crc >>> 8) & 255] as number) ^
      (two[(crc >>> 16) & 255] as number) ^
      (one[crc >>> 24] as number);
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ (one[(crc ^ (bytes[at] as number)) & 255] as number);
  return ~crc;
}

let more: readonly [Int32Array, Int32Array, Int32Array] | undefined;

/** What a byte does to the sum one, two and three bytes later. */
function furtherTables(one: Int32Array): [Int32Array, Int32Array, Int32Array] {
  const next = (before: Int32Array): Int32Array => before.map((sum) => (sum >>> 8) ^ (one[sum & 255] as number));
  const two = next(one);
  const three = next(two);
  return [two, three, next(three)];
}

let table: Int32Array | undefined;

/** The same without native help. */
export function tableCrc32(bytes: Uint8Array, seed = 0): number {
  const entries = (table ??= makeTable());
  let crc = ~seed;
  for (const byte of bytes) crc = (crc >>> 8) ^ (entries[(crc ^ byte) & 255] as number);
  return ~crc;
}

function makeTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    return crc;
  });
}
