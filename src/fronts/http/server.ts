import type { ActiveSpan, Blocks, FrontMetricsSource, Tracer } from '../../blocks/runtime/index.ts';
import type { Caller } from '../../kernel/call.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import { limits } from '../../kernel/limits.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Address, Connection, Ports } from '../../kernel/ports.ts';
import { isTraceparent, type TraceContext } from '../../kernel/trace-context.ts';
import type { Http1Request } from '../../wire/http1/request.ts';
import type { Http1Response } from '../../wire/http1/response.ts';
import { serveHttp1, type Http1Server } from '../../wire/http1/server.ts';
import { createAnswerer, type FrontRequest } from './answer.ts';
import { createTokenCheck } from './api-token.ts';
import { isBaggage } from './baggage.ts';
import { createCors } from './cors.ts';
import type { Dispatched } from './dispatch.ts';
import { createFrontMetrics, type HttpMetrics } from './front-metrics.ts';
import type { HttpMetricsOptions } from './path-label.ts';
import type { Pipeline } from './pipeline.ts';
import type { Reply } from './reply.ts';
import type { Route } from './route.ts';
import { createRouter, type Match } from './router.ts';

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
  readonly apiTokens: readonly string[];
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
  readonly onHttp2Preface?: (connection: Connection, firstBytes: Uint8Array) => void;
}

type Answerer = (request: FrontRequest, match: Match | 'bad-escape' | undefined) => Promise<Dispatched>;

/** Serves the HTTP API of one app on one address. Fails when the address cannot be bound. */
export function serveHttpFront(options: HttpFrontOptions): Promise<Http1Server> {
  const router = createRouter(options.routes);
  const answerer = createAnswerer({
    router,
    blocks: options.blocks,
    caller: options.caller,
    bodyBytesMax: options.bodyBytesMax,
    clock: options.ports.clock,
    invocations: options.invocations,
  });
  const answer: Answerer = options.pipeline === undefined ? answerer : options.pipeline.around(answerer, router);
  const metrics = createFrontMetrics(options.metrics, options.httpMetrics);
  const tokenFits = createTokenCheck(options.apiTokens);
  const cors = createCors(options.allowedOrigins);

  return serveHttp1({
    network: options.ports.network,
    clock: options.ports.clock,
    address: options.address,
    limits: { headerBytesMax: options.headerBytesMax, requestLineBytesMax: options.headerBytesMax },
    ...(options.onHttp2Preface === undefined ? {} : { onHttp2Preface: options.onHttp2Preface }),
    onError: (error) => options.log.error('a request handler failed', { error: String(error) }),
    handler(request, response) {
      const origin = request.header('origin');
      const preflight = origin === undefined ? undefined : cors.preflight(request.method, (name) => request.header(name));
      if (preflight !== undefined) return response.send(204, preflight);
      // No row lives below this prefix, so the commonest call skips the tree.
      const match = request.path.startsWith('/v1.0/invoke/') ? undefined : router.match(request.method, request.path);
      const health = typeof match === 'object' && match.route.group === 'healthz';
      if (!health && !tokenFits(request.header('dapr-api-token'))) {
        request.body.discard();
        return response.send(401, ['content-type', 'text/plain'], 'invalid api token');
      }
      const baggage = request.header('baggage') ?? '';
      if (baggage !== '' && !isBaggage(baggage)) {
        request.body.discard();
        return response.send(400, ['content-type', 'text/plain'], 'invalid baggage header');
      }
      const span = health ? undefined : options.tracer.start('server', request.path, incomingTrace(request, baggage));
      new Exchange(options, { request, response, span, metrics, extra: origin === undefined ? [] : cors.headersFor(origin) }).run(
        answer,
        match,
      );
      return undefined;
    },
  });
}

interface ExchangeParts {
  readonly request: Http1Request;
  readonly response: Http1Response;
  readonly span: ActiveSpan | undefined;
  readonly metrics: HttpMetrics;
  readonly extra: readonly string[];
}

const noTrace: TraceContext = { traceparent: '', tracestate: '', baggage: '' };

