import type { BlockContext } from '../../contracts/block-context.ts';
import type { ComponentSet } from '../../contracts/component-set.ts';
import type { OutboxPublisher, OutboxTarget } from '../../contracts/outbox.ts';
import type { StateGet } from '../../contracts/state.ts';
import { type Call, derive, withInput } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { StateBlock } from './index.ts';
import { parseQuery } from './parse-query.ts';
import { planOutbox, prepareOutbox } from './outbox.ts';
import { notConfigured, notFound, queryFailed, queryNotSupported, tooManyOperations, transactionsNotSupported } from './state-errors.ts';
import { checkConsistency, toDelete, toOperation, toSet } from './state-request.ts';
import { bulkItem, createStoreHandle, type StoreHandle } from './store-handle.ts';

export interface StateDeps {
  readonly stores: ComponentSet<'state'>;
  /** Without it, stores that ask for an outbox refuse transactions. */
  readonly outbox?: OutboxPublisher;
}

/** The state API over the configured stores. It owns no store: the component set closes them. */
export function createStateBlock(context: BlockContext, deps: StateDeps): StateBlock {
  const handles = createHandles(context, deps.stores);
  return {
    get: (call) =>
      atOnce(() => {
        const { store, key, consistency } = call.input;
        const handle = handles.of(store);
        handle.storedKey(key);
        checkConsistency(consistency);
        return handle.get(call);
      }),
    bulkGet: async (call) => bulkGet(handles.of(call.input.store), call),
    save: (call) =>
      atOnce(() => {
        const { store, items } = call.input;
        const handle = handles.of(store);
        if (items.length === 0) return Promise.resolve();
        const pending = items.map((item) => toSet(handle, item));
        return handle.save(withInput(call, { pending, refused: [] }));
      }),
    delete: (call) =>
      atOnce(() => {
        const { store, item } = call.input;
        const handle = handles.of(store);
        return handle.delete(withInput(call, { pending: [toDelete(handle, item)], refused: [] }));
      }),
    async bulkDelete(call) {
      const { store, items } = call.input;
      const handle = handles.of(store);
      if (items.length === 0) return;
      const pending = items.map((item) => toDelete(handle, item));
      await handle.bulkDelete(derive(call, { input: { pending, refused: [] } }));
    },
    transact: async (call) => transact(handles.of(call.input.store), call, { context, publisher: deps.outbox }),
    query: async (call) => query(handles.of(call.input.store), call),
    close: async () => handles.close(),
  };
}

/** For the hot paths: the promise of `work` itself instead of one around it, also for what it throws. */
function atOnce<Out>(work: () => Promise<Out>): Promise<Out> {
  try {
    return work();
  } catch (cause) {
    return Promise.reject(ProaError.from(cause));
  }
}

/** Keeps one compiled handle per component until the component changes. */
function createHandles(context: BlockContext, stores: ComponentSet<'state'>): { of(store: string): StoreHandle; close(): void } {
  const compiled = new Map<string, StoreHandle>();
  const stop = stores.onChange(async ({ removed, added }) => {
    for (const name of [...removed, ...added]) compiled.delete(name);
  });
  return {
    of(store) {
      const known = compiled.get(store);
      if (known !== undefined) return known;
      const component = stores.get(store);
      if (component === undefined) {
        const others = stores.list();
        throw others.length === 0 ? notConfigured(store, context.appId) : notFound(store, context.appId, others);
      }
      const handle = createStoreHandle(component, context);
      compiled.set(store, handle);
      return handle;
    },
    close() {
      stop();
      compiled.clear();
    },
  };
}

async function bulkGet(handle: StoreHandle, call: Parameters<StateBlock['bulkGet']>[0]): ReturnType<StateBlock['bulkGet']> {
  const { keys, parallelism, metadata } = call.input;
  if (keys.length === 0) return [];
  const requests = keys.map((key): StateGet => ({ key: handle.storedKey(key), metadata }));
  const wish = parallelism !== undefined && parallelism > 0 ? { parallelism } : {};
  const outcomes = await handle.bulkGet(derive(call, { input: { requests, ...wish } }));
  return keys.map((key, index) => bulkItem(handle, key, outcomes[index]));
}

interface OutboxSide {
  readonly context: BlockContext;
  readonly publisher: OutboxPublisher | undefined;
}

async function transact(handle: StoreHandle, call: Parameters<StateBlock['transact']>[0], outbox: OutboxSide): Promise<void> {
  const { operations, metadata, store } = call.input;
  const { driver } = handle;
  if (driver.transact === undefined || !driver.capabilities.includes('TRANSACTIONAL')) throw transactionsNotSupported(store);
  if (operations.length === 0) return;
  const max = driver.transactionOperationsMax;
  if (max !== undefined && operations.length > max) throw tooManyOperations(store, operations.length, max);
  if (handle.outbox !== undefined) return transactWithOutbox(handle, call, { ...outbox, target: handle.outbox });
  const checked = operations.map((operation) => toOperation(handle, operation));
  await handle.transact(derive(call, { input: { operations: checked, metadata } }));
}

async function transactWithOutbox(
  handle: StoreHandle,
  call: Parameters<StateBlock['transact']>[0],
  { context, publisher, target }: OutboxSide & { readonly target: OutboxTarget },
): Promise<void> {
  const { operations, metadata } = call.input;
  const { stored, events } = planOutbox(operations, context.ports.random);
  // Everything is checked before anything is announced.
  const checked = stored.map((operation) => toOperation(handle, operation));
  const { markers, appends } = await prepareOutbox(target, events, { publisher, component: handle.component, call, appId: context.appId });
  const input = { operations: [...checked, ...markers], metadata, ...(appends !== undefined && { appends }) };
  await handle.transact(derive(call, { input }));
}

async function query(handle: StoreHandle, call: Call<Parameters<StateBlock['query']>[0]['input']>): ReturnType<StateBlock['query']> {
  const { store, metadata } = call.input;
  const { driver } = handle;
  if (driver.query === undefined || !driver.capabilities.includes('QUERY_API')) throw queryNotSupported(store);
  if (handle.cipher !== undefined) throw queryFailed(store, 'cannot query encrypted store');
  let parsed;
  try {
    parsed = parseQuery(call.input.query);
  } catch (cause) {
    throw queryFailed(store, `failed to parse JSON query body: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  const scoped = handle.prefix === '' ? parsed : { ...parsed, keyPrefix: handle.prefix };
  return handle.query(derive(call, { input: { query: scoped, metadata } }));
}
