import type { Ports } from '../kernel/ports.ts';
import { createGrpcClient, type MethodCodec } from '../wire/grpc/client.ts';
import { http2Transport } from '../wire/http2/transport.ts';
import { otlpMessage, refusedInMessage } from './otlp-message.ts';
import type { Resource } from './span-documents.ts';
import { tellRefused, type CollectorTarget, type Refused, type SpanSender } from './span-exporter.ts';
import type { FinishedSpan } from './tracing.ts';

export interface GrpcSenderOptions {
  readonly ports: Pick<Ports, 'network' | 'clock' | 'random' | 'process'>;
  readonly resource: Resource;
  readonly version: string;
}

const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

/** Sends batches over OTLP/gRPC, on one connection that is made when there is something to send. */
export function createGrpcSender(target: CollectorTarget, options: GrpcSenderOptions): SpanSender {
  const { ports, resource, version } = options;
  const url = new URL(target.url);
  const client = createGrpcClient({
    clock: ports.clock,
    random: ports.random,
    transport: http2Transport(ports),
    address: { host: url.hostname.replaceAll(/[[\]]/g, ''), port: Number(url.port || 4317) },
    ...(url.protocol === 'https:' ? { tls: { serverName: url.hostname } } : {}),
  });
  const codec: MethodCodec<readonly FinishedSpan[], Refused> = {
    path,
    encode: (spans) => otlpMessage(spans, resource, version),
    decode: refusedInMessage,
  };
  return {
    url: target.url,
    async send(spans) {
      const deadlineMs = ports.clock.mono() + target.timeoutMs;
      tellRefused(await client.unary(codec, spans, { deadlineMs, metadata: target.headers }), spans.length);
    },
    close: () => client.close(),
  };
}
