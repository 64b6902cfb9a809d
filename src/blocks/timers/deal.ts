import type { Append, LogEntry, NewLogEntry } from '../../contracts/engine.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import type { DurableTimer } from '../../contracts/timers.ts';
import { decodeTimer, dueOf } from './entry.ts';
import { bucketLog } from './keys.ts';
import { type Bucket, bucketOf, ringSize, slotOf } from './wheel.ts';

/** A timer of a page, and which of its entries it is. */
export interface SoonTimer {
  readonly timer: DurableTimer;
  readonly sequence: number;
}

/** What becomes of the timers of a page. */
export interface Deal {
  /** They are due so soon that they are held in memory. */
  readonly soon: readonly SoonTimer[];
  /** Those of the others, which the page need not hold any longer. */
  readonly settled: readonly number[];
  /** They lie in other buckets from now on. */
  readonly later: readonly Append[];
  /** Entries that are none. */
  readonly damaged: number;
}

/** Sorts the timers of a page by when they are due. */
export function dealOut({ group, index }: OwnedShard, entries: readonly LogEntry[], nowMs: number): Deal {
  const soon: SoonTimer[] = [];
  const settled: number[] = [];
  const later = new Map<number, { readonly bucket: Bucket; readonly entries: NewLogEntry[] }>();
  let damaged = 0;
  for (const { data, sequence } of entries) {
    const dueMs = dueOf(data);
    const bucket = dueMs === undefined ? undefined : bucketOf(dueMs, nowMs);
    if (dueMs !== undefined && bucket === undefined) {
      soon.push({ timer: decodeTimer(data), sequence });
      continue;
    }
    settled.push(sequence);
    if (bucket === undefined) {
      damaged++;
      continue;
    }
    const place = bucket.level * ringSize + slotOf(bucket);
    const others = later.get(place);
    if (others === undefined) later.set(place, { bucket, entries: [{ data }] });
    else others.entries.push({ data });
  }
  const appends = Array.from(later.values(), ({ bucket, entries: moved }) => ({ log: bucketLog(group, index, bucket), entries: moved }));
  return { soon, settled, later: appends, damaged };
}
