import type {
  AppBindingAnswer,
  AppChannel,
  AppConfig,
  HttpClient,
  HttpClientResponse,
  InvokeRequest,
  InvokeResponse,
} from '../../blocks/invoke/index.ts';
import type { AppJob, JobVerdict } from '../../blocks/jobs/index.ts';
import type { AppBulkEvent, AppEvent, EventVerdict, SubscriptionSpec } from '../../blocks/pubsub/index.ts';
import { bytesBody, collect, emptyBody, measuredBytes, type Body } from '../../kernel/body.ts';
import { createCall, type Call } from '../../kernel/call.ts';
import { CancelScope, neverCancelled, type Cancellation } from '../../kernel/cancel.ts';
import { valueOf } from '../../kernel/context.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { ProaError } from '../../kernel/errors.ts';
import { encodeMethodPath } from '../../kernel/method-path.ts';
import type { Address, Clock, Network } from '../../kernel/ports.ts';
import type { Secret } from '../../kernel/secret.ts';
import { TextMemo } from '../../kernel/text-memo.ts';
import { ListMemo } from '../../kernel/list-memo.ts';
import { traceHeaders, traceKey, type TraceContext } from '../../kernel/trace-context.ts';
import { noteDecision, slowMs } from '../../kernel/trail.ts';
import { acceptsConnections } from '../../wire/accepts-connections.ts';
import { plainBytes } from '../../wire/grpc/any-json.ts';
import type { HttpMetrics, PathCounts } from '../http/front-metrics.ts';
import type { AppService } from './app-pipeline.ts';
import { bulkEnvelope } from './bulk-envelope.ts';
import { bulkVerdicts, eventVerdict, parseSubscriptions } from './http-answers.ts';
import type { Permits } from './permits.ts';

export interface HttpChannelOptions {
  readonly ports: { readonly network: Network; readonly clock: Clock };
  readonly client: HttpClient;
  /** Called when the channel is closed: for a client that is this channel's alone. */
  readonly closing?: () => Promise<void>;
  readonly address: Address;
  /** Set for https apps. */
  readonly tls?: { readonly serverName: string; readonly insecure: boolean };
  /** `APP_API_TOKEN`, sent with every call. */
  readonly appToken?: Secret;
  /** Places in the app (`--app-max-concurrency`). */
  readonly permits: Permits;
  readonly answerBytesMax: number;
  /** Counts every call into the app. */
  readonly metrics?: AppMetrics;
  /** `appHttpPipeline`: what every call into the app goes through but health probes. */
  readonly pipeline?: (service: AppService) => AppService;
}

/** Where calls into the app and probes of its health are counted. */
export interface AppMetrics {
  readonly calls: HttpMetrics;
  probe(status: number, tookMs: number): void;
}

interface Exchange {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  /** Told behind `headers`, which hold none then. */
  readonly trace?: TraceContext;
  readonly body: Body;
  readonly cancel: Cancellation;
  readonly timeoutMs?: number;
  /** Told of the answer. */
  readonly watcher?: Measurement | undefined;
}

interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly text: string;
}

/** A path of the app, as it is asked for, and how it is counted. */
interface PathIn {
  readonly encoded: string;
  readonly counts: PathCounts | undefined;
}

/** The app behind HTTP (Dapr reference 5). */
export function createHttpChannel(options: HttpChannelOptions): AppChannel {
  return new HttpAppChannel(options);
}

const pipelineOperation = { block: 'http', name: 'app-pipeline', idempotent: false } as const;

class HttpAppChannel implements AppChannel {
  readonly protocol = 'http';
  readonly address: string;
  readonly #options: HttpChannelOptions;
  readonly #permits: Permits;
  /** Behind the headers that every request has; equal lists stay equal. */
  readonly #all: ListMemo<readonly string[]>;
  readonly #through: AppService | undefined;
  readonly #questions = new CancelScope();
  readonly #paths: TextMemo<PathIn>;
  /** How what is asked by `#ask` is counted, by target. */
  readonly #counts: TextMemo<PathCounts | undefined>;

