import type { AppBulkEvent, AppEvent, EventVerdict, SubscriptionSpec } from '../../contracts/app-channel.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import { property, type Component } from '../../contracts/component-set.ts';
import { meant } from '../../kernel/closest.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Service } from '../../kernel/service.ts';
import { BulkHandler } from './bulk-handler.ts';
import { createDeadLetters } from './dead-letters.ts';
import { EventHandler, type Handler, type HandlerParts } from './handler.ts';
import type { Publisher } from './publisher.ts';
import type { PubSubMetrics } from './pubsub-metrics.ts';
import { compileRoutes } from './routes.ts';
import { subscriptionOptions } from './subscription-options.ts';
import { topicScopes } from './topic-scopes.ts';

/** Where the events of a subscription go. Without `bulk` they always go one by one. */
export interface Destination {
  readonly event: Service<AppEvent, EventVerdict>;
  readonly bulk?: Service<AppBulkEvent, ReadonlyMap<string, EventVerdict>>;
}

export interface OpenOptions {
  readonly context: BlockContext;
  readonly spec: SubscriptionSpec;
  readonly component: Component<'pubsub'>;
  readonly destination: Destination;
  readonly publisher: Publisher;
  readonly metrics: PubSubMetrics;
}

/** A subscription that is taking events. */
export interface LiveSubscription {
  readonly component: Component<'pubsub'>;
  /** Lets what is under way finish within `graceMs`, gives the rest back to the broker, then gives up what still runs. */
  close(graceMs: number): Promise<void>;
}

/**
 * Subscribes at the broker. Fails with `pubsub.forbidden` when scopes do not allow it, with `config.invalid` for rules or options that are not
 * valid, else with the broker's error.
 */
export async function openSubscription(options: OpenOptions): Promise<LiveSubscription> {
  const { context, spec, component, destination, publisher, metrics } = options;
  const { clock, random } = context.ports;
  const scopes = topicScopes(component, context.appId);
  if (!scopes.maySubscribe(spec.topic)) {
    const message = `subscription to topic '${spec.topic}' on pubsub '${spec.pubsub}' is not allowed`;
    throw new ProaError('pubsub.forbidden', message, meant(spec.topic, scopes.subscribable));
  }
  const { raw, concurrency, orderingKey } = subscriptionOptions(spec, component);
  const route = await compileRoutes(spec);
  const log = context.log.scoped('proa.pubsub');
  const caller = { appId: context.appId, namespace: context.namespace };
  const deadLetters = createDeadLetters({ topic: spec.deadLetterTopic, component, publisher, clock, log, caller });
  const newId = (): string => random.uuid();
  const parts: HandlerParts = { spec, component, raw, orderingKey, route, deadLetters, metrics, clock, log, caller, newId };
  const handler = createHandler(context, parts, destination);
  const bulkMax = handler instanceof BulkHandler ? (spec.bulk?.maxMessages ?? 0) : 0;
  const subscription = await component.driver.subscribe(
    { topic: spec.topic, group: property(component, 'consumerID') ?? context.appId, metadata: spec.metadata },
    // Two windows: one fills while the other is at the app.
    { concurrency: Math.max(concurrency, 2 * bulkMax), deliver: (message) => handler.deliver(message) },
  );
  return {
    component,
    async close(graceMs) {
      handler.closing();
      await subscription.close(graceMs);
      handler.cancel(new ProaError('cancelled', 'the subscription ends'));
    },
  };
}

function createHandler(context: BlockContext, parts: HandlerParts, destination: Destination): Handler {
  const { spec, component } = parts;
  const govern =
    (operation: string) =>
    <In>(service: Service<In, void>): Service<In, void> =>
      context.govern({ block: 'pubsub', name: spec.pubsub, operation, direction: 'inbound', componentType: component.type }, service);
  if (spec.bulk === undefined || destination.bulk === undefined) {
    return new EventHandler(parts, destination.event, govern('deliver'));
  }
  const immediate = component.driver.capabilities.includes('BULK_SUBSCRIBE_IMMEDIATE');
  return new BulkHandler(parts, { ...spec.bulk, immediate, receive: destination.bulk }, govern('bulk-deliver'));
}
