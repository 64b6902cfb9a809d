import type { DeleteItem, SaveItem, StateOptions, TransactionItem } from '../../../blocks/state/index.ts';
import type { StateItem, StateOptions as WireOptions } from '../../../gen/dapr/proto/common/v1/common_pb.ts';
import { Dapr } from '../../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import { ProaError } from '../../../kernel/errors.ts';
import type { Handlers } from '../../../wire/grpc/method.ts';
import { unaryRows, type GrpcFrontContext } from '../row.ts';

const block = 'state';
const { method } = Dapr;

/** State over gRPC (Dapr reference 7.1). */
export function stateRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  return { ...readRows(front), ...writeRows(front) };
}

function readRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  return {
    getState: row(method.getState, {
      operation: { block, name: 'get', idempotent: true },
      decode: (request) => ({
        store: request.storeName,
        key: request.key,
        consistency: consistencies[request.consistency],
        metadata: request.metadata,
      }),
      service: (blocks) => blocks.state.get,
      encode: (value) =>
        value === undefined ? {} : { data: value.data, etag: value.etag, metadata: value.metadata as Record<string, string> },
    }),
    getBulkState: row(method.getBulkState, {
      operation: { block, name: 'bulk_get', idempotent: true },
      decode: ({ storeName, keys, parallelism, metadata }) => ({
        store: storeName,
        keys,
        ...(parallelism > 0 ? { parallelism } : {}),
        metadata,
      }),
      service: (blocks) => blocks.state.bulkGet,
      encode: (items) => ({
        items: items.map(({ key, value, error }) => ({
          key,
          data: value?.data ?? new Uint8Array(0),
          etag: value?.etag ?? '',
          error: error ?? '',
          metadata: { ...value?.metadata },
        })),
      }),
    }),
    queryStateAlpha1: row(method.queryStateAlpha1, {
      operation: { block, name: 'query', idempotent: true },
      decode: ({ storeName, query, metadata }) => ({ store: storeName, query, metadata }),
      service: (blocks) => blocks.state.query,
      encode: ({ results, token, metadata }) => ({
        results: results.map(({ key, data, etag, error }) => ({ key, data, etag: etag ?? '', error: error ?? '' })),
        token: token ?? '',
        metadata: { ...metadata },
      }),
    }),
  };
}

function writeRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  return {
    saveState: row(method.saveState, {
      operation: { block, name: 'set', idempotent: false },
      decode: (request) => ({ store: request.storeName, items: request.states.map(saveItem) }),
      service: (blocks) => blocks.state.save,
      encode: () => ({}),
    }),
    deleteState: row(method.deleteState, {
      operation: { block, name: 'delete', idempotent: false },
      decode: (request) => ({ store: request.storeName, item: deleteItem(request) }),
      service: (blocks) => blocks.state.delete,
      encode: () => ({}),
    }),
    deleteBulkState: row(method.deleteBulkState, {
      operation: { block, name: 'bulk_delete', idempotent: false },
      decode: (request) => ({ store: request.storeName, items: request.states.map(deleteItem) }),
      service: (blocks) => blocks.state.bulkDelete,
      encode: () => ({}),
    }),
    executeStateTransaction: row(method.executeStateTransaction, {
      operation: { block, name: 'transaction', idempotent: false },
      decode: ({ storeName, operations, metadata }) => ({
        store: storeName,
        operations: operations.map(({ operationType, request }) => transactionItem(operationType, request)),
        metadata,
      }),
      service: (blocks) => blocks.state.transact,
      encode: () => ({}),
    }),
  };
}

interface Keyed {
  readonly key: string;
  readonly etag?: { readonly value: string } | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly options?: WireOptions | undefined;
}

function deleteItem({ key, etag, metadata, options }: Keyed): DeleteItem {
  const decoded = optionsOf(options);
  return {
    key,
    metadata,
    ...(etag === undefined || etag.value === '' ? {} : { etag: etag.value }),
    ...(decoded === undefined ? {} : { options: decoded }),
  };
}

function saveItem(item: StateItem): SaveItem {
  const contentType = item.metadata['contentType'];
  return { ...deleteItem(item), value: item.value, ...(contentType === undefined ? {} : { contentType }) };
}

function transactionItem(operation: string, item: StateItem | undefined): TransactionItem {
  if (operation !== 'upsert' && operation !== 'delete') {
    throw new ProaError('state.operation-not-supported', `operation type ${operation} not supported`);
  }
  if (item === undefined) throw new ProaError('malformed-request', `the operation "${operation}" has no request`);
  return operation === 'upsert' ? { kind: 'upsert', ...saveItem(item) } : { kind: 'delete', ...deleteItem(item) };
}

function optionsOf(options: WireOptions | undefined): StateOptions | undefined {
  if (options === undefined) return undefined;
  const { concurrency } = options;
  const consistency = consistencies[options.consistency];
  return {
    ...(concurrency === 1 ? { concurrency: 'first-write' as const } : concurrency === 2 ? { concurrency: 'last-write' as const } : {}),
    ...(consistency === undefined ? {} : { consistency }),
  };
}

const consistencies: readonly StateOptions['consistency'][] = [undefined, 'eventual', 'strong'];
