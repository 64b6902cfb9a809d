import type { Service } from '../../kernel/service.ts';
import type { AppEvent, EventVerdict, SubscriptionSpec } from '../../contracts/app-channel.ts';
import type { OutboxIntent, OutboxPublisher, OutboxTarget } from '../../contracts/outbox.ts';
import type { Verdict } from '../../contracts/pubsub.ts';
import type { Call } from '../../kernel/call.ts';
import type { Metadata } from '../../contracts/state.ts';

export type { AppBulkEvent, AppEvent, EventVerdict, SubscriptionSpec } from '../../contracts/app-channel.ts';

export interface PublishInput {
  readonly pubsub: string;
  readonly topic: string;
  /** A string is JSON that this process has just written: nobody has to look at it again. */
  readonly data: Uint8Array | string;
  readonly contentType: string;
  /** `ttlInSeconds`, `rawPayload`, `cloudevent.*` and whatever the broker knows. */
  readonly metadata: Metadata;
}

export interface BulkPublishEntry {
  readonly entryId: string;
  readonly event: Uint8Array;
  readonly contentType: string;
  /** Absent: the entry gets no request metadata either (Dapr reference 19.18). */
  readonly metadata?: Metadata;
}

export interface BulkPublishInput {
  readonly pubsub: string;
  readonly topic: string;
  readonly entries: readonly BulkPublishEntry[];
  readonly metadata: Metadata;
}

export interface FailedEntry {
  readonly entryId: string;
  readonly error: string;
}

/** Who receives the events of a subscription: the app channel, or a stream that an app opened. */
export interface EventReceiver {
  event(call: Call<AppEvent>): Promise<EventVerdict>;
}

/**
 * Publish and subscribe (Dapr reference 5.4, 5.5, 12.2). `publish` resolves when the broker has accepted the event durably.
 * Subscriptions run between `start` and `pause`; both can repeat, as the app becomes healthy or not.
 */
export interface PubSubBlock {
  readonly publish: Service<PublishInput, void>;
  /** An empty list: all were accepted. */
  readonly bulkPublish: Service<BulkPublishInput, readonly FailedEntry[]>;
  /** A streaming subscription; resolves when it is established. The returned function ends it and waits for events under way. */
  subscribeStream(spec: SubscriptionSpec, receiver: EventReceiver): Promise<(graceMs: number) => Promise<void>>;
  /** Makes the app's subscriptions effective: those of YAML and those of the app, merged by the rules of Dapr reference 10.2. */
  start(): Promise<void>;
  /** Stops taking events (the app is unhealthy or leaves); what is under way finishes within `graceMs`, the rest is delivered again later. */
  pause(graceMs: number): Promise<void>;
  /** What is subscribed now, for the metadata API. */
  subscriptions(): readonly SubscriptionSpec[];
  /** Publishes what transactions of state stores announce; for the state block. */
  readonly outbox: OutboxPublisher;
  /** Consumes the announced events of this app until the answer is closed. */
  relayOutbox(relay: OutboxRelaying): OutboxConsumer;
  close(graceMs: number): Promise<void>;
}

/** What is relayed, and by whom. */
export interface OutboxRelaying {
  /** The outboxes whose events go through an internal topic; asked at every `refresh` and every event. */
  readonly targets: () => readonly OutboxTarget[];
  readonly deliver: (intent: OutboxIntent) => Promise<Verdict>;
}

/** The subscriptions to internal topics. */
export interface OutboxConsumer {
  /** Subscribes to what `targets` names now, ends what it no longer names. Never rejects: what failed is logged and tried again. */
  refresh(): Promise<void>;
  close(graceMs: number): Promise<void>;
}

export { createPubSubBlock, type PubSubBlockDeps } from './pubsub-block.ts';
