import type { BulkStateItem, StateBlock } from '../blocks/state/index.ts';
import type { PublishInput } from '../blocks/pubsub/index.ts';
import { ProaError } from '../kernel/errors.ts';
import { encodeMethodPath } from '../kernel/method-path.ts';
import { bytesOf, fromJson } from './json.ts';
import { createHttpExchange, metadataQuery, type HttpAnswer, type HttpExchange, type HttpExchangeOptions } from './http-exchange.ts';
import { actorOperations } from './http-actors.ts';
import { httpJobs } from './http-jobs.ts';
import { deleteQuery, stateItem, transactionItem } from './http-state.ts';
import type { AppMetadata, Operations } from './operations.ts';
import type { OpenedWorkflows } from './workflow/lazy-operations.ts';

export interface HttpOperationsOptions extends HttpExchangeOptions {
  /** Streams events where HTTP has no way to; absent: `subscribe` is refused. */
  readonly streams?: Pick<Operations, 'subscribe' | 'close'>;
  /** Workflows, which HTTP has no streams for. */
  readonly workflows: OpenedWorkflows;
  /** Hears of configuration: the runtime calls the app. Absent: subscriptions are refused. */
  readonly onConfiguration?: (id: string, changed: Parameters<Operations['configuration']['subscribe']>[1]) => () => void;
}

const part = encodeURIComponent;

/** The HTTP API of a runtime (Dapr reference 3, 4). */
export function createHttpOperations(options: HttpOperationsOptions): Operations {
  const exchange = createHttpExchange(options);
  return {
    state: stateOperations(exchange),
    ...publishing(exchange),
    subscribe(spec, receive) {
      if (options.streams !== undefined) return options.streams.subscribe(spec, receive);
      return Promise.reject(new ProaError('unimplemented', 'HTTP has no streaming subscriptions', { hint: 'set DAPR_GRPC_PORT as well' }));
    },
    async invoke({ appId, path, httpMethod, query, headers, body }, asking) {
      const target = `/v1.0/invoke/${part(appId)}/method/${encodeMethodPath(path)}${query === '' ? '' : `?${query}`}`;
      const answer = await exchange.send({ method: httpMethod, target, headers, body }, asking);
      // What the runtime says itself, and not the app, is marked.
      if (answer.header('x-proa-error') !== undefined) throw exchange.failure(answer);
      return answer;
    },
    actors: actorOperations(exchange),
    async bindings({ name, operation, data, metadata }, asking) {
      const body = { operation, data: data.length === 0 ? undefined : fromJson(data), metadata };
      const answer = await exchange.ask('POST', `/v1.0/bindings/${part(name)}`, { body, asking });
      const contentType = answer.header('content-type');
      return {
        ...(answer.body.length > 0 && { data: answer.body }),
        metadata: answer.metadata(),
        ...(contentType !== undefined && { contentType }),
      };
    },
    secrets: {
      async get({ store, name, metadata }, asking) {
        return (
          await exchange.ask('GET', `/v1.0/secrets/${part(store)}/${part(name)}${metadataQuery(metadata)}`, { asking })
        ).json() as never;
      },
      async bulkGet({ store, metadata }, asking) {
        return (await exchange.ask('GET', `/v1.0/secrets/${part(store)}/bulk${metadataQuery(metadata)}`, { asking })).json() as never;
      },
    },
    configuration: configurationOperations(exchange, options.onConfiguration),
    lock: {
      async tryLock({ store, resourceId, lockOwner, expirySeconds }, asking) {
        const body = { resourceId, lockOwner, expiryInSeconds: expirySeconds };
        return (await exchange.ask('POST', `/v1.0-alpha1/lock/${part(store)}`, { body, asking })).json() as never;
      },
      async unlock({ store, resourceId, lockOwner }, asking) {
        const answer = await exchange.ask('POST', `/v1.0-alpha1/unlock/${part(store)}`, { body: { resourceId, lockOwner }, asking });
        return (answer.json() as { status: never }).status;
      },
    },
    jobs: httpJobs(exchange),
    crypto: cryptoOperations(exchange),
    workflows: options.workflows.workflows,
    async metadata(asking) {
      return metadataOf((await exchange.ask('GET', '/v1.0/metadata', { asking })).json());
    },
    async putMetadata(key, value, asking) {
      const target = `/v1.0/metadata/${part(key)}`;
      exchange.must(
        await exchange.send({ method: 'PUT', target, headers: ['content-type', 'text/plain'], body: Buffer.from(value) }, asking),
      );
    },
    async close() {
      await options.workflows.close();
      exchange.close();
      await options.streams?.close();
    },
  };
}

