import { describe, expect, it } from 'vitest';
import {
  compareBytes,
  copyOf,
  hexText,
  latin1Text,
  moveBytes,
  partOf,
  putBytes,
  readU16,
  readU32,
  utf8Text,
  writeLatin1,
  writeU16,
  writeU32,
  writeUtf8,
} from './bytes.ts';

describe('what is done with bytes', () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

  it('is what the methods of a Buffer do', () => {
    expect(latin1Text(bytes, 3, 200)).toBe(bytes.toString('latin1', 3, 200));
    expect(hexText(bytes, 3, 200)).toBe(bytes.toString('hex', 3, 200));
    expect(partOf(bytes, 3, 200)).toEqual(bytes.subarray(3, 200));
    expect(partOf(bytes, 3, 200).buffer).toBe(bytes.buffer);
    expect(utf8Text(Buffer.from('«à☃»'), 2, 7)).toBe('à☃');
    for (const [from, to] of [
      [0, 256],
      [3, 200],
      [5, 5],
    ] as const) {
      const copy = copyOf(bytes, from, to);
      expect(copy).toEqual(bytes.subarray(from, to));
      copy.fill(0);
      expect(bytes[7]).toBe(7);
    }
    for (const at of [0, 1, 126, 252]) {
      expect(readU16(bytes, at)).toBe(bytes.readUInt16BE(at));
      expect(readU32(bytes, at)).toBe(bytes.readUInt32BE(at));
    }
    expect(compareBytes(bytes, bytes, 1, 3, 1, 3)).toBe(0);
    expect(compareBytes(bytes, bytes, 1, 3, 2, 4)).not.toBe(0);
  });

  it('also where it writes', () => {
    const to = Buffer.alloc(16);
    expect(writeLatin1(to, 'aÿ', 1, 2)).toBe(2);
    expect(writeUtf8(to, 'ÿ', 10, 2)).toBe(2);
    moveBytes(to, 11, 10, 12);
    writeU16(to, 4, 0x1_2345);
    writeU32(to, 6, 0xfedc_ba98);
    putBytes(to, Buffer.from([1, 2]), 14);
    expect(to.toString('hex')).toBe('0061ff002345fedcba98c3c3bf000102');
  });
});
