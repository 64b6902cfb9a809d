import type { SpanKind } from '../contracts/tracer.ts';
import type { Refused } from './span-exporter.ts';
import type { FinishedSpan } from './tracing.ts';

/** Who the spans are about: resource attributes, `service.name` among them. */
export type Resource = Readonly<Record<string, string>>;

/** OTLP's numbers of the kinds. */
export const otlpKinds: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };

/** OTLP/HTTP in its JSON encoding (opentelemetry-proto 1.x, `ExportTraceServiceRequest`): ids in hex, 64-bit numbers as strings. */
export function otlpDocument(spans: readonly FinishedSpan[], resource: Resource, version: string): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: Object.entries(resource).map(([key, value]) => otlpAttribute(key, value)) },
        scopeSpans: [{ scope: { name: 'proa', version }, spans: spans.map(otlpSpan) }],
      },
    ],
  });
}

function otlpSpan(span: FinishedSpan): Record<string, unknown> {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId === '' ? {} : { parentSpanId: span.parentSpanId }),
    ...(span.traceState === '' ? {} : { traceState: span.traceState }),
    name: span.name,
    kind: otlpKinds[span.kind],
    startTimeUnixNano: String(span.startNs),
    endTimeUnixNano: String(span.endNs),
    attributes: span.attributes.map(([key, value]) => otlpAttribute(key, value)),
    status: span.ok ? {} : { code: 2 },
  };
}

function otlpAttribute(key: string, value: string | number): Record<string, unknown> {
  if (typeof value === 'string') return { key, value: { stringValue: value } };
  return { key, value: Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value } };
}

/** Reads the answer to an `otlpDocument`: `partialSuccess` with `rejectedSpans` and `errorMessage`. Fails when a body is not JSON; none refuses nothing. */
export function refusedInDocument(body: Uint8Array): Refused {
  if (body.length === 0) return { spans: 0, why: '' };
  const { partialSuccess } = JSON.parse(Buffer.from(body).toString('utf8')) as {
    partialSuccess?: { rejectedSpans?: string | number; errorMessage?: string } | null;
  };
  return { spans: Number(partialSuccess?.rejectedSpans ?? 0), why: String(partialSuccess?.errorMessage ?? '').slice(0, 200) };
}

const zipkinKinds: Readonly<Partial<Record<SpanKind, string>>> = {
  server: 'SERVER',
  client: 'CLIENT',
  producer: 'PRODUCER',
  consumer: 'CONSUMER',
};

/** Zipkin's v2 JSON: microseconds, tags as texts. */
export function zipkinDocument(spans: readonly FinishedSpan[], resource: Resource): string {
  return JSON.stringify(
    spans.map((span) => ({
      traceId: span.traceId,
      id: span.spanId,
      ...(span.parentSpanId === '' ? {} : { parentId: span.parentSpanId }),
      ...(zipkinKinds[span.kind] === undefined ? {} : { kind: zipkinKinds[span.kind] }),
      name: span.name,
      timestamp: Number(span.startNs / 1000n),
      duration: Math.max(1, Number((span.endNs - span.startNs) / 1000n)),
      localEndpoint: { serviceName: resource['service.name'] ?? '' },
      tags: { ...Object.fromEntries(span.attributes.map(([key, value]) => [key, String(value)])), ...(span.ok ? {} : { error: 'true' }) },
    })),
  );
}
