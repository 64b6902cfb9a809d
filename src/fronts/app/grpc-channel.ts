import type { AppBindingAnswer, AppChannel, InvokeRequest, InvokeResponse } from '../../blocks/invoke/index.ts';
import type { AppJob, JobVerdict } from '../../blocks/jobs/index.ts';
import type { AppBulkEvent, AppEvent, EventVerdict, SubscriptionSpec } from '../../blocks/pubsub/index.ts';
import {
  AppCallback,
  AppCallbackAlpha,
  AppCallbackHealthCheck,
  type TopicSubscription,
} from '../../gen/dapr/proto/runtime/v1/appcallback_pb.ts';
import { bytesBody, collect } from '../../kernel/body.ts';
import type { Call } from '../../kernel/call.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { valueOf } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Address, Ports } from '../../kernel/ports.ts';
import type { Secret } from '../../kernel/secret.ts';
import { problemText, problemType } from '../../kernel/problem.ts';
import { grpcNumber, httpFromGrpc } from '../../kernel/status.ts';
import { tracedHeaders, traceKey } from '../../kernel/trace-context.ts';
import { acceptsConnections } from '../../wire/accepts-connections.ts';
import { codecOf, createGrpcClient, type GrpcClient, type GrpcClientOptions, type MethodCodec } from '../../wire/grpc/client.ts';
import type { ClientCallOptions } from '../../wire/grpc/client-call.ts';
import { methodPath } from '../../wire/grpc/method.ts';
import { ownCode, remoteStatusOf } from '../../wire/grpc/status.ts';
import { http2Transport } from '../../wire/http2/transport.ts';
import type { GrpcMetrics } from '../grpc/grpc-metrics.ts';
import { decodeInvokeResponse, encodeInvokeRequest } from '../grpc/hot-messages.ts';
import { httpOfMetadata, metadataOfHttp } from '../grpc/http-metadata.ts';
import { topicEvent, topicVerdict } from '../grpc/topic-event.ts';
import { toTraceBin } from '../grpc/trace-bin.ts';
import { bulkRequest, bulkAnswer } from './grpc-bulk.ts';
import type { Permits } from './permits.ts';

export interface GrpcChannelOptions {
  readonly ports: Pick<Ports, 'network' | 'clock' | 'random' | 'process'>;
  readonly address: Address;
  readonly tls: boolean;
  readonly appToken?: Secret;
  readonly permits: Permits;
  readonly messageBytesMax: number;
  readonly metrics?: GrpcAppMetrics;
}

/** Where calls into the app and probes of its health are counted. */
export interface GrpcAppMetrics {
  readonly calls: GrpcMetrics;
  probe(code: string, tookMs: number): void;
}

/** An app behind gRPC; the transparent proxy uses its connection too. */
export interface GrpcAppChannel extends AppChannel {
  readonly client: GrpcClient;
}

const callback = AppCallback.method;
const codecs = {
  onInvoke: { path: methodPath(callback.onInvoke), encode: encodeInvokeRequest, decode: decodeInvokeResponse },
  subscriptions: codecOf(callback.listTopicSubscriptions),
  event: codecOf(callback.onTopicEvent),
  bulkEvent: codecOf(callback.onBulkTopicEvent),
  bulkEventAlpha: codecOf(AppCallbackAlpha.method.onBulkTopicEventAlpha1),
  bindings: codecOf(callback.listInputBindings),
  binding: codecOf(callback.onBindingEvent),
  job: codecOf(callback.onJobEvent),
  jobAlpha: codecOf(AppCallbackAlpha.method.onJobEventAlpha1),
  health: codecOf(AppCallbackHealthCheck.method.healthCheck),
};
const verbNumbers: Readonly<Record<string, number>> = {
  GET: 1,
  HEAD: 2,
  POST: 3,
  PUT: 4,
  DELETE: 5,
  CONNECT: 6,
  OPTIONS: 7,
  TRACE: 8,
  PATCH: 9,
};