function stateOperations(exchange: HttpExchange): Operations['state'] {
  const at = (store: string, rest = ''): string => `/v1.0/state/${part(store)}${rest}`;
  const remove: Operations['state']['delete'] = async ({ store, item }, asking) => {
    const headers = item.etag === undefined ? [] : ['if-match', item.etag];
    await exchange.ask('DELETE', at(store, `/${part(item.key)}${deleteQuery(item)}`), { headers, asking });
  };
  return {
    async get({ store, key, consistency, metadata }, asking) {
      const query = metadataQuery(metadata, consistency === undefined ? {} : { consistency });
      const answer = await exchange.ask('GET', at(store, `/${part(key)}${query}`), { asking });
      if (answer.status === 204) return undefined;
      return { data: answer.body, etag: answer.header('etag') ?? '', metadata: answer.metadata() };
    },
    async bulkGet({ store, keys, parallelism, metadata }, asking) {
      const body = { keys, ...(parallelism !== undefined && { parallelism }), metadata };
      return ((await exchange.ask('POST', at(store, '/bulk'), { body, asking })).json() as BulkRow[]).map(bulkItem);
    },
    async save({ store, items }, asking) {
      await exchange.ask('POST', at(store), { body: items.map(stateItem), asking });
    },
    delete: remove,
    // HTTP has no bulk delete: one after another, as the runtime itself does for stores that have none.
    async bulkDelete({ store, items }, asking) {
      for (const item of items) await remove({ store, item }, asking);
    },
    async transact({ store, operations, metadata }, asking) {
      await exchange.ask('POST', at(store, '/transaction'), { body: { operations: operations.map(transactionItem), metadata }, asking });
    },
    async query({ store, query, metadata }, asking) {
      const target = `/v1.0-alpha1/state/${part(store)}/query${metadataQuery(metadata)}`;
      const headers = ['content-type', 'application/json'];
      return queryResult(exchange.must(await exchange.send({ method: 'POST', target, headers, body: Buffer.from(query) }, asking)));
    },
  };
}

interface BulkRow {
  readonly key: string;
  readonly data?: unknown;
  readonly etag?: string;
  readonly error?: string;
}

function bulkItem({ key, data, etag, error }: BulkRow): BulkStateItem {
  return {
    key,
    ...(data !== undefined && { value: { data: Buffer.from(JSON.stringify(data)), etag: etag ?? '' } }),
    ...(error !== undefined && { error }),
  };
}

type QueryResult = Awaited<ReturnType<StateBlock['query']>>;

function queryResult(answer: HttpAnswer): QueryResult {
  if (answer.body.length === 0) return { results: [] };
  const { results, token } = answer.json() as { readonly results: readonly BulkRow[]; readonly token?: string };
  return {
    results: results.map(({ key, data, etag, error }) => ({
      key,
      data: data === undefined ? new Uint8Array(0) : Buffer.from(JSON.stringify(data)),
      ...(etag !== undefined && { etag }),
      ...(error !== undefined && { error }),
    })),
    ...(token !== undefined && { token }),
  };
}

function publishing(exchange: HttpExchange): Pick<Operations, 'publish' | 'bulkPublish'> {
  const topicPath = ({ pubsub, topic, metadata }: Pick<PublishInput, 'pubsub' | 'topic' | 'metadata'>): string =>
    `${part(pubsub)}/${topic.split('/').map(part).join('/')}${metadataQuery(metadata)}`;
  return {
    async publish(input, asking) {
      const target = `/v1.0/publish/${topicPath(input)}`;
      const headers = ['content-type', input.contentType];
      exchange.must(await exchange.send({ method: 'POST', target, headers, body: bytesOf(input.data) }, asking));
    },
    async bulkPublish(input, asking) {
      const entries = input.entries.map(({ entryId, event, contentType, metadata }) => ({
        entryId,
        contentType,
        event: eventText(event, contentType),
        ...(metadata !== undefined && { metadata }),
      }));
      const target = `/v1.0/publish/bulk/${topicPath(input)}`;
      const headers = ['content-type', 'application/json'];
      const answer = await exchange.send({ method: 'POST', target, headers, body: Buffer.from(JSON.stringify(entries)) }, asking);
      const failed = answer.status === 500 ? (fromJson(answer.body) as { failedEntries?: never } | undefined)?.failedEntries : undefined;
      if (failed !== undefined) return failed;
      exchange.must(answer);
      return [];
    },
  };
}

function eventText(event: Uint8Array, contentType: string): unknown {
  const bytes = Buffer.from(event.buffer, event.byteOffset, event.length);
  if (/[/+]json\b/i.test(contentType)) return JSON.parse(bytes.toString('utf8'));
  return contentType.startsWith('text/') ? bytes.toString('utf8') : bytes.toString('base64');
}

