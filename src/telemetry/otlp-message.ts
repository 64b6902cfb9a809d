import type { SpanKind } from '../contracts/tracer.ts';
import { ProtoReader } from '../wire/grpc/proto-reader.ts';
import { ProtoWriter } from '../wire/grpc/proto-writer.ts';
import { otlpKinds, type Resource } from './span-documents.ts';
import type { Refused } from './span-exporter.ts';
import type { FinishedSpan } from './tracing.ts';

/** `ExportTraceServiceRequest` in protobuf (opentelemetry-proto 1.x, trace.proto and common.proto), for OTLP over gRPC and HTTP. */
export function otlpMessage(spans: readonly FinishedSpan[], resource: Resource, version: string): Uint8Array {
  const out = new ProtoWriter();
  const resourceSpans = out.begin(1);
  const about = out.begin(1);
  for (const pair of Object.entries(resource)) attribute(out, 1, pair);
  out.end(about);
  const scopeSpans = out.begin(2);
  const scope = out.begin(1);
  out.string(1, 'proa');
  out.string(2, version);
  out.end(scope);
  for (const span of spans) writeSpan(out, span);
  out.end(scopeSpans);
  out.end(resourceSpans);
  return out.finish();
}

function writeSpan(out: ProtoWriter, span: FinishedSpan): void {
  const begun = out.begin(2);
  out.bytes(1, Buffer.from(span.traceId, 'hex'));
  out.bytes(2, Buffer.from(span.spanId, 'hex'));
  out.string(3, span.traceState);
  out.bytes(4, Buffer.from(span.parentSpanId, 'hex'));
  out.string(5, span.name);
  out.varint(6, otlpKinds[span.kind satisfies SpanKind]);
  out.fixed64(7, span.startNs);
  out.fixed64(8, span.endNs);
  for (const pair of span.attributes) attribute(out, 9, pair);
  if (!span.ok) {
    const status = out.begin(15);
    out.varint(3, 2);
    out.end(status);
  }
  out.end(begun);
}

function attribute(out: ProtoWriter, field: number, [key, value]: readonly [string, string | number]): void {
  const begun = out.begin(field);
  out.string(1, key);
  const any = out.begin(2);
  if (typeof value === 'string') out.string(1, value);
  else if (Number.isInteger(value) && value >= 0 && value < 2 ** 31) out.presentVarint(3, value);
  else out.double(4, value);
  out.end(any);
  out.end(begun);
}

/** Reads `ExportTraceServiceResponse`: its partial_success (1) holds rejected_spans (1) and error_message (2). Fails when the bytes are no message. */
export function refusedInMessage(bytes: Uint8Array): Refused {
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
