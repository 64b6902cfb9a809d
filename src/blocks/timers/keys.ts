import { type Key, tuple } from '../../kernel/tuple.ts';
import { type Bucket, slotOf } from './wheel.ts';

/** The log of what is due soon. */
export function inboxLog(group: string, shard: number): Key {
  return tuple('timers', group, shard, 'inbox');
}

/** The log of a bucket, which it shares with the buckets of other times. */
export function bucketLog(group: string, shard: number, bucket: Bucket): Key {
  return tuple('timers', group, shard, 'bucket', bucket.level, slotOf(bucket));
}

/** The record of how far the buckets of a shard are done with. */
export function positionKey(group: string, shard: number): Key {
  return tuple('timers', group, shard, 'position');
}