  constructor(options: HttpChannelOptions) {
    this.#options = options;
    this.#permits = options.permits;
    this.address = 'path' in options.address ? 'localhost' : `${options.address.host}:${options.address.port}`;
    const fixed = ['host', this.address];
    if (options.appToken !== undefined) fixed.push('dapr-api-token', options.appToken.reveal());
    this.#all = new ListMemo((headers) => joined(fixed, headers));
    const calls = options.metrics?.calls;
    this.#paths = new TextMemo((path) => ({ encoded: `/${encodeMethodPath(path)}`, counts: calls?.of(`/${path}`) }));
    this.#counts = new TextMemo((target) => calls?.of(target));
    const { clock } = options.ports;
    this.#through = options.pipeline?.(({ input, cancel, deadlineMs }) =>
      this.#transmit({ ...input, cancel, ...(deadlineMs === Infinity ? {} : { timeoutMs: Math.max(1, deadlineMs - clock.mono()) }) }),
    );
  }

  invoke(call: Call<InvokeRequest>): Promise<InvokeResponse> {
    const path = this.#paths.of(call.input.path);
    const watcher = path.counts === undefined ? undefined : new Measurement(call, path.counts, this.#options.ports.clock);
    // Sent in the same turn when a place is free, so that the bytes of the request still lie in the read buffer.
    const place = this.#permits.acquire(call.cancel);
    return place === undefined ? this.#invoke(call, path, watcher) : place.then(() => this.#invoke(call, path, watcher));
  }

  reachable(): Promise<boolean> {
    return acceptsConnections(this.#options.ports, this.#options.address, 1_000);
  }

  // Past the pipeline and the places of other calls: a busy app is not an unhealthy one.
  async health(path: string, timeoutMs: number): Promise<boolean> {
    const { ports, metrics, answerBytesMax } = this.#options;
    const startedMs = ports.clock.mono();
    let status = 0;
    try {
      const answer = await this.#transmit({
        method: 'GET',
        target: path,
        headers: [],
        body: emptyBody,
        cancel: this.#questions,
        timeoutMs,
      });
      await collect(answer.body, answerBytesMax);
      ({ status } = answer);
    } catch {
      // The status says it: none came.
    }
    metrics?.probe(status, ports.clock.mono() - startedMs);
    return status >= 200 && status < 300;
  }

  async config(appId: string): Promise<AppConfig | undefined> {
    const answer = await this.#ask({
      method: 'GET',
      body: emptyBody,
      cancel: this.#questions,
      target: '/dapr/config',
      headers: ['dapr-app-id', appId],
      timeoutMs: 10_000,
    });
    if (answer.status !== 200 || answer.text.trim() === '') return undefined;
    const raw = JSON.parse(answer.text) as Record<string, unknown>;
    const entities = Array.isArray(raw['entities']) ? raw['entities'].filter((entity): entity is string => typeof entity === 'string') : [];
    return { entities, raw };
  }

  async subscriptions(appId: string): Promise<readonly SubscriptionSpec[]> {
    const answer = await this.#ask({
      method: 'GET',
      body: emptyBody,
      cancel: this.#questions,
      target: '/dapr/subscribe',
      headers: ['dapr-app-id', appId],
      timeoutMs: 10_000,
    });
    return answer.status === 200 ? parseSubscriptions(answer.text) : [];
  }

  inputBindings(routes: ReadonlyMap<string, string>, timeoutMs: number): Promise<ReadonlySet<string>> {
    return probeBindings((exchange) => this.#ask({ ...exchange, cancel: this.#questions }), routes, timeoutMs);
  }

  async event(call: Call<AppEvent>): Promise<EventVerdict> {
    const { path, metadata, cloudEvent } = call.input;
    const headers = ['content-type', 'application/cloudevents+json', ...tracing(call), ...metadataAsHeaders(metadata)];
    const answer = await this.#ask({ method: 'POST', target: targetOf(path), headers, body: bytesBody(cloudEvent), cancel: call.cancel });
    return eventVerdict(answer.status, answer.text);
  }

  bulkEvent(call: Call<AppBulkEvent>): Promise<ReadonlyMap<string, EventVerdict>> {
    return deliverBulk((exchange) => this.#ask(exchange), call);
  }

  async binding(call: Call<BindingDelivery>): Promise<AppBindingAnswer> {
    const { name, route, data, contentType, metadata } = call.input;
    const headers = ['content-type', contentType ?? 'application/json', ...tracing(call), ...metadataAsHeaders(metadata)];
    const answer = await this.#ask({ method: 'POST', target: targetOf(route), headers, body: bytesBody(data), cancel: call.cancel });
    if (answer.status < 200 || answer.status > 299)
      throw new ProaError('internal', `the app answered ${answer.status} to the input binding "${name}"`, {
        details: { metadata: { status: String(answer.status) } },
      });
    return bindingAnswer(answer.text);
  }

  // 404: the app knows no such job, and it is not tried again (Dapr reference 5.7).
  async job(call: Call<AppJob>): Promise<JobVerdict> {
    const { name, data } = call.input;
    const body = bytesBody(await plainBytes(data));
    const headers = ['content-type', 'application/json', ...tracing(call)];
    const answer = await this.#ask({ method: 'POST', target: `/job/${encodeURIComponent(name)}`, headers, body, cancel: call.cancel });
    if (answer.status >= 200 && answer.status < 300) return { status: 'done' };
    return { status: answer.status === 404 ? 'missing' : 'failed', error: `the app answered ${answer.status}` };
  }

  async configuration(call: Call<ConfigurationDelivery>): Promise<void> {
    const { store, id, items } = call.input;
    for (const [key, item] of Object.entries(items)) {
      const body = bytesBody(Buffer.from(JSON.stringify({ id, items: { [key]: withoutEmpty(item) } })));
      const headers = ['content-type', 'application/json', ...tracing(call)];
      const answer = await this.#ask({
        method: 'POST',
        target: targetOf(`configuration/${store}/${key}`),
        headers,
        body,
        cancel: call.cancel,
      });
      if (answer.status !== 200) throw new ProaError('internal', `the app answered ${answer.status} to a configuration update of "${key}"`);
    }
  }

  giveUpQuestions(): void {
    this.#questions.cancel(new ProaError('cancelled', 'the runtime lets go of the app'));
  }

  close(): Promise<void> {
    return this.#options.closing?.() ?? Promise.resolve();
  }

  #invoke(call: Call<InvokeRequest>, { encoded }: PathIn, watcher: Measurement | undefined): Promise<InvokeResponse> {
    const { httpMethod, query, headers, body } = call.input;
    call.end.listen(this.#permits.release);
    const target = query === '' ? encoded : `${encoded}?${query}`;
    return this.#send({ method: httpMethod, target, headers, trace: valueOf(call.context, traceKey), body, cancel: call.cancel, watcher });
  }

  #send(exchange: Exchange): Promise<HttpClientResponse> {
    if (this.#through === undefined) return this.#transmit(exchange);
    const { method, target, trace, body, cancel, timeoutMs, watcher } = exchange;
    const headers = trace === undefined ? exchange.headers : joined(exchange.headers, traceHeaders(trace));
    const deadlineMs = timeoutMs === undefined ? Infinity : this.#options.ports.clock.mono() + timeoutMs;
    const answer = this.#through(createCall(pipelineOperation, { method, target, headers, body, remote: '' }, { cancel, deadlineMs }));
    if (watcher === undefined) return answer;
    return answer.then((response) => {
      watcher.answered(response);
      return response;
    });
  }

  #transmit({ method, target, headers, trace, body, cancel, timeoutMs, watcher }: Exchange): Promise<HttpClientResponse> {
    const { client, address, tls } = this.#options;
    // One shape for all: whoever reads these requests is compiled for it.
    return client.request({ address, tls, method, target, headers: this.#all.of(headers), trace, body, cancel, watcher, timeoutMs });
  }

  // A whole small answer; the place in the app is given back when it was read.
  async #ask(exchange: Exchange): Promise<Answer> {
    const { ports, answerBytesMax } = this.#options;
    const place = this.#permits.acquire(exchange.cancel);
    if (place !== undefined) await place;
    const startedMs = ports.clock.mono();
    try {
      const answer = await this.#send(exchange);
      const bytes = await collect(answer.body, answerBytesMax);
      this.#counts.of(exchange.target)?.record({
        method: exchange.method,
        status: answer.status,
        tookMs: ports.clock.mono() - startedMs,
        requestBytes: exchange.body.length,
        responseBytes: bytes.length,
      });
      return { status: answer.status, headers: answer.headers, text: Buffer.from(bytes).toString('utf8') };
    } finally {
      this.#permits.release();
    }
  }
}

