import type { Metrics } from '../contracts/metrics.ts';
import type { ActiveSpan, Tracer } from '../contracts/tracer.ts';
import { createClientMetrics, createServerMetrics, type GrpcMetrics } from '../fronts/grpc/grpc-metrics.ts';
import { callHead } from '../fronts/grpc/call-head.ts';
import { describeCall } from '../fronts/grpc/span-attributes.ts';
import { emptyContext, withValue, type Context } from '../kernel/context.ts';
import type { Clock } from '../kernel/ports.ts';
import { grpcNumber } from '../kernel/status.ts';
import { traceKey } from '../kernel/trace-context.ts';
import type { GrpcStatus } from '../wire/grpc/status.ts';
import { requestHead } from '../wire/grpc/request-head.ts';
import { MessageBytes } from '../wire/grpc/message-bytes.ts';
import type { HeaderList } from '../wire/http2/http2.ts';

type Code = GrpcStatus['code'];

export interface PassedTelemetryOptions {
  readonly clock: Pick<Clock, 'mono' | 'turn'>;
  readonly tracer: Tracer;
  readonly metrics: Metrics;
  /** One line per call, when API logging is on. */
  readonly apiLog?: ((call: { method: string; code: string; tookMs: number; userAgent: string }) => void) | undefined;
}

/** What the calling side tells of proxied gRPC calls: the span and `grpc_io_server_*` of the call, `grpc_io_client_*` of each attempt, a line. */
export interface PassedTelemetry {
  begin(headers: HeaderList, target: string): WatchedCall;
}

/** Resolves the metrics once; the calls of one app share them. */
export function createPassedTelemetry(options: PassedTelemetryOptions): PassedTelemetry {
  const { metrics } = options;
  const shared = { ...options, server: createServerMetrics(metrics), client: createClientMetrics(metrics) };
  return { begin: (headers, target) => new WatchedCall(shared, headers, target) };
}

interface Shared extends PassedTelemetryOptions {
  readonly server: GrpcMetrics;
  readonly client: GrpcMetrics;
}

const operation = { block: 'invoke', name: 'proxy', idempotent: false } as const;

/** One call while it is passed on. */
export class WatchedCall {
  /** What its target gets. A call whose trace is not recorded goes on as it came: nobody would see the span between. */
  readonly headers: HeaderList;
  /** Holds the trace of the call. */
  readonly context: Context;
  readonly #shared: Shared;
  readonly #span: ActiveSpan;
  readonly #target: string;
  readonly #startedMs: number;
  readonly #path: string;
  readonly #received = new MessageBytes();
  #ended = false;

  constructor(shared: Shared, headers: HeaderList, target: string) {
    this.#shared = shared;
    this.#target = target;
    this.#startedMs = shared.clock.turn();
    this.#path = requestHead(headers).path;
    this.#span = shared.tracer.start('server', this.#path, callHead(headers).trace);
    const { trace, sampled } = this.#span;
    this.headers = sampled ? withTrace(headers, trace.traceparent) : headers;
    this.context = trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, trace);
  }

  /** Bytes of the caller's messages so far. */
  get receivedBytes(): number {
    return this.#received.bytes;
  }

  /** A piece of what the caller sends. */
  received(chunk: Uint8Array): void {
    this.#received.add(chunk);
  }

  /** An attempt began; it is told how that ended. */
  attempt(): WatchedAttempt {
    return new WatchedAttempt(this.#shared, this.#path, this);
  }

  /** The caller has its answer; only the first end counts. */
  end(code: Code, sentBytes: number): void {
    if (this.#ended) return;
    this.#ended = true;
    const { clock, server, apiLog } = this.#shared;
    const tookMs = clock.mono() - this.#startedMs;
    server.record({ method: this.#path, code, tookMs, sentBytes, receivedBytes: this.receivedBytes });
    apiLog?.({ method: this.#path, code, tookMs, userAgent: requestHead(this.headers).userAgent });
    this.#endSpan(code);
  }

  #endSpan(code: Code): void {
    const span = this.#span;
    if (span.sampled) {
      const input = { appId: this.#target, path: this.#path.slice(1) };
      describeCall(span, { path: this.#path, metadata: this.headers }, { operation, input });
    }
    span.end(code === 'OK', grpcNumber(code));
  }
}

/** One attempt of a call. */
export class WatchedAttempt {
  readonly #shared: Shared;
  readonly #path: string;
  readonly #call: WatchedCall;
  readonly #startedMs: number;
  readonly #received = new MessageBytes();
  #ended = false;

  constructor(shared: Shared, path: string, call: WatchedCall) {
    this.#shared = shared;
    this.#path = path;
    this.#call = call;
    this.#startedMs = shared.clock.turn();
  }

  /** Bytes of the target's messages so far. */
  get receivedBytes(): number {
    return this.#received.bytes;
  }

  /** A piece of what the target answers. */
  received(chunk: Uint8Array): void {
    this.#received.add(chunk);
  }

  /** How it ended. An attempt gets all that the caller sent; one whose target was never reached (`opened` false) sent nothing. */
  end(code: Code, opened: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    const { clock, client } = this.#shared;
    const sentBytes = opened ? this.#call.receivedBytes : 0;
    client.record({ method: this.#path, code, tookMs: clock.mono() - this.#startedMs, sentBytes, receivedBytes: this.receivedBytes });
  }
}

function withTrace(headers: HeaderList, traceparent: string): HeaderList {
  const traced: string[] = [];
  for (let i = 0; i < headers.length; i += 2) if (headers[i] !== 'traceparent') traced.push(headers[i] as string, headers[i + 1] as string);
  traced.push('traceparent', traceparent);
  return traced;
}
