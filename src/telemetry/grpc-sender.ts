import type { Ports } from '../kernel/ports.ts';
import { createGrpcClient, type MethodCodec } from '../wire/grpc/client.ts';
import { ProtoReader } from '../wire/grpc/proto-reader.ts';
import { http2Transport } from '../wire/http2/transport.ts';
import { otlpMessage } from './otlp-message.ts';
import type { Resource } from './span-documents.ts';
import type { SpanSender } from './span-exporter.ts';
import type { CollectorTarget } from './span-senders.ts';
import type { FinishedSpan } from './tracing.ts';

export interface GrpcSenderOptions {
  readonly ports: Pick<Ports, 'network' | 'clock' | 'random' | 'process'>;
  readonly resource: Resource;
  readonly version: string;
}

/** What a collector did not take, of a batch that it answered with OK. */
interface Refused {
  readonly spans: number;
  readonly why: string;
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
    decode: decodeAnswer,
  };
  return {
    url: target.url,
    async send(spans) {
      const deadlineMs = ports.clock.mono() + target.timeoutMs;
      const refused = await client.unary(codec, spans, { deadlineMs, metadata: target.headers });
      if (refused.spans > 0) throw new Error(`the collector refused ${refused.spans} of ${spans.length} spans: ${refused.why}`);
    },
    close: () => client.close(),
  };
}

// ExportTraceServiceResponse: partial_success (1) holds rejected_spans (1) and error_message (2).
function decodeAnswer(bytes: Uint8Array): Refused {
  const refused = { spans: 0, why: '' };
  const reader = new ProtoReader(bytes);
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === ((1 << 3) | 2)) reader.nested(refused, readPartialSuccess);
    else reader.skip(tag);
  }
  return refused;
}

function readPartialSuccess(reader: ProtoReader, tag: number, into: { spans: number; why: string }): void {
  if (tag === 1 << 3) into.spans = reader.varint();
  else if (tag === ((2 << 3) | 2)) into.why = reader.string().slice(0, 200);
  else reader.skip(tag);
}
