import type { Engine } from '../../contracts/engine.ts';
import { type Bucket, beginsAtMs, closesAtMs, endsAtMs, levels, oldestIndex, openIndex, opensAtMs, slotOf } from './wheel.ts';
import { LogFeed } from './log-feed.ts';
import { bucketLog } from './keys.ts';
import type { DoneRange, Position } from './position.ts';

/** A bucket that is being read. */
interface OpenBucket {
  readonly bucket: Bucket;
  readonly feed: LogFeed;
  /** It is read once more when it closes. */
  again: boolean;
}

interface Readable {
  /** Buckets of level 0 whose time is now. */
  readonly current: readonly LogFeed[];
  /** The first that is to be dealt out. */
  readonly upper: LogFeed | undefined;
  /** Some of those whose time is over, the oldest first. */
  readonly late: readonly LogFeed[];
}

/** After a long absence, and in a new shard, there are hundreds, most of them empty. */
const latePerLook = 16;

/** The buckets of one shard that are open, and which are next: everything before is done with. */
export class Buckets {
  readonly #engine: Engine;
  readonly #log: (bucket: Bucket) => string;
  /** Per level. */
  readonly #next: number[];
  /** Of logs that were not opened yet: what is done with in them. */
  readonly #done: Map<string, readonly DoneRange[]>;
  #open: OpenBucket[] = [];

  constructor(engine: Engine, shard: { readonly group: string; readonly index: number }, { buckets, done }: Position) {
    this.#engine = engine;
    this.#log = (bucket) => bucketLog(shard.group, shard.index, bucket);
    this.#next = Array.from({ length: levels }, (_, level) => buckets[level] ?? 0);
    this.#done = new Map(done);
  }

  /** Opens what is to be open by now. */
  advance(nowMs: number): void {
    const known = this.#open.length;
    for (let level = 0; level < levels; level++) {
      const last = openIndex(level, nowMs);
      let next = Math.max(this.#next[level] as number, oldestIndex(level, nowMs));
      for (; next <= last; next++) {
        const bucket = { level, index: next };
        this.#open.push({ bucket, feed: this.#feed(bucket), again: closesAtMs(bucket) > nowMs });
      }
      this.#next[level] = next;
    }
    if (this.#open.length > known) this.#open.sort((a, b) => beginsAtMs(a.bucket) - beginsAtMs(b.bucket));
  }

  /** What has pages to read. */
  readable(nowMs: number): Readable {
    const current: LogFeed[] = [];
    const late: LogFeed[] = [];
    let upper: LogFeed | undefined;
    for (const { bucket, feed } of this.#open) {
      if (feed.read) continue;
      if (endsAtMs(bucket) < nowMs) {
        if (late.length < latePerLook) late.push(feed);
      } else if (bucket.level === 0) current.push(feed);
      else upper ??= feed;
    }
    return { current, upper, late };
  }

  /** Lets go of what is done with. True when what closes is to be read once more. */
  close(nowMs: number): boolean {
    let again = false;
    this.#open = this.#open.filter((open) => {
      if (!open.feed.read || !open.feed.idle) return true;
      if (!open.again) return false;
      if (closesAtMs(open.bucket) > nowMs) return true;
      open.again = false;
      open.feed.pass();
      again = true;
      return true;
    });
    return again;
  }

  feeds(): readonly LogFeed[] {
    return this.#open.map(({ feed }) => feed);
  }

  /** What a new owner need not look at. */
  position(): Position {
    const buckets = Array.from(this.#next);
    const done = new Map(this.#done);
    for (const { bucket, feed } of this.#open) {
      buckets[bucket.level] = Math.min(buckets[bucket.level] as number, bucket.index);
      done.set(placeOf(bucket), feed.done());
    }
    return { buckets, done };
  }

  /** When the next bucket of the lowest level is to be opened; those of the others come at some such moment, too. */
  nextOpensAtMs(): number {
    return opensAtMs({ level: 0, index: this.#next[0] as number });
  }

  #feed(bucket: Bucket): LogFeed {
    const place = placeOf(bucket);
    const done = this.#done.get(place);
    this.#done.delete(place);
    return new LogFeed(this.#engine, this.#log(bucket), done);
  }
}

function placeOf(bucket: Bucket): string {
  return `${bucket.level}/${slotOf(bucket)}`;
}
