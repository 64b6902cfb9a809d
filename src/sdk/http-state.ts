import type { DeleteItem, SaveItem, TransactionItem } from '../blocks/state/index.ts';
import { fromJson } from './json.ts';
import { metadataQuery } from './http-exchange.ts';

/** An item to save as the HTTP API writes it. */
export function stateItem({ key, value, etag, metadata, options }: SaveItem): object {
  return {
    ...keyed({ key, metadata, ...(etag !== undefined && { etag }), ...(options !== undefined && { options }) }),
    value: fromJson(value),
  };
}

/** An operation of a transaction. */
export function transactionItem(item: TransactionItem): object {
  return item.kind === 'upsert' ? { operation: 'upsert', request: stateItem(item) } : { operation: 'delete', request: keyed(item) };
}

/** What `DELETE` says beside the key and the etag. */
export function deleteQuery({ metadata, options }: DeleteItem): string {
  const { concurrency, consistency } = options ?? {};
  return metadataQuery(metadata, { ...(concurrency !== undefined && { concurrency }), ...(consistency !== undefined && { consistency }) });
}

function keyed({ key, etag, metadata, options }: DeleteItem): object {
  return {
    key,
    ...(etag !== undefined && { etag }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
    ...(options !== undefined && { options }),
  };
}
