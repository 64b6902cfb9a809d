import type { EventVerdict, SubscriptionSpec, AppEvent } from '../../contracts/app-channel.ts';
import type { Component } from '../../contracts/component-set.ts';
import type { IncomingMessage, Verdict } from '../../contracts/pubsub.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { createCall, type Call, type Caller } from '../../kernel/call.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { logFields } from '../../kernel/names.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Service } from '../../kernel/service.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import type { DeadLetters } from './dead-letters.ts';
import { hasExpired, readEvent, type IncomingEvent } from './incoming-event.ts';
import { KeyGate } from './key-gate.ts';
import { ended } from './publisher.ts';
import type { IngressEnd, PubSubMetrics } from './pubsub-metrics.ts';
import type { Router } from './routes.ts';

/** What every handler of a subscription is made of. */
export interface HandlerParts {
  readonly spec: SubscriptionSpec;
  readonly component: Component<'pubsub'>;
  readonly raw: boolean;
  readonly orderingKey: string | undefined;
  readonly route: Router;
  readonly deadLetters: DeadLetters;
  readonly metrics: PubSubMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly caller: Caller;
  readonly newId: () => string;
}

/** Takes the messages of one subscription. */
export interface Handler {
  deliver(message: IncomingMessage): Promise<Verdict>;
  /** From now on a failure is left to the broker: it redelivers, here or elsewhere, and nothing is dead-lettered because we leave. */
  closing(): void;
  /** Gives up what is still under way. */
  cancel(reason: unknown): void;
}

/** What a message turned out to be: an event for a path, or settled without the app. */
export type Routed = { readonly event: IncomingEvent; readonly path: string } | { readonly settled: Verdict };

/** The operation of every call that takes events to the app. */
export const deliverOperation = { block: 'pubsub', name: 'deliver', idempotent: false } as const;

/** Reads, expires and routes a message by the rules of Dapr reference 5.4. What does not reach the app is counted here. */
export async function routeMessage(parts: HandlerParts, message: IncomingMessage): Promise<Routed> {
  const { spec, raw, route, log, clock, newId } = parts;
  const event = readEvent(message, { pubsub: spec.pubsub, raw, newId });
  if (event === undefined) return { settled: await giveUp(parts, message, 'the message is not a CloudEvent in JSON') };
  if (hasExpired(event, clock.now())) {
    log.warn(`dropping expired pub/sub event ${event.id} as of ${event.expiration}`);
    return { settled: await discard(parts, message, 'drop') };
  }
  try {
    const path = route(event);
    if (path !== undefined) return { event, path };
  } catch (error) {
    return { settled: await giveUp(parts, message, `no route could be found for event ${event.id}: ${String(error)}`) };
  }
  log.debug(`no matching route for event ${event.id} in pubsub ${spec.pubsub} and topic ${message.topic}; skipping`);
  return { settled: await discard(parts, message, 'drop-handled') };
}

/** The message is over whatever happens to its dead letter. */
async function discard(parts: HandlerParts, message: IncomingMessage, end: IngressEnd): Promise<Verdict> {
  const { spec, metrics, deadLetters } = parts;
  metrics.received(spec.pubsub, spec.topic, end);
  if (deadLetters.topic !== undefined) await deadLetters.send([message]);
  return 'ack';
}

/** The message cannot be delivered: to the dead letters, else the broker may try again. */
async function giveUp(parts: HandlerParts, message: IncomingMessage, why: string): Promise<Verdict> {
  const { spec, metrics, deadLetters, log } = parts;
  log.error(`pubsub ${spec.pubsub} and topic ${message.topic}: ${why}`);
  const buried = deadLetters.topic !== undefined && (await deadLetters.send([message]));
  metrics.received(spec.pubsub, spec.topic, buried ? 'drop' : 'retry');
  return buried ? 'ack' : 'retry';
}

