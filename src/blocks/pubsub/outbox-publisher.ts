import type { BlockContext } from '../../contracts/block-context.ts';
import type { Component, ComponentSet } from '../../contracts/component-set.ts';
import type { OutboxEvent, OutboxPublisher, OutboxTarget } from '../../contracts/outbox.ts';
import type { OutgoingMessage } from '../../contracts/pubsub.ts';
import type { Call } from '../../kernel/call.ts';
import { valueOf } from '../../kernel/context.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import { notFound } from './errors.ts';
import { rfc3339 } from './metadata.ts';
import { wrapOutboxEvent } from './outbox-event.ts';
import type { Publisher } from './publisher.ts';

/** The topic that carries the intents of an app's transactions, named as Dapr names it. */
export function internalTopic({ namespace, appId }: Pick<BlockContext, 'namespace' | 'appId'>, topic: string): string {
  return `${namespace}${appId}${topic}outbox`;
}

/**
 * The publishing side of the transactional outbox. Scopes of the target topic are checked before anything is stored, so that a transaction fails
 * rather than its event being refused later; the internal topic needs no scope.
 */
export function createOutboxPublisher(
  context: BlockContext,
  { brokers, publisher }: { readonly brokers: ComponentSet<'pubsub'>; readonly publisher: Publisher },
): OutboxPublisher {
  const find = (name: string): Component<'pubsub'> => {
    const component = brokers.get(name);
    if (component === undefined) throw notFound(name, {}, brokers);
    return component;
  };
  const permitted = (target: OutboxTarget): Component<'pubsub'> => {
    const component = find(target.pubsub);
    publisher.permit(component, target.topic);
    return component;
  };
  const messages = (target: OutboxTarget, events: readonly OutboxEvent[], call: Call<unknown>): Omit<OutgoingMessage, 'topic'>[] => {
    const { pubsub, topic } = target;
    const time = rfc3339(context.ports.clock.now());
    const trace = valueOf(call.context, traceKey);
    const options = { source: context.appId, pubsub, topic, time, trace };
    return events.map((event) => ({ data: wrapOutboxEvent(event, options), metadata: {}, dedupe: event.id }));
  };
  return {
    async appends(target, events, { engine, call }) {
      const { driver } = permitted(target);
      if (driver.engine !== engine || driver.appendsOf === undefined) return undefined;
      return driver.appendsOf(messages(target, events, call).map((message) => ({ ...message, topic: target.topic })));
    },
    async announce(target, events, call) {
      permitted(target);
      const topic = internalTopic(context, target.topic);
      const intents = messages(target, events, call).map((message) => ({ ...message, topic }));
      await publisher.send(find(target.internalPubsub), intents, {
        context: call.context,
        deadlineMs: call.deadlineMs,
        cancel: call.cancel,
      });
    },
  };
}
