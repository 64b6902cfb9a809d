import { KeyEntry } from './operations.ts';
import type { Segment } from './segment.ts';

/**
 * A key's entry as bytes: version, number of the segment, offset and length as numbers of seven bits a byte, four bytes of CRC, then whether it expires and when.
 * That is some 16 bytes where the object takes a hundred.
 */
export function packedBytes({ version, expiresAtMs, segment, offset, length }: KeyEntry): number {
  const numbers = numberBytes(version) + numberBytes(segment?.number ?? 0) + numberBytes(offset) + numberBytes(length);
  return numbers + 5 + (expiresAtMs === 0 ? 0 : 8);
}

/** Writes it at `at`, where there is room. */
export function packEntry(bytes: Buffer, at: number, { version, expiresAtMs, segment, offset, length, crc }: KeyEntry): void {
  at = writeNumber(bytes, at, version);
  at = writeNumber(bytes, at, segment?.number ?? 0);
  at = writeNumber(bytes, at, offset);
  at = writeNumber(bytes, at, length);
  bytes[at] = crc;
  bytes[at + 1] = crc >>> 8;
  bytes[at + 2] = crc >>> 16;
  bytes[at + 3] = crc >>> 24;
  bytes[at + 4] = expiresAtMs === 0 ? 0 : 1;
  if (expiresAtMs !== 0) bytes.writeDoubleLE(expiresAtMs, at + 5);
}

/** Reads what `packEntry` wrote. */
export function unpackEntry(bytes: Buffer, at: number, segmentOf: (number: number) => Segment | undefined): KeyEntry {
  const reader: Reader = { bytes, at };
  const version = readNumber(reader);
  const segment = readNumber(reader);
  const offset = readNumber(reader);
  const length = readNumber(reader);
  at = reader.at;
  const crc =
    (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
  const expiresAtMs = bytes[at + 4] === 0 ? 0 : bytes.readDoubleLE(at + 5);
  const entry = new KeyEntry({ version, expiresAtMs, length, crc, offset });
  entry.segment = segmentOf(segment);
  return entry;
}

/** When the packed entry expires; 0: never. */
export function expiryAt(bytes: Buffer, at: number): number {
  at = numbersEnd(bytes, at) + 4;
  return bytes[at] === 0 ? 0 : bytes.readDoubleLE(at + 1);
}

/** Where a packed entry ends. */
export function packedEnd(bytes: Uint8Array, at: number): number {
  at = numbersEnd(bytes, at) + 4;
  return at + (bytes[at] === 0 ? 1 : 9);
}

function numbersEnd(bytes: Uint8Array, at: number): number {
  for (let numbers = 4; numbers > 0; numbers--) while ((bytes[at++] as number) > 127);
  return at;
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

function numberBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  let count = 4;
  for (let rest = value / 0x1000_0000; rest >= 1; rest /= 128) count++;
  return count;
}

function writeNumber(bytes: Uint8Array, at: number, value: number): number {
  // Whole numbers beyond 2^31 have no bit operations.
  for (; value > 0x7fff_ffff; value = Math.floor(value / 128)) bytes[at++] = (value % 128) | 128;
  for (; value > 127; value >>>= 7) bytes[at++] = (value & 127) | 128;
  bytes[at++] = value;
  return at;
}

function readNumber(reader: Reader): number {
  const { bytes } = reader;
  let byte = bytes[reader.at++] as number;
  if (byte < 128) return byte;
  let value = byte & 127;
  for (let scale = 128; ; scale *= 128) {
    byte = bytes[reader.at++] as number;
    value += (byte & 127) * scale;
    if (byte < 128) return value;
  }
}
