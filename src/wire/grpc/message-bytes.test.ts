import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageBytes } from './message-bytes.ts';

function framed(length: number): Buffer {
  const frame = Buffer.alloc(5 + length, 0xff);
  frame[0] = 0;
  frame.writeUInt32BE(length, 1);
  return frame;
}

describe('the bytes of passed messages', () => {
  it('are those without frames, wherever the pieces end', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 8 }), fc.integer({ min: 1, max: 300 }), (lengths, pieceBytes) => {
        const stream = Buffer.concat(lengths.map(framed));
        const count = new MessageBytes();
        for (let at = 0; at < stream.length; at += pieceBytes) count.add(stream.subarray(at, at + pieceBytes));
        expect(count.bytes).toBe(lengths.reduce((sum, length) => sum + length, 0));
      }),
    );
  });

  it('of a message that breaks off are those that came', () => {
    const count = new MessageBytes();
    count.add(framed(1_000).subarray(0, 305));
    expect(count.bytes).toBe(300);
  });
});
