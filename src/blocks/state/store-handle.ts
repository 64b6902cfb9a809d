import type { BlockContext } from '../../contracts/block-context.ts';
import type { Component } from '../../contracts/component-set.ts';
import { keyPrefixOf, originalKey } from '../../contracts/key-prefix.ts';
import type {
  BulkOutcome,
  Metadata,
  StateDelete,
  StateGet,
  StateOperation,
  StateQuery,
  StateSet,
  StateValue,
} from '../../contracts/state.ts';
import type { Append } from '../../contracts/engine.ts';
import type { OutboxTarget } from '../../contracts/outbox.ts';
import { answered } from '../../kernel/answered.ts';
import { isProaError } from '../../kernel/errors.ts';
import type { Service } from '../../kernel/service.ts';
import { TextMemo } from '../../kernel/text-memo.ts';
import { createStateCipher } from './encryption.ts';
import type { BulkStateItem, QueryResult, StateBlock } from './index.ts';
import { runWrites, type Writes } from './bulk-writes.ts';
import { outboxOf } from './outbox.ts';
import { bulkDeleteCodes, deleteCodes, failed, queryFailed, saveCodes, transactionCodes, writeFailed } from './state-errors.ts';
import { checkKey, type RequestContext } from './state-request.ts';

type GetInput = Parameters<StateBlock['get']>[0]['input'];

/** A transaction ready for the store, with what the outbox adds to it. */
export interface TransactInput {
  readonly operations: readonly StateOperation[];
  readonly metadata: Metadata;
  readonly appends?: readonly Append[];
}

/**
 * One store with everything that a request would otherwise look up: key prefix, cipher, and one governed service per operation. Made once per component,
 * dropped when the component changes.
 */
export interface StoreHandle extends RequestContext {
  readonly component: Component<'state'>;
  readonly outbox: OutboxTarget | undefined;
  readonly get: Service<GetInput, StateValue | undefined>;
  readonly bulkGet: Service<{ readonly requests: readonly StateGet[]; readonly parallelism?: number }, readonly BulkOutcome<StateValue>[]>;
  readonly save: Service<Writes<StateSet>, void>;
  readonly delete: Service<Writes<StateDelete>, void>;
  readonly bulkDelete: Service<Writes<StateDelete>, void>;
  readonly transact: Service<TransactInput, void>;
  readonly query: Service<{ readonly query: StateQuery; readonly metadata: Metadata }, QueryResult>;
}

/** Fails with `config.invalid` when the component's key prefix or encryption keys are wrong; `host` calls it when a component is loaded. */
export function checkStateComponent(component: Component<'state'>, context: BlockContext): void {
  keyPrefixOf(component, context);
  createStateCipher(component, context.ports.random);
}

/** Compiles a store. Fails like `checkStateComponent`. */
export function createStoreHandle(component: Component<'state'>, context: BlockContext): StoreHandle {
  const { name: store, driver } = component;
  const prefix = keyPrefixOf(component, context);
  const storedKeys = new TextMemo((key) => {
    checkKey(store, key);
    return prefix + key;
  });
  const shared: RequestContext = {
    store,
    driver,
    prefix,
    cipher: createStateCipher(component, context.ports.random),
    storedKey: (key) => storedKeys.of(key),
  };
  const governed = <In, Out>(operation: string, service: Service<In, Out>): Service<In, Out> =>
    context.govern({ block: 'state', name: store, operation, direction: 'outbound', componentType: component.type }, service);
  const saveFailed = (reason: string) => `failed saving state in state store ${store}: ${reason}`;
  const bulkDeleteFailed = (reason: string) => `failed deleting state in state store ${store}: ${reason}`;
  return {
    ...shared,
    component,
    outbox: outboxOf(component),
    get: governed('get', reader(shared)),
    bulkGet: governed('bulk_get', async ({ input }) => {
      try {
        return await driver.bulkGet(input.requests, input.parallelism);
      } catch (cause) {
        throw failed(cause, 'state.bulk-get', (reason) => reason);
      }
    }),
    save: governed('set', ({ input }) =>
      runWrites(input, { one: (set) => driver.set(set), many: (sets) => driver.bulkSet(sets), codes: saveCodes, describe: saveFailed }),
    ),
    delete: governed('delete', ({ input }) =>
      runWrites(input, {
        one: (request) => driver.delete(request),
        many: (requests) => driver.bulkDelete(requests),
        codes: deleteCodes,
        describe: (reason) => `failed deleting state with key ${originalKey(input.pending[0]?.key ?? '')}: ${reason}`,
      }),
    ),
    bulkDelete: governed('bulk_delete', ({ input }) =>
      runWrites(input, {
        one: (request) => driver.delete(request),
        many: (requests) => driver.bulkDelete(requests),
        codes: bulkDeleteCodes,
        describe: bulkDeleteFailed,
      }),
    ),
    transact: governed('transaction', transactor(shared)),
    query: governed('query', querier(shared)),
  };
}

/** Reads one value; the hot path of the block. The key was checked before. */
function reader(shared: RequestContext): Service<GetInput, StateValue | undefined> {
  const { driver, cipher } = shared;
  if (driver.peek === undefined || cipher !== undefined) return ({ input }) => read(shared, input);
  return ({ input }) => {
    try {
      const seen = driver.peek?.(shared.storedKey(input.key));
      if (seen !== undefined) return answered(seen);
    } catch {
      // The same happens again below, where it becomes the error that it is.
    }
    return read(shared, input);
  };
}

async function read({ driver, prefix, cipher, store }: RequestContext, input: GetInput): Promise<StateValue | undefined> {
  const { key, consistency, metadata } = input;
  const stored = prefix + key;
  try {
    const found = await driver.get(consistency ? { key: stored, consistency, metadata } : { key: stored, metadata });
    return cipher === undefined || found === undefined ? found : { ...found, data: cipher.decrypt(stored, found.data) };
  } catch (cause) {
    throw failed(cause, 'state.get', (reason) => `fail to get ${key} from state store ${store}: ${reason}`);
  }
}

function transactor({ driver }: RequestContext): Service<TransactInput, void> {
  return async ({ input }) => {
    try {
      const { operations, metadata, appends } = input;
      await driver.transact?.(operations, metadata, appends === undefined ? undefined : { appends });
    } catch (cause) {
      throw writeFailed(cause, transactionCodes, (reason) => `error while executing state transaction: ${reason}`);
    }
  };
}

function querier({ driver, store }: RequestContext): StoreHandle['query'] {
  return async ({ input }) => {
    try {
      const page = await driver.query?.(input.query, input.metadata);
      const results = (page?.items ?? []).map((item) => ({ ...item, key: originalKey(item.key) }));
      return { results, ...(page?.token && { token: page.token }), ...(page?.metadata && { metadata: page.metadata }) };
    } catch (cause) {
      throw isProaError(cause) ? cause : queryFailed(store, cause instanceof Error ? cause.message : String(cause), cause);
    }
  };
}

/** One item of a bulk answer under the client's key, decrypted; what cannot be decrypted becomes that item's error. */
export function bulkItem(handle: StoreHandle, key: string, outcome: BulkOutcome<StateValue> | undefined): BulkStateItem {
  if (outcome?.error !== undefined) return { key, error: outcome.error.message };
  const value = outcome?.value;
  if (value === undefined) return { key };
  if (handle.cipher === undefined) return { key, value };
  try {
    return { key, value: { ...value, data: handle.cipher.decrypt(handle.prefix + key, value.data) } };
  } catch (cause) {
    return { key, error: cause instanceof Error ? cause.message : String(cause) };
  }
}
