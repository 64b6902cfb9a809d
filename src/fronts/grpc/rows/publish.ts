import type { AppEvent, EventVerdict } from '../../../blocks/pubsub/index.ts';
import { Dapr } from '../../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import type {
  SubscribeTopicEventsRequestAlpha1,
  SubscribeTopicEventsRequestInitialAlpha1,
} from '../../../gen/dapr/proto/runtime/v1/pubsub_pb.ts';
import type { Call } from '../../../kernel/call.ts';
import { ProaError } from '../../../kernel/errors.ts';
import type { Handlers, ServerCall } from '../../../wire/grpc/method.ts';
import { unaryRows, type GrpcFrontContext } from '../row.ts';
import { topicEvent, topicVerdict } from '../topic-event.ts';

const { method } = Dapr;
type Stream = NonNullable<Handlers<typeof Dapr>['subscribeTopicEventsAlpha1']>;
type Out = Parameters<Stream>[2];

/** Publishing and streaming subscriptions over gRPC (Dapr reference 7.1, 7.4). */
export function publishRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  const bulkRow = {
    operation: { block: 'pubsub', name: 'bulk_publish', idempotent: false },
    decode: (request: BulkRequest) => ({
      pubsub: request.pubsubName,
      topic: request.topic,
      metadata: request.metadata,
      entries: request.entries.map(({ entryId, event, contentType, metadata }) => ({
        entryId,
        event,
        contentType,
        ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
      })),
    }),
    service: (blocks: GrpcFrontContext['blocks']) => blocks.pubsub.bulkPublish,
    encode: (failed: readonly { entryId: string; error: string }[]) => ({
      failedEntries: failed.map(({ entryId, error }) => ({ entryId, error })),
    }),
  };
  return {
    publishEvent: row(method.publishEvent, {
      operation: { block: 'pubsub', name: 'publish', idempotent: false },
      decode: ({ pubsubName, topic, data, dataContentType, metadata }) => ({
        pubsub: pubsubName,
        topic,
        data,
        contentType: dataContentType,
        metadata,
      }),
      service: (blocks) => blocks.pubsub.publish,
      encode: () => ({}),
    }),
    bulkPublishEvent: row(method.bulkPublishEvent, bulkRow),
    bulkPublishEventAlpha1: row(method.bulkPublishEventAlpha1, bulkRow),
    subscribeTopicEventsAlpha1: (requests, call, out) => subscribe(front, requests, call, out),
  };
}

interface BulkRequest {
  readonly pubsubName: string;
  readonly topic: string;
  readonly metadata: Record<string, string>;
  readonly entries: {
    readonly entryId: string;
    readonly event: Uint8Array;
    readonly contentType: string;
    readonly metadata: Record<string, string>;
  }[];
}

const closeGraceMs = 5_000;

async function subscribe(
  front: GrpcFrontContext,
  requests: AsyncIterable<SubscribeTopicEventsRequestAlpha1>,
  call: ServerCall,
  out: Out,
): Promise<void> {
  const incoming = requests[Symbol.asyncIterator]();
  const initial = await firstRequest(incoming);
  const stream = new EventStream(out);
  const leave = await front.blocks.pubsub.subscribeStream(
    {
      pubsub: initial.pubsubName,
      topic: initial.topic,
      metadata: initial.metadata,
      rules: [],
      defaultPath: '/',
      kind: 'STREAMING',
      ...(initial.deadLetterTopic === undefined || initial.deadLetterTopic === '' ? {} : { deadLetterTopic: initial.deadLetterTopic }),
    },
    stream,
  );
  const unlink = call.cancel.onCancel((reason) => stream.fail(reason));
  try {
    await out.write({ subscribeTopicEventsResponseType: { case: 'initialResponse', value: {} } });
    for (let next = await incoming.next(); next.done !== true; next = await incoming.next()) stream.processed(next.value);
  } finally {
    unlink();
    stream.fail(new ProaError('cancelled', 'the subscriber closed its stream'));
    await leave(closeGraceMs);
  }
}

async function firstRequest(incoming: AsyncIterator<SubscribeTopicEventsRequestAlpha1>): Promise<SubscribeTopicEventsRequestInitialAlpha1> {
  const first = await incoming.next();
  const request = first.done === true ? undefined : first.value.subscribeTopicEventsRequestType;
  if (request?.case !== 'initialRequest') throw new ProaError('bad-request', 'initialRequest is required as the first message');
  if (request.value.pubsubName === '') throw new ProaError('bad-request', 'pubsubName is required');
  if (request.value.topic === '') throw new ProaError('bad-request', 'topic is required');
  return request.value;
}

/** Events on their way to a subscriber that opened a stream, by the id under which it answers them. */
class EventStream {
  readonly #out: Out;
  readonly #waiting = new Map<string, { resolve: (verdict: EventVerdict) => void; reject: (error: unknown) => void }>();
  #failed: { readonly reason: unknown } | undefined;

  constructor(out: Out) {
    this.#out = out;
  }

  async event(call: Call<AppEvent>): Promise<EventVerdict> {
    if (this.#failed !== undefined) throw this.#failed.reason;
    const value = topicEvent(call.input);
    const answered = new Promise<EventVerdict>((resolve, reject) => {
      this.#waiting.set(value.id, { resolve, reject });
    });
    answered.catch(() => {});
    await this.#out.write({ subscribeTopicEventsResponseType: { case: 'eventMessage', value } });
    return answered;
  }

  processed(request: SubscribeTopicEventsRequestAlpha1): void {
    const { subscribeTopicEventsRequestType: answer } = request;
    if (answer.case !== 'eventProcessed') throw new ProaError('bad-request', 'a second initialRequest came on the stream');
    const waiting = this.#waiting.get(answer.value.id);
    this.#waiting.delete(answer.value.id);
    waiting?.resolve(topicVerdict(answer.value.status?.status ?? 0));
  }

  fail(reason: unknown): void {
    this.#failed ??= { reason };
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }
}
