import type { ActiveSpan, Blocks, FrontMetricsSource, Tracer } from '../../blocks/runtime/index.ts';
import type { Caller } from '../../kernel/call.ts';
import { measuredBytes, type Body } from '../../kernel/body.ts';
import type { CancelScope } from '../../kernel/cancel.ts';
import type { ProaError } from '../../kernel/errors.ts';
import { limits } from '../../kernel/limits.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Address, Connection, Ports } from '../../kernel/ports.ts';
import type { Secret } from '../../kernel/secret.ts';
import { readTraceparent, readTracestate, type TraceContext } from '../../kernel/trace-context.ts';
import type { Http1Request } from '../../wire/http1/request.ts';
import type { AnswerEnd, HttpAnswer } from '../../wire/http1/response.ts';
import { serveHttp1, type Http1Server } from '../../wire/http1/server.ts';
import { createAnswerer, type Answerer, type FrontRequest } from './answer.ts';
import { createTokenCheck } from '../../kernel/token-check.ts';
import { isBaggage } from '../../kernel/baggage.ts';
import { createCors } from './cors.ts';
import type { Dispatched, DispatchedTo } from './dispatch.ts';
import { createFrontMetrics } from './front-metrics.ts';
import type { HttpMetricsOptions } from './path-label.ts';
import type { Pipeline } from './pipeline.ts';
import type { Reply } from './reply.ts';
import type { Route } from './route.ts';
import { createKnownPaths, type KnownPath } from './known-path.ts';
import { createRouter } from './router.ts';
import { describeRequest } from './span-attributes.ts';

export interface HttpFrontOptions {
  readonly ports: Pick<Ports, 'network' | 'clock'>;
  readonly log: Logger;
  readonly metrics: FrontMetricsSource;
  readonly tracer: Tracer;
  readonly blocks: Blocks;
  /** The app to which this listener belongs. */
  readonly caller: Caller;
  readonly address: Address;
  readonly routes: readonly Route[];
  readonly invocations: boolean;
  /** Empty: no token is asked for. */
  readonly apiTokens: readonly Secret[];
  readonly allowedOrigins: string;
  readonly bodyBytesMax: number;
  readonly headerBytesMax: number;
  /** `httpPipeline`. */
  readonly pipeline?: Pipeline;
  /** How requests are counted (`spec.metrics.http`). */
  readonly httpMetrics?: HttpMetricsOptions;
  /** Told of every error that was answered, for `spec.metrics.recordErrorCodes`. */
  readonly countError?: (error: ProaError) => void;
  /** One line per call, when API logging is on. */
  readonly apiLog?: (call: { method: string; path: string; name: string; status: number; tookMs: number; userAgent: string }) => void;
  /**
   * Takes connections that begin with the HTTP/2 preface, for the handler that it gets: that of this listener and no other. Without it they are refused.
   */
  readonly http2?: (handler: HttpHandler) => (connection: Connection, firstBytes: Uint8Array) => void;
}

/** Answers a request, now or later. */
export type HttpHandler = (request: Http1Request, response: HttpAnswer) => void;

/** Serves the HTTP API of one app on one address. Fails when the address cannot be bound. */
export function serveHttpFront(options: HttpFrontOptions): Promise<Http1Server> {
  const paths = createKnownPaths(createRouter(options.routes), createFrontMetrics(options.metrics, options.httpMetrics));
  const answerer = createAnswerer({
    blocks: options.blocks,
    caller: options.caller,
    bodyBytesMax: options.bodyBytesMax,
    clock: options.ports.clock,
    invocations: options.invocations,
  });
  const answer: Answerer = options.pipeline === undefined ? answerer : options.pipeline.around(answerer, paths);
  const shared: ExchangeShared = { options, answer };
  const tokenFits = createTokenCheck(options.apiTokens);
  const guarded = options.apiTokens.length > 0;
  const cors = createCors(options.allowedOrigins);

  const handler: HttpHandler = (request, response) => {
    const origin = request.header('origin');
    const preflight = origin === undefined ? undefined : cors.preflight(request);
    if (preflight !== undefined) return response.send(204, preflight);
    const known = paths.of(request.path);
    const match = known.match(request.method);
    const health = typeof match === 'object' && match.route.group === 'healthz';
    if (guarded && !health && !tokenFits(request.header('dapr-api-token'))) {
      request.body.discard();
      return response.send(401, ['content-type', 'text/plain'], 'invalid api token');
    }
    const baggage = request.header('baggage') ?? '';
    if (baggage !== '' && !isBaggage(baggage)) {
      request.body.discard();
      return response.send(400, ['content-type', 'text/plain'], 'invalid baggage header');
    }
    const span = health ? undefined : options.tracer.start('server', request.path, incomingTrace(request, baggage));
    if (origin !== undefined) allowOrigin(response, cors.headersFor(origin));
    new Exchange(shared, { request, response, span, known }).run();
    return undefined;
  };
  return serveHttp1({
    network: options.ports.network,
    clock: options.ports.clock,
    address: options.address,
    limits: { headerBytesMax: options.headerBytesMax, requestLineBytesMax: options.headerBytesMax },
    ...(options.http2 === undefined ? {} : { onHttp2Preface: options.http2(handler) }),
    onError: (error) => options.log.error('a request handler failed', { error: String(error) }),
    handler,
  });
}

