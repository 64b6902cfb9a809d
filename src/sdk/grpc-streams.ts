import type { ConfigurationItems, ConfigurationQuery } from '../blocks/configuration/index.ts';
import type { AppEvent } from '../blocks/pubsub/index.ts';
import { Dapr } from '../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import type { TopicEventRequest } from '../gen/dapr/proto/runtime/v1/appcallback_pb.ts';
import { CancelScope } from '../kernel/cancel.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Timer } from '../kernel/ports.ts';
import { codecOf } from '../wire/grpc/client.ts';
import { endedHere, type GrpcLink } from './grpc-link.ts';
import type { Operations } from './operations.ts';
import { appEvent, statusNumbers } from './wire-event.ts';

const codecs = { events: codecOf(Dapr.method.subscribeTopicEventsAlpha1), configuration: codecOf(Dapr.method.subscribeConfiguration) };
const retryMinMs = 200;
const retryMaxMs = 5_000;

/** Streaming subscriptions (Dapr reference 7.4). One that breaks is opened again until it is ended: what was not answered is delivered again. */
export function createGrpcSubscriptions(link: GrpcLink): Operations['subscribe'] {
  return (spec, receive) =>
    keepOpen(link, async (scope, standing) => {
      const stream = await link.stream(codecs.events, { cancel: scope, deadlineMs: Infinity, traceparent: '' });
      const { pubsub, topic, metadata, deadLetterTopic } = spec;
      const initial = { pubsubName: pubsub, topic, metadata: { ...metadata }, ...(deadLetterTopic !== undefined && { deadLetterTopic }) };
      await stream.write({ subscribeTopicEventsRequestType: { case: 'initialRequest', value: initial } });
      const answer = async (event: AppEvent, id: string): Promise<void> => {
        const { status } = await receive(event);
        const value = { id, status: { status: statusNumbers[status] } };
        await stream.write({ subscribeTopicEventsRequestType: { case: 'eventProcessed', value } });
      };
      for await (const { subscribeTopicEventsResponseType: message } of stream) {
        if (message.case === 'initialResponse') standing();
        // Events run side by side; an answer that cannot be sent is the end of the stream, which is told by it.
        else if (message.case === 'eventMessage')
          void answer(appEvent(message.value as TopicEventRequest), message.value.id).catch(() => {});
      }
    });
}

/** Changes of configuration on a stream of their own (Dapr reference 5.8). */
export function followConfiguration(
  link: GrpcLink,
  query: ConfigurationQuery,
  changed: (items: ConfigurationItems) => void,
): Promise<() => Promise<void>> {
  return keepOpen(link, async (scope, standing) => {
    const stream = await link.stream(codecs.configuration, { cancel: scope, deadlineMs: Infinity, traceparent: '' });
    await stream.write({ storeName: query.store, keys: [...query.keys], metadata: { ...query.metadata } });
    stream.end();
    for await (const { items } of stream) {
      standing();
      const read = Object.entries(items).map(([key, { value, version, metadata }]) => [key, { value, version, metadata }] as const);
      if (read.length > 0) changed(Object.fromEntries(read));
    }
  });
}

/** Resolves when the stream stands for the first time; fails when it cannot. The answer ends it. */
export function keepOpen(link: GrpcLink, run: (scope: CancelScope, standing: () => void) => Promise<void>): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    let [stood, closed, failures] = [false, false, 0];
    let scope = new CancelScope();
    let timer: Timer | undefined;
    let running: Promise<void> = Promise.resolve();
    const end = async (): Promise<void> => {
      closed = true;
      disown();
      timer?.cancel();
      scope.cancel(new ProaError('cancelled', 'the subscription was ended'));
      await running;
    };
    const disown = link.own(end);
    const standing = (): void => {
      [stood, failures] = [true, 0];
      resolve(end);
    };
    const begin = (): void => {
      scope = new CancelScope();
      running = run(scope, standing)
        .catch((error: unknown) => {
          if (!stood && !closed) {
            disown();
            reject(ProaError.from(error, 'unavailable'));
          }
          if (!endedHere(error)) failures++;
        })
        .then(() => {
          if (closed || !stood) return;
          const delayMs = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(failures, 10));
          timer = link.clock.timer(delayMs, begin, true);
        });
    };
    begin();
  });
}
