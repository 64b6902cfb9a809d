import type { BlockContext } from '../../contracts/block-context.ts';
import type { Component, ComponentSet } from '../../contracts/component-set.ts';
import { governedServices } from '../../contracts/governed-services.ts';
import type { OutgoingMessage } from '../../contracts/pubsub.ts';
import type { Metadata } from '../../contracts/state.ts';
import { createCall, derive, withInput, type Call, type CallOptions } from '../../kernel/call.ts';
import { valueOf } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { limits } from '../../kernel/limits.ts';
import type { Service } from '../../kernel/service.ts';
import { traceKey, type TraceContext } from '../../kernel/trace-context.ts';
import { attemptBulk, type BulkAttempt } from './bulk-attempt.ts';
import { dataForm } from './content-type.ts';
import { createTemplates, wrapEvent } from './envelope.ts';
import { cloudEventCreation, entriesInvalid, forbidden, nameEmpty, notFound, publishFailed, topicEmpty } from './errors.ts';
import type { BulkPublishEntry, BulkPublishInput, FailedEntry, PublishInput } from './index.ts';
import { createSecondStamp, requireRawPayload, rfc3339, ttlMs } from './metadata.ts';
import { completeEvent } from './pass-through.ts';
import type { PubSubMetrics } from './pubsub-metrics.ts';
import { topicScopes, type TopicScopes } from './topic-scopes.ts';

type Broker = Component<'pubsub'>;

const forwardOperation = { block: 'pubsub', name: 'publish', idempotent: false } as const;

/** The publishing half of the block: envelopes, scopes, policies, metrics and errors. */
export class Publisher {
  readonly #context: BlockContext;
  readonly #brokers: ComponentSet<'pubsub'>;
  readonly #metrics: PubSubMetrics;
  readonly #templates = createTemplates();
  readonly #stamp = createSecondStamp();
  readonly #scopes = new WeakMap<Broker, TopicScopes>();
  readonly #single: (component: Broker, operation: string) => Service<OutgoingMessage, void>;
  readonly #bulk: (component: Broker, operation: string) => Service<BulkAttempt, void>;

