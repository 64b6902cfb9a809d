import { EtagError, type StateOperation, type StateSet } from './state.ts';

/** What the operations of a transaction come to, key by key: each key once in `sets`, `creates`, `deletes` or `absent`. */
export interface StatePlan {
  /** Writes that are subject to nothing, or to an etag of `etags`. */
  readonly sets: readonly StateSet[];
  /** Writes to keys that must not be there. */
  readonly creates: readonly StateSet[];
  readonly deletes: readonly string[];
  /** Keys that must not be there, and are not there in the end either. */
  readonly absent: readonly string[];
  /** Keys that must have these etags before anything is done. */
  readonly etags: ReadonlyMap<string, string>;
}

interface Folded {
  readonly etag?: string;
  readonly create: boolean;
  last: StateOperation;
}

/**
 * Folds operations that follow each other, for stores that touch a key once per transaction: the condition of the first operation on a key is judged by the
 * store, those of later ones rest on it. Throws an EtagError for an etag that is not of `etagForm`, and for a condition that cannot hold: nobody
 * knows the etag of what this very transaction wrote.
 */
export function planOf(operations: readonly StateOperation[], etagForm: RegExp): StatePlan {
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
  const plan = { sets: [] as StateSet[], creates: [] as StateSet[], deletes: [] as string[], absent: [] as string[] };
  const etags = new Map<string, string>();
  for (const [key, { etag, create, last }] of keys) {
    if (etag !== undefined) etags.set(key, etag);
    if (last.kind === 'delete') (create ? plan.absent : plan.deletes).push(key);
    else (create ? plan.creates : plan.sets).push(last);
  }
  return { ...plan, etags };
}

/** True for an operation that cannot fail for what is stored. */
export function isUnconditional(operation: StateOperation): boolean {
  return operation.etag === undefined && (operation.kind === 'delete' || operation.concurrency !== 'first-write');
}
