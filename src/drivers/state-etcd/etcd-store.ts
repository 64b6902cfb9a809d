import { base64, rangeOf, textOf } from '../../clients/etcd/encoding.ts';
import type { EtcdClient } from '../../clients/etcd/etcd-client.ts';
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
import { eachByKey } from '../../contracts/state-bulk.ts';
import { planOf } from '../../contracts/state-plan.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Envelope } from './envelope.ts';

/** What both versions can do. */
export const etcdCapabilities: readonly StateCapability[] = ['ETAG', 'TRANSACTIONAL', 'TTL', 'DELETE_WITH_PREFIX', 'KEYS_LIKE', 'ACTOR'];

export interface EtcdStoreOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  /** Before every key; not empty. */
  readonly prefix: string;
  readonly operationsMax: number;
  readonly envelope: Envelope;
}

/** A key-value pair as the gateway writes it: numbers of 64 bits are texts, what is zero is left out. */
interface Pair {
  readonly key: string;
  readonly value?: string;
  readonly mod_revision: string;
  readonly lease?: string;
}

const etagForm = /^[1-9]\d{0,18}$/;

/** State in etcd, as Dapr keeps it: the etag is the revision of the last write. Every write is one transaction of etcd; a time to live is a lease. */
export function createEtcdStore(options: EtcdStoreOptions): StateStore {
  const { client, prefix, operationsMax, envelope } = options;
  const keyOf = (key: string): string => base64(prefix + key);
  const get = async (key: string): Promise<StateValue | undefined> => {
    const { kvs = [] } = (await client.call('kv/range', { key: keyOf(key) })) as { kvs?: readonly Pair[] };
    return kvs[0] === undefined ? undefined : valueOf(options, kvs[0]);
  };
  const put = async ({ key, data, ttlSeconds }: StateSet): Promise<object> => ({
    request_put: {
      key: keyOf(key),
      value: base64(envelope.wrap(data, ttlSeconds)),
      ...(ttlSeconds !== undefined && { lease: await leaseOf(client, ttlSeconds) }),
    },
  });
  const write = async (operations: readonly StateOperation[]): Promise<void> => {
    const { sets, creates, deletes, absent, etags } = planOf(operations, etagForm);
    const isAbsent = (key: string) => ({ key: keyOf(key), target: 'CREATE', result: 'EQUAL', create_revision: '0' });
    const compare = [
      ...Array.from(etags, ([key, etag]) => ({ key: keyOf(key), target: 'MOD', result: 'EQUAL', mod_revision: etag })),
      ...creates.map(({ key }) => isAbsent(key)),
      ...absent.map(isAbsent),
    ];
    const success = [
      ...(await Promise.all([...sets, ...creates].map(put))),
      ...deletes.map((key) => ({ request_delete_range: { key: keyOf(key) } })),
    ];
    const { succeeded } = await client.write('kv/txn', { compare, success });
    if (succeeded !== true) throw new EtagError('mismatch');
  };
  return {
    capabilities: etcdCapabilities,
    transactionOperationsMax: operationsMax,
    get: ({ key }) => get(key),
    set: (request) => write([{ ...request, kind: 'upsert' }]),
    delete: (request) => write([{ ...request, kind: 'delete' }]),
    bulkGet: (requests, parallelism) => inParallel(requests, parallelism ?? parallelReads, get),
    bulkSet: (requests) => eachByKey(requests, (request) => write([{ ...request, kind: 'upsert' }])),
    bulkDelete: (requests) => eachByKey(requests, (request) => write([{ ...request, kind: 'delete' }])),
    transact: (operations) => (operations.length === 0 ? Promise.resolve() : write(operations)),
    async deleteWithPrefix(given) {
      if (given === '') throw new ProaError('bad-request', 'a prefix is required to delete by prefix');
      const { deleted = '0' } = (await client.write('kv/deleterange', rangeOf(prefix + given))) as { deleted?: string };
      return Number(deleted);
    },
    async keys(given, { token, limit }) {
      const range = rangeOf(prefix + given);
      // The next key after the token is the token and a zero byte.
      const from = token === undefined ? range : { ...range, key: base64(`${prefix}${token}\x00`) };
      const { kvs = [], more } = (await client.call('kv/range', { ...from, limit, keys_only: true })) as {
        kvs?: readonly Pair[];
        more?: boolean;
      };
      const keys = kvs.map(({ key }) => textOf(key).slice(prefix.length));
      const last = keys.at(-1);
      return { keys, ...(more === true && last !== undefined && { token: last }) };
    },
    async ping() {
      await client.call('kv/range', { key: base64(prefix), limit: 1 });
    },
    close: async () => {},
  };
}

const parallelReads = 16;

async function inParallel(
  requests: readonly { readonly key: string }[],
  parallelism: number,
  get: (key: string) => Promise<StateValue | undefined>,
): Promise<BulkOutcome<StateValue>[]> {
  const outcomes: BulkOutcome<StateValue>[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < requests.length; index = next++) {
      const { key } = requests[index] as { readonly key: string };
      outcomes[index] = await get(key).then(
        (value) => (value === undefined ? { key } : { key, value }),
        (error: Error) => ({ key, error }),
      );
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(parallelism, requests.length)) }, lane));
  return outcomes;
}

async function leaseOf(client: EtcdClient, ttlSeconds: number): Promise<string> {
  const { ID } = await client.write('lease/grant', { TTL: Math.ceil(ttlSeconds) });
  if (typeof ID !== 'string') throw new Error('etcd granted no lease');
  return ID;
}

async function valueOf({ client, clock, envelope }: EtcdStoreOptions, pair: Pair): Promise<StateValue> {
  const stored = envelope.unwrap(Buffer.from(pair.value ?? '', 'base64'));
  const expiresAtMs = stored.expiresAtMs ?? (await leaseEnd(client, clock, pair));
  return { data: stored.data, etag: pair.mod_revision, ...(expiresAtMs !== undefined && { metadata: expiryMetadata(expiresAtMs) }) };
}

async function leaseEnd(client: EtcdClient, clock: Clock, { lease }: Pair): Promise<number | undefined> {
  if (lease === undefined || lease === '0') return undefined;
  const { TTL } = (await client.call('lease/timetolive', { ID: lease })) as { TTL?: string };
  return TTL === undefined ? undefined : clock.now() + Number(TTL) * 1_000;
}
