import type { ConfigurationItems } from '../blocks/configuration/index.ts';
import type { EncryptOptions } from '../blocks/crypto/index.ts';
import type { FailedEntry } from '../blocks/pubsub/index.ts';

import type { Clock } from '../kernel/ports.ts';
import { createActorClient, type ActorClient } from './actor-client.ts';
import { asked, type CallOptions } from './asking.ts';
import type { AnyContract, TypedClient } from './contract.ts';
import { droppedLine, tellDropped } from './dropped-events.ts';
import { typedClient } from './typed-client.ts';
import { readEvent, verdictOf, type EventHandler } from './event.ts';
import { invocationOf, invoked, type InvokeOptions } from './invoke.ts';
import { createJobsClient, type JobsClient } from './jobs.ts';
import { contentOf, fromJson, payload, type Content } from './json.ts';
import type { AppMetadata, InvocationAnswer, Operations } from './operations.ts';
import { createStateClient, type StateClient } from './state.ts';
import { createWorkflows, type Workflows } from './workflow/client.ts';

type Metadata = Readonly<Record<string, string>>;

export interface PublishOptions extends CallOptions {
  /** JSON when absent; bytes are `application/octet-stream`. */
  readonly contentType?: string;
  /** `rawPayload`, `partitionKey`, `cloudevent.*` and whatever the broker knows. */
  readonly metadata?: Metadata;
  readonly ttlSeconds?: number;
}

/** One event of a bulk; an id is made when none is given. */
export interface BulkEvent {
  readonly id?: string;
  readonly data: unknown;
  readonly contentType?: string;
  readonly metadata?: Metadata;
}

export interface Lock {
  readonly resourceId: string;
  readonly owner: string;
}

/**
 * The building blocks, as an app uses them, whichever way it reaches its runtime. Values are JSON. Failures are `ProaError`s: `code` says what happened,
 * the same over HTTP, gRPC and in one process.
 */
export interface Client extends ActorClient {
  readonly state: StateClient;
  /** Resolves when the broker has the event durably. */
  publish(pubsub: string, topic: string, data: unknown, options?: PublishOptions): Promise<void>;
  /** The entries that were not accepted; an empty list: all were. */
  publishMany(
    pubsub: string,
    topic: string,
    events: readonly BulkEvent[],
    options?: CallOptions & { readonly metadata?: Metadata },
  ): Promise<readonly FailedEntry[]>;
  /** A subscription for as long as it is wanted: the answer ends it. A handler that fails gets the event again. Over HTTP it needs the runtime's gRPC port. */
  subscribe<T = unknown>(pubsub: string, topic: string, handler: EventHandler<T>, options?: SubscribeOptions): Promise<() => Promise<void>>;
  /** POST with `data` as JSON, GET without. The answer's JSON; `application/octet-stream` as bytes, other types as text. A status of 400 and more is a ProaError. */
  invoke<T = unknown>(appId: string, method: string, data?: unknown, options?: InvokeOptions): Promise<T>;
  /** The same with the answer as it came, whatever its status. */
  request(appId: string, method: string, data?: unknown, options?: InvokeOptions): Promise<InvocationAnswer>;
  binding(
    name: string,
    operation: string,
    data?: unknown,
    options?: CallOptions & { readonly metadata?: Metadata },
  ): Promise<BindingAnswer>;
  readonly secrets: {
    /** Fails with `secrets.get` when there is no such secret; a variable that is not set is an empty text of `secretstores.local.env`. */
    get(store: string, name: string, options?: CallOptions & { readonly metadata?: Metadata }): Promise<Metadata>;
    all(store: string, options?: CallOptions & { readonly metadata?: Metadata }): Promise<Readonly<Record<string, Metadata>>>;
  };
  readonly configuration: {
    /** No keys: all. */
    get(store: string, keys?: readonly string[], options?: CallOptions): Promise<ConfigurationItems>;
    subscribe(store: string, keys: readonly string[], changed: (items: ConfigurationItems) => void): Promise<() => Promise<void>>;
  };
  readonly lock: {
    /** Refused (`held: false`) while somebody holds it. The token rises with every grant, where the store has one and the way carries it. */
    tryLock(
      store: string,
      lock: Lock & { readonly expirySeconds: number },
      options?: CallOptions,
    ): Promise<{ readonly held: boolean; readonly fencingToken?: number }>;
    /** False: it was not held by that owner. */
    unlock(store: string, lock: Lock, options?: CallOptions): Promise<boolean>;
  };
  readonly jobs: JobsClient;
  readonly crypto: {
    encrypt(provider: string, data: Uint8Array, how: EncryptOptions, options?: CallOptions): Promise<Uint8Array>;
    decrypt(provider: string, data: Uint8Array, options?: CallOptions & { readonly keyName?: string }): Promise<Uint8Array>;
  };
  /** Workflows of this app and, by reference, of others. Over HTTP they need the runtime's gRPC port. */
  readonly workflows: Workflows;
  readonly metadata: {
    get(options?: CallOptions): Promise<AppMetadata>;
    set(key: string, value: string, options?: CallOptions): Promise<void>;
  };
  /** The methods and topics of a contract, typed and checked. */
  of<C extends AnyContract>(contract: C): TypedClient<C>;
  close(): Promise<void>;
}

export interface SubscribeOptions {
  readonly metadata?: Metadata;
  readonly deadLetterTopic?: string;
}