// Probes have metrics of their own, as in Dapr.
function countedBy({ calls, probe }: GrpcAppMetrics): NonNullable<GrpcClientOptions['ended']> {
  return ({ path, tookMs, sentBytes, receivedBytes }, code) => {
    if (path === codecs.health.path) probe(code, tookMs);
    else calls.record({ method: path, code, tookMs, sentBytes, receivedBytes });
  };
}

/** The app behind gRPC: the `AppCallback` services (Dapr reference 5, 7.2). */
export function createGrpcChannel(options: GrpcChannelOptions): GrpcAppChannel {
  return new GrpcCallbackChannel(options);
}

class GrpcCallbackChannel implements GrpcAppChannel {
  readonly protocol = 'grpc';
  readonly address: string;
  readonly client: GrpcClient;
  readonly #options: GrpcChannelOptions;
  readonly #permits: Permits;
  readonly #token: readonly string[];
  readonly #questions = new CancelScope();

  constructor(options: GrpcChannelOptions) {
    const { ports, address, messageBytesMax, tls } = options;
    this.#options = options;
    this.#permits = options.permits;
    this.#token = options.appToken === undefined ? [] : ['dapr-api-token', options.appToken.reveal()];
    this.address = 'path' in address ? 'localhost' : `${address.host}:${address.port}`;
    this.client = createGrpcClient({
      clock: ports.clock,
      random: ports.random,
      transport: http2Transport(ports),
      address,
      messageBytesMax,
      ...(tls ? { tls: { insecure: true } } : {}),
      ...(options.metrics === undefined ? {} : { ended: countedBy(options.metrics) }),
    });
  }

  invoke(call: Call<InvokeRequest>): Promise<InvokeResponse> {
    return this.#withPermit(call, () => invoke(this.client, call, this.#token, this.#options.messageBytesMax));
  }

