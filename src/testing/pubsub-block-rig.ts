import type { AppBulkEvent, AppChannel, AppEvent, EventVerdict, SubscriptionSpec } from '../contracts/app-channel.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import { fixedComponents, type Component, type ComponentSet } from '../contracts/component-set.ts';
import { ungoverned, type Govern } from '../contracts/governance.ts';
import type { Metrics } from '../contracts/metrics.ts';
import type { Consumer, OutgoingMessage, PubSub, Verdict } from '../contracts/pubsub.ts';
import type { Call } from '../kernel/call.ts';
import { valueOf } from '../kernel/context.ts';
import { silentLogger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import { traceKey } from '../kernel/trace-context.ts';

/** What a pub/sub block is made of, besides the broker. */
export interface PubSubRigOptions<Block> {
  readonly ports: Pick<Ports, 'clock' | 'random'>;
  /** The real broker behind component `bus`; the rig closes it. */
  readonly broker: PubSub;
  create(
    context: BlockContext,
    deps: {
      readonly brokers: ComponentSet<'pubsub'>;
      readonly channel: () => AppChannel | undefined;
      readonly declared: () => readonly SubscriptionSpec[];
    },
  ): Block;
  readonly properties?: Record<string, string>;
  readonly declared?: readonly SubscriptionSpec[];
  /** The app's own subscriptions. */
  readonly own?: readonly SubscriptionSpec[];
  readonly answer?: (event: Record<string, unknown>, call: Call<AppEvent>) => EventVerdict | Promise<EventVerdict>;
  readonly answerBulk?: (bulk: AppBulkEvent) => ReadonlyMap<string, EventVerdict>;
  readonly govern?: Govern;
}

/** The verdict of an app that is content. */
export const ok: EventVerdict = { status: 'success' };

/** A subscription to topic `orders` of component `bus`. */
export function subscriptionSpec(changes: Partial<SubscriptionSpec> = {}): SubscriptionSpec {
  return { pubsub: 'bus', topic: 'orders', metadata: {}, rules: [], defaultPath: '/orders', kind: 'DECLARATIVE', ...changes };
}

/** A real broker whose traffic is written down. */
function observed(broker: PubSub) {
  const published: OutgoingMessage[] = [];
  const verdicts: Verdict[] = [];
  const watch = (consumer: Consumer): Consumer => ({
    concurrency: consumer.concurrency,
    async deliver(message) {
      const verdict = await consumer.deliver(message);
      verdicts.push(verdict);
      return verdict;
    },
  });
  const driver: PubSub = {
    capabilities: broker.capabilities,
    publish(message) {
      published.push(message);
      return broker.publish(message);
    },
    ...(broker.publishMany === undefined ? {} : { publishMany: (messages) => broker.publishMany?.(messages) ?? Promise.resolve([]) }),
    subscribe: (request, consumer) => broker.subscribe(request, watch(consumer)),
    close: () => broker.close(),
  };
  return { driver, published, verdicts };
}

/** A pub/sub block of app `app` over a real broker whose traffic is written down, with an app that answers by script. */
export function createPubSubRig<Block extends { close(graceMs: number): Promise<void> }>(options: PubSubRigOptions<Block>) {
  const { driver, published, verdicts } = observed(options.broker);
  const calls: { event: Record<string, unknown>; input: AppEvent; traceparent: string }[] = [];
  const bulks: AppBulkEvent[] = [];
  const channel = {
    subscriptions: async () => options.own ?? [],
    async event(call: Call<AppEvent>) {
      const event = JSON.parse(Buffer.from(call.input.cloudEvent).toString()) as Record<string, unknown>;
      calls.push({ event, input: call.input, traceparent: valueOf(call.context, traceKey).traceparent });
      return (await options.answer?.(event, call)) ?? ok;
    },
    async bulkEvent(call: Call<AppBulkEvent>) {
      bulks.push(call.input);
      return options.answerBulk?.(call.input) ?? new Map(call.input.entries.map(({ entryId }) => [entryId, ok]));
    },
  } as unknown as AppChannel;
  const counts = new Map<string, number>();
  const metrics: Metrics = {
    counter: (name, labels) => ({
      add: (count) => {
        const key = `${name} ${labels['process_status'] ?? labels['success'] ?? ''} ${labels['status'] ?? ''}`.trim();
        counts.set(key, (counts.get(key) ?? 0) + count);
      },
    }),
    gauge: () => ({ set() {} }),
    histogram: () => ({ record() {} }),
  };
  const ports = options.ports as Ports;
  const context: BlockContext = { ports, log: silentLogger, metrics, appId: 'app', namespace: 'ns', govern: options.govern ?? ungoverned };
  const component = {
    name: 'bus',
    type: 'pubsub.x',
    version: 'v1',
    properties: options.properties ?? {},
    driver,
  } as unknown as Component<'pubsub'>;
  const block = options.create(context, {
    brokers: fixedComponents([component]),
    channel: () => channel,
    declared: () => options.declared ?? [],
  });
  const close = async (): Promise<void> => {
    await block.close(100);
    await driver.close();
  };
  return { block, published, verdicts, calls, bulks, counts, driver, close };
}