type BindingDelivery = Parameters<AppChannel['binding']>[0]['input'];
type ConfigurationDelivery = Parameters<AppChannel['configuration']>[0]['input'];
type Ask = (exchange: Exchange) => Promise<Answer>;

/** One call into the app, counted at its end: the answer is handed on without another step, and by then it is known how long it was. */
class Measurement {
  readonly #call: Call<InvokeRequest>;
  readonly #counts: PathCounts;
  readonly #clock: Clock;
  readonly #startedMs: number;
  #answer: Body | undefined = undefined;

  constructor(call: Call<InvokeRequest>, counts: PathCounts, clock: Clock) {
    this.#call = call;
    this.#counts = counts;
    this.#clock = clock;
    this.#startedMs = clock.turn();
    call.end.listen(({ status }) => {
      if (status !== undefined) this.#ended(status);
    });
  }

  answered({ body }: { readonly body: Body }): void {
    this.#answer = body;
  }

  #ended(status: number): void {
    const call = this.#call;
    const tookMs = call.end.atMs(this.#clock) - this.#startedMs;
    const { httpMethod: method, body } = call.input;
    // Nobody else measures the time of incoming calls.
    if (tookMs >= slowMs) tellSlow(call, tookMs);
    const responseBytes = this.#answer === undefined ? undefined : measuredBytes(this.#answer);
    this.#counts.record({ method, status, tookMs, requestBytes: measuredBytes(body), responseBytes });
  }
}

