import type { ActorRequest, ActorsBlock } from '../blocks/actors/index.ts';
import type { BindingsBlock } from '../blocks/bindings/index.ts';
import type { ConfigurationBlock, ConfigurationItems, ConfigurationQuery } from '../blocks/configuration/index.ts';
import type { EncryptOptions } from '../blocks/crypto/index.ts';
import type { Job } from '../blocks/jobs/index.ts';
import type { LockBlock } from '../blocks/lock/index.ts';
import type { AppEvent, EventVerdict, PubSubBlock, SubscriptionSpec } from '../blocks/pubsub/index.ts';
import type { RuntimeMetadata } from '../blocks/runtime/index.ts';
import type { SecretsBlock } from '../blocks/secrets/index.ts';
import type { StateBlock } from '../blocks/state/index.ts';
import type { WorkflowBlock } from '../blocks/workflow/index.ts';
import type { ActorTable } from './actor-table.ts';
import type { Cancellation } from '../kernel/cancel.ts';
import type { Service } from '../kernel/service.ts';
import type { WorkflowOperations } from './workflow/client.ts';

/** How long a question may take, who may give it up, and which trace it belongs to. */
export interface Asking {
  readonly cancel: Cancellation;
  /** A `clock.mono()` instant; `Infinity` without a deadline. */
  readonly deadlineMs: number;
  /** The W3C `traceparent` of the caller; empty: none. */
  readonly traceparent: string;
}

type Ask<S> = S extends Service<infer In, infer Out> ? (input: In, asking: Asking) => Promise<Out> : never;

/** A call to another app, its body whole. */
export interface Invocation {
  readonly appId: string;
  /** Decoded, without a leading slash. */
  readonly path: string;
  readonly httpMethod: string;
  /** Without the question mark. */
  readonly query: string;
  /** Flat pairs, names in lower case. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

export interface InvocationAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** A job whose data is JSON. */
export type PlainJob = Omit<Job, 'data'> & { readonly json?: string };

/** What `GET /v1.0/metadata` tells that all ways of asking share. */
export type AppMetadata = Pick<RuntimeMetadata, 'id' | 'runtimeVersion' | 'components' | 'extended' | 'subscriptions'>;

type ActorQuestion = 'getState' | 'transact' | 'registerReminder' | 'unregisterReminder' | 'registerTimer' | 'unregisterTimer';

/** Calls of actors, and what actors ask of the runtime that hosts them. */
export type ActorOperations = { readonly [Name in ActorQuestion]: Ask<ActorsBlock[Name]> } & {
  invoke(call: Omit<ActorRequest, 'httpMethod' | 'query'>, asking: Asking): Promise<InvocationAnswer>;
};

/**
 * Everything that an app asks of its runtime, in the words of the blocks: over HTTP, over gRPC, or as function calls in one process. Failures are
 * `ProaError`s with the same code whichever way they came.
 */
export interface Operations {
  readonly state: { readonly [Name in Exclude<keyof StateBlock, 'close'>]: Ask<StateBlock[Name]> };
  readonly publish: Ask<PubSubBlock['publish']>;
  readonly bulkPublish: Ask<PubSubBlock['bulkPublish']>;
  /** A streaming subscription; resolves when it stands. The answer ends it. */
  subscribe(spec: SubscriptionSpec, receive: (event: AppEvent) => Promise<EventVerdict>): Promise<() => Promise<void>>;
  invoke(call: Invocation, asking: Asking): Promise<InvocationAnswer>;
  readonly actors: ActorOperations;
  readonly bindings: Ask<BindingsBlock['invoke']>;
  readonly secrets: { readonly [Name in keyof SecretsBlock]: Ask<SecretsBlock[Name]> };
  readonly configuration: {
    readonly get: Ask<ConfigurationBlock['get']>;
    subscribe(query: ConfigurationQuery, changed: (items: ConfigurationItems) => void): Promise<() => Promise<void>>;
  };
  readonly lock: { readonly [Name in keyof LockBlock]: Ask<LockBlock[Name]> };
  readonly jobs: {
    schedule(input: { readonly job: PlainJob; readonly overwrite: boolean }, asking: Asking): Promise<void>;
    get(input: { readonly name: string }, asking: Asking): Promise<PlainJob>;
    list(input: Record<never, never>, asking: Asking): Promise<readonly PlainJob[]>;
    delete(input: { readonly name: string }, asking: Asking): Promise<void>;
    deleteByPrefix(input: { readonly prefix: string }, asking: Asking): Promise<void>;
  };
  readonly crypto: {
    encrypt(
      input: { readonly provider: string; readonly options: EncryptOptions; readonly data: Uint8Array },
      asking: Asking,
    ): Promise<Uint8Array>;
    decrypt(
      input: { readonly provider: string; readonly keyName?: string; readonly data: Uint8Array },
      asking: Asking,
    ): Promise<Uint8Array>;
  };
  /** Workflows of the own app, and how its workers get their work. */
  readonly workflows: WorkflowOperations & Pick<WorkflowBlock, 'attach'>;
  /** Hosts the app's actors where the runtime does not call the app for that: on a stream, until the answer is called. */
  hostActors?(table: ActorTable): Promise<() => Promise<void>>;
  metadata(asking: Asking): Promise<AppMetadata>;
  putMetadata(key: string, value: string, asking: Asking): Promise<void>;
  close(): Promise<void>;
}