/** The policies have given up: to the dead letters if there are any, else the broker delivers again. */
export async function afterFailure(parts: HandlerParts, messages: readonly IncomingMessage[], error: unknown): Promise<Verdict> {
  const { spec, metrics, deadLetters, log } = parts;
  const what = messages.length === 1 ? 'an event' : `${messages.length} events`;
  log.warn(`${what} of topic ${spec.topic} in pubsub ${spec.pubsub} could not be delivered`, { [logFields.error]: String(error) });
  const buried = deadLetters.topic !== undefined && (await deadLetters.send(messages));
  // A retry was counted with its attempt.
  if (buried) for (let i = 0; i < messages.length; i++) metrics.received(spec.pubsub, spec.topic, 'drop');
  return buried ? 'ack' : 'retry';
}

/** The app's failure as an error: `details.metadata.status` holds the HTTP or gRPC status that resiliency may match. */
export function deliveryError(verdict: EventVerdict, what: string): ProaError {
  const status: Record<string, string> = verdict.code === undefined ? {} : { status: String(verdict.code) };
  return new ProaError('pubsub.delivery', verdict.error ?? `the app wants ${what} again`, { details: { metadata: status } });
}

/** Delivers single events to a receiver, through the inbound policies of the component. */
export class EventHandler implements Handler {
  readonly #parts: HandlerParts;
  readonly #attempt: Service<AppEvent, void>;
  readonly #scopes = new Set<CancelScope>();
  readonly #originals = new WeakMap<AppEvent, IncomingMessage>();
  readonly #gate: KeyGate;
  #closing = false;

  constructor(
    parts: HandlerParts,
    receive: Service<AppEvent, EventVerdict>,
    govern: (service: Service<AppEvent, void>) => Service<AppEvent, void>,
  ) {
    this.#parts = parts;
    this.#gate = new KeyGate();
    this.#attempt = govern((call) => this.#once(call, receive));
  }

  closing(): void {
    this.#closing = true;
  }

  cancel(reason: unknown): void {
    for (const scope of this.#scopes) scope.cancel(reason);
  }

  async deliver(message: IncomingMessage): Promise<Verdict> {
    const routed = await routeMessage(this.#parts, message);
    if ('settled' in routed) return routed.settled;
    const { orderingKey } = this.#parts;
    const key = orderingKey === undefined ? undefined : routed.event.attribute(orderingKey);
    if (key === undefined) return this.#toApp(message, routed);
    return this.#gate.run(key, () => this.#toApp(message, routed));
  }

  async #toApp(message: IncomingMessage, { event, path }: { readonly event: IncomingEvent; readonly path: string }): Promise<Verdict> {
    if (this.#closing) return 'retry';
    const { spec, caller } = this.#parts;
    const metadata = { ...message.metadata, pubsubName: spec.pubsub };
    const input: AppEvent = { path, pubsub: spec.pubsub, topic: message.topic, cloudEvent: event.cloudEvent, metadata };
    const cancel = new CancelScope();
    this.#scopes.add(cancel);
    this.#originals.set(input, message);
    const call = createCall(deliverOperation, input, { caller, cancel, context: withValue(emptyContext, traceKey, event.trace) });
    try {
      await ended(call, this.#attempt(call));
      return 'ack';
    } catch (error) {
      if (this.#closing) return 'retry';
      return await afterFailure(this.#parts, [message], error);
    } finally {
      this.#scopes.delete(cancel);
    }
  }

  /** One attempt; fails when the event should be tried again. */
  async #once(call: Call<AppEvent>, receive: Service<AppEvent, EventVerdict>): Promise<void> {
    const { spec, metrics, clock, deadLetters } = this.#parts;
    const begunMs = clock.mono();
    let verdict: EventVerdict;
    try {
      verdict = await receive(call);
    } catch (error) {
      metrics.received(spec.pubsub, spec.topic, 'retry', clock.mono() - begunMs);
      throw error;
    }
    const { status } = verdict;
    const end = status === 'drop' && verdict.silent !== true && verdict.code === undefined ? 'drop-handled' : status;
    metrics.received(spec.pubsub, spec.topic, end, clock.mono() - begunMs);
    if (status === 'retry') throw deliveryError(verdict, `the event of topic ${spec.topic}`);
    if (status === 'success' || verdict.silent === true || deadLetters.topic === undefined) return;
    const original = this.#originals.get(call.input);
    if (original !== undefined && !(await deadLetters.send([original])))
      throw deliveryError(verdict, 'a dropped event, which found no dead-letter topic,');
  }
}
