import type { Body } from '../kernel/body.ts';
import type { Call } from '../kernel/call.ts';
import type { BindingEvent, BindingResponse } from './binding.ts';
import type { ConfigurationItems } from './configuration.ts';
import type { Endpoint } from './resolver.ts';
import type { Metadata } from './state.ts';

/**
 * A call from app to app, in HTTP terms whatever the protocols at both ends are: gRPC's InvokeService is translated by the
 * fronts (Dapr reference 6.1 to 6.3). `path` is canonical (decoded once, cleaned) and the only form that policies and dispatch see.
 */
export interface InvokeRequest {
  readonly appId: string;
  readonly namespace: string;
  readonly httpMethod: string;
  /** Without a leading slash. */
  readonly path: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
  /**
   * Flat name, value pairs, names in lower case, hop-by-hop headers removed. On the way to an app they hold no trace: it is in the call's context, and whoever
   * writes the call adds it.
   */
  readonly headers: readonly string[];
  readonly body: Body;
  /** False when the body has no known length: such a call is never repeated. */
  readonly replayable: boolean;
  /** The messages, in place of a body, of a call that is passed on unseen. */
  readonly passed?: PassedStream;
}

/** A stream that is passed on as it is (transparently proxied gRPC): it brings its own way to an endpoint, and layers decide about its attempts. */
export interface PassedStream {
  /** True while another attempt may begin: all that the caller sent is kept, and it has nothing of an answer. */
  readonly again: boolean;
  /** Sends one attempt; resolves when its answer begins, which is shown to nobody before the call is answered. */
  send(endpoint: Endpoint, call: Call<InvokeRequest>): Promise<InvokeResponse>;
}

export interface InvokeResponse {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Body;
  /** The gRPC status of a gRPC app when it is not OK. */
  readonly grpc?: { readonly code: number; readonly message: string; readonly details?: Uint8Array };
  /** Trailers of a gRPC app, flat pairs. */
  readonly trailers?: readonly string[];
}

/** One subscription as an app or a YAML file declares it. */
export interface SubscriptionSpec {
  readonly pubsub: string;
  readonly topic: string;
  readonly metadata: Metadata;
  readonly rules: readonly { readonly match: string; readonly path: string }[];
  /** The route when no rule matches; undefined: such events are dropped (dead-lettered when there is a topic for it). */
  readonly defaultPath?: string;
  readonly deadLetterTopic?: string;
  readonly bulk?: { readonly maxMessages: number; readonly maxAwaitMs: number };
  readonly kind: 'DECLARATIVE' | 'PROGRAMMATIC' | 'STREAMING';
}

export interface AppConfig {
  readonly entities: readonly string[];
  readonly raw: Readonly<Record<string, unknown>>;
}

/** One event on its way to the app: a CloudEvent in structured JSON, or wrapped raw bytes. */
export interface AppEvent {
  readonly path: string;
  readonly pubsub: string;
  readonly topic: string;
  /** Structured CloudEvent, JSON. */
  readonly cloudEvent: Uint8Array;
  readonly metadata: Metadata;
}

export interface AppBulkEvent {
  readonly id: string;
  readonly path: string;
  readonly pubsub: string;
  readonly topic: string;
  readonly metadata: Metadata;
  readonly entries: readonly {
    readonly entryId: string;
    /** A structured CloudEvent, or raw bytes when `contentType` is `application/octet-stream`. */
    readonly event: Uint8Array;
    readonly contentType: string;
    readonly metadata: Metadata;
  }[];
}

/** What the app made of an event. `status` and `code` follow Dapr reference 5.4; `retry` with a code that resiliency can match. */
export interface EventVerdict {
  readonly status: 'success' | 'retry' | 'drop';
  /** Drop without dead letter (gRPC UNIMPLEMENTED). */
  readonly silent?: boolean;
  readonly code?: number;
  readonly error?: string;
}

export interface AppBindingAnswer extends BindingResponse {
  readonly to?: readonly string[];
  readonly concurrency?: 'parallel' | 'sequential';
  readonly storeName?: string;
  readonly state?: readonly { readonly key: string; readonly value: Uint8Array; readonly etag?: string; readonly metadata?: Metadata }[];
}

/** A `google.protobuf.Any`. */
export interface JobData {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** One run of a job on its way to the app. */
export interface AppJob {
  readonly name: string;
  readonly data?: JobData;
}

/** What the app made of a run. `missing`: it knows no such job, which ends the run like `done` (Dapr reference 5.7). */
export interface JobVerdict {
  readonly status: 'done' | 'missing' | 'failed';
  readonly error?: string;
}

/**
 * The app, whatever it speaks. Every method fails with a ProaError: `unavailable` when the app cannot be reached. At most `maxConcurrency` calls run at once;
 * waiting for a place respects cancellation. While the app is unhealthy nobody calls it.
 */
export interface AppChannel {
  readonly protocol: 'http' | 'grpc';
  /** Where the app listens, for metadata and messages. */
  readonly address: string;
  invoke(call: Call<InvokeRequest>): Promise<InvokeResponse>;
  /** True when something accepts connections at the app's port. */
  reachable(): Promise<boolean>;
  /** One health probe; false on any failure. */
  health(path: string, timeoutMs: number): Promise<boolean>;
  config(appId: string): Promise<AppConfig | undefined>;
  subscriptions(appId: string): Promise<readonly SubscriptionSpec[]>;
  /** Which of the bindings the app wants events from. `routes` maps binding name to route. */
  inputBindings(routes: ReadonlyMap<string, string>, timeoutMs: number): Promise<ReadonlySet<string>>;
  event(call: Call<AppEvent>): Promise<EventVerdict>;
  /** One verdict per entry; a missing entry means retry. */
  bulkEvent(call: Call<AppBulkEvent>): Promise<ReadonlyMap<string, EventVerdict>>;
  binding(call: Call<BindingEvent & { readonly name: string; readonly route: string }>): Promise<AppBindingAnswer>;
  /** Runs a job. Fails only when the app was not reached. */
  job(call: Call<AppJob>): Promise<JobVerdict>;
  /** What the runtime itself asks (config, subscriptions, bindings) fails with `cancelled` from now on: an app that is silent must not hold up a stop. */
  giveUpQuestions(): void;
  configuration(call: Call<{ readonly store: string; readonly id: string; readonly items: ConfigurationItems }>): Promise<void>;
  close(): Promise<void>;
}