export interface BindingAnswer {
  readonly data: unknown;
  readonly metadata: Metadata;
}

export interface ClientParts {
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly operations: Operations;
  /** A line for whoever runs the program. */
  readonly warn: (line: string) => void;
}

const none: Metadata = {};
const noOptions: PublishOptions = {};

/** The client over one way of asking. */
export function createClient(parts: ClientParts): Client {
  const { clock, operations, warn } = parts;
  const misfit = tellDropped(
    () => clock,
    (dropped) => warn(droppedLine(dropped)),
  );
  const client: Client = {
    state: createStateClient(clock, operations.state),
    ...events(parts),
    ...invocations(parts),
    ...createActorClient(clock, operations),
    async binding(name, operation, data, options = {}) {
      const bytes = data === undefined ? new Uint8Array(0) : payload(data, undefined, 'the data of a binding').bytes;
      const input = { name, operation, data: bytes, metadata: options.metadata ?? none };
      const answer = await asked(clock, options, (asking) => operations.bindings(input, asking));
      return { data: answer.data === undefined ? undefined : fromJson(answer.data), metadata: answer.metadata ?? none };
    },
    ...stores(parts),
    jobs: createJobsClient(clock, operations.jobs),
    workflows: createWorkflows(clock, operations.workflows),
    metadata: {
      get: (options = {}) => asked(clock, options, (asking) => operations.metadata(asking)),
      set: (key, value, options = {}) => asked(clock, options, (asking) => operations.putMetadata(key, value, asking)),
    },
    of: (contract) => typedClient(contract, client, misfit),
    close: () => operations.close(),
  };
  return client;
}

function events({ clock, uuid, operations }: ClientParts): Pick<Client, 'publish' | 'publishMany' | 'subscribe'> {
  return {
    publish(pubsub, topic, data, options = noOptions) {
      let sent: Content;
      try {
        sent = contentOf(data, options.contentType, 'an event');
      } catch (error) {
        return Promise.reject(error);
      }
      const { metadata: given = none, ttlSeconds } = options;
      const metadata = ttlSeconds === undefined ? given : { ...given, ttlInSeconds: String(ttlSeconds) };
      const input = { pubsub, topic, data: sent.content, contentType: sent.type, metadata };
      return asked(clock, options, (asking) => operations.publish(input, asking));
    },
    async publishMany(pubsub, topic, list, options = {}) {
      const entries = list.map(({ id = uuid(), data, contentType, metadata }) => {
        const { bytes, type } = payload(data, contentType, `event ${id}`);
        return { entryId: id, event: bytes, contentType: type, ...(metadata !== undefined && { metadata }) };
      });
      const input = { pubsub, topic, entries, metadata: options.metadata ?? none };
      return asked(clock, options, (asking) => operations.bulkPublish(input, asking));
    },
    subscribe(pubsub, topic, handler, { metadata = none, deadLetterTopic } = {}) {
      const spec = {
        ...{ pubsub, topic, metadata, rules: [], defaultPath: '/', kind: 'STREAMING' as const },
        ...(deadLetterTopic !== undefined && { deadLetterTopic }),
      };
      return operations.subscribe(spec, (event) => verdictOf(() => handler(readEvent(event) as never)));
    },
  };
}

function invocations({ clock, operations }: ClientParts): Pick<Client, 'invoke' | 'request'> {
  const request: Client['request'] = (appId, method, data, options = {}) =>
    asked(clock, options, (asking) => operations.invoke(invocationOf(appId, { method, data }, options), asking));
  return {
    request,
    invoke: async (appId, method, data, options = {}) => invoked(appId, method, await request(appId, method, data, options)) as never,
  };
}

function stores({ clock, operations }: ClientParts): Pick<Client, 'secrets' | 'configuration' | 'lock' | 'crypto'> {
  const { secrets, configuration, lock, crypto } = operations;
  return {
    secrets: {
      get: (store, name, options = {}) =>
        asked(clock, options, (asking) => secrets.get({ store, name, metadata: options.metadata ?? none }, asking)),
      all: (store, options = {}) =>
        asked(clock, options, (asking) => secrets.bulkGet({ store, metadata: options.metadata ?? none }, asking)),
    },
    configuration: {
      get: (store, keys = [], options = {}) =>
        asked(clock, options, (asking) => configuration.get({ store, keys, metadata: none }, asking)),
      subscribe: (store, keys, changed) => configuration.subscribe({ store, keys, metadata: none }, changed),
    },
    lock: {
      async tryLock(store, { resourceId, owner, expirySeconds }, options = {}) {
        const input = { store, resourceId, lockOwner: owner, expirySeconds };
        const { success, fencingToken } = await asked(clock, options, (asking) => lock.tryLock(input, asking));
        return { held: success, ...(fencingToken !== undefined && { fencingToken }) };
      },
      async unlock(store, { resourceId, owner }, options = {}) {
        return (await asked(clock, options, (asking) => lock.unlock({ store, resourceId, lockOwner: owner }, asking))) === 0;
      },
    },
    crypto: {
      encrypt: (provider, data, how, options = {}) =>
        asked(clock, options, (asking) => crypto.encrypt({ provider, data, options: how }, asking)),
      decrypt: (provider, data, options = {}) =>
        asked(clock, options, (asking) =>
          crypto.decrypt({ provider, data, ...(options.keyName !== undefined && { keyName: options.keyName }) }, asking),
        ),
    },
  };
}
