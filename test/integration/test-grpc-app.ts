import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, status, type handleUnaryCall, type Metadata, type UntypedServiceImplementation } from '@grpc/grpc-js';
import {
  ListTopicSubscriptionsResponseSchema,
  TopicEventBulkRequestSchema,
  TopicEventBulkResponseSchema,
  TopicEventRequestSchema,
  TopicEventResponse_TopicEventResponseStatus,
  TopicEventResponseSchema,
} from '../../src/gen/dapr/proto/runtime/v1/appcallback_pb.ts';
import { InvokeRequestSchema, InvokeResponseSchema } from '../../src/gen/dapr/proto/common/v1/common_pb.ts';

/** One call as the app got it. */
export interface GrpcReceived {
  /** The method without its service. */
  readonly method: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** The invoked method or the topic. */
  readonly about: string;
  readonly data: string;
}

export interface GrpcTestApp {
  readonly port: string;
  readonly received: GrpcReceived[];
  close(): void;
}

export interface GrpcTestAppOptions {
  /** What the health check says; by default it is well. */
  readonly healthy?: () => boolean;
  /** Topics of `pubsub`. */
  readonly topics?: readonly string[];
  /** Topics of `pubsub` whose events come in bulk. */
  readonly bulkTopics?: readonly string[];
}

const callback = '/dapr.proto.runtime.v1.AppCallback/';
const empty = Buffer.alloc(0);

/** An app over gRPC on grpc-js: it echoes invocations and calls of its own service `test.Echo`, takes events of its topics, and answers health checks. */
export async function startGrpcApp({ healthy = () => true, topics = [], bulkTopics = [] }: GrpcTestAppOptions): Promise<GrpcTestApp> {
  const received: GrpcReceived[] = [];
  const heard = (method: string, metadata: Metadata, about = '', data: Uint8Array = empty): void => {
    const texts = Object.entries(metadata.getMap()).map(([name, value]) => [name, String(value)] as const);
    received.push({ method, metadata: Object.fromEntries(texts), about, data: Buffer.from(data).toString() });
  };
  const handlers: Readonly<Record<string, handleUnaryCall<Buffer, Buffer>>> = {
    [`${callback}OnInvoke`]: ({ request, metadata }, answer) => {
      const { method, data } = fromBinary(InvokeRequestSchema, request);
      heard('OnInvoke', metadata, method, data?.value);
      const value = data?.value ?? empty;
      answer(
        null,
        Buffer.from(toBinary(InvokeResponseSchema, create(InvokeResponseSchema, { data: { value }, contentType: 'text/plain' }))),
      );
    },
    [`${callback}ListTopicSubscriptions`]: ({ metadata }, answer) => {
      heard('ListTopicSubscriptions', metadata);
      const single = topics.map((topic) => ({ pubsubName: 'pubsub', topic }));
      const subscriptions = [...single, ...bulkTopics.map((topic) => ({ pubsubName: 'pubsub', topic, bulkSubscribe: { enabled: true } }))];
      answer(
        null,
        Buffer.from(toBinary(ListTopicSubscriptionsResponseSchema, create(ListTopicSubscriptionsResponseSchema, { subscriptions }))),
      );
    },
    [`${callback}ListInputBindings`]: (_call, answer) => answer(null, empty),
    [`${callback}OnTopicEvent`]: ({ request, metadata }, answer) => {
      const { topic, data } = fromBinary(TopicEventRequestSchema, request);
      heard('OnTopicEvent', metadata, topic, data);
      answer(null, Buffer.from(toBinary(TopicEventResponseSchema, create(TopicEventResponseSchema, {}))));
    },
    [`${callback}OnBulkTopicEvent`]: ({ request, metadata }, answer) => {
      const { topic, entries } = fromBinary(TopicEventBulkRequestSchema, request);
      heard('OnBulkTopicEvent', metadata, topic);
      const statuses = entries.map(({ entryId }) => ({ entryId, status: TopicEventResponse_TopicEventResponseStatus.SUCCESS }));
      answer(null, Buffer.from(toBinary(TopicEventBulkResponseSchema, create(TopicEventBulkResponseSchema, { statuses }))));
    },
    '/test.Echo/Say': ({ request, metadata }, answer) => {
      heard('Say', metadata, '', request);
      answer(null, request);
    },
    '/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck': ({ metadata }, answer) => {
      heard('HealthCheck', metadata);
      if (healthy()) answer(null, empty);
      else answer({ code: status.UNAVAILABLE, details: 'ill' });
    },
  };
  const server = new Server();
  const identity = (bytes: Buffer): Buffer => bytes;
  const definition = Object.fromEntries(
    Object.keys(handlers).map((path) => [
      path,
      {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity,
      },
    ]),
  );
  server.addService(definition, handlers as unknown as UntypedServiceImplementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port: String(port), received, close: () => server.forceShutdown() };
}
