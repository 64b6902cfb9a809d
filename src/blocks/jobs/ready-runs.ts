import type { Commit, CommitResult, Engine } from '../../contracts/engine.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import type { DurableTimer } from '../../contracts/timers.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import { ProaError } from '../../kernel/errors.ts';
import { type Key, prefixEnd } from '../../kernel/tuple.ts';
import { decodeRecord, type JobRecord } from './job.ts';
import type { JobKeys } from './keys.ts';

/** A run that is due: it is kept in the engine until it has ended. */
export interface ReadyRun {
  readonly key: Key;
  readonly name: string;
  readonly record: JobRecord;
  readonly version: number;
}

const triesMax = 8;

/** Turns the timers of a shard that are due into runs that are ready, in one commit; those of jobs that were changed or deleted since count no more. Fails when that is not durable. */
export async function makeReady(
  engine: Engine,
  keys: JobKeys,
  { owned, timers }: { readonly owned: OwnedShard; readonly timers: readonly DurableTimer[] },
): Promise<readonly ReadyRun[]> {
  for (let tries = 0; tries < triesMax; tries++) {
    const runs = await counting(engine, keys, { shard: owned.index, timers });
    if (runs.length === 0) return [];
    const result = await engine.commit({
      if: [owned.condition, ...runs.map(({ name, version }) => ({ kind: 'version' as const, key: keys.record(name), version }))],
      put: runs.map(({ key, name, record }) => ({
        key,
        value: Buffer.from(JSON.stringify({ name, generation: record.generation, wakeMs: record.wakeMs })),
      })),
    });
    if (result.status === 'done') return runs;
    if (result.status === 'unknown') throw outcomeUnknown('runs may or may not be ready', result.cause);
    if (result.failed === 0) throw new ProaError('unavailable', 'the shard belongs to another runtime');
    // A job was changed meanwhile: look again.
  }
  throw new ProaError('overloaded', `jobs changed ${triesMax} times while they became due`);
}

async function counting(
  engine: Engine,
  keys: JobKeys,
  { shard, timers }: { readonly shard: number; readonly timers: readonly DurableTimer[] },
): Promise<ReadyRun[]> {
  const entries = await engine.getMany(timers.map(({ id }) => keys.record(id)));
  const runs = new Map<string, ReadyRun>();
  timers.forEach(({ id: name, dueMs, data }, i) => {
    const entry = entries[i];
    if (entry === undefined) return;
    const record = decodeRecord(entry.value);
    if (record.generation !== data || record.wakeMs !== dueMs) return;
    runs.set(name, { key: keys.readyRun(shard, dueMs, name), name, record, version: entry.version });
  });
  return Array.from(runs.values());
}

/** The oldest runs of a shard that are ready, `limit` at most; and those whose jobs were changed or deleted since. `more`: there may be others. */
export async function readReady(
  engine: Engine,
  keys: JobKeys,
  { shard, limit }: { readonly shard: number; readonly limit: number },
): Promise<{ readonly runs: readonly ReadyRun[]; readonly stale: readonly Key[]; readonly more: boolean }> {
  const from = keys.ready(shard);
  const page = await engine.range({ from, to: prefixEnd(from), limit });
  const marks = page.entries.map(({ key, value }) => ({
    key,
    ...(JSON.parse(Buffer.from(value).toString('utf8')) as { name: string; generation: string; wakeMs: number }),
  }));
  const entries = await engine.getMany(marks.map(({ name }) => keys.record(name)));
  const runs: ReadyRun[] = [];
  const stale: Key[] = [];
  marks.forEach(({ key, name, generation, wakeMs }, i) => {
    const entry = entries[i];
    const record = entry === undefined ? undefined : decodeRecord(entry.value);
    if (record?.generation === generation && record.wakeMs === wakeMs) runs.push({ key, name, record, version: entry?.version ?? 0 });
    else stale.push(key);
  });
  return { runs, stale, more: page.more };
}

/** Commits under an id until it is known what became of it. Fails with the engine's error. */
export async function settleCommit(
  engine: Engine,
  commit: Commit & { readonly id: string },
): Promise<Exclude<CommitResult, { readonly status: 'unknown' }>> {
  let cause: unknown;
  for (let tries = 0; tries < triesMax; tries++) {
    const result = await engine.commit(commit);
    if (result.status !== 'unknown') return result;
    cause = result.cause;
  }
  throw outcomeUnknown('the job may or may not have been changed', cause);
}
