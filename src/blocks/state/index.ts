import type { Service } from '../../kernel/service.ts';
import type { Concurrency, Consistency, Metadata, StateValue } from '../../contracts/state.ts';

/** Options as clients write them; the block checks the words. */
export interface StateOptions {
  readonly concurrency?: Concurrency;
  readonly consistency?: Consistency;
}

/** One item to save, before its key is prefixed. An empty etag is the same as none. */
export interface SaveItem {
  readonly key: string;
  readonly value: Uint8Array;
  readonly etag?: string;
  readonly metadata: Metadata;
  readonly options?: StateOptions;
  readonly contentType?: string;
}

export interface DeleteItem {
  readonly key: string;
  readonly etag?: string;
  readonly metadata: Metadata;
  readonly options?: StateOptions;
}

export interface BulkStateItem {
  readonly key: string;
  readonly value?: StateValue;
  readonly error?: string;
}

export interface QueryResult {
  readonly results: readonly { readonly key: string; readonly data: Uint8Array; readonly etag?: string; readonly error?: string }[];
  readonly token?: string;
  readonly metadata?: Metadata;
}

export type TransactionItem = ({ readonly kind: 'upsert' } & SaveItem) | ({ readonly kind: 'delete' } & DeleteItem);

/**
 * State (Dapr reference 4.1, 12.1). Keys are those of the client: the block prefixes, checks, and takes the prefix off again. Errors carry the
 * codes `state.*`; texts follow Dapr's where a client can see them.
 */
export interface StateBlock {
  readonly get: Service<
    { readonly store: string; readonly key: string; readonly consistency?: Consistency | undefined; readonly metadata: Metadata },
    StateValue | undefined
  >;
  readonly bulkGet: Service<
    { readonly store: string; readonly keys: readonly string[]; readonly parallelism?: number; readonly metadata: Metadata },
    readonly BulkStateItem[]
  >;
  readonly save: Service<{ readonly store: string; readonly items: readonly SaveItem[] }, void>;
  readonly delete: Service<{ readonly store: string; readonly item: DeleteItem }, void>;
  readonly bulkDelete: Service<{ readonly store: string; readonly items: readonly DeleteItem[] }, void>;
  readonly transact: Service<
    { readonly store: string; readonly operations: readonly TransactionItem[]; readonly metadata: Metadata },
    void
  >;
  /** `query` is the JSON text of Dapr's query language. */
  readonly query: Service<{ readonly store: string; readonly query: string; readonly metadata: Metadata }, QueryResult>;
  close(): Promise<void>;
}

export { createStateBlock, type StateDeps } from './state-block.ts';
export { encryptedStore } from './encrypted-store.ts';
export { checkStateComponent } from './store-handle.ts';
export { createOutboxRelay, type OutboxRelay } from './outbox-relay.ts';
export { outboxOf, type OutboxSettings } from './outbox.ts';
