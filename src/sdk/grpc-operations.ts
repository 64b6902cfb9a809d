import type { StateOptions, SaveItem, DeleteItem, TransactionItem } from '../blocks/state/index.ts';
import { Dapr } from '../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import { isProaError, ProaError } from '../kernel/errors.ts';
import { bytesOf } from './json.ts';
import { grpcJobs } from './grpc-jobs.ts';
import { grpcStatusOf, type GrpcLink } from './grpc-link.ts';
import { actorOperations, hostActors } from './grpc-actors.ts';
import { createGrpcSubscriptions, followConfiguration } from './grpc-streams.ts';
import { routesOf } from './http-operations.ts';
import type { AppMetadata, Asking, Invocation, InvocationAnswer, Operations } from './operations.ts';
import { codecOf } from '../wire/grpc/client.ts';
import type { OpenedWorkflows } from './workflow/lazy-operations.ts';

const { method } = Dapr;
const codecs = {
  get: codecOf(method.getState),
  bulkGet: codecOf(method.getBulkState),
  save: codecOf(method.saveState),
  remove: codecOf(method.deleteState),
  bulkDelete: codecOf(method.deleteBulkState),
  transact: codecOf(method.executeStateTransaction),
  query: codecOf(method.queryStateAlpha1),
  publish: codecOf(method.publishEvent),
  bulkPublish: codecOf(method.bulkPublishEvent),
  invoke: codecOf(method.invokeService),
  binding: codecOf(method.invokeBinding),
  secret: codecOf(method.getSecret),
  secrets: codecOf(method.getBulkSecret),
  configuration: codecOf(method.getConfiguration),
  tryLock: codecOf(method.tryLockAlpha1),
  unlock: codecOf(method.unlockAlpha1),
  encrypt: codecOf(method.encryptAlpha1),
  decrypt: codecOf(method.decryptAlpha1),
  metadata: codecOf(method.getMetadata),
  putMetadata: codecOf(method.setMetadata),
};

/** The gRPC API of a runtime (Dapr reference 7.1). */
export function createGrpcOperations(link: GrpcLink, { workflows, close }: OpenedWorkflows): Operations {
  return {
    workflows,
    state: stateOperations(link),
    ...publishing(link),
    subscribe: createGrpcSubscriptions(link),
    invoke: (call, asking) => invoke(link, call, asking),
    actors: actorOperations(link),
    async bindings({ name, operation, data, metadata }, asking) {
      const answer = await link.unary(codecs.binding, { name, operation, data, metadata: { ...metadata } }, asking);
      return { ...(answer.data.length > 0 && { data: answer.data }), metadata: answer.metadata };
    },
    secrets: {
      async get({ store, name, metadata }, asking) {
        const { data } = await link.unary(codecs.secret, { storeName: store, key: name, metadata: { ...metadata } }, asking);
        return data;
      },
      async bulkGet({ store, metadata }, asking) {
        const { data } = await link.unary(codecs.secrets, { storeName: store, metadata: { ...metadata } }, asking);
        return Object.fromEntries(Object.entries(data).map(([name, { secrets }]) => [name, secrets]));
      },
    },
    configuration: {
      async get({ store, keys, metadata }, asking) {
        const request = { storeName: store, keys: [...keys], metadata: { ...metadata } };
        const { items } = await link.unary(codecs.configuration, request, asking);
        return Object.fromEntries(
          Object.entries(items).map(([key, item]) => [key, { value: item.value, version: item.version, metadata: item.metadata }]),
        );
      },
      subscribe: (query, changed) => followConfiguration(link, query, changed),
    },
    lock: lockOperations(link),
    jobs: grpcJobs(link),
    crypto: cryptoOperations(link),
    hostActors: (table) => hostActors(link, table),
    metadata: async (asking) => metadataOf(await link.unary(codecs.metadata, {}, asking)),
    async putMetadata(key, value, asking) {
      await link.unary(codecs.putMetadata, { key, value }, asking);
    },
    async close() {
      await close();
      await link.close();
    },
  };
}

