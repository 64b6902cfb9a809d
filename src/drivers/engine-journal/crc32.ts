import * as zlib from 'node:zlib';

type Crc = (bytes: Uint8Array, seed?: number) => number;

// Node has it natively from 20.15 on.
const native = (zlib as { crc32?: Crc }).crc32;

/** CRC-32 (IEEE, as in zlib) of the bytes as a signed 32-bit number, so that it stays a small integer in memory. `seed` continues one. */
export const crc32: Crc = native === undefined ? tableCrc32 : (bytes, seed = 0) => native(bytes, seed >>> 0) | 0;

/** What a byte does to the sum, and what it does one to seven bytes later: eight tables, one behind the other. Made when the first part is summed. */
const tables = new Int32Array(8 * 256);

/** Of a part of a view's bytes. Short parts are summed here: a view of them, and the way into native code, cost more. */
export function crc32Between(view: DataView, from: number, to: number): number {
  if (to - from > 128) return crc32(new Uint8Array(view.buffer, view.byteOffset + from, to - from));
  if (tables[1] === 0) makeTables();
  let crc = ~0;
  let at = from;
  // Eight bytes a step: each step waits for the one before it.
  for (const last = to - 7; at < last; at += 8) {
    const one = crc ^ view.getInt32(at, true);
    const two = view.getInt32(at + 4, true);
    crc =
      (tables[1792 + (one & 255)] as number) ^
      (tables[1536 + ((one >>> 8) & 255)] as number) ^
      (tables[1280 + ((one >>> 16) & 255)] as number) ^
      (tables[1024 + (one >>> 24)] as number) ^
      (tables[768 + (two & 255)] as number) ^
      (tables[512 + ((two >>> 8) & 255)] as number) ^
      (tables[256 + ((two >>> 16) & 255)] as number) ^
      (tables[two >>> 24] as number);
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ (tables[(crc ^ view.getUint8(at)) & 255] as number);
  return ~crc;
}

/** The same without native help. */
export function tableCrc32(bytes: Uint8Array, seed = 0): number {
  if (tables[1] === 0) makeTables();
  let crc = ~seed;
  for (const byte of bytes) crc = (crc >>> 8) ^ (tables[(crc ^ byte) & 255] as number);
  return ~crc;
}

function makeTables(): void {
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const sum = tables[at - 256] as number;
    tables[at] = (sum >>> 8) ^ (tables[sum & 255] as number);
  }
}
