import type { AppChannel, SubscriptionSpec } from '../../contracts/app-channel.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { ComponentSet } from '../../contracts/component-set.ts';
import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import type { EventReceiver, PubSubBlock } from './index.ts';
import type { Destination } from './live-subscription.ts';
import { createOutboxPublisher } from './outbox-publisher.ts';
import { relayOutbox } from './outbox-intents.ts';
import { mergeSubscriptions } from './merge-subscriptions.ts';
import { Publisher } from './publisher.ts';
import { PubSubMetrics } from './pubsub-metrics.ts';
import { SubscriptionSet } from './subscription-set.ts';

export interface PubSubBlockDeps {
  readonly brokers: ComponentSet<'pubsub'>;
  /** Undefined while no app is connected. */
  readonly channel: () => AppChannel | undefined;
  /** The declarative subscriptions that apply to this app; asked at every start. */
  readonly declared: () => readonly SubscriptionSpec[];
  /** False: the app is not asked for subscriptions (`--disable-init-endpoints=subscribe`). Default true. */
  readonly asksApp?: boolean;
}

/** Dapr asks for subscriptions with its initialization retries: 3, from 500 ms on, half as long again each time. */
const askRetries = 3;
const askDelayMs = 500;

/** The most subscriptions of one app, streams included. */
const subscriptionsMax = 10_000;

/** Publish and subscribe for one app. */
export function createPubSubBlock(context: BlockContext, deps: PubSubBlockDeps): PubSubBlock {
  const metrics = new PubSubMetrics(context.metrics, context.namespace);
  const publisher = new Publisher(context, deps.brokers, metrics);
  const set = new SubscriptionSet(context, deps.brokers, { publisher, metrics });
  const log = context.log.scoped('proa.pubsub');
  let started: ((graceMs: number) => Promise<void>)[] = [];
  let turn: Promise<void> = Promise.resolve();
  let running = false;
  let closed = false;

  /** Starts, pauses and the close follow each other, however they were called. */
  const inTurn = (step: () => Promise<void>): Promise<void> => {
    const done = turn.then(step);
    turn = done.catch(() => undefined);
    return done;
  };
  const channel = (): AppChannel => {
    const current = deps.channel();
    if (current === undefined) throw new ProaError('app-channel-nil', 'no application is connected');
    return current;
  };
  const toApp: Destination = {
    event: async (call) => channel().event(call),
    bulk: async (call) => channel().bulkEvent(call),
  };
  const start = async (): Promise<void> => {
    if (running || closed) return;
    running = true;
    const current = deps.channel();
    if (current === undefined) return;
    const own = deps.asksApp === false ? [] : await askApp(context, current);
    const specs = mergeSubscriptions(deps.declared(), own ?? []);
    if (specs.length > subscriptionsMax) log.error(`the app has ${specs.length} subscriptions; only ${subscriptionsMax} are made`);
    started = await Promise.all(specs.slice(0, subscriptionsMax).map((spec) => set.add(spec, toApp)));
    // Asked in vain: the next start may find the app better.
    if (own === undefined) log.error('the app could not be asked for its subscriptions');
  };
  const pause = async (graceMs: number): Promise<void> => {
    running = false;
    const ending = started;
    started = [];
    await Promise.all(ending.map((end) => end(graceMs)));
  };
  return {
    outbox: createOutboxPublisher(context, { brokers: deps.brokers, publisher }),
    relayOutbox: (relay) => relayOutbox(context, { ...relay, brokers: deps.brokers, publisher }),
    publish: (call) => publisher.publish(call),
    bulkPublish: (call) => publisher.bulkPublish(call),
    async subscribeStream(spec: SubscriptionSpec, receiver: EventReceiver) {
      if (closed) throw new ProaError('unavailable', 'the runtime stops');
      if (set.specs().length >= subscriptionsMax)
        throw new ProaError('overloaded', `the app has ${subscriptionsMax} subscriptions already`);
      return set.add({ ...spec, kind: 'STREAMING' }, { event: (call) => receiver.event(call) }, true);
    },
    start: () => inTurn(start),
    pause: (graceMs) => inTurn(() => pause(graceMs)),
    subscriptions: () => set.specs(),
    close(graceMs) {
      closed = true;
      return inTurn(async () => {
        await pause(graceMs);
        await set.close(graceMs);
      });
    },
  };
}

/** The app's own subscriptions; undefined when it could not be asked. */
async function askApp(context: BlockContext, channel: AppChannel): Promise<readonly SubscriptionSpec[] | undefined> {
  const { clock } = context.ports;
  for (let attempt = 0; ; attempt++) {
    try {
      return await channel.subscriptions(context.appId);
    } catch (error) {
      if (attempt === askRetries || ProaError.from(error).code === 'cancelled') {
        context.log.scoped('proa.pubsub').warn('the app did not answer', { [logFields.error]: String(error) });
        return undefined;
      }
      await new Promise<void>((resolve) => clock.timer(askDelayMs * 1.5 ** attempt, resolve));
    }
  }
}
