import type { AppChannel } from '../contracts/app-channel.ts';
import type { HttpClient } from '../contracts/http-client.ts';
import type { ComponentSet } from '../contracts/component-set.ts';
import type { Metrics } from '../contracts/metrics.ts';
import { createAppPipeline } from '../fronts/app/app-pipeline.ts';
import { createPermits, type Permits } from '../fronts/app/permits.ts';
import type { GrpcAppMetrics } from '../fronts/app/grpc-channel.ts';
import { createHttpChannel, type AppMetrics } from '../fronts/app/http-channel.ts';
import { createAppCallMetrics } from '../fronts/http/front-metrics.ts';
import { labelNames, metricNames } from '../kernel/names.ts';
import { createSecret } from '../kernel/secret.ts';
import type { Address, Ports } from '../kernel/ports.ts';
import type { RuntimeConfiguration } from './config/model.ts';
import type { AppSpec } from './host-api.ts';
import { middlewareOf } from './middleware-handlers.ts';

export interface OpenChannelOptions {
  readonly ports: Ports;
  readonly spec: AppSpec;
  readonly appPort: number;
  readonly client: HttpClient;
  readonly metrics: Metrics;
  readonly configuration: RuntimeConfiguration;
  readonly middleware: ComponentSet<'middleware'>;
  /** Places in the app that other processes share; absent: `appMaxConcurrency` is this process's alone. */
  readonly permits?: Permits;
}

/** The channel that the app's protocol needs; gRPC's code is loaded only for gRPC apps. */
export async function openAppChannel(options: OpenChannelOptions): Promise<AppChannel> {
  const { ports, spec, appPort, client } = options;
  const address = { host: spec.appChannelAddress, port: appPort };
  const token = ports.process.env('APP_API_TOKEN') ?? '';
  const appToken = token === '' ? {} : { appToken: createSecret(token) };
  const permits = options.permits ?? createPermits(spec.appMaxConcurrency ?? -1);
  if (spec.appProtocol === 'grpc' || spec.appProtocol === 'grpcs') {
    const { createGrpcChannel } = await import('../fronts/app/grpc-channel.ts');
    return createGrpcChannel({
      ports,
      address,
      tls: spec.appProtocol === 'grpcs',
      ...appToken,
      permits,
      messageBytesMax: spec.bodyBytesMax,
      metrics: await grpcAppMetrics(options),
    });
  }
  const own = spec.appProtocol === 'h2c' ? await http2Client(ports, address) : undefined;
  return createHttpChannel({
    ports,
    client: own ?? client,
    ...(own === undefined ? {} : { closing: () => own.close() }),
    address,
    // Apps of this machine use certificates of their own making: who listens on loopback is known already.
    ...(spec.appProtocol === 'https' ? { tls: { serverName: spec.appChannelAddress, insecure: true } } : {}),
    ...appToken,
    permits,
    answerBytesMax: spec.bodyBytesMax,
    metrics: appMetrics(options),
    ...pipelineOf(options),
  });
}

// Calls into an app that speaks HTTP/2 with prior knowledge go over a connection of its own.
async function http2Client(ports: Ports, address: Address): Promise<HttpClient> {
  const { createHttp2Client } = await import('../wire/http2/request-client.ts');
  return createHttp2Client({ ...ports, address });
}

function appMetrics({ metrics, configuration }: OpenChannelOptions): AppMetrics {
  return {
    calls: createAppCallMetrics(metrics, configuration.metrics.http),
    probe(status, tookMs) {
      const labels = { [labelNames.status]: String(status) };
      metrics.counter(metricNames.healthProbes, labels).add(1);
      metrics.histogram(metricNames.healthProbeLatency, labels).record(tookMs);
    },
  };
}

async function grpcAppMetrics({ metrics }: OpenChannelOptions): Promise<GrpcAppMetrics> {
  const { createClientMetrics } = await import('../fronts/grpc/grpc-metrics.ts');
  return {
    calls: createClientMetrics(metrics),
    probe(code, tookMs) {
      const labels = { [labelNames.grpcClientStatus]: code };
      metrics.counter(metricNames.grpcHealthProbes, labels).add(1);
      metrics.histogram(metricNames.grpcHealthProbeLatency, labels).record(tookMs);
    },
  };
}

function pipelineOf({ configuration, middleware }: OpenChannelOptions): { pipeline?: ReturnType<typeof createAppPipeline> } {
  const handlers = middlewareOf('appHttpPipeline', configuration.appHttpPipeline, middleware);
  return handlers.length === 0 ? {} : { pipeline: createAppPipeline(handlers) };
}
