import type { BulkStateItem, DeleteItem, SaveItem, StateOptions, TransactionItem } from '../../../blocks/state/index.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { arrayElements, malformed } from '../json-members.ts';
import { JsonFields } from '../json-fields.ts';
import { plainItems } from '../plain-items.ts';
import { jsonTextReply, metadataHeaders, noContent, type Reply } from '../reply.ts';
import { route, type Route, type RouteRequest, whenRead } from '../route.ts';

const group = 'state';
const write = ['POST', 'PUT'] as const;

/** State over HTTP (Dapr reference 3, 4.1). */
export const stateRoutes: readonly Route[] = [
  route({
    methods: ['GET'],
    path: '/v1.0/state/{store}/{key}',
    name: 'GetState',
    group,
    operation: { block: group, name: 'get', idempotent: true },
    repeats: true,
    decode(request) {
      const { query } = request;
      const consistency = knownConsistency(query.get('consistency'));
      const wanted = { store: param(request, 'store'), key: param(request, 'key'), metadata: query.metadata() };
      return consistency === undefined ? wanted : { ...wanted, consistency };
    },
    service: (blocks) => blocks.state.get,
    encode(value): Reply {
      if (value === undefined) return noContent;
      const headers = ['content-type', value.contentType ?? 'application/json'];
      if (value.metadata !== undefined) headers.push(...metadataHeaders(value.metadata));
      if (value.etag !== '') headers.push('etag', value.etag);
      return { status: value.data.length === 0 ? 204 : 200, headers, body: value.data };
    },
  }),
  route({
    methods: write,
    path: '/v1.0/state/{store}',
    name: 'SaveState',
    group,
    operation: { block: group, name: 'set', idempotent: false },
    decode: (request) =>
      whenRead(request.bytes(), (bytes) => ({ store: param(request, 'store'), items: saveItems(bytes, request.query.metadata()) })),
    service: (blocks) => blocks.state.save,
    encode: () => noContent,
  }),
  route({
    methods: ['DELETE'],
    path: '/v1.0/state/{store}/{key}',
    name: 'DeleteState',
    group,
    operation: { block: group, name: 'delete', idempotent: false },
    decode(request) {
      const etag = request.header('if-match');
      const options = optionsOf(request.query.get('concurrency'), request.query.get('consistency'));
      const item: DeleteItem = {
        key: param(request, 'key'),
        metadata: request.query.metadata(),
        ...(etag === undefined || etag === '' ? {} : { etag }),
        ...(options === undefined ? {} : { options }),
      };
      return { store: param(request, 'store'), item };
    },
    service: (blocks) => blocks.state.delete,
    encode: () => noContent,
  }),
  route({
    methods: write,
    path: '/v1.0/state/{store}/bulk',
    name: 'GetBulkState',
    group,
    operation: { block: group, name: 'bulk_get', idempotent: true },
    async decode(request) {
      const fields = new JsonFields(await request.text());
      const parallelism = fields.number('parallelism');
      return {
        store: param(request, 'store'),
        keys: texts(fields.raw('keys') ?? '[]', 'keys'),
        ...(parallelism === undefined ? {} : { parallelism }),
        metadata: { ...fields.texts('metadata'), ...request.query.metadata() },
      };
    },
    service: (blocks) => blocks.state.bulkGet,
    encode: (items) => jsonTextReply(`[${items.map(bulkItem).join(',')}]\n`),
  }),
  route({
    methods: write,
    path: '/v1.0/state/{store}/transaction',
    name: 'ExecuteStateTransaction',
    group,
    operation: { block: group, name: 'transaction', idempotent: false },
    async decode(request) {
      const shared = request.query.metadata();
      const fields = new JsonFields(await request.text());
      const operations = arrayElements(fields.raw('operations') ?? '[]').map((raw) => transactionItem(new JsonFields(raw), shared));
      return { store: param(request, 'store'), operations, metadata: { ...fields.texts('metadata'), ...shared } };
    },
    service: (blocks) => blocks.state.transact,
    encode: () => noContent,
  }),
  route({
    methods: write,
    path: '/v1.0-alpha1/state/{store}/query',
    name: 'QueryStateAlpha1',
    group,
    operation: { block: group, name: 'query', idempotent: true },
    decode: async (request) => ({ store: param(request, 'store'), query: await request.text(), metadata: request.query.metadata() }),
    service: (blocks) => blocks.state.query,
    encode(result): Reply {
      if (result.results.length === 0) return noContent;
      const rows = result.results.map(
        (item) =>
          `{"key":${JSON.stringify(item.key)}${item.data.length > 0 ? `,"data":${rawJson(item.data)}` : ''}${item.etag === undefined ? '' : `,"etag":${JSON.stringify(item.etag)}`}${item.error === undefined ? '' : `,"error":${JSON.stringify(item.error)}`}}`,
      );
      const token = result.token === undefined || result.token === '' ? '' : `,"token":${JSON.stringify(result.token)}`;
      const metadata = result.metadata === undefined ? '' : `,"metadata":${JSON.stringify(result.metadata)}`;
      return jsonTextReply(`{"results":[${rows.join(',')}]${token}${metadata}}\n`);
    },
  }),
];