/** One request from its head to its last byte: the only place that ends its call, its span and its measurement. */
class Exchange {
  readonly #options: HttpFrontOptions;
  readonly #parts: ExchangeParts;
  readonly #startedMs: number;

  constructor(options: HttpFrontOptions, parts: ExchangeParts) {
    this.#options = options;
    this.#parts = parts;
    this.#startedMs = options.ports.clock.mono();
  }

  run(answer: Answerer, match: Match | 'bad-escape' | undefined): void {
    const { request, span } = this.#parts;
    const cancel = new CancelScope();
    request.onAbort((reason) => cancel.cancel(reason ?? new ProaError('cancelled', 'the client went away')));
    answer(
      {
        method: request.method,
        path: request.path,
        query: request.query ?? '',
        headers: request.headers,
        header: (name) => request.header(name),
        body: request.body,
        trace: span?.trace ?? noTrace,
        cancel,
      },
      match,
    ).then(
      (dispatched) => this.#write(dispatched, match),
      (error: unknown) => {
        this.#options.log.error('a request could not be answered', { error: String(error) });
        this.#parts.response.send(500, []);
      },
    );
  }

  #write({ reply, call, error }: Dispatched, match: Match | 'bad-escape' | undefined): void {
    const { response, span, extra } = this.#parts;
    const traced = span !== undefined && span.trace.traceparent !== '' && !has(reply.headers, 'traceparent');
    const headers =
      extra.length === 0 && !traced ? reply.headers : [...reply.headers, ...extra, ...(traced ? traceHeaders(span.trace) : [])];
    if (error !== undefined) this.#options.countError?.(error);
    response.onEnd((broken) => {
      const ok = error === undefined && broken === undefined && reply.status < 500;
      call?.end.fire(ok ? { ok, status: reply.status } : { ok, status: reply.status, error: error ?? broken });
      span?.end(reply.status < 400, reply.status);
      this.#measure(reply, match);
    });
    try {
      if (reply.stream === undefined) response.send(reply.status, headers, reply.body ?? '');
      else response.sendBody(reply.status, headers, reply.stream);
    } catch (thrown) {
      reply.stream?.discard();
      this.#options.log.error('an answer could not be written', { error: String(thrown) });
      response.send(
        502,
        ['content-type', 'application/json'],
        '{"errorCode":"ERR_MALFORMED_RESPONSE","message":"the answer holds headers that HTTP does not allow"}',
      );
    }
  }

  #measure(reply: Reply, match: Match | 'bad-escape' | undefined): void {
    const { status } = reply;
    const { request, metrics } = this.#parts;
    const { ports, apiLog } = this.#options;
    const tookMs = ports.clock.mono() - this.#startedMs;
    metrics.record({
      method: request.method,
      path: request.path,
      status,
      tookMs,
      requestBytes: request.body.length,
      responseBytes: bytesOf(reply),
    });
    if (apiLog === undefined) return;
    const name = typeof match === 'object' ? match.route.name : 'InvokeService';
    apiLog({ method: request.method, path: request.path, name, status, tookMs, userAgent: request.header('user-agent') ?? '' });
  }
}

// A valid baggage goes back to whoever sent it.
function traceHeaders({ traceparent, baggage }: TraceContext): string[] {
  return baggage === '' ? ['traceparent', traceparent] : ['traceparent', traceparent, 'baggage', baggage];
}

// A text's length stands for its bytes: it is ASCII but for what callers wrote into it.
function bytesOf({ body, stream }: Reply): number | undefined {
  return stream === undefined ? (body?.length ?? 0) : stream.length;
}

function incomingTrace(request: Http1Request, baggage: string): TraceContext {
  const traceparent = request.header('traceparent');
  if (traceparent === undefined || !isTraceparent(traceparent))
    return baggage === '' ? noTrace : { traceparent: '', tracestate: '', baggage };
  const tracestate = request.header('tracestate') ?? '';
  return { traceparent, tracestate: tracestate.length > limits.tracestateBytes ? '' : tracestate, baggage };
}

function has(headers: readonly string[], name: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true;
  return false;
}
