import type { Append, LogEntry, NewLogEntry } from '../../contracts/engine.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import type { DurableTimer } from '../../contracts/timers.ts';
import { decodeTimer, dueOf } from './entry.ts';
import { bucketLog } from './keys.ts';
import { type Bucket, bucketOf, ringSize, slotOf } from './wheel.ts';

/** What becomes of the timers of a page. */
export interface Deal {
  /** They are due so soon that they are held in memory. */
  readonly soon: readonly DurableTimer[];
  /** They lie in other buckets from now on. */
  readonly later: readonly Append[];
  /** Entries that are none. */
  readonly damaged: number;
}

/** Sorts the timers of a page by when they are due. */
export function dealOut({ group, index }: OwnedShard, entries: readonly LogEntry[], nowMs: number): Deal {
  const soon: DurableTimer[] = [];
  const later = new Map<number, { readonly bucket: Bucket; readonly entries: NewLogEntry[] }>();
  let damaged = 0;
  for (const { data } of entries) {
    const dueMs = dueOf(data);
    if (dueMs === undefined) {
      damaged++;
      continue;
    }
    const bucket = bucketOf(dueMs, nowMs);
    if (bucket === undefined) {
      soon.push(decodeTimer(data));
      continue;
    }
    const place = bucket.level * ringSize + slotOf(bucket);
    const others = later.get(place);
    if (others === undefined) later.set(place, { bucket, entries: [{ data }] });
    else others.entries.push({ data });
  }
  const appends = Array.from(later.values(), ({ bucket, entries: moved }) => ({ log: bucketLog(group, index, bucket), entries: moved }));
  return { soon, later: appends, damaged };
}
