import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Metadata, StateFilter, StateQuery, StateQueryPage } from '../../contracts/state.ts';
import { type QueryRequestSchema, type QueryResponse, Sorting_Order } from '../../gen/dapr/proto/components/v1/state_pb.ts';

/** A query as the component gets it: the filter is the JSON of Dapr's query language, one entry per outermost operator. */
export function queryMessage(query: StateQuery, metadata: Metadata): MessageInitShape<typeof QueryRequestSchema> {
  const filter = query.filter === undefined ? {} : jsonOf(query.filter);
  return {
    query: {
      filter: Object.fromEntries(Object.entries(filter).map(([op, operand]) => [op, { value: Buffer.from(JSON.stringify(operand)) }])),
      sort: query.sort.map(({ path, order }) => ({ key: path, order: order === 'DESC' ? Sorting_Order.DESC : Sorting_Order.ASC })),
      pagination: { limit: BigInt(query.limit ?? 0), token: query.token ?? '' },
    },
    metadata: { ...metadata },
  };
}

/** The answer. The wire has no key prefix, so what belongs to others is taken out here: a page may hold fewer items than its limit. */
export function pageOf(response: QueryResponse, keyPrefix = ''): StateQueryPage {
  return {
    items: response.items
      .filter(({ key }) => key.startsWith(keyPrefix))
      .map(({ key, data, etag, error }) => ({
        key,
        data,
        ...(etag === undefined || etag.value === '' ? {} : { etag: etag.value }),
        ...(error === '' ? {} : { error }),
      })),
    ...(response.token === '' ? {} : { token: response.token }),
    metadata: response.metadata,
  };
}

function jsonOf(filter: StateFilter): Record<string, unknown> {
  if ('filters' in filter) return { [filter.op]: filter.filters.map(jsonOf) };
  if ('values' in filter) return { IN: { [filter.path]: filter.values } };
  return { [filter.op]: { [filter.path]: filter.value } };
}
