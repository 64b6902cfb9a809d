import type { Call } from '../kernel/call.ts';
import type { Append, Engine } from './engine.ts';
import type { Metadata } from './state.ts';

/** Where the outbox of a state store publishes (properties `outbox...` of the component, Dapr reference 12.1). */
export interface OutboxTarget {
  readonly store: string;
  readonly pubsub: string;
  readonly topic: string;
  /** The broker that carries intents when state and topic do not share an engine. */
  readonly internalPubsub: string;
}

/** What one upsert of a transaction publishes. */
export interface OutboxEvent {
  /** The event's id, `outbox-<uuid>`; in the relayed case it is also the key of the marker that the transaction stores. */
  readonly id: string;
  readonly data: Uint8Array;
  readonly contentType?: string;
  /** Attributes of the CloudEvent besides its own; `data` and `id` are left out. */
  readonly attributes: Metadata;
}

/** The pub/sub side of the transactional outbox; `host` gives it to the state block. */
export interface OutboxPublisher {
  /**
   * The appends that publish the events to the target's topic as part of a commit on `engine`: state and events become durable together or not at all.
   * Undefined when the topic does not live on that engine.
   */
  appends(
    target: OutboxTarget,
    events: readonly OutboxEvent[],
    on: { readonly engine: Engine; readonly call: Call<unknown> },
  ): Promise<readonly Append[] | undefined>;
  /** Publishes an intent per event to the internal topic, before the transaction. Whoever consumes them hands each to the block's relay. */
  announce(target: OutboxTarget, events: readonly OutboxEvent[], call: Call<unknown>): Promise<void>;
}

/** An announced event, as the consumer of the internal topic finds it. */
export interface OutboxIntent {
  /** Stores whose transactions may have announced it: those of the app that share the internal topic. */
  readonly stores: readonly string[];
  /** The event's id: the key of its marker. */
  readonly id: string;
  /** Publishes the event to the topic that the store's outbox names. */
  publish(store: string): Promise<void>;
}
