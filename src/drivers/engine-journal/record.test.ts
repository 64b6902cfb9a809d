import { describe, expect, it } from 'vitest';
import { crc32 } from './crc32.ts';
import { RecentBytes } from './recent-bytes.ts';
import { decodeOperations, decodeRecordHead, GroupBuffer } from './record.ts';

interface Appended {
  readonly log: string;
  readonly data: Buffer;
  /** Written where it will lie; else into memory beside it. */
  readonly inPlace: boolean;
}

function appendTo(buffer: GroupBuffer, { log, data, inPlace }: Appended, first: number) {
  // More than is needed, as texts take less than three bytes for each character.
  const room = inPlace ? buffer.roomInPlace(log, data.length + 100) : buffer.room(data.length + 100);
  data.copy(room.bytes, room.at);
  const block = { first, count: 1, bytes: data.length, crc: crc32(data), offset: 0 };
  if (inPlace) buffer.appendInPlace(log, block);
  else buffer.append(log, block, room.bytes.subarray(room.at, room.at + data.length));
  return block;
}

describe('data that are written where they will lie', () => {
  it('are the same bytes as copied ones, whatever the size of the group', () => {
    // One in memory of its own, one that begins in a place of 100,000 bytes and has to leave it.
    const [copied, placed] = [new GroupBuffer({ room: () => undefined }), new GroupBuffer(new RecentBytes(400_000))];
    // The largest is beyond what a buffer begins with, so it moves while the record is made.
    for (const [i, size] of [1, 10, 3_000, 60_000, 200_000, 5].entries()) {
      const data = Buffer.alloc(size, i + 1);
      for (const buffer of [copied, placed]) {
        buffer.begin();
        buffer.deleteRange('a', 'b');
        const block = appendTo(buffer, { log: `log-${'x'.repeat(i * 10)}`, data, inPlace: buffer === placed }, i + 1);
        buffer.end(i + 1, 1_000);
        expect(block.offset).toBe(buffer.length - size);
      }
    }
    for (const buffer of [copied, placed]) buffer.seal(7);
    expect(Buffer.compare(copied.bytes, placed.bytes)).toBe(0);
    const bytes = Buffer.from(placed.bytes);
    for (let at = 0, i = 1; at < bytes.length; i++) {
      const head = decodeRecordHead(bytes, at);
      if (head === undefined) throw new Error(`no record at ${at}`);
      expect([head.sequence, head.durable]).toEqual([i, 7]);
      expect(decodeOperations(bytes, at, head)?.map(({ kind }) => kind)).toEqual(['deleteRange', 'append']);
      at += head.headBytes + head.dataBytes;
    }
  });
});
