import { type BulkOutcome, isEtagError, type EtagError } from '../../contracts/state.ts';
import { type WriteCodes, worstEtagError, writeFailed } from './state-errors.ts';

/**
 * Writes of one call. When some of a bulk fail, `pending` shrinks to those that are worth another attempt, so that a retry layer around the service repeats
 * only them (as Dapr does); `refused` keeps the etag errors, which no attempt can mend, for the end.
 */
export interface Writes<T extends { readonly key: string }> {
  pending: readonly T[];
  readonly refused: EtagError[];
}

interface WriteOptions<T> {
  one(item: T): Promise<void>;
  many(items: readonly T[]): Promise<BulkOutcome<void>[]>;
  readonly codes: WriteCodes;
  describe(reason: string): string;
}

/** Does what is pending, one item alone or all as a bulk. Fails with the codes given; not atomic. */
export function runWrites<T extends { readonly key: string }>(work: Writes<T>, options: WriteOptions<T>): Promise<void> {
  const [only] = work.pending;
  // Most calls write one item: a callback then, not a function that waits.
  if (only === undefined || work.pending.length !== 1 || work.refused.length > 0) return runAll(work, options);
  const failed = (cause: unknown): never => {
    throw writeFailed(cause, options.codes, (reason) => options.describe(reason));
  };
  try {
    return options.one(only).then(() => void (work.pending = []), failed);
  } catch (cause) {
    return Promise.reject(cause).catch(failed);
  }
}

async function runAll<T extends { readonly key: string }>(work: Writes<T>, options: WriteOptions<T>): Promise<void> {
  const fail = (cause: unknown) => writeFailed(cause, options.codes, (reason) => options.describe(reason));
  const [first] = work.pending;
  try {
    if (first !== undefined && work.pending.length === 1) {
      await options.one(first);
      work.pending = [];
    } else if (first !== undefined) await runMany(work, options);
  } catch (cause) {
    if (!isEtagError(cause) || work.pending.length !== 1 || work.refused.length === 0) throw fail(cause);
    work.pending = [];
    work.refused.push(cause);
  }
  const refused = worstEtagError(work.refused);
  if (refused !== undefined) throw fail(refused);
}

async function runMany<T extends { readonly key: string }>(work: Writes<T>, options: WriteOptions<T>): Promise<void> {
  const outcomes = await options.many(work.pending);
  const again: T[] = [];
  let failure: Error | undefined;
  outcomes.forEach(({ error }, index) => {
    if (error === undefined) return;
    if (isEtagError(error)) work.refused.push(error);
    else {
      failure ??= error;
      again.push(work.pending[index] as T);
    }
  });
  work.pending = again;
  if (failure !== undefined) throw failure;
}
