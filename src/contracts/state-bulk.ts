import type { BulkOutcome, StateOperation, StateStore, StateValue } from './state.ts';

/** Runs every item of a bulk on its own: those of one key after each other, in their order, others at the same time. Answers in request order. */
export function eachByKey<Item extends { readonly key: string }>(
  items: readonly Item[],
  run: (item: Item) => Promise<void>,
): Promise<BulkOutcome<void>[]> {
  const before = new Map<string, Promise<unknown>>();
  return Promise.all(
    items.map((item) => {
      const { key } = item;
      const work = (before.get(key) ?? Promise.resolve()).then(() => outcomeOf(item, run));
      before.set(key, work);
      return work;
    }),
  );
}

async function outcomeOf<Item extends { readonly key: string }>(
  item: Item,
  run: (item: Item) => Promise<void>,
): Promise<BulkOutcome<void>> {
  const { key } = item;
  try {
    await run(item);
    return { key };
  } catch (error) {
    return { key, error: error as Error };
  }
}

/** How a store reads some keys, does one operation, and does many, each with an outcome of its own in the order of the list. */
export interface KeyAccess {
  readonly getMany: (keys: readonly string[]) => Promise<ReadonlyMap<string, StateValue>>;
  readonly one: (operation: StateOperation) => Promise<void>;
  readonly bulk: (operations: readonly StateOperation[]) => Promise<BulkOutcome<void>[]>;
}

/** The operations of a store on single keys and on lists of them, for stores that read several keys with one question. */
export function keyed({
  getMany,
  one,
  bulk,
}: KeyAccess): Pick<StateStore, 'get' | 'set' | 'delete' | 'bulkGet' | 'bulkSet' | 'bulkDelete'> {
  return {
    get: async ({ key }) => (await getMany([key])).get(key),
    set: (request) => one({ ...request, kind: 'upsert' }),
    delete: (request) => one({ ...request, kind: 'delete' }),
    async bulkGet(requests) {
      const found = await getMany(requests.map(({ key }) => key));
      return requests.map(({ key }) => (found.has(key) ? { key, value: found.get(key) as StateValue } : { key }));
    },
    bulkSet: (requests) => bulk(requests.map((request) => ({ ...request, kind: 'upsert' }))),
    bulkDelete: (requests) => bulk(requests.map((request) => ({ ...request, kind: 'delete' }))),
  };
}
