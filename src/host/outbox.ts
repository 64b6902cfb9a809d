import type { PubSubBlock } from '../blocks/pubsub/index.ts';
import { createOutboxRelay, outboxOf } from '../blocks/state/index.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import type { ComponentSet } from '../contracts/component-set.ts';
import type { OutboxTarget } from '../contracts/outbox.ts';

export interface OutboxOptions {
  readonly stores: ComponentSet<'state'>;
  readonly brokers: ComponentSet<'pubsub'>;
  readonly pubsub: Pick<PubSubBlock, 'relayOutbox'>;
}

/** The relay of one app: announced events reach their topic once their transaction has succeeded, also after the app's runtime died in between. */
export function createOutbox(
  context: BlockContext,
  { stores, brokers, pubsub }: OutboxOptions,
): { start(): Promise<void>; close(graceMs: number): Promise<void> } {
  const relay = createOutboxRelay(context, stores);
  // Where state and topic share an engine, both are one commit and nothing is announced.
  const targets = (): OutboxTarget[] =>
    stores.list().flatMap((component) => {
      const target = outboxOf(component);
      const { engine } = component.driver;
      if (target === undefined || (engine !== undefined && brokers.get(target.pubsub)?.driver.engine === engine)) return [];
      return [target];
    });
  const consumer = pubsub.relayOutbox({ targets, deliver: (intent) => relay.deliver(intent) });
  const unlisten = [stores.onChange(() => consumer.refresh()), brokers.onChange(() => consumer.refresh())];
  return {
    start: () => consumer.refresh(),
    async close(graceMs) {
      for (const stop of unlisten) stop();
      relay.close();
      await consumer.close(graceMs);
    },
  };
}