function tellSlow(call: Call<InvokeRequest>, tookMs: number): void {
  const what = `the app took ${formatDuration(Math.round(tookMs))}`;
  noteDecision(call, { role: 'app', kind: 'slow', what, target: `inbound ${call.input.appId}` });
}

// A loop: `concat` costs several times as much for lists as short as these.
function joined(first: readonly string[], second: readonly string[]): string[] {
  const all: string[] = [];
  for (let i = 0; i < first.length; i++) all.push(first[i] as string);
  for (let i = 0; i < second.length; i++) all.push(second[i] as string);
  return all;
}

// 2xx and 405 mean that the app wants the events; 404 and everything else that it does not (Dapr reference 5.2).
async function probeBindings(ask: Ask, routes: ReadonlyMap<string, string>, timeoutMs: number): Promise<ReadonlySet<string>> {
  const wanted = new Set<string>();
  for (const [name, route] of routes) {
    try {
      const answer = await ask({
        method: 'OPTIONS',
        target: targetOf(route),
        headers: [],
        body: emptyBody,
        cancel: neverCancelled,
        timeoutMs,
      });
      if ((answer.status >= 200 && answer.status < 300) || answer.status === 405) wanted.add(name);
    } catch (thrown) {
      if (ProaError.from(thrown).code === 'unavailable') throw thrown;
    }
  }
  return wanted;
}

async function deliverBulk(ask: Ask, call: Call<AppBulkEvent>): Promise<ReadonlyMap<string, EventVerdict>> {
  const { input } = call;
  const answer = await ask({
    method: 'POST',
    target: targetOf(input.path),
    headers: ['content-type', 'application/json', ...tracing(call), ...metadataAsHeaders(input.metadata)],
    body: bytesBody(bulkEnvelope(input)),
    cancel: call.cancel,
  });
  const verdicts = bulkVerdicts(answer.status, answer.text);
  if (verdicts instanceof Map) return verdicts as ReadonlyMap<string, EventVerdict>;
  return new Map(input.entries.map((entry) => [entry.entryId, verdicts as EventVerdict]));
}

function bindingAnswer(text: string): AppBindingAnswer {
  if (text === '') return {};
  const data = Buffer.from(text, 'utf8');
  try {
    const parsed = JSON.parse(text) as { to?: unknown; concurrency?: unknown; storeName?: unknown; state?: unknown; data?: unknown };
    if (!Array.isArray(parsed.to) && !Array.isArray(parsed.state)) return { data };
    const to = Array.isArray(parsed.to) ? parsed.to.filter((name): name is string => typeof name === 'string') : [];
    const state = Array.isArray(parsed.state) ? (parsed.state as { key: string; value: unknown; etag?: string }[]) : [];
    return {
      to,
      ...(parsed.concurrency === 'parallel' || parsed.concurrency === 'sequential' ? { concurrency: parsed.concurrency } : {}),
      ...(typeof parsed.storeName === 'string' ? { storeName: parsed.storeName } : {}),
      state: state.map((item) => ({
        key: item.key,
        value: Buffer.from(JSON.stringify(item.value)),
        ...(item.etag === undefined ? {} : { etag: item.etag }),
      })),
      data: Buffer.from(JSON.stringify(parsed.data ?? null)),
    };
  } catch {
    return { data };
  }
}

/** As daprd tells it: an item that was removed has neither value nor version. */
function withoutEmpty({ value, version, metadata }: ConfigurationDelivery['items'][string]): Record<string, unknown> {
  return {
    ...(value === '' ? {} : { value }),
    ...(version === '' ? {} : { version }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}

function targetOf(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

/** Trace and baggage of what is delivered. */
function tracing(call: Call<unknown>): string[] {
  const trace = valueOf(call.context, traceKey);
  return trace.baggage === '' ? traceHeaders(trace) : [...traceHeaders(trace), 'baggage', trace.baggage];
}

// Names of metadata can be anything; only what fits a header is sent as one.
function metadataAsHeaders(metadata: Readonly<Record<string, string>>): string[] {
  return Object.entries(metadata).flatMap(([name, value]) =>
    /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value) && !reserved.has(name.toLowerCase())
      ? [name.toLowerCase(), value]
      : [],
  );
}

const reserved = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'content-type',
  'dapr-api-token',
  'traceparent',
  'tracestate',
]);
