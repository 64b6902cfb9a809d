import type { Append, Engine } from './engine.ts';
import type { Metadata } from './state.ts';

export type PubSubCapability = 'MESSAGE_TTL' | 'SUBSCRIBE_WILDCARDS' | 'BULK_PUBSUB' | 'BULK_SUBSCRIBE_IMMEDIATE';

export interface OutgoingMessage {
  readonly topic: string;
  readonly data: Uint8Array;
  readonly contentType?: string;
  /** Request metadata, among them `ttlInSeconds` (with MESSAGE_TTL) and `partitionKey`. */
  readonly metadata: Metadata;
  /** An event id for brokers that drop repeats. */
  readonly dedupe?: string;
}

export interface IncomingMessage {
  /** Unique within the subscription while the message is not settled. */
  readonly id: string;
  readonly topic: string;
  readonly data: Uint8Array;
  readonly contentType?: string;
  readonly metadata: Metadata;
  /** Messages of one key are delivered in order, one after another. */
  readonly key?: string;
  /** 1 for the first delivery, when the broker counts them. */
  readonly attempt?: number;
}

/** `ack`: done with. `retry`: deliver again later; how much later is the broker's affair. */
export type Verdict = 'ack' | 'retry';

export interface SubscribeRequest {
  readonly topic: string;
  /** Consumers of one group compete; the block passes the component's `consumerID`, by default the app id. */
  readonly group: string;
  readonly metadata: Metadata;
}

/**
 * What the block does with messages. `deliver` never rejects; several may be under way at once, limited by `concurrency`. A driver
 * must not settle a message before its verdict is there.
 */
export interface Consumer {
  readonly concurrency: number;
  deliver(message: IncomingMessage): Promise<Verdict>;
}

export interface Subscription {
  /** Takes no new messages; those under way finish. */
  pause(): void;
  resume(): void;
  /**
   * Stops taking, waits until what is under way is settled (at most `graceMs`), gives the rest back unsettled. A `retry` that comes while it closes
   * gives the message back, too: it is no negative acknowledgement.
   */
  close(graceMs: number): Promise<void>;
}

/** A broker. Retry, ordering, dead letters, TTL by envelope and routing live in the block, once. */
export interface PubSub {
  readonly capabilities: readonly PubSubCapability[];
  /** Resolves when the broker has accepted the message as durably as it can. */
  publish(message: OutgoingMessage): Promise<void>;
  /** In request order, an error per message that failed. With BULK_PUBSUB; the block falls back to `publish`. */
  publishMany?(messages: readonly OutgoingMessage[]): Promise<(Error | undefined)[]>;
  /** The engine that keeps the topics, when one does: `appendsOf` then gives what publishes messages as part of a commit on it. */
  readonly engine?: Engine;
  /** What publishes the messages once it is committed, in order per topic; the topics exist afterwards, committed or not. With `engine`. */
  appendsOf?(messages: readonly OutgoingMessage[]): Promise<readonly Append[]>;
  subscribe(request: SubscribeRequest, consumer: Consumer): Promise<Subscription>;
  ping?(): Promise<void>;
  close(): Promise<void>;
}