/** What all exchanges of a listener have in common. */
interface ExchangeShared {
  readonly options: HttpFrontOptions;
  readonly answer: Answerer;
}

interface ExchangeParts {
  readonly request: Http1Request;
  readonly response: HttpAnswer;
  readonly span: ActiveSpan | undefined;
  readonly known: KnownPath;
}

/**
 * One request from its head to its last byte: the only place that ends its call, its span and its measurement. It is also what the answerer reads and
 * what the response tells of its end, so that a request costs one object here.
 */
class Exchange implements FrontRequest, DispatchedTo, AnswerEnd {
  readonly #shared: ExchangeShared;
  readonly #parts: ExchangeParts;
  readonly #startedMs: number;
  #dispatched: Dispatched | undefined = undefined;

  constructor(shared: ExchangeShared, parts: ExchangeParts) {
    this.#shared = shared;
    this.#parts = parts;
    this.#startedMs = shared.options.ports.clock.turn();
  }

  get method(): string {
    return this.#parts.request.method;
  }

  get known(): KnownPath {
    return this.#parts.known;
  }

  get path(): string {
    return this.#parts.known.path;
  }

  get query(): string {
    return this.#parts.request.query ?? '';
  }

  get headers(): readonly string[] {
    return this.#parts.request.headers;
  }

  get body(): Body {
    return this.#parts.request.body;
  }

  get trace(): TraceContext {
    return this.#parts.span?.trace ?? noTrace;
  }

  get cancel(): CancelScope {
    return this.#parts.request.cancel;
  }

  header(name: string): string | undefined {
    return this.#parts.request.header(name);
  }

  run(): void {
    this.#shared.answer(this, this);
  }

  dispatched(dispatched: Dispatched): void {
    const { response } = this.#parts;
    const { reply, error } = dispatched;
    this.#dispatched = dispatched;
    if (error !== undefined) this.#shared.options.countError?.(error);
    response.onEnd(this);
    try {
      this.#traced(reply);
      if (reply.stream === undefined) response.send(reply.status, reply.headers, reply.body ?? '');
      else response.sendBody(reply.status, reply.headers, reply.stream);
    } catch (thrown) {
      reply.stream?.discard();
      this.#shared.options.log.error('an answer could not be written', { error: String(thrown) });
      response.send(
        502,
        ['content-type', 'application/json'],
        '{"errorCode":"ERR_MALFORMED_RESPONSE","message":"the answer holds headers that HTTP does not allow"}',
      );
    }
  }

  // A valid tracestate and baggage go back to whoever sent them.
  #traced({ headers }: Reply): void {
    const { trace } = this;
    if (trace.traceparent === '' || has(headers, 'traceparent')) return;
    const { response } = this.#parts;
    response.traced(trace);
    const tracestate = trace.tracestate === '' || has(headers, 'tracestate') ? '' : readTracestate(trace.tracestate);
    if (tracestate !== '') response.also('tracestate', tracestate);
    if (trace.baggage !== '') response.also('baggage', trace.baggage);
  }

  answered(broken: unknown): void {
    const { reply, call, error } = this.#dispatched as Dispatched;
    const { status } = reply;
    const ok = error === undefined && broken === undefined && status < 500;
    call?.end.fire(ok ? { ok, status } : { ok, status, error: error ?? broken });
    this.#endSpan(status);
    this.#measure(reply, call);
  }

  #endSpan(status: number): void {
    const { span, known } = this.#parts;
    if (span === undefined) return;
    if (span.sampled) describeRequest(span, this, known.match(this.method));
    span.end(status < 400, status);
  }

  #measure(reply: Reply, call: Dispatched['call']): void {
    const { options } = this.#shared;
    const { known } = this.#parts;
    const { apiLog } = options;
    const { status } = reply;
    const { clock } = options.ports;
    const tookMs = (call?.end.atMs(clock) ?? clock.mono()) - this.#startedMs;
    const { method, body } = this;
    known.counts.record({ method, status, tookMs, requestBytes: measuredBytes(body), responseBytes: bytesOf(reply) });
    if (apiLog === undefined) return;
    const match = known.match(method);
    const name = typeof match === 'object' ? match.route.name : 'InvokeService';
    apiLog({ method, path: known.path, name, status, tookMs, userAgent: this.header('user-agent') ?? '' });
  }
}

// A text's length stands for its bytes: it is ASCII but for what callers wrote into it.
function bytesOf({ body, stream }: Reply): number | undefined {
  return stream === undefined ? (body?.length ?? 0) : measuredBytes(stream);
}

function allowOrigin(response: HttpAnswer, headers: readonly string[]): void {
  for (let i = 0; i < headers.length; i += 2) response.also(headers[i] as string, headers[i + 1] as string);
}

const noTrace: TraceContext = { traceparent: '', tracestate: '', baggage: '' };

function incomingTrace(request: Http1Request, baggage: string): TraceContext {
  const traceparent = readTraceparent(request.header('traceparent') ?? '');
  if (traceparent === '') return baggage === '' ? noTrace : { traceparent: '', tracestate: '', baggage };
  const tracestate = request.header('tracestate') ?? '';
  return { traceparent, tracestate: tracestate.length > limits.tracestateBytes ? '' : tracestate, baggage };
}

function has(headers: readonly string[], name: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true;
  return false;
}