  reachable(): Promise<boolean> {
    return acceptsConnections(this.#options.ports, this.#options.address, 1_000);
  }

  async health(_path: string, timeoutMs: number): Promise<boolean> {
    try {
      await this.client.unary(codecs.health, {}, this.#within(timeoutMs));
      return true;
    } catch {
      return false;
    }
  }

  // What an app with actors says over HTTP has no counterpart here.
  config(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async subscriptions(): Promise<readonly SubscriptionSpec[]> {
    const answer = await unlessMissing(this.client.unary(codecs.subscriptions, {}, this.#within(10_000)));
    return (answer?.subscriptions ?? []).flatMap(specOf);
  }

  async inputBindings(routes: ReadonlyMap<string, string>, timeoutMs: number): Promise<ReadonlySet<string>> {
    const answer = await unlessMissing(this.client.unary(codecs.bindings, {}, this.#within(timeoutMs)));
    return new Set((answer?.bindings ?? []).filter((name) => routes.has(name)));
  }

  async event(call: Call<AppEvent>): Promise<EventVerdict> {
    try {
      const answer = await this.#ask(codecs.event, topicEvent(call.input), call, metadataOfHttp(pairs(call.input.metadata)));
      return topicVerdict(answer.status);
    } catch (thrown) {
      return failedVerdict(thrown);
    }
  }

  async bulkEvent(call: Call<AppBulkEvent>): Promise<ReadonlyMap<string, EventVerdict>> {
    const request = bulkRequest(call.input);
    const metadata = metadataOfHttp(pairs(call.input.metadata));
    try {
      const answer = await this.#ask(codecs.bulkEvent, request, call, metadata).catch((thrown: unknown) => {
        if (ProaError.from(thrown).code !== 'unimplemented') throw thrown;
        return this.#ask(codecs.bulkEventAlpha, request, call, metadata);
      });
      return bulkAnswer(answer);
    } catch (thrown) {
      const verdict = failedVerdict(thrown);
      return new Map(call.input.entries.map((entry) => [entry.entryId, verdict]));
    }
  }

  async binding(call: Parameters<AppChannel['binding']>[0]): Promise<AppBindingAnswer> {
    const { name, data, metadata } = call.input;
    try {
      return bindingAnswer(await this.#ask(codecs.binding, { name, data, metadata: { ...metadata } }, call));
    } catch (thrown) {
      const error = ProaError.from(thrown);
      throw new ProaError(error.code, error.message, {
        cause: error,
        details: { metadata: { status: String(grpcNumber(error.spec.grpc)) } },
      });
    }
  }

  // NOT_FOUND: the app knows no such job, and it is not tried again (Dapr reference 5.7).
  async job(call: Call<AppJob>): Promise<JobVerdict> {
    const { name, data = { typeUrl: '', value: new Uint8Array(0) } } = call.input;
    const request = { name, data, method: `job/${name}`, contentType: data.typeUrl, httpExtension: { verb: 3 as const } };
    try {
      await this.#ask(codecs.job, request, call).catch((thrown: unknown) => {
        if (ProaError.from(thrown).code !== 'unimplemented') throw thrown;
        return this.#ask(codecs.jobAlpha, request, call);
      });
      return { status: 'done' };
    } catch (thrown) {
      const status = remoteStatusOf(thrown);
      if (status === undefined) throw thrown;
      return { status: status.code === 'NOT_FOUND' ? 'missing' : 'failed', error: `the app answered ${status.code}: ${status.message}` };
    }
  }

  configuration(): Promise<void> {
    return Promise.reject(new ProaError('unimplemented', 'gRPC apps get configuration updates on the stream that they opened'));
  }

  giveUpQuestions(): void {
    this.#questions.cancel(new ProaError('cancelled', 'the runtime lets go of the app'));
  }

  close(): Promise<void> {
    this.client.close();
    return Promise.resolve();
  }

  #within(timeoutMs: number): ClientCallOptions {
    return { deadlineMs: this.#options.ports.clock.mono() + timeoutMs, metadata: this.#token, cancel: this.#questions };
  }

  #ask<I, O>(codec: MethodCodec<I, O>, request: I, call: Call<unknown>, metadata: readonly string[] = []): Promise<O> {
    const { cancel, deadlineMs } = call;
    return this.#withPermit(call, () =>
      this.client.unary(codec, request, { cancel, deadlineMs, metadata: [...this.#token, ...traceMetadata(call), ...metadata] }),
    );
  }

  async #withPermit<T>(call: Pick<Call<unknown>, 'cancel'>, run: () => Promise<T>): Promise<T> {
    const place = this.#permits.acquire(call.cancel);
    if (place !== undefined) await place;
    try {
      return await run();
    } finally {
      this.#permits.release();
    }
  }
}

async function invoke(client: GrpcClient, call: Call<InvokeRequest>, token: readonly string[], bytesMax: number): Promise<InvokeResponse> {
  const { input } = call;
  const contentType = headerOf(input.headers, 'content-type') ?? '';
  const request = {
    method: input.path,
    contentType,
    data: { typeUrl: '', value: await collect(input.body, bytesMax) },
    httpExtension: { verb: (verbNumbers[input.httpMethod] ?? 3) as 3, querystring: input.query },
  };
  const headers: string[] = [];
  try {
    const answer = await client.unary(codecs.onInvoke, request, {
      cancel: call.cancel,
      deadlineMs: call.deadlineMs,
      metadata: [...token, ...metadataOfHttp(tracedHeaders(input.headers, call.context))],
      onHeaders: (metadata) => headers.push(...httpOfMetadata(metadata)),
    });
    const type = answer.contentType === '' ? 'application/json' : answer.contentType;
    return {
      status: 200,
      headers: ['content-type', type, ...withoutType(headers)],
      body: bytesBody(answer.data?.value ?? new Uint8Array(0)),
    };
  } catch (thrown) {
    const status = remoteStatusOf(thrown);
    if (status === undefined || status.code === 'OK') throw thrown;
    // The app answered with an error: over HTTP its status is mapped and the body is the gRPC status as JSON (Dapr reference 6.5).
    const code = grpcNumber(status.code);
    const problem = ownCode(status) === undefined ? undefined : problemAnswer(ProaError.from(thrown), withoutType(headers));
    if (problem !== undefined) return { ...problem, grpc: { code, message: status.message } };
    const body = Buffer.from(JSON.stringify({ code, message: status.message }));
    return {
      status: httpFromGrpc(status.code),
      headers: ['content-type', 'application/json', ...withoutType(headers)],
      body: bytesBody(body),
      grpc: { code, message: status.message },
    };
  }
}

// An app of ours says more than a status: over HTTP it is the document that an HTTP app would have sent.
function problemAnswer(error: ProaError, headers: readonly string[]): Pick<InvokeResponse, 'status' | 'headers' | 'body'> {
  return { status: error.spec.http, headers: ['content-type', problemType, ...headers], body: bytesBody(Buffer.from(problemText(error))) };
}

function withoutType(headers: readonly string[]): string[] {
  return headers.filter((_, i, all) => all[i - (i % 2)] !== 'content-type' && all[i - (i % 2)] !== 'dapr-content-type');
}

// An app that does not implement a question has nothing to say to it.
async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (thrown) {
    if (ProaError.from(thrown).code === 'unimplemented') return undefined;
    throw thrown;
  }
}

// UNIMPLEMENTED drops without a dead letter; every other failure is worth another try (Dapr reference 5.4).
function failedVerdict(thrown: unknown): EventVerdict {
  const error = ProaError.from(thrown);
  const code = grpcNumber(error.spec.grpc);
  if (error.code === 'unimplemented') return { status: 'drop', silent: true, code, error: error.message };
  return { status: 'retry', code, error: error.message };
}

function specOf(subscription: TopicSubscription): SubscriptionSpec[] {
  const { pubsubName, topic, metadata, routes, deadLetterTopic, bulkSubscribe } = subscription;
  if (pubsubName === '' || topic === '') return [];
  const rules = (routes?.rules ?? []).map(({ match, path }) => ({ match, path }));
  return [
    {
      pubsub: pubsubName,
      topic,
      metadata,
      rules,
      defaultPath: routes?.default ?? '',
      kind: 'PROGRAMMATIC',
      ...(deadLetterTopic === '' ? {} : { deadLetterTopic }),
      ...(bulkSubscribe?.enabled === true
        ? { bulk: { maxMessages: bulkSubscribe.maxMessagesCount || 100, maxAwaitMs: bulkSubscribe.maxAwaitDurationMs || 1_000 } }
        : {}),
    },
  ];
}

function bindingAnswer(answer: {
  storeName: string;
  to: string[];
  data: Uint8Array;
  concurrency: number;
  states: { key: string; value: Uint8Array }[];
}): AppBindingAnswer {
  return {
    to: answer.to,
    data: answer.data,
    concurrency: answer.concurrency === 1 ? 'parallel' : 'sequential',
    storeName: answer.storeName,
    state: answer.states.map(({ key, value }) => ({ key, value })),
  };
}

function traceMetadata(call: Call<unknown>): string[] {
  const { traceparent, tracestate, baggage } = valueOf(call.context, traceKey);
  if (traceparent === '') return [];
  return [
    ...['traceparent', traceparent, 'grpc-trace-bin', toTraceBin(traceparent)],
    ...(tracestate === '' ? [] : ['tracestate', tracestate]),
    ...(baggage === '' ? [] : ['baggage', baggage]),
  ];
}

function pairs(metadata: Readonly<Record<string, string>>): string[] {
  return Object.entries(metadata).flatMap(([name, value]) => [name.toLowerCase(), value]);
}

function headerOf(headers: readonly string[], name: string): string | undefined {
  const at = headers.findIndex((text, i) => i % 2 === 0 && text === name);
  return at < 0 ? undefined : headers[at + 1];
}
