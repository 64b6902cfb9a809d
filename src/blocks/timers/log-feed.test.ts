import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../contracts/engine.ts';
import { createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { LogFeed, type Page } from './log-feed.ts';
import { decodePosition, encodePosition } from './position.ts';

const log = 'log';
let engine: Engine;

beforeEach(async () => {
  engine = createMemoryEngine({ clock: createFakeClock() });
  const entries = Array.from({ length: 500 }, () => ({ data: new Uint8Array(8) }));
  for (let i = 0; i < 10; i++) await engine.commit({ append: [{ log, entries }] });
});

const sequences = ({ entries }: Page): number[] => entries.map(({ sequence }) => sequence);

/** What is read from the beginning on. */
async function readAll(feed: LogFeed): Promise<number[]> {
  const read: number[] = [];
  do read.push(...sequences(await feed.next(400)));
  while (!feed.read);
  return read;
}

describe('a log of timers', () => {
  it('gives the next reader what was not settled, wherever it lies, and nothing else', async () => {
    const feed = new LogFeed(engine, log);
    const pages: Page[] = [];
    do pages.push(await feed.next(400));
    while (!feed.read);
    // The first one stays open, every third of the others and the whole last page.
    const open = pages.flatMap(sequences).filter((each) => each === 1 || each % 3 === 0 || each > 4_800);
    for (const page of pages) for (const each of sequences(page)) if (!open.includes(each)) page.settle(each);
    await feed.trim();
    expect(await readAll(new LogFeed(engine, log, feed.done()))).toEqual(open);
    expect(await readAll(new LogFeed(engine, log))).toHaveLength(5_000);
  });

  it('keeps what a former owner had settled for the owner after the next one, read or not', async () => {
    const feed = new LogFeed(engine, log, [
      { first: 2, last: 700 },
      { first: 4_000, last: 5_000 },
    ]);
    const page = await feed.next(400);
    expect(sequences(page)).toEqual([1]);
    const left = Array.from({ length: 5_000 }, (_, i) => i + 1).filter((each) => each === 1 || (each > 700 && each < 4_000));
    expect(await readAll(new LogFeed(engine, log, feed.done()))).toEqual(left);
    page.settle(1);
    await feed.trim();
    expect((await engine.readLog(log, 0)).first).toBe(401);
    expect(await readAll(new LogFeed(engine, log, feed.done()))).toEqual(left.slice(1));
  });

  it('takes what a former owner had settled apart once, and not for each entry', async () => {
    const bits = Buffer.alloc(625, 0b01010101).toString('base64');
    let looks = 0;
    const range = {
      first: 1,
      last: 5_000,
      get bits() {
        looks++;
        return bits;
      },
    };
    const feed = new LogFeed(engine, log, [range]);
    expect(await readAll(feed)).toEqual(Array.from({ length: 2_500 }, (_, i) => 2 * i + 2));
    expect(looks).toBeLessThanOrEqual(2);
  });

  it('holds no entries that were taken, only which of them are settled', async () => {
    const feed = new LogFeed(engine, log);
    const page = await feed.next(400);
    const all = sequences(page);
    page.taken();
    expect(page.entries).toEqual([]);
    for (const each of all.slice(1)) page.settle(each);
    const [left] = feed.done();
    expect([left?.first, left?.last, await readAll(new LogFeed(engine, log, feed.done()))]).toEqual([
      1,
      400,
      [1, ...Array.from({ length: 4_600 }, (_, i) => i + 401)],
    ]);
    page.settle(1);
    await feed.trim();
    expect((await engine.readLog(log, 0)).first).toBe(401);
  });

  it('holds nothing of the pages behind one that is never settled', async () => {
    const feed = new LogFeed(engine, log);
    const first = await feed.next(400);
    const others: Page[] = [];
    do others.push(await feed.next(400));
    while (!feed.read);
    for (const page of others) for (const each of sequences(page)) page.settle(each);
    expect(others.flatMap(sequences)).toEqual([]);
    expect(feed.done()).toEqual([{ first: 401, last: 5_000 }]);
    for (const each of sequences(first)) first.settle(each);
    // A second word for the same entry changes nothing.
    first.settle(1);
    await feed.trim();
    expect([feed.done(), feed.idle, (await engine.readLog(log, 0)).entries]).toEqual([[], true, []]);
  });
});

describe('the record of a position', () => {
  it('is read as it was written, also as versions before it wrote it', () => {
    const position = { buckets: [5, 4, 3, 2, 1], done: new Map([['0/7', [{ first: 3, last: 9, bits: 'AQ==' }]]]) };
    expect(decodePosition(encodePosition(position))).toEqual(position);
    expect(decodePosition(Buffer.from('[5,4,3,2,1]'))).toEqual({ buckets: [5, 4, 3, 2, 1], done: new Map() });
    // Those versions read the first five.
    expect((JSON.parse(Buffer.from(encodePosition(position)).toString()) as number[]).slice(0, 5)).toEqual([5, 4, 3, 2, 1]);
  });

  it('leaves out what has no room: that is read and fired again', () => {
    const many = Array.from({ length: 20_000 }, (_, i) => ({ first: i * 10, last: i * 10 + 5 }));
    const { buckets, done } = decodePosition(encodePosition({ buckets: [1, 1, 1, 1, 1], done: new Map([['inbox', many]]) }));
    expect([buckets, done.size]).toEqual([[1, 1, 1, 1, 1], 0]);
  });
});
