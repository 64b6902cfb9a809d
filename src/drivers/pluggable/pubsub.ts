import type { DriverContext } from '../../contracts/driver.ts';
import type { Consumer, OutgoingMessage, PubSub, PubSubCapability, SubscribeRequest, Subscription } from '../../contracts/pubsub.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  PubSub as service,
  type PullMessagesRequestSchema,
  type PullMessagesResponse,
} from '../../gen/dapr/proto/components/v1/pubsub_pb.ts';
import { codecOf } from '../../wire/grpc/client.ts';
import { type ComponentLink, isUnimplemented, openLink, openOver } from './component-link.ts';
import { MessageStream } from './message-stream.ts';

const init = codecOf(service.method.init);
const features = codecOf(service.method.features);
const publish = codecOf(service.method.publish);
const bulkPublish = codecOf(service.method.bulkPublish);
const pullMessages = codecOf(service.method.pullMessages);
const ping = codecOf(service.method.ping);

const known: readonly PubSubCapability[] = ['MESSAGE_TTL', 'SUBSCRIBE_WILDCARDS', 'BULK_PUBSUB'];

/** Opens a broker that a pluggable component serves. As in Dapr, the consumer group is the app's id unless the component's YAML says otherwise. */
export async function openPubSub(socket: string, config: Readonly<Record<string, string>>, context: DriverContext): Promise<PubSub> {
  const link = openLink(socket, context);
  return openOver(link, async () => {
    const hasGroup = Object.entries(config).some(([name, value]) => name.toLowerCase() === 'consumerid' && value.trim() !== '');
    const properties = hasGroup ? config : { ...config, consumerID: context.appId };
    await link.call(init, { metadata: { properties } });
    const declared = new Set((await link.call(features, {})).features);
    return new PluggablePubSub(
      link,
      context,
      known.filter((capability) => declared.has(capability)),
    );
  });
}

class PluggablePubSub implements PubSub {
  readonly capabilities: readonly PubSubCapability[];
  readonly publishMany?: (messages: readonly OutgoingMessage[]) => Promise<(Error | undefined)[]>;
  readonly #link: ComponentLink;
  readonly #context: DriverContext;
  readonly #streams = new Set<MessageStream<Acknowledgement, PullMessagesResponse>>();

  constructor(link: ComponentLink, context: DriverContext, capabilities: readonly PubSubCapability[]) {
    this.#link = link;
    this.#context = context;
    this.capabilities = capabilities;
    if (capabilities.includes('BULK_PUBSUB')) this.publishMany = (messages) => this.#publishMany(messages);
  }

  async publish({ topic, data, metadata, contentType = '' }: OutgoingMessage): Promise<void> {
    await this.#link.call(publish, { pubsubName: this.#context.name, topic, data, metadata: { ...metadata }, contentType });
  }

  async subscribe(request: SubscribeRequest, consumer: Consumer): Promise<Subscription> {
    const topic = { name: request.topic, metadata: { ...request.metadata } };
    let unnamed = 0;
    const stream: MessageStream<Acknowledgement, PullMessagesResponse> = await MessageStream.open({
      clock: this.#context.ports.clock,
      log: this.#context.log,
      what: `topic ${request.topic}`,
      concurrency: consumer.concurrency,
      open: async () => {
        const opened = await this.#link.stream(pullMessages);
        await opened.write({ topic });
        return opened;
      },
      async handle(message: PullMessagesResponse): Promise<Acknowledgement | undefined> {
        const { id, data, topicName, metadata, contentType } = message;
        const verdict = await consumer.deliver({
          id: id === '' ? `unnamed-${++unnamed}` : id,
          topic: topicName === '' ? request.topic : topicName,
          data,
          metadata,
          ...(contentType === '' ? {} : { contentType }),
        });
        if (verdict === 'ack') return { ackMessageId: id };
        // What fails because the subscription ends must not count as a failure of the message.
        return stream.closed ? undefined : { ackMessageId: id, ackError: { message: 'to be delivered again' } };
      },
    });
    this.#streams.add(stream);
    return {
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      close: async (graceMs) => {
        await stream.close(graceMs);
        this.#streams.delete(stream);
      },
    };
  }

  async ping(): Promise<void> {
    await this.#link.call(ping, {});
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) await stream.close(0);
    await this.#link.close();
  }

  // One call per topic: the wire has one topic for all entries.
  async #publishMany(messages: readonly OutgoingMessage[]): Promise<(Error | undefined)[]> {
    const results: (Error | undefined)[] = messages.map(() => undefined);
    for (const [topic, indexes] of groupByTopic(messages)) await this.#publishTopic(topic, indexes, { messages, results });
    return results;
  }

  async #publishTopic(topic: string, indexes: readonly number[], on: Batch): Promise<void> {
    const entries = indexes.map((i) => {
      const { data, contentType = '', metadata } = on.messages[i] as OutgoingMessage;
      return { entryId: String(i), event: data, contentType, metadata: { ...metadata } };
    });
    try {
      const { failedEntries } = await this.#link.call(bulkPublish, { pubsubName: this.#context.name, topic, entries });
      for (const { entryId, error } of failedEntries) on.results[Number(entryId)] = new Error(error);
    } catch (error) {
      if (!isUnimplemented(error)) for (const i of indexes) on.results[i] = error as Error;
      else for (const i of indexes) on.results[i] = await this.#tryPublish(on.messages[i] as OutgoingMessage);
    }
  }

  #tryPublish(message: OutgoingMessage): Promise<Error | undefined> {
    return this.publish(message).then(
      () => undefined,
      (error: Error) => error,
    );
  }
}

type Acknowledgement = MessageInitShape<typeof PullMessagesRequestSchema>;

interface Batch {
  readonly messages: readonly OutgoingMessage[];
  readonly results: (Error | undefined)[];
}

function groupByTopic(messages: readonly OutgoingMessage[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const [i, { topic }] of messages.entries()) {
    const group = groups.get(topic);
    if (group === undefined) groups.set(topic, [i]);
    else group.push(i);
  }
  return groups;
}
