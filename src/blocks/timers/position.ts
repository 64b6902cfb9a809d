import { levels } from './wheel.ts';

/** Entries of a log from `first` to `last` that are done with: all of them, or those with their bit (base64, from `first` on, the lowest bit first). */
export interface DoneRange {
  readonly first: number;
  readonly last: number;
  readonly bits?: string;
}

/** How far the timers of a shard are done with. It is no truth: without it a new owner reads more, and fires again what was fired. */
export interface Position {
  /** Per level of the wheel the first bucket that is not done with. */
  readonly buckets: readonly number[];
  /** Beyond what was trimmed, by the log's place. */
  readonly done: ReadonlyMap<string, readonly DoneRange[]>;
}

/** Room for the entries of more pages than memory holds. */
const bytesMax = 256 * 1024;

/** The place of the inbox. */
export const inboxPlace = 'inbox';

/** A position as its record holds it: the buckets, and behind them what is done with. Without the latter where that does not fit. */
export function encodePosition({ buckets, done }: Position): Uint8Array {
  const ranges = Array.from(done).filter(([, each]) => each.length > 0);
  const whole = Buffer.from(JSON.stringify(ranges.length === 0 ? buckets : [...buckets, Object.fromEntries(ranges)]));
  return whole.length <= bytesMax ? whole : Buffer.from(JSON.stringify(buckets));
}

/** The position in a record. */
export function decodePosition(value: Uint8Array): Position {
  const parts = JSON.parse(Buffer.from(value).toString('utf8')) as unknown[];
  const done = (parts[levels] ?? {}) as Readonly<Record<string, readonly DoneRange[]>>;
  return { buckets: parts.slice(0, levels) as number[], done: new Map(Object.entries(done)) };
}
