import type { RedisArgument, RedisClient } from '../../clients/redis/redis-client.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import {
  type BulkOutcome,
  EtagError,
  expiryMetadata,
  type StateCapability,
  type StateOperation,
  type StateSet,
  type StateStore,
  type StateValue,
} from '../../contracts/state.ts';
import type { Clock } from '../../kernel/ports.ts';
import { readScript, writeScript } from './scripts.ts';

/** What one server can do. A cluster keeps keys on several servers, so it has no transactions, and no actors. */
export const redisCapabilities: readonly StateCapability[] = ['ETAG', 'TRANSACTIONAL', 'TTL', 'ACTOR'];

export interface RedisStoreOptions {
  readonly redis: RedisClient;
  readonly clock: Clock;
  /** Time to live of values that are written without one; absent: for ever. */
  readonly ttlSeconds?: number;
}

/** How long strongly consistent writes wait for the replicas. */
const replicasMs = 1_000;
const operationsMax = 1_000;

/**
 * State in Redis, in Dapr's layout. Every operation is one script, so nothing is ever half done. Writes with `strong` consistency wait for all replicas of
 * the master. Content types are not kept: the layout has no place for them.
 */
export function createRedisStore({ redis, clock, ttlSeconds: ttlDefault }: RedisStoreOptions): StateStore {
  const get = async (key: string): Promise<StateValue | undefined> => {
    const found = await redis.script(readScript, 'read', { keys: [key], args: [] });
    if (found === null) return undefined;
    const [data, version, ttlMs] = found as [Uint8Array, Uint8Array, number];
    return {
      data,
      etag: Buffer.from(version).toString('latin1'),
      ...(ttlMs >= 0 && { metadata: expiryMetadata(clock.now() + ttlMs) }),
    };
  };
  const argumentsOf = (operation: StateOperation): RedisArgument[] => {
    if (operation.kind === 'delete') return ['del', operation.etag ?? '', '', '', ''];
    const { etag, concurrency, data, metadata } = operation;
    const ttl = operation.ttlSeconds ?? (metadata?.['ttlInSeconds'] ? undefined : ttlDefault);
    return ['set', etag ?? '', concurrency === 'first-write' ? '1' : '', ttl ?? '', data];
  };
  const write = async (operations: readonly StateOperation[]): Promise<void> => {
    const keys = operations.map(({ key }) => key);
    const failed = await redis.script(writeScript, 'write', { keys, args: operations.flatMap(argumentsOf) });
    if (failed !== 0) throw new EtagError('mismatch');
    if (operations.some(({ consistency }) => consistency === 'strong')) await replicated(redis);
  };
  const set = async (request: StateSet): Promise<void> => {
    // Versions are numbers: what is none cannot have come from here.
    if (request.etag !== undefined && !/^\d+$/.test(request.etag)) throw new EtagError('invalid');
    await write([{ ...request, kind: 'upsert' }]);
  };
  const each = <T>(items: readonly { readonly key: string }[], run: (index: number) => Promise<T>): Promise<BulkOutcome<T>[]> =>
    Promise.all(items.map(({ key }, index) => outcome(key, run(index))));
  return {
    capabilities: redis.kind === 'cluster' ? ['ETAG', 'TTL'] : redisCapabilities,
    transactionOperationsMax: operationsMax,
    get: ({ key }) => get(key),
    set,
    delete: (request) => write([{ ...request, kind: 'delete' }]),
    bulkGet: (requests) => each(requests, (index) => get(requests[index]?.key as string)) as Promise<BulkOutcome<StateValue>[]>,
    // All are sent before the first answer; commands for one key travel over one connection, so the last one is applied last.
    bulkSet: (requests) => each(requests, (index) => set(requests[index] as StateSet)),
    bulkDelete: (requests) => each(requests, (index) => write([{ ...(requests[index] as (typeof requests)[0]), kind: 'delete' }])),
    ...(redis.kind !== 'cluster' && { transact: (operations) => (operations.length === 0 ? Promise.resolve() : write(operations)) }),
    async ping() {
      await redis.read('ping');
    },
    close: () => redis.close(),
  };
}

async function replicated(redis: RedisClient): Promise<void> {
  const wanted = await redis.replicas();
  if (wanted === 0) return;
  const reached = await redis.write('wait', wanted, replicasMs);
  if (Number(reached) < wanted)
    throw outcomeUnknown(`the write is on the master, but on ${String(reached)} of ${wanted} replicas only`, undefined);
}

async function outcome<T>(key: string, work: Promise<T>): Promise<BulkOutcome<T>> {
  try {
    const value = await work;
    return value === undefined ? { key } : { key, value };
  } catch (error) {
    return { key, error: error as Error };
  }
}