function configurationOperations(exchange: HttpExchange, listen: HttpOperationsOptions['onConfiguration']): Operations['configuration'] {
  const at = (store: string, rest = ''): string => `/v1.0/configuration/${part(store)}${rest}`;
  const keysQuery = (keys: readonly string[], metadata: Readonly<Record<string, string>>): string => {
    const wanted = metadataQuery(metadata);
    const listed = keys.map((key) => `key=${part(key)}`).join('&');
    return listed === '' ? wanted : `${wanted === '' ? '?' : `${wanted}&`}${listed}`;
  };
  return {
    async get({ store, keys, metadata }, asking) {
      const answer = await exchange.ask('GET', at(store, keysQuery(keys, metadata)), { asking });
      return answer.status === 204 ? {} : itemsOf(answer.json());
    },
    async subscribe({ store, keys, metadata }, changed) {
      if (listen === undefined)
        throw new ProaError('unimplemented', 'over HTTP changes of configuration come to the app: it has to be served', {
          hint: 'start the app with `serve`, or set DAPR_GRPC_PORT and PROA_MODE=grpc',
        });
      const answer = await exchange.ask('GET', at(store, `/subscribe${keysQuery(keys, metadata)}`), {});
      const { id } = answer.json() as { readonly id: string };
      const stop = listen(id, (items) => changed(itemsOf(items)));
      return async () => {
        stop();
        await exchange.ask('GET', at(store, `/${part(id)}/unsubscribe`), {});
      };
    },
  };
}

// Versions and metadata that are empty are left out on the wire.
function itemsOf(document: unknown) {
  const items = (document ?? {}) as Readonly<Record<string, { value?: string; version?: string; metadata?: Record<string, string> }>>;
  return Object.fromEntries(
    Object.entries(items).map(([key, { value = '', version = '', metadata = {} }]) => [key, { value, version, metadata }]),
  );
}

function cryptoOperations(exchange: HttpExchange): Operations['crypto'] {
  const stream = async (
    target: string,
    pairs: readonly string[],
    what: { data: Uint8Array; asking: Parameters<HttpExchange['send']>[1] },
  ) => {
    const headers = ['content-type', 'application/octet-stream', ...pairs];
    return exchange.must(await exchange.send({ method: 'PUT', target, headers, body: what.data }, what.asking)).body;
  };
  return {
    encrypt({ provider, data, options }, asking) {
      const { keyName, keyWrapAlgorithm, dataEncryptionCipher, omitDecryptionKeyName, decryptionKeyName } = options;
      const headers = [
        ...['dapr-key-name', keyName, 'dapr-key-wrap-algorithm', keyWrapAlgorithm],
        ...(dataEncryptionCipher === undefined ? [] : ['dapr-data-encryption-cipher', dataEncryptionCipher]),
        ...(omitDecryptionKeyName === true ? ['dapr-omit-decryption-key-name', 'true'] : []),
        ...(decryptionKeyName === undefined ? [] : ['dapr-decryption-key-name', decryptionKeyName]),
      ];
      return stream(`/v1.0-alpha1/crypto/${part(provider)}/encrypt`, headers, { data, asking });
    },
    decrypt({ provider, data, keyName }, asking) {
      const headers = keyName === undefined ? [] : ['dapr-key-name', keyName];
      return stream(`/v1.0-alpha1/crypto/${part(provider)}/decrypt`, headers, { data, asking });
    },
  };
}

function metadataOf(document: unknown): AppMetadata {
  const { id, runtimeVersion, components, extended, subscriptions } = document as Partial<Omit<AppMetadata, 'subscriptions'>> & {
    readonly subscriptions?: readonly WireSubscription[];
  };
  return {
    id: id ?? '',
    runtimeVersion: runtimeVersion ?? '',
    components: (components ?? []).map((component) => ({ ...component, capabilities: component.capabilities ?? [] })),
    extended: extended ?? {},
    subscriptions: (subscriptions ?? []).map(({ pubsubname, topic, metadata = {}, rules = [], deadLetterTopic, type }) => ({
      pubsub: pubsubname,
      topic,
      metadata,
      ...routesOf(rules),
      ...(deadLetterTopic !== '' && { deadLetterTopic }),
      kind: type,
    })),
  };
}

interface WireSubscription {
  readonly pubsubname: string;
  readonly topic: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly rules?: readonly Rule[];
  readonly deadLetterTopic: string;
  readonly type: AppMetadata['subscriptions'][number]['kind'];
}

interface Rule {
  readonly match?: string;
  readonly path: string;
}

/** The rules of a subscription without its default, which the wire writes as a rule without a match. */
export function routesOf(rules: readonly Rule[]) {
  const fallback = rules.find(({ match = '' }) => match === '');
  return {
    rules: rules.flatMap(({ match = '', path }) => (match === '' ? [] : [{ match, path }])),
    ...(fallback !== undefined && { defaultPath: fallback.path }),
  };
}
