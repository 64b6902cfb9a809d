import type { BulkOutcome } from './state.ts';

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