function stateOperations(link: GrpcLink): Operations['state'] {
  return {
    async get({ store, key, consistency, metadata }, asking) {
      const request = { storeName: store, key, consistency: consistencyNumber(consistency), metadata: { ...metadata } };
      const { data, etag, metadata: about } = await link.unary(codecs.get, request, asking);
      return data.length === 0 && etag === '' ? undefined : { data, etag, metadata: about };
    },
    async bulkGet({ store, keys, parallelism, metadata }, asking) {
      const request = { storeName: store, keys: [...keys], parallelism: parallelism ?? 0, metadata: { ...metadata } };
      const { items } = await link.unary(codecs.bulkGet, request, asking);
      return items.map(({ key, data, etag, error }) => ({
        key,
        ...(data.length > 0 && { value: { data, etag } }),
        ...(error !== '' && { error }),
      }));
    },
    async save({ store, items }, asking) {
      await link.unary(codecs.save, { storeName: store, states: items.map(stateItem) }, asking);
    },
    async delete({ store, item }, asking) {
      await link.unary(codecs.remove, { storeName: store, ...keyed(item) }, asking);
    },
    async bulkDelete({ store, items }, asking) {
      await link.unary(codecs.bulkDelete, { storeName: store, states: items.map(keyed) }, asking);
    },
    async transact({ store, operations, metadata }, asking) {
      const request = { storeName: store, operations: operations.map(transactionItem), metadata: { ...metadata } };
      await link.unary(codecs.transact, request, asking);
    },
    async query({ store, query, metadata }, asking) {
      const { results, token } = await link.unary(codecs.query, { storeName: store, query, metadata: { ...metadata } }, asking);
      return {
        results: results.map(({ key, data, etag, error }) => ({ key, data, ...(etag !== '' && { etag }), ...(error !== '' && { error }) })),
        ...(token !== '' && { token }),
      };
    },
  };
}

function consistencyNumber(consistency: StateOptions['consistency']): 0 | 1 | 2 {
  return consistency === undefined ? 0 : consistency === 'eventual' ? 1 : 2;
}

function keyed({ key, etag, metadata, options }: DeleteItem) {
  const { concurrency } = options ?? {};
  const number: 0 | 1 | 2 = concurrency === undefined ? 0 : concurrency === 'first-write' ? 1 : 2;
  return {
    key,
    metadata: { ...metadata },
    ...(etag !== undefined && { etag: { value: etag } }),
    ...(options !== undefined && { options: { concurrency: number, consistency: consistencyNumber(options.consistency) } }),
  };
}

function stateItem(item: SaveItem) {
  return { ...keyed(item), value: item.value };
}

function transactionItem(item: TransactionItem) {
  return item.kind === 'upsert' ? { operationType: 'upsert', request: stateItem(item) } : { operationType: 'delete', request: keyed(item) };
}

function publishing(link: GrpcLink): Pick<Operations, 'publish' | 'bulkPublish'> {
  return {
    async publish({ pubsub, topic, data, contentType, metadata }, asking) {
      await link.unary(
        codecs.publish,
        { pubsubName: pubsub, topic, data: bytesOf(data), dataContentType: contentType, metadata: { ...metadata } },
        asking,
      );
    },
    async bulkPublish({ pubsub, topic, entries, metadata }, asking) {
      const request = {
        pubsubName: pubsub,
        topic,
        metadata: { ...metadata },
        entries: entries.map((entry) => ({ ...entry, metadata: { ...entry.metadata } })),
      };
      const { failedEntries } = await link.unary(codecs.bulkPublish, request, asking);
      return failedEntries.map(({ entryId, error }) => ({ entryId, error }));
    },
  };
}

const verbs: Readonly<Record<string, number>> = { GET: 1, HEAD: 2, POST: 3, PUT: 4, DELETE: 5, CONNECT: 6, OPTIONS: 7, TRACE: 8, PATCH: 9 };

async function invoke(link: GrpcLink, call: Invocation, asking: Asking) {
  const { appId, path, httpMethod, query, headers, body } = call;
  const at = headers.findIndex((name, i) => i % 2 === 0 && name === 'content-type');
  const request = {
    id: appId,
    message: {
      method: path,
      contentType: at < 0 ? '' : (headers[at + 1] as string),
      data: { typeUrl: '', value: body },
      httpExtension: { verb: (verbs[httpMethod] ?? 3) as 3, querystring: query },
    },
  };
  const own = headers.filter((_, i, all) => all[i - (i % 2)] !== 'content-type');
  const got: string[] = [];
  const metadata = { metadata: own, onHeaders: (all: readonly string[]) => void got.push(...all) };
  const answer = await link.unary(codecs.invoke, request, asking, metadata).catch((thrown: unknown) => answerOf(thrown));
  if ('status' in answer) return answer;
  const status = Number(got[got.indexOf('dapr-http-status') + 1]);
  const named = got.filter((_, i, all) => !/^(dapr-http-status|content-type|grpc-|:)/.test(all[i - (i % 2)] as string));
  return {
    status: got.includes('dapr-http-status') && status >= 100 ? status : 200,
    headers: ['content-type', answer.contentType, ...named],
    body: answer.data?.value ?? new Uint8Array(0),
  };
}

