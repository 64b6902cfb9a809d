import type { StateOptions, TransactionItem } from '../blocks/state/index.ts';
import type { Clock } from '../kernel/ports.ts';
import { asked, type CallOptions } from './asking.ts';
import { fromJson, toJson } from './json.ts';
import type { Operations } from './operations.ts';

type Metadata = Readonly<Record<string, string>>;

export interface WriteOptions extends StateOptions {
  /** The write fails with `state.save-etag-mismatch` when somebody has written since. */
  readonly etag?: string;
  readonly ttlSeconds?: number;
  readonly metadata?: Metadata;
}

export interface StateEntry<T = unknown> {
  readonly value: T;
  readonly etag: string;
  /** `ttlExpireTime` of a value that expires. */
  readonly metadata: Metadata;
}

export type StateChange =
  | ({ readonly set: string; readonly value: unknown } & WriteOptions)
  | ({ readonly delete: string } & Omit<WriteOptions, 'ttlSeconds'>);

export interface StateClient {
  /** Undefined: there is no such key. */
  get<T = unknown>(
    store: string,
    key: string,
    options?: CallOptions & Pick<StateOptions, 'consistency'> & { readonly metadata?: Metadata },
  ): Promise<StateEntry<T> | undefined>;
  /** With an etag (and `first-write`, which it implies) nobody's write is lost. */
  set(store: string, key: string, value: unknown, options?: WriteOptions & CallOptions): Promise<void>;
  setMany(
    store: string,
    items: readonly ({ readonly key: string; readonly value: unknown } & WriteOptions)[],
    options?: CallOptions,
  ): Promise<void>;
  delete(store: string, key: string, options?: Omit<WriteOptions, 'ttlSeconds'> & CallOptions): Promise<void>;
  deleteMany(store: string, keys: readonly string[], options?: CallOptions): Promise<void>;
  /** In order of the keys; a key that does not exist has no `value`, one that failed has an `error`. */
  getMany<T = unknown>(
    store: string,
    keys: readonly string[],
    options?: CallOptions & { readonly parallelism?: number },
  ): Promise<readonly { readonly key: string; readonly value?: T; readonly etag?: string; readonly error?: string }[]>;
  /** All or nothing. */
  transaction(store: string, changes: readonly StateChange[], options?: CallOptions & { readonly metadata?: Metadata }): Promise<void>;
  /** Dapr's query language: `{ filter, sort, page }`. */
  query<T = unknown>(
    store: string,
    query: object,
    options?: CallOptions,
  ): Promise<{ readonly results: readonly { readonly key: string; readonly value: T; readonly etag?: string }[]; readonly token?: string }>;
}

const none: Metadata = {};

/** State over one way of asking. */
export function createStateClient(clock: Clock, state: Operations['state']): StateClient {
  return { ...writing(clock, state), ...reading(clock, state) };
}

function writing(clock: Clock, state: Operations['state']): Pick<StateClient, 'set' | 'setMany' | 'delete' | 'deleteMany' | 'transaction'> {
  return {
    set: (store, key, value, options = {}) =>
      asked(clock, options, async (asking) => state.save({ store, items: [saved(key, value, options)] }, asking)),
    setMany: (store, items, options = {}) =>
      asked(clock, options, async (asking) =>
        state.save({ store, items: items.map(({ key, value, ...more }) => saved(key, value, more)) }, asking),
      ),
    delete: (store, key, options = {}) => asked(clock, options, (asking) => state.delete({ store, item: deleted(key, options) }, asking)),
    deleteMany: (store, keys, options = {}) =>
      asked(clock, options, (asking) => state.bulkDelete({ store, items: keys.map((key) => deleted(key, {})) }, asking)),
    transaction: (store, changes, options = {}) =>
      asked(clock, options, async (asking) =>
        state.transact({ store, operations: changes.map(operationOf), metadata: options.metadata ?? none }, asking),
      ),
  };
}

function reading(clock: Clock, state: Operations['state']): Pick<StateClient, 'get' | 'getMany' | 'query'> {
  return {
    async get(store, key, options = {}) {
      const { consistency, metadata = none } = options;
      const input = { store, key, metadata, ...(consistency !== undefined && { consistency }) };
      const found = await asked(clock, options, (asking) => state.get(input, asking));
      return found === undefined
        ? undefined
        : ({ value: fromJson(found.data), etag: found.etag, metadata: found.metadata ?? none } as never);
    },
    async getMany(store, keys, options = {}) {
      const { parallelism } = options;
      const input = { store, keys, metadata: none, ...(parallelism !== undefined && { parallelism }) };
      const found = await asked(clock, options, (asking) => state.bulkGet(input, asking));
      return found.map(({ key, value, error }) => ({
        key,
        ...(value !== undefined && value.data.length > 0 && { value: fromJson(value.data) as never, etag: value.etag }),
        ...(error !== undefined && { error }),
      }));
    },
    async query(store, query, options = {}) {
      const text = JSON.stringify(query);
      const { results, token } = await asked(clock, options, (asking) => state.query({ store, query: text, metadata: none }, asking));
      return {
        results: results.map(({ key, data, etag }) => ({ key, value: fromJson(data) as never, ...(etag !== undefined && { etag }) })),
        ...(token !== undefined && token !== '' && { token }),
      };
    },
  };
}

function operationOf(change: StateChange): TransactionItem {
  if ('set' in change) {
    const { set, value, ...more } = change;
    return { kind: 'upsert', ...saved(set, value, more) };
  }
  const { delete: key, ...more } = change;
  return { kind: 'delete', ...deleted(key, more) };
}

function saved(key: string, value: unknown, options: WriteOptions) {
  const { ttlSeconds, metadata } = options;
  return {
    ...deleted(key, options),
    value: toJson(value, `the value of key "${key}"`),
    metadata: { ...metadata, ...(ttlSeconds !== undefined && { ttlInSeconds: String(ttlSeconds) }) },
  };
}

// An etag without `first-write` would be checked by stores that do so anyway and by no other.
function deleted(key: string, { etag, concurrency, consistency, metadata = none }: WriteOptions) {
  const first = concurrency ?? (etag === undefined ? undefined : 'first-write');
  const options = { ...(first !== undefined && { concurrency: first }), ...(consistency !== undefined && { consistency }) };
  return { key, metadata, ...(etag !== undefined && { etag }), ...(Object.keys(options).length > 0 && { options }) };
}
