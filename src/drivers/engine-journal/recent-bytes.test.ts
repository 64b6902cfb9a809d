import { describe, expect, it } from 'vitest';
import { RecentBytes } from './recent-bytes.ts';
import { Segment } from './segment.ts';

const segment = (number: number): Segment => new Segment('/d', { number, epoch: 1, bytes: 4096, sealed: false });
const bytesOf = (from: number, count: number): Buffer => Buffer.from(Array.from({ length: count }, (_, i) => (from + i) & 255));

/** Fills a group where it has its place, and says that it was written. */
function group(recent: RecentBytes, into: Segment, at: number, size: number): void {
  const place = recent.room(size) ?? Buffer.alloc(size);
  const bytes = place.subarray(0, size);
  bytesOf(at, size).copy(bytes);
  recent.close(bytes);
  recent.add(into, at, bytes);
}

/** What a segment holds at an offset is its offset: a wrong place shows. */
function filled(recent: RecentBytes, into: Segment, sizes: readonly number[], from = 0): number {
  let at = from;
  for (const size of sizes) {
    group(recent, into, at, size);
    at += size;
  }
  return at;
}

describe('recent bytes', () => {
  it('finds what was written, across the pieces that were added', () => {
    const recent = new RecentBytes(4_000);
    const one = segment(1);
    filled(recent, one, [100, 200, 300]);
    expect(Buffer.compare(recent.view(one, 50, 400) as Uint8Array, bytesOf(50, 400))).toBe(0);
    expect(recent.view(one, 590, 20)).toBeUndefined();
    expect(recent.view(segment(2), 0, 10)).toBeUndefined();
  });

  it('forgets the oldest first, and never answers with what came later in its place', () => {
    const recent = new RecentBytes(4_000);
    const one = segment(1);
    const end = filled(
      recent,
      one,
      Array.from({ length: 100 }, () => 90),
    );
    const found = Array.from({ length: end / 90 }, (_, i) => recent.view(one, i * 90, 90));
    found.forEach((view, i) => {
      if (view !== undefined) expect(Buffer.compare(view, bytesOf(i * 90, 90))).toBe(0);
    });
    const kept = found.filter((view) => view !== undefined).length;
    expect([kept > 30, kept * 90 <= 4_000, found[0], found.at(-1) !== undefined]).toEqual([true, true, undefined, true]);
  });

  it('keeps segments and gaps apart', () => {
    const recent = new RecentBytes(4_000);
    const [one, two] = [segment(1), segment(2)];
    filled(recent, one, [100]);
    filled(recent, two, [100], 4096);
    filled(recent, one, [100], 500);
    expect(recent.view(one, 0, 100)).toBeDefined();
    expect(recent.view(one, 90, 20)).toBeUndefined();
    expect(Buffer.compare(recent.view(one, 510, 20) as Uint8Array, bytesOf(510, 20))).toBe(0);
    expect(Buffer.compare(recent.view(two, 4100, 20) as Uint8Array, bytesOf(4100, 20))).toBe(0);
  });

  it('keeps nothing when it may not, and nothing that is larger than its pieces', () => {
    const none = new RecentBytes(0);
    const one = segment(1);
    expect(none.room(1)).toBeUndefined();
    group(none, one, 0, 10);
    expect(none.view(one, 0, 10)).toBeUndefined();
    const recent = new RecentBytes(4_000);
    expect(recent.room(1_001)).toBeUndefined();
    group(recent, one, 0, 1_001);
    expect(recent.view(one, 0, 10)).toBeUndefined();
  });

  it('leaves three groups alone that are filled before one of them is written', () => {
    const recent = new RecentBytes(4_000);
    const one = segment(1);
    // Each needs a piece of its own.
    const places = [0, 900, 1_800].map((at) => {
      const bytes = (recent.room(900) as Buffer).subarray(0, 900);
      bytesOf(at, 900).copy(bytes);
      recent.close(bytes);
      return { at, bytes };
    });
    for (const { at, bytes } of places) recent.add(one, at, bytes);
    places.forEach(({ at }) => expect(Buffer.compare(recent.view(one, at, 900) as Uint8Array, bytesOf(at, 900))).toBe(0));
  });

  it('gives a group that was not closed its place again: nothing was written of it', () => {
    const recent = new RecentBytes(4_000);
    const [first, again] = [recent.room(10) as Buffer, recent.room(10) as Buffer];
    expect([again.buffer === first.buffer, again.byteOffset]).toEqual([true, first.byteOffset]);
  });
});
