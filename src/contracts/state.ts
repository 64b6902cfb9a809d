import type { Append, Condition, Engine } from './engine.ts';

/** What a state store can do, under the names that the metadata API reports. */
export type StateCapability =
  | 'ETAG'
  | 'TRANSACTIONAL'
  | 'QUERY_API'
  | 'TTL'
  | 'PARTITION_KEY'
  | 'DELETE_WITH_PREFIX'
  | 'KEYS_LIKE'
  | 'ACTOR';

export type Concurrency = 'first-write' | 'last-write';
export type Consistency = 'eventual' | 'strong';
export type Metadata = Readonly<Record<string, string>>;

export interface StateValue {
  readonly data: Uint8Array;
  readonly etag: string;
  /** For example `ttlExpireTime` (RFC 3339). */
  readonly metadata?: Metadata;
  readonly contentType?: string;
}

export interface StateGet {
  /** The full stored key, prefix included. */
  readonly key: string;
  readonly consistency?: Consistency;
  readonly metadata?: Metadata;
}

export interface StateSet {
  readonly key: string;
  readonly data: Uint8Array;
  /** Absent (never empty): no etag was given. */
  readonly etag?: string;
  readonly concurrency?: Concurrency;
  readonly consistency?: Consistency;
  readonly contentType?: string;
  /** Seconds until it expires, above 0; absent: never. Parsed and checked by the block from `ttlInSeconds`. */
  readonly ttlSeconds?: number;
  readonly metadata?: Metadata;
}

export interface StateDelete {
  readonly key: string;
  readonly etag?: string;
  readonly concurrency?: Concurrency;
  readonly consistency?: Consistency;
  readonly metadata?: Metadata;
}

export type StateOperation = ({ readonly kind: 'upsert' } & StateSet) | ({ readonly kind: 'delete' } & StateDelete);

/** The result of one item of a bulk operation: in request order; `error` when that item failed. */
export interface BulkOutcome<T> {
  readonly key: string;
  readonly value?: T;
  readonly error?: Error;
}

/** The filter, sort and page of Dapr's query API, validated. Paths are dotted (`person.org`), applied to the JSON value. */
export interface StateQuery {
  /** Only keys that begin with it; absent: all. An app must not see what others keep in the same store. */
  readonly keyPrefix?: string;
  readonly filter?: StateFilter;
  readonly sort: readonly { readonly path: string; readonly order: 'ASC' | 'DESC' }[];
  readonly limit?: number;
  readonly token?: string;
}

export type StateFilter =
  | { readonly op: 'EQ' | 'NEQ' | 'GT' | 'GTE' | 'LT' | 'LTE'; readonly path: string; readonly value: unknown }
  | { readonly op: 'IN'; readonly path: string; readonly values: readonly unknown[] }
  | { readonly op: 'AND' | 'OR'; readonly filters: readonly StateFilter[] };

export interface StateQueryPage {
  readonly items: readonly { readonly key: string; readonly data: Uint8Array; readonly etag?: string; readonly error?: string }[];
  readonly token?: string;
  readonly metadata?: Metadata;
}

const etagBrand = Symbol.for('proa.etag-error');

/** The etag did not match what is stored (`mismatch`), or cannot be an etag of this store (`invalid`). Compare with `isEtagError`. */
export class EtagError extends Error {
  readonly kind: 'mismatch' | 'invalid';
  readonly [etagBrand] = true;
  constructor(kind: 'mismatch' | 'invalid', message?: string) {
    super(message ?? (kind === 'mismatch' ? 'the etag does not match' : 'the etag is not valid'));
    this.kind = kind;
  }
}

/** True for an EtagError of any copy of this package: drivers may come from outside. */
export function isEtagError(thrown: unknown): thrown is EtagError {
  return typeof thrown === 'object' && thrown !== null && (thrown as Record<symbol, unknown>)[etagBrand] === true;
}

/** What `get` answers as metadata for a value that expires: `ttlExpireTime` in RFC 3339, whole seconds, as Dapr prints it. */
export function expiryMetadata(expiresAtMs: number): Metadata {
  return { ttlExpireTime: `${new Date(expiresAtMs).toISOString().slice(0, 19)}Z` };
}

/** What a transaction of a store on the engine commits with. */
export interface CommitParts {
  readonly appends?: readonly Append[];
  /** All must hold; else the transaction fails with `engine.fenced`. */
  readonly conditions?: readonly Condition[];
}

/**
 * A state store. Single operations fail with an `EtagError` or with the store's own error. `set` with `first-write` and no etag
 * fails on a key that exists; `delete` of a missing key is a mismatch with an etag and fine without.
 */
export interface StateStore {
  readonly capabilities: readonly StateCapability[];
  /** The most operations of one transaction; undefined: no limit. */
  readonly transactionOperationsMax?: number;
  get(request: StateGet): Promise<StateValue | undefined>;
  /** The value of a stored key when it can be answered without waiting; undefined says nothing: ask `get`. It throws what `get` fails with, or nothing. */
  peek?(key: string): StateValue | undefined;
  set(request: StateSet): Promise<void>;
  delete(request: StateDelete): Promise<void>;
  /** In request order; a missing key has neither value nor error. `parallelism` is the caller's wish for stores that read key by key. */
  bulkGet(requests: readonly StateGet[], parallelism?: number): Promise<BulkOutcome<StateValue>[]>;
  bulkSet(requests: readonly StateSet[]): Promise<BulkOutcome<void>[]>;
  bulkDelete(requests: readonly StateDelete[]): Promise<BulkOutcome<void>[]>;
  /** The engine that keeps the state, when one does: `transact` then takes what else that engine can do into the same commit. */
  readonly engine?: Engine;
  /** All or nothing, `more` included. With TRANSACTIONAL. */
  transact?(operations: readonly StateOperation[], metadata: Metadata, more?: CommitParts): Promise<void>;
  /** With QUERY_API. */
  query?(query: StateQuery, metadata: Metadata): Promise<StateQueryPage>;
  /** Deletes every key that begins with `prefix`; answers how many. With DELETE_WITH_PREFIX. */
  deleteWithPrefix?(prefix: string): Promise<number>;
  /** Keys that begin with `prefix`, paged by an opaque token. With KEYS_LIKE. */
  keys?(prefix: string, page: { readonly token?: string; readonly limit: number }): Promise<{ keys: string[]; token?: string }>;
  ping?(): Promise<void>;
  close(): Promise<void>;
}