  constructor(context: BlockContext, brokers: ComponentSet<'pubsub'>, metrics: PubSubMetrics) {
    this.#context = context;
    this.#brokers = brokers;
    this.#metrics = metrics;
    const shared = { govern: context.govern, block: 'pubsub', direction: 'outbound' } as const;
    this.#single = governedServices({
      ...shared,
      serve: (component) => (call: Call<OutgoingMessage>) => component.driver.publish(call.input),
    });
    this.#bulk = governedServices({ ...shared, serve: (component) => (call: Call<BulkAttempt>) => attemptBulk(component, call.input) });
  }

  /** Callbacks on the broker's answer, not a function that waits for it: this runs for every event. */
  publish(call: Call<PublishInput>): Promise<void> {
    const { input } = call;
    let component: Broker;
    let message: OutgoingMessage;
    try {
      component = this.#find(input);
      const raw = requireRawPayload(input.pubsub, input.metadata);
      message = this.#messageOf(component, input, { trace: valueOf(call.context, traceKey), raw });
    } catch (error) {
      return Promise.reject(error);
    }
    const begunMs = this.#context.ports.clock.turn();
    const failed = (error: unknown): never => {
      this.#count(input, begunMs, false);
      throw publishError(input.pubsub, input.topic, error);
    };
    try {
      this.permit(component, input.topic);
      return this.#single(component, 'publish')(withInput(call, message)).then(() => this.#count(input, begunMs, true), failed);
    } catch (error) {
      return Promise.reject(error).catch(failed);
    }
  }

  #count({ pubsub, topic }: PublishInput, begunMs: number, success: boolean): void {
    this.#metrics.published(pubsub, topic, { success, elapsedMs: this.#context.ports.clock.mono() - begunMs, bulk: false });
  }

  async bulkPublish(call: Call<BulkPublishInput>): Promise<readonly FailedEntry[]> {
    const { input } = call;
    const { pubsub, topic } = input;
    const component = this.#find(input);
    const attempt = this.#attemptOf(component, input, valueOf(call.context, traceKey));
    const { clock } = this.#context.ports;
    const begunMs = clock.mono();
    try {
      this.permit(component, topic);
      await this.#bulk(component, 'bulk-publish')(derive<BulkPublishInput, BulkAttempt>(call, { input: attempt }));
    } catch (error) {
      const known = ProaError.from(error);
      if (attempt.failures.length === 0) attempt.failures = attempt.pending.map(({ entryId }) => ({ entryId, error: known.message }));
      if (known.code === 'pubsub.forbidden' || known.code === 'cancelled') throw known;
    } finally {
      const success = attempt.failures.length === 0;
      this.#metrics.published(pubsub, topic, { success, elapsedMs: clock.mono() - begunMs, bulk: true });
    }
    return attempt.failures;
  }

  /** Publishes bytes as they are, under the same scopes and policies: dead letters. Fails with a ProaError. */
  async forward(component: Broker, messages: readonly OutgoingMessage[], options: CallOptions): Promise<void> {
    for (const { topic } of messages) this.permit(component, topic);
    await this.send(component, messages, options);
  }

  /** Publishes bytes as they are, under the component's policies only: topics of the runtime's own. Fails with the first message's error. */
  async send(component: Broker, messages: readonly OutgoingMessage[], options: CallOptions): Promise<void> {
    if (messages.length === 1) {
      const call = createCall(forwardOperation, messages[0] as OutgoingMessage, options);
      await ended(call, this.#single(component, 'publish')(call));
      return;
    }
    const pending = messages.map((message, index) => ({ entryId: String(index), message }));
    const call = createCall<BulkAttempt>(forwardOperation, { pending, failures: [] }, options);
    await ended(call, this.#bulk(component, 'bulk-publish')(call));
  }

  #find({ pubsub, topic, metadata }: Pick<PublishInput, 'pubsub' | 'topic' | 'metadata'>): Broker {
    if (pubsub === '') throw nameEmpty(metadata);
    const component = this.#brokers.get(pubsub);
    if (component === undefined) throw notFound(pubsub, metadata, this.#brokers);
    if (topic === '') throw topicEmpty(pubsub, metadata);
    if (topic.length > limits.topicChars) {
      throw new ProaError('bad-request', `the topic has ${topic.length} characters; ${limits.topicChars} are allowed`);
    }
    return component;
  }

  /** Fails with `pubsub.forbidden` when scopes do not let the app publish to the topic. */
  permit(component: Broker, topic: string): void {
    const { appId } = this.#context;
    let scopes = this.#scopes.get(component);
    if (scopes === undefined) this.#scopes.set(component, (scopes = topicScopes(component, appId)));
    if (!scopes.mayPublish(topic)) throw forbidden(topic, { pubsub: component.name, appId, allowed: scopes.publishable });
  }

  /** The message of one event: wrapped, completed or raw. */
  #messageOf(component: Broker, input: PublishInput, options: { readonly trace: TraceContext; readonly raw: boolean }): OutgoingMessage {
    const { pubsub, topic, contentType, metadata, data } = input;
    const { trace, raw } = options;
    // Wrapping copies; so does this, because the caller may use its buffer again.
    if (raw) return { topic, data: Buffer.from(data), metadata: traced(metadata, trace) };
    const { appId, ports } = this.#context;
    const now = ports.clock.now();
    const ttl = ttlMs(metadata);
    const brokerExpires = ttl !== undefined && component.driver.capabilities.includes('MESSAGE_TTL');
    const expiration = ttl === undefined || brokerExpires ? undefined : rfc3339(now + ttl);
    const sent = brokerExpires ? { ...metadata, ttlInSeconds: String(Math.ceil(ttl / 1000)) } : metadata;
    const time = this.#stamp(now);
    if (dataForm(contentType) !== 'cloud-event') {
      const id = ports.random.uuid();
      const event = wrapEvent(this.#templates, { id, source: appId, topic, pubsub, contentType, data, time, trace, expiration, metadata });
      return { topic, data: event, metadata: sent };
    }
    const event = completeEvent({ topic, pubsub, time, trace, expiration, event: bytesOf(data) });
    if (event === undefined) throw cloudEventCreation(pubsub, appId, 'the event is not a JSON object');
    return { topic, data: event, metadata: sent };
  }

  #attemptOf(component: Broker, input: BulkPublishInput, trace: TraceContext): BulkAttempt {
    const raw = requireRawPayload(input.pubsub, input.metadata);
    checkEntries(input, this.#context.appId);
    const pending = input.entries.map((entry) => ({
      entryId: entry.entryId,
      message: withType(this.#messageOf(component, entryInput(input, entry), { trace, raw }), entry, raw),
    }));
    return { pending, failures: [] };
  }
}

/** Settles the call that this block made itself. */
export async function ended<In, Out>(call: Call<In>, answer: Promise<Out>): Promise<Out> {
  try {
    const result = await answer;
    call.end.fire({ ok: true });
    return result;
  } catch (error) {
    call.end.fire({ ok: false, error });
    throw error;
  }
}

function publishError(pubsub: string, topic: string, error: unknown): ProaError {
  const known = ProaError.from(error);
  // Who gave up or was refused should learn so; everything else is a failure of the publish, as in Dapr.
  if (known.code === 'pubsub.forbidden' || known.code === 'cancelled') return known;
  return publishFailed(pubsub, topic, error);
}

function bytesOf(data: Uint8Array | string): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
}

function traced(metadata: Metadata, { traceparent, tracestate }: TraceContext): Metadata {
  if (traceparent === '') return metadata;
  return { ...metadata, traceid: traceparent, ...(tracestate === '' ? {} : { tracestate }) };
}

/** An entry without metadata of its own gets none of the request's (Dapr reference 19.18). */
function entryInput({ pubsub, topic, metadata }: BulkPublishInput, entry: BulkPublishEntry): PublishInput {
  const merged = entry.metadata === undefined ? {} : { ...metadata, ...entry.metadata };
  return { pubsub, topic, data: entry.event, contentType: entry.contentType, metadata: merged };
}

/** Raw entries keep their content type, which subscribers see; wrapped ones have it inside. */
function withType(message: OutgoingMessage, { contentType }: BulkPublishEntry, raw: boolean): OutgoingMessage {
  return raw && contentType !== '' ? { ...message, contentType } : message;
}

function checkEntries({ pubsub, topic, entries }: BulkPublishInput, appId: string): void {
  const seen = new Set<string>();
  for (const { entryId } of entries) {
    if (entryId === '' || seen.has(entryId)) throw entriesInvalid(pubsub, topic, appId);
    seen.add(entryId);
  }
}
