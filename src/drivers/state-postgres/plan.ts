import { EtagError, type StateOperation, type StateSet } from '../../contracts/state.ts';

/** What operations come to, key by key: each key once. */
export interface Plan {
  /** Writes that are subject to nothing, or to an etag of `etags`. */
  readonly sets: readonly StateSet[];
  /** Writes to keys that must not be there. */
  readonly creates: readonly StateSet[];
  readonly deletes: readonly string[];
  /** Keys that must have these etags before anything is done. */
  readonly etags: ReadonlyMap<string, string>;
}

interface Folded {
  readonly etag?: string;
  readonly create: boolean;
  last: StateOperation;
}

/**
 * Folds operations that follow each other: the condition of the first on a key is judged by the store, those of later ones rest on it. Throws an EtagError
 * for a condition that cannot hold: nobody knows the etag of what this very transaction wrote.
 */
export function planOf(operations: readonly StateOperation[], etagForm: RegExp): Plan {
  const keys = new Map<string, Folded>();
  for (const operation of operations) {
    const { key, etag, kind } = operation;
    if (etag !== undefined && !etagForm.test(etag)) throw new EtagError('invalid');
    const firstWrite = kind === 'upsert' && etag === undefined && operation.concurrency === 'first-write';
    const before = keys.get(key);
    if (before === undefined) keys.set(key, { create: firstWrite, last: operation, ...(etag !== undefined && { etag }) });
    else if (etag !== undefined || (firstWrite && before.last.kind === 'upsert')) throw new EtagError('mismatch');
    else before.last = operation;
  }
  const plan = { sets: [] as StateSet[], creates: [] as StateSet[], deletes: [] as string[], etags: new Map<string, string>() };
  for (const [key, { etag, create, last }] of keys) {
    if (etag !== undefined) plan.etags.set(key, etag);
    if (last.kind === 'delete' && !create) plan.deletes.push(key);
    else if (last.kind === 'delete')
      throw new EtagError('mismatch', 'a key that must not be there is written and deleted in one transaction');
    else (create ? plan.creates : plan.sets).push(last);
  }
  return plan;
}
