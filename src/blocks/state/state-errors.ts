import { nearestOf, type Component } from '../../contracts/component-set.ts';
import type { ErrorCode } from '../../kernel/catalogue.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import { isEtagError, type EtagError } from '../../contracts/state.ts';

/** Errors of the state API with Dapr's message texts (its pkg/messages and pkg/api/errors). */
const resource = (store: string) => ({ type: 'state', name: store, owner: '', description: '' });

/** There is no state store at all. */
export function notConfigured(store: string, appId: string): ProaError {
  return new ProaError('state.not-configured', `state store ${store} is not configured`, { details: { metadata: { appID: appId } } });
}

/** There are state stores, but not this one. */
export function notFound(store: string, appId: string, stores: readonly Component<'state'>[]): ProaError {
  const details = { metadata: { appID: appId } };
  return new ProaError('state.not-found', `state store ${store} is not found`, { details, ...nearestOf(store, stores) });
}

/** The key cannot be stored; `why` is the whole message. */
export function illegalKey(store: string, key: string, why: string): ProaError {
  return new ProaError('state.illegal-key', why, {
    details: { resource: resource(store), violations: [{ field: key, description: why }] },
  });
}

/** What the client sent cannot be meant: an unknown word, a bad time to live, a missing key. */
export function malformed(message: string): ProaError {
  return new ProaError('malformed-request', message);
}

/** The store lacks what the request asks for; doing without it silently would lose data or updates. */
export function lacks(store: string, what: string): ProaError {
  return new ProaError('unimplemented', `state store ${store} does not support ${what}`, { details: { resource: resource(store) } });
}

export function transactionsNotSupported(store: string): ProaError {
  const message = `state store ${store} doesn't support transactions`;
  return new ProaError('state.transactions-not-supported', message, { details: { resource: resource(store) } });
}

export function tooManyOperations(store: string, count: number, max: number): ProaError {
  const message = `the transaction contains ${count} operations, which is more than what the state store supports: ${max}`;
  return new ProaError('state.too-many-operations', message, {
    details: { resource: resource(store), metadata: { currentOpsTransaction: String(count), maxOpsPerTransaction: String(max) } },
  });
}

export function queryNotSupported(store: string): ProaError {
  return new ProaError('state.query-not-supported', 'state store does not support querying', { details: { resource: resource(store) } });
}

export function queryFailed(store: string, detail: string, cause?: unknown): ProaError {
  const message = `state store ${store} query failed: ${detail}`;
  return new ProaError('state.query', message, { details: { resource: resource(store) }, ...(cause !== undefined && { cause }) });
}

/** The text of what a store threw. An etag error reads as Dapr prints it, whatever the store said. */
export function reasonOf(thrown: unknown): string {
  if (isEtagError(thrown)) {
    return `${thrown.kind === 'mismatch' ? 'possible etag mismatch. error from state store' : 'invalid etag value'}: ${thrown.message}`;
  }
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The codes of one writing operation: for etag errors, and for everything else. */
export interface WriteCodes {
  readonly mismatch: ErrorCode;
  readonly invalid: ErrorCode;
  readonly other: ErrorCode;
}

export const saveCodes: WriteCodes = { mismatch: 'state.save-etag-mismatch', invalid: 'state.save-etag-invalid', other: 'state.save' };
export const deleteCodes: WriteCodes = {
  mismatch: 'state.delete-etag-mismatch',
  invalid: 'state.delete-etag-invalid',
  other: 'state.delete',
};
export const bulkDeleteCodes: WriteCodes = {
  mismatch: 'state.bulk-delete-etag-mismatch',
  invalid: 'state.bulk-delete-etag-invalid',
  other: 'state.bulk-delete',
};
export const transactionCodes: WriteCodes = {
  mismatch: 'state.transaction-etag-mismatch',
  invalid: 'state.transaction-etag-mismatch',
  other: 'state.transaction',
};

/** What a store threw, as the API's error. A ProaError of the store (engine not available ...) says more than we could and stays. */
export function failed(thrown: unknown, code: ErrorCode, describe: (reason: string) => string): ProaError {
  return isProaError(thrown) ? thrown : new ProaError(code, describe(reasonOf(thrown)), { cause: thrown });
}

/** The same for writes, where the kind of etag error decides the status. */
export function writeFailed(thrown: unknown, codes: WriteCodes, describe: (reason: string) => string): ProaError {
  return failed(thrown, isEtagError(thrown) ? codes[thrown.kind] : codes.other, describe);
}

/** One error for the etag errors of a bulk: invalid when one of them is. */
export function worstEtagError(errors: readonly EtagError[]): EtagError | undefined {
  return errors.find((error) => error.kind === 'invalid') ?? errors[0];
}
