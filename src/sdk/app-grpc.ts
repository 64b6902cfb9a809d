import {
  AppCallback,
  AppCallbackAlpha,
  AppCallbackHealthCheck,
  type JobEventRequest,
  type TopicEventBulkRequest,
} from '../gen/dapr/proto/runtime/v1/appcallback_pb.ts';
import { ProaError } from '../kernel/errors.ts';
import { canonicalMethod } from '../kernel/method-path.ts';
import type { Address, Ports } from '../kernel/ports.ts';
import { plainBytes } from '../wire/grpc/any-json.ts';
import { applicationMetadata, headerValue } from '../wire/grpc/metadata.ts';
import { implement, type Handlers, type ServerCall } from '../wire/grpc/method.ts';
import { createGrpcServer, type GrpcServer } from '../wire/grpc/server.ts';
import { http2Transport } from '../wire/http2/transport.ts';
import type { App } from './app.ts';
import { codeOfHttp, failureOf } from './invoke.ts';
import { appEvent, cloudEventOf, statusNumbers } from './wire-event.ts';

export interface AppGrpcOptions {
  readonly ports: Pick<Ports, 'clock' | 'network' | 'process'>;
  readonly address: Address;
  /** What the runtime sends as `dapr-api-token`; anybody else is refused. Absent: nothing is checked. */
  readonly appToken?: string;
  readonly messageBytesMax: number;
}

const verbs = ['POST', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

/** Dapr's callbacks over gRPC (Dapr reference 5, 7.2) on an app. */
export function serveAppGrpc(app: App, { ports, address, appToken, messageBytesMax }: AppGrpcOptions): Promise<GrpcServer> {
  const guard = (call: ServerCall): void => {
    if (appToken !== undefined && appToken !== '' && headerValue(call.metadata, 'dapr-api-token') !== appToken)
      throw new ProaError('unauthenticated', 'the token of the runtime is missing or wrong');
  };
  const bulk = (request: TopicEventBulkRequest, call: ServerCall) => {
    guard(call);
    return deliverBulk(app, request);
  };
  const job = async ({ name, data }: JobEventRequest, call: ServerCall) => {
    guard(call);
    await app.job(name, await plainBytes(data));
    return {};
  };
  const methods = [
    ...implement(AppCallback, { ...callbacks(app, guard), onBulkTopicEvent: bulk, onJobEvent: job }),
    ...implement(AppCallbackAlpha, { onBulkTopicEventAlpha1: bulk, onJobEventAlpha1: job }),
    ...implement(AppCallbackHealthCheck, { healthCheck: async () => ({}) }),
  ];
  return createGrpcServer({ clock: ports.clock, transport: http2Transport(ports), address, methods, messageBytesMax });
}

function callbacks(app: App, guard: (call: ServerCall) => void): Handlers<typeof AppCallback> {
  return {
    async onInvoke(request, call) {
      guard(call);
      const named = canonicalMethod(request.method.replace(/^\/+/, ''));
      if ('error' in named) throw new ProaError('bad-request', named.error);
      const own = applicationMetadata(call.metadata).filter((_, i, all) => all[i - (i % 2)] !== 'dapr-api-token');
      const { status, headers, body } = await app.receive({
        path: named.path,
        httpMethod: verbs[request.httpExtension?.verb ?? 0] ?? 'POST',
        query: request.httpExtension?.querystring ?? '',
        headers: request.contentType === '' ? [...own] : ['content-type', request.contentType, ...own],
        body: request.data?.value ?? new Uint8Array(0),
        cancel: call.cancel,
      });
      const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
      if (status >= 400) throw failureOf(status, headers, body) ?? new ProaError(codeOfHttp(status), text.slice(0, 2_000));
      const at = headers.findIndex((name, i) => i % 2 === 0 && name === 'content-type');
      return { contentType: at < 0 ? '' : (headers[at + 1] as string), data: { typeUrl: '', value: body } };
    },
    async listTopicSubscriptions(_request, call) {
      guard(call);
      return { subscriptions: app.subscriptions().map(subscription) };
    },
    async onTopicEvent(request, call) {
      guard(call);
      return { status: statusNumbers[(await app.event(appEvent(request))).status] };
    },
    async listInputBindings(_request, call) {
      guard(call);
      return { bindings: [...app.bindings()] };
    },
    async onBindingEvent({ name, data, metadata }, call) {
      guard(call);
      const answer = await app.binding(name, data, metadata);
      return { data: answer.data ?? new Uint8Array(0) };
    },
  };
}

async function deliverBulk(app: App, { id, path, pubsubName, topic, metadata, entries }: TopicEventBulkRequest) {
  const verdicts = await app.bulkEvent({
    id,
    path,
    pubsub: pubsubName,
    topic,
    metadata,
    entries: entries.map((entry) => ({
      entryId: entry.entryId,
      metadata: entry.metadata,
      ...(entry.event.case === 'bytes'
        ? { contentType: 'application/octet-stream', event: entry.event.value }
        : {
            contentType: entry.contentType,
            event: entry.event.value === undefined ? new Uint8Array(0) : cloudEventOf(entry.event.value, topic, pubsubName),
          }),
    })),
  });
  return { statuses: [...verdicts].map(([entryId, { status }]) => ({ entryId, status: statusNumbers[status] })) };
}

function subscription({ pubsub, topic, metadata, rules, defaultPath, deadLetterTopic, bulk }: ReturnType<App['subscriptions']>[number]) {
  return {
    pubsubName: pubsub,
    topic,
    metadata: { ...metadata },
    routes: { rules: rules.map(({ match, path }) => ({ match, path })), default: defaultPath ?? '' },
    deadLetterTopic: deadLetterTopic ?? '',
    ...(bulk !== undefined && {
      bulkSubscribe: { enabled: true, maxMessagesCount: bulk.maxMessages, maxAwaitDurationMs: bulk.maxAwaitMs },
    }),
  };
}
