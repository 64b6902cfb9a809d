import type { AnyBulkWriteOperation } from 'mongodb';
import type { MongoItem } from '../../clients/mongodb/database.ts';
import type { StateSet } from '../../contracts/state.ts';
import type { StatePlan } from '../../contracts/state-plan.ts';
import { documentOf } from './document.ts';
import { liveAt } from './query.ts';

type Write = AnyBulkWriteOperation<MongoItem>;

/** What a plan comes to. The conditions hold when the guarded writes, done first and in their order, count as expected and create no key that is there. */
export interface PlannedWrites {
  readonly guarded: readonly Write[];
  /** Documents that guarded writes must replace or create, and remove. */
  readonly written: number;
  readonly removed: number;
  readonly free: readonly Write[];
}

/** Whether the server's time matters for this plan: something is judged by it, or ends. */
export function needsTime({ sets, creates, absent, etags }: StatePlan): boolean {
  return etags.size + creates.length + absent.length > 0 || sets.some(({ ttlSeconds }) => ttlSeconds !== undefined);
}

/** The writes of a plan at this time of the server. Each document gets an etag of its own. */
export function writesOf({ sets, creates, deletes, absent, etags }: StatePlan, nowMs: number, etag: () => string): PlannedWrites {
  const written = (set: StateSet): MongoItem =>
    documentOf(set, etag(), set.ttlSeconds === undefined ? null : new Date(nowMs + set.ttlSeconds * 1_000)) as unknown as MongoItem;
  const guard = (key: string) => ({ _id: key, _etag: etags.get(key), ...liveAt(nowMs) });
  // What has ended makes room; a living document does not match, so that its key would be there twice, which the server refuses.
  const create = (set: StateSet): Write => ({
    replaceOne: { filter: { _id: set.key, _ttl: { $lte: new Date(nowMs) } }, replacement: written(set), upsert: true },
  });
  const guarded: Write[] = [];
  const free: Write[] = [];
  for (const set of sets) {
    if (etags.has(set.key)) guarded.push({ replaceOne: { filter: guard(set.key), replacement: written(set) } });
    else free.push({ replaceOne: { filter: { _id: set.key }, replacement: written(set), upsert: true } });
  }
  guarded.push(...creates.map(create));
  // A key that must not be there is taken and given back: whoever creates it meanwhile is in the way.
  guarded.push(...absent.map((key) => create({ key, data: new Uint8Array(0) })));
  const writtenCount = guarded.length;
  guarded.push(...absent.map((key): Write => ({ deleteOne: { filter: { _id: key } } })));
  for (const key of deletes) {
    if (etags.has(key)) guarded.push({ deleteOne: { filter: guard(key) } });
    else free.push({ deleteOne: { filter: { _id: key } } });
  }
  return { guarded, written: writtenCount, removed: guarded.length - writtenCount, free };
}