/** A parameter of the path; the router has bound every one that the row names. */
export function param(request: RouteRequest, name: string): string {
  return request.params[name] ?? '';
}

/** A JSON array of texts. */
export function texts(raw: string, name: string): string[] {
  return arrayElements(raw).map((element) => {
    const value: unknown = JSON.parse(element);
    if (typeof value !== 'string') throw malformed(`"${name}" must hold strings`);
    return value;
  });
}

/** Bytes as text; the bytes are UTF-8. */
export function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function saveItems(bytes: Uint8Array, shared: Readonly<Record<string, string>>): SaveItem[] {
  return plainItems(bytes, shared) ?? arrayElements(utf8(bytes)).map((raw) => saveItem(new JsonFields(raw), shared));
}

function saveItem(fields: JsonFields, shared: Readonly<Record<string, string>>): SaveItem {
  const etag = fields.text('etag');
  const contentType = fields.text('contentType');
  const options = optionsIn(fields.object('options'));
  return {
    key: fields.text('key') ?? '',
    value: Buffer.from(fields.raw('value') ?? 'null', 'utf8'),
    metadata: { ...fields.texts('metadata'), ...shared },
    ...(etag === undefined || etag === '' ? {} : { etag }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(options === undefined ? {} : { options }),
  };
}

function transactionItem(fields: JsonFields, shared: Readonly<Record<string, string>>): TransactionItem {
  const operation = fields.text('operation') ?? '';
  const request = fields.object('request') ?? new JsonFields('{}');
  if (operation === 'upsert') return { kind: 'upsert', ...saveItem(request, shared) };
  if (operation === 'delete') {
    const { value: _value, contentType: _contentType, ...item } = saveItem(request, shared);
    return { kind: 'delete', ...item };
  }
  throw new ProaError('state.operation-not-supported', `operation type ${operation} not supported`);
}

function optionsIn(fields: JsonFields | undefined): StateOptions | undefined {
  return fields === undefined ? undefined : optionsOf(fields.text('concurrency'), fields.text('consistency'));
}

function optionsOf(concurrency: string | undefined, consistency: string | undefined): StateOptions | undefined {
  const checkedConsistency = consistencyOf(consistency);
  const checkedConcurrency = concurrencyOf(concurrency);
  if (checkedConcurrency === undefined && checkedConsistency === undefined) return undefined;
  return {
    ...(checkedConcurrency === undefined ? {} : { concurrency: checkedConcurrency }),
    ...(checkedConsistency === undefined ? {} : { consistency: checkedConsistency }),
  };
}

function concurrencyOf(word: string | undefined): StateOptions['concurrency'] {
  if (word === undefined || word === '') return undefined;
  if (word === 'first-write' || word === 'last-write') return word;
  throw malformed(`unrecognized concurrency option ${word}`);
}

function consistencyOf(word: string | undefined): StateOptions['consistency'] {
  if (word === undefined || word === '') return undefined;
  const known = knownConsistency(word);
  if (known === undefined) throw malformed(`unrecognized consistency option ${word}`);
  return known;
}

// daprd reads as if no consistency had been asked for when it does not know the word; only writes refuse it.
function knownConsistency(word: string | undefined): StateOptions['consistency'] {
  return word === 'strong' || word === 'eventual' ? word : undefined;
}

function bulkItem(item: BulkStateItem): string {
  const parts = [`"key":${JSON.stringify(item.key)}`];
  if (item.value !== undefined && item.value.data.length > 0) parts.push(`"data":${rawJson(item.value.data)}`);
  if (item.value !== undefined && item.value.etag !== '') parts.push(`"etag":${JSON.stringify(item.value.etag)}`);
  if (item.value?.metadata !== undefined && Object.keys(item.value.metadata).length > 0)
    parts.push(`"metadata":${JSON.stringify(item.value.metadata)}`);
  if (item.error !== undefined) parts.push(`"error":${JSON.stringify(item.error)}`);
  return `{${parts.join(',')}}`;
}

// Values are embedded as they are stored; bytes that are not JSON would break the document, so they become a string.
function rawJson(data: Uint8Array): string {
  const text = utf8(data);
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}
