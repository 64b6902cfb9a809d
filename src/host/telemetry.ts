import type { HttpFrontOptions } from '../fronts/http/server.ts';
import { noStats } from '../contracts/engine.ts';
import type { Tracer } from '../contracts/tracer.ts';
import type { ProaError } from '../kernel/errors.ts';
import { metricNames } from '../kernel/names.ts';
import type { Logger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import {
  createMetricsRegistry,
  registerProcessMetrics,
  type MetricsRegistry,
  type MetricsRegistryOptions,
} from '../telemetry/metrics-registry.ts';
import type { SpanEncodingName } from '../telemetry/span-encodings.ts';
import { createSpanExporter, type CollectorTarget, type SpanExporter, type SpanSender } from '../telemetry/span-exporter.ts';
import { createTracer, type FinishedSpan } from '../telemetry/tracing.ts';
import type { RuntimeConfiguration } from './config/model.ts';
import type { AppSpec } from './host-api.ts';
import type { Machine } from './machine.ts';
import { otlpTarget, otlpTimeoutMs, pairsOf } from './otlp-target.ts';

export interface AppTelemetry {
  readonly metrics: MetricsRegistry;
  readonly tracer: Tracer;
  readonly apiLog: HttpFrontOptions['apiLog'];
  /** The same for calls over gRPC. */
  readonly grpcLog: ((call: { method: string; code: string; tookMs: number; userAgent: string }) => void) | undefined;
  /** Undefined unless `spec.metrics.recordErrorCodes` is true. */
  readonly countError: ((error: ProaError) => void) | undefined;
  close(): Promise<void>;
}

export interface AppTelemetryOptions {
  readonly ports: Ports;
  readonly log: Logger;
  readonly spec: AppSpec;
  readonly machine: Machine;
  readonly configuration: RuntimeConfiguration;
  readonly version: string;
}

/** Metrics, traces and the API log of one app, as its Configuration and the OTEL variables ask for. */
export async function createAppTelemetry(options: AppTelemetryOptions): Promise<AppTelemetry> {
  const { ports, log, spec, configuration, machine } = options;
  const metrics = createMetricsRegistry({ app_id: spec.id }, await registryOptions(configuration));
  registerProcessMetrics(metrics, ports.process, ports.clock.now());
  registerEngineMetrics(metrics, machine);
  const exporters = await createExporters(options);
  const printSpans = configuration.tracing.stdout;
  const tracer = createTracer({
    clock: ports.clock,
    random: ports.random,
    samplingRate: configuration.tracing.samplingRate,
    ...((exporters.length > 0 || printSpans) && {
      export(span: FinishedSpan) {
        for (const exporter of exporters) exporter.add(span);
        if (printSpans) log.info('span', printable(span));
      },
    }),
  });
  const { enabled, obfuscateUrls, omitHealthChecks } = configuration.apiLogging;
  const logging = spec.apiLogging ?? enabled ?? false;
  return {
    metrics,
    tracer,
    countError: configuration.metrics.recordErrorCodes ? errorCounter(metrics) : undefined,
    grpcLog: logging
      ? ({ method, code, tookMs, userAgent }) => {
          if (omitHealthChecks && method.startsWith('/grpc.health.')) return;
          log.info('gRPC API Called', { method, code, duration: Math.round(tookMs), useragent: userAgent });
        }
      : undefined,
    apiLog: logging
      ? (call) => {
          if (omitHealthChecks && call.path.includes('/healthz')) return;
          const method = obfuscateUrls ? call.name : `${call.method} ${call.path}`;
          log.info('HTTP API Called', { method, code: call.status, duration: Math.round(call.tookMs), useragent: call.userAgent });
        }
      : undefined,
    async close() {
      await Promise.all(exporters.map((exporter) => exporter.close()));
    },
  };
}

// Patterns are compiled only where there are any.
async function registryOptions({ metrics }: RuntimeConfiguration): Promise<MetricsRegistryOptions> {
  const { rules, latencyBuckets = [], workflowLatencyBuckets = [] } = metrics;
  return {
    ...(latencyBuckets.length > 0 && { latencyBounds: latencyBuckets }),
    ...(workflowLatencyBuckets.length > 0 && { workflowLatencyBounds: workflowLatencyBuckets }),
    ...(rules.length === 0 ? {} : { rewrite: (await import('../telemetry/label-rules.ts')).createLabelRules(rules) }),
  };
}

function errorCounter(metrics: MetricsRegistry): (error: ProaError) => void {
  return ({ spec }) => metrics.counter(metricNames.errorCode, { error_code: spec.errorCode, category: spec.category }).add(1);
}

/**
 * What is known of the engine. Processes that serve the same apps beside the first one leave it out where all of them share one engine: its counters would
 * be added up to a multiple of what the engine did. While there is no engine to ask, what was known last stays: a counter that falls to 0 and comes
 * back would be taken for as many commits anew.
 */
export function registerEngineMetrics(
  metrics: MetricsRegistry,
  { engine, engineCounted }: Pick<Machine, 'engine' | 'engineCounted'>,
): void {
  if (!engineCounted) return;
  const series = {
    keys: metrics.gauge(metricNames.engineKeys, {}),
    indexBytes: metrics.gauge(metricNames.engineIndexBytes, {}),
    diskBytes: metrics.gauge(metricNames.engineDiskBytes, {}),
    commits: metrics.total(metricNames.engineCommits, {}),
    syncs: metrics.total(metricNames.engineSyncs, {}),
    quarantined: metrics.gauge(metricNames.engineQuarantined, {}),
  };
  metrics.onPrint(() => {
    const stats = engine.stats();
    if (stats === noStats) return;
    for (const name of Object.keys(series) as (keyof typeof series)[]) series[name].set(stats[name]);
  });
}

// What writes spans is loaded only where they go somewhere.
async function createExporters(options: AppTelemetryOptions): Promise<SpanExporter[]> {
  const { ports, log, spec, machine, configuration, version } = options;
  const { tracing } = configuration;
  const env = (name: string): string => ports.process.env(name) ?? '';
  const resource = { 'service.name': env('OTEL_SERVICE_NAME') || spec.id, ...pairsOf(env('OTEL_RESOURCE_ATTRIBUTES')) };
  const overHttp = async (target: CollectorTarget, encoding: SpanEncodingName): Promise<SpanSender> => {
    const [{ createHttpSender }, { spanEncoding }] = await Promise.all([
      import('../telemetry/http-sender.ts'),
      import('../telemetry/span-encodings.ts'),
    ]);
    return createHttpSender(target, machine.client, spanEncoding(encoding, resource, version));
  };
  const senders: SpanSender[] = [];
  if (tracing.zipkinEndpoint !== undefined)
    senders.push(await overHttp({ url: tracing.zipkinEndpoint, headers: [], timeoutMs: otlpTimeoutMs }, 'zipkin'));
  const otlp = otlpTarget(tracing.otel, env);
  if (otlp?.protocol === 'grpc') {
    const { createGrpcSender } = await import('../telemetry/grpc-sender.ts');
    senders.push(createGrpcSender(otlp, { ports, resource, version }));
  } else if (otlp !== undefined) senders.push(await overHttp(otlp, otlp.protocol === 'http/json' ? 'otlp-json' : 'otlp-protobuf'));
  return senders.map((sender) => createSpanExporter({ sender, clock: ports.clock, log }));
}

function printable(span: FinishedSpan): Record<string, string | boolean> {
  return {
    name: span.name,
    trace_id: span.traceId,
    span_id: span.spanId,
    parent_id: span.parentSpanId,
    ok: span.ok,
    duration: `${(span.endNs - span.startNs) / 1000n}us`,
  };
}
