import type { AppChannel } from '../../contracts/app-channel.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { Component, ComponentSet } from '../../contracts/component-set.ts';
import type { ConfigurationItems } from '../../contracts/configuration.ts';
import type { Metadata } from '../../contracts/state.ts';
import { createCall, type Operation } from '../../kernel/call.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import { type ChangeDelivery, createChangeDelivery } from './deliver-changes.ts';

/** What a subscriber asked for. Without `push` the app channel hears of changes. */
export interface Wish {
  readonly store: string;
  readonly keys: readonly string[];
  readonly metadata: Metadata;
  /** Called with one item at a time, as the app channel and Dapr's streams of updates are: there are clients that count. */
  readonly push?: (id: string, items: ConfigurationItems) => void;
}

/** The running subscriptions of one app. */
export interface Subscriptions {
  /** Answers the id. */
  add(component: Component<'configuration'>, wish: Wish): Promise<string>;
  /** Fails when the store has no subscription of this id. */
  end(store: string, id: string): Promise<void>;
  /** Changes for the app wait until `resume`. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

interface Running {
  readonly wish: Wish;
  readonly delivery: ChangeDelivery;
  readonly cancel: CancelScope;
  stop: () => Promise<void>;
}

const subscriptionsMax = 1_000;
const updateOperation: Operation = { block: 'configuration', name: 'update', idempotent: true };

/** Subscriptions survive a reload of their component: they continue, under their ids, on the new one. */
export function createSubscriptions(
  context: BlockContext,
  deps: { readonly stores: ComponentSet<'configuration'>; readonly channel?: () => AppChannel | undefined },
): Subscriptions {
  const running = new Map<string, Running>();
  let paused = false;

  const start = (component: Component<'configuration'>, id: string, wish: Wish): Promise<() => Promise<void>> =>
    component.driver.subscribe(wish.keys, wish.metadata, (items) => {
      if (wish.push === undefined) running.get(id)?.delivery.offer(items);
      else if (running.has(id)) for (const [key, item] of Object.entries(items)) wish.push(id, { [key]: item });
    });
  const unwatch = deps.stores.onChange(async ({ removed, added }) => {
    const affected = [...running].filter(([, { wish }]) => removed.includes(wish.store));
    for (const [id, subscription] of affected) {
      const { store } = subscription.wish;
      const component = added.includes(store) ? deps.stores.get(store) : undefined;
      const moved = await moveOver(context, subscription, component && (() => start(component, id, subscription.wish)));
      if (!moved) running.delete(id);
    }
  });

  return {
    async add(component, wish) {
      if (running.size >= subscriptionsMax)
        throw new ProaError('overloaded', `there are ${subscriptionsMax} configuration subscriptions already`);
      const id = context.ports.random.uuid();
      const cancel = new CancelScope();
      const delivery = deliveryOf({ context, component, id, cancel, channel: deps.channel });
      if (paused) delivery.pause();
      const subscription: Running = { wish, delivery, cancel, stop: async () => {} };
      // Before the store is asked: a change may be reported at once.
      running.set(id, subscription);
      try {
        subscription.stop = await start(component, id, wish);
      } catch (cause) {
        running.delete(id);
        throw cause;
      }
      return id;
    },
    async end(store, id) {
      const subscription = running.get(id);
      if (subscription?.wish.store !== store) throw new Error(`subscription with id ${id} does not exist`);
      running.delete(id);
      await finish(subscription);
    },
    pause() {
      paused = true;
      for (const { delivery } of running.values()) delivery.pause();
    },
    resume() {
      paused = false;
      for (const { delivery } of running.values()) delivery.resume();
    },
    async close() {
      unwatch();
      const all = [...running.values()];
      running.clear();
      await Promise.allSettled(all.map(finish));
    },
  };
}

/** Ends a subscription at a store that was replaced and starts it at the new one, if there is one; false when it is over. */
async function moveOver(
  context: BlockContext,
  subscription: Running,
  start: (() => Promise<() => Promise<void>>) | undefined,
): Promise<boolean> {
  try {
    await subscription.stop();
    if (start === undefined) return false;
    subscription.stop = await start();
    return true;
  } catch (error) {
    context.log.error('a configuration subscription did not survive the reload of its store', {
      component: subscription.wish.store,
      error: textOf(error),
    });
    return false;
  }
}

async function finish({ cancel, delivery, stop }: Running): Promise<void> {
  cancel.cancel(new ProaError('cancelled', 'the subscription ended'));
  await delivery.close();
  await stop();
}

interface DeliveryOptions {
  readonly context: BlockContext;
  readonly component: Component<'configuration'>;
  readonly id: string;
  readonly cancel: CancelScope;
  readonly channel: (() => AppChannel | undefined) | undefined;
}

/** One governed call to the app per changed key. */
function deliveryOf({ context, component, id, cancel, channel }: DeliveryOptions): ChangeDelivery {
  const { name: store, type } = component;
  const update = context.govern(
    { block: 'configuration', name: store, operation: 'update', direction: 'inbound', componentType: type },
    async (call: Parameters<AppChannel['configuration']>[0]) => {
      const app = channel?.();
      if (app === undefined)
        throw new ProaError('app-channel-nil', `app channel is nil. unable to send configuration update from ${store}`);
      await app.configuration(call);
    },
  );
  return createChangeDelivery(
    async (key, item) => {
      const items = Object.create(null) as Record<string, typeof item>;
      items[key] = item;
      const call = createCall(updateOperation, { store, id, items }, { cancel });
      try {
        await update(call);
        call.end.fire({ ok: true });
      } catch (error) {
        call.end.fire({ ok: false, error });
        throw error;
      }
    },
    (key, error) => {
      if (!cancel.cancelled)
        context.log.error(`error sending configuration item "${key}" to the app`, { component: store, error: textOf(error) });
    },
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
