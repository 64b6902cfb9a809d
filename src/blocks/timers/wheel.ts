/**
 * The wheel of buckets in which timers lie, as arithmetic. Level 0 has buckets of 5 s, each further level buckets 32 times as wide, up to 60 days. The buckets of a level share a
 * ring of 48 logs, so that the number of logs of a shard is bounded for ever; of the ring 40 are ahead of now, and 8 lie between a bucket and the next
 * user of its log. A timer lies in the lowest level that reaches it. A bucket is opened some time before it begins: level 0 is then read into memory, any other is dealt out to lower levels.
 */
export interface Bucket {
  readonly level: number;
  /** Counts the buckets of the level since 1970. */
  readonly index: number;
}

const ratio = 32;
const ahead = 40;
/** Logs of a level. */
export const ringSize = 48;
export const levels = 5;
/** From the commit of a timer to the moment when its bucket is opened, at least; whatever is due sooner goes to the inbox. */
const marginMs = 5_000;
/** After the end of a bucket it is looked at once more, for what was committed long after it was made. */
const secondLookMs = 30_000;

const widthsMs = Array.from({ length: levels }, (_, level) => 5_000 * ratio ** level);
const leadsMs = widthsMs.map((width, level) => (level === 0 ? 2_000 : Math.min(width / 8, 600_000)));

/** Where a timer that is due then lies; undefined: in the inbox, because it is due soon. What lies beyond the last level waits in its last bucket and is dealt out again there. */
export function bucketOf(dueMs: number, nowMs: number): Bucket | undefined {
  if (opensAtMs({ level: 0, index: indexAt(0, dueMs) }) < nowMs + marginMs) return undefined;
  for (let level = 0; level < levels; level++) {
    const index = indexAt(level, dueMs);
    if (index - indexAt(level, nowMs) < ahead) return { level, index };
  }
  return { level: levels - 1, index: indexAt(levels - 1, nowMs) + ahead - 1 };
}

/** The bucket of each level that an instant lies in. */
export function bucketsAt(timeMs: number): readonly Bucket[] {
  return widthsMs.map((_, level) => ({ level, index: indexAt(level, timeMs) }));
}

/** The bucket of a level that an instant lies in. */
function indexAt(level: number, timeMs: number): number {
  return Math.floor(timeMs / (widthsMs[level] as number));
}

/** The first bucket of a level that is worth reading after a long absence: older ones share their logs with it and those after it. */
export function oldestIndex(level: number, nowMs: number): number {
  return Math.max(0, openIndex(level, nowMs) - ringSize + 1);
}

/** The last bucket of a level that is open at `nowMs`. */
export function openIndex(level: number, nowMs: number): number {
  return indexAt(level, nowMs + (leadsMs[level] as number));
}

/** Its place in the ring. */
export function slotOf(bucket: Bucket): number {
  return bucket.index % ringSize;
}

export function beginsAtMs({ level, index }: Bucket): number {
  return index * (widthsMs[level] as number);
}

export function opensAtMs(bucket: Bucket): number {
  return beginsAtMs(bucket) - (leadsMs[bucket.level] as number);
}

export function endsAtMs({ level, index }: Bucket): number {
  return (index + 1) * (widthsMs[level] as number);
}

/** When nothing is expected to come into it any more. */
export function closesAtMs(bucket: Bucket): number {
  return endsAtMs(bucket) + secondLookMs;
}