/** What an app answered that is no error of ours: a runtime of Dapr's kind makes a status of gRPC of it, with the beginning of the body. */
function answerOf(thrown: unknown): InvocationAnswer {
  const given = isProaError(thrown) ? thrown.details?.metadata : undefined;
  const status = Number(given?.['http.code']);
  if (!(status >= 100)) throw thrown;
  return { status, headers: ['content-type', 'text/plain'], body: Buffer.from(given?.['http.error_message'] ?? '') };
}

function lockOperations(link: GrpcLink): Operations['lock'] {
  return {
    async tryLock({ store, resourceId, lockOwner, expirySeconds }, asking) {
      const request = { storeName: store, resourceId, lockOwner, expiryInSeconds: expirySeconds };
      let token: string | undefined;
      const { success } = await link.unary(codecs.tryLock, request, asking, {
        onStatus: (status) => {
          token = grpcStatusOf(status, 'proa-fencing-token');
        },
      });
      return { success, ...(token !== undefined && { fencingToken: Number(token) }) };
    },
    async unlock({ store, resourceId, lockOwner }, asking) {
      const { status } = await link.unary(codecs.unlock, { storeName: store, resourceId, lockOwner }, asking);
      return status as 0;
    },
  };
}

const chunkBytes = 64 * 1024;

function cryptoOperations(link: GrpcLink): Operations['crypto'] {
  return {
    encrypt({ provider, data, options }, asking) {
      const { keyName, keyWrapAlgorithm, dataEncryptionCipher = '', omitDecryptionKeyName = false, decryptionKeyName = '' } = options;
      const said = { componentName: provider, keyName, keyWrapAlgorithm, dataEncryptionCipher, omitDecryptionKeyName, decryptionKeyName };
      return through(data, async () => {
        const stream = await link.stream(codecs.encrypt, asking);
        return { stream, first: (payload) => stream.write({ options: said, payload }), next: (payload) => stream.write({ payload }) };
      });
    },
    decrypt({ provider, data, keyName = '' }, asking) {
      return through(data, async () => {
        const stream = await link.stream(codecs.decrypt, asking);
        const said = { componentName: provider, keyName };
        return { stream, first: (payload) => stream.write({ options: said, payload }), next: (payload) => stream.write({ payload }) };
      });
    },
  };
}

interface Payload {
  readonly data: Uint8Array;
  readonly seq: bigint;
}

interface Opened {
  readonly stream: AsyncIterable<{ readonly payload?: Payload | undefined }> & { end(): void };
  first(payload: Payload): Promise<void>;
  next(payload: Payload): Promise<void>;
}

// Written and read at once: the runtime answers while it reads, and stops reading when nobody takes its answers.
async function through(data: Uint8Array, open: () => Promise<Opened>): Promise<Uint8Array> {
  const { stream, first, next } = await open();
  const writing = (async () => {
    await first({ data: data.subarray(0, chunkBytes), seq: 0n });
    for (let at = chunkBytes, seq = 1n; at < data.length; at += chunkBytes, seq++)
      await next({ data: data.subarray(at, at + chunkBytes), seq });
    stream.end();
  })();
  const parts: Uint8Array[] = [];
  // A stream that broke tells so where it is read.
  writing.catch(() => {});
  for await (const { payload } of stream) if (payload !== undefined) parts.push(payload.data);
  await writing;
  return Buffer.concat(parts);
}

type WireMetadata = ReturnType<(typeof codecs.metadata)['decode']>;
const kinds = { 1: 'DECLARATIVE', 2: 'PROGRAMMATIC', 3: 'STREAMING' } as const;

function metadataOf({ id, runtimeVersion, registeredComponents, extendedMetadata, subscriptions }: WireMetadata): AppMetadata {
  return {
    id,
    runtimeVersion,
    components: registeredComponents.map(({ name, type, version, capabilities }) => ({ name, type, version, capabilities })),
    extended: extendedMetadata,
    subscriptions: subscriptions.map((subscription) => {
      const kind = kinds[subscription.type as 1];
      if (kind === undefined) throw new ProaError('malformed-response', `a subscription has the unknown type ${String(subscription.type)}`);
      const { pubsubName, topic, metadata, rules, deadLetterTopic } = subscription;
      return {
        pubsub: pubsubName,
        topic,
        metadata,
        ...routesOf(rules?.rules ?? []),
        ...(deadLetterTopic !== '' && { deadLetterTopic }),
        kind,
      };
    }),
  };
}
