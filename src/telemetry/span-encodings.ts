import { otlpMessage, refusedInMessage } from './otlp-message.ts';
import { otlpDocument, refusedInDocument, zipkinDocument, type Resource } from './span-documents.ts';
import type { Refused } from './span-exporter.ts';
import type { FinishedSpan } from './tracing.ts';

/** How a batch is written for a collector, and how its answer is read. */
export interface SpanEncoding {
  readonly contentType: string;
  encode(spans: readonly FinishedSpan[]): Uint8Array;
  /** Reads the body of a success; absent where that says nothing. Fails when the body is not what the encoding says. */
  refused?(body: Uint8Array): Refused;
}

/** The encodings over HTTP: OTLP in protobuf and in JSON (opentelemetry-proto 1.x), and Zipkin's v2 JSON. */
export type SpanEncodingName = 'otlp-protobuf' | 'otlp-json' | 'zipkin';

/** The encoding of a name, for spans of one resource. */
export function spanEncoding(name: SpanEncodingName, resource: Resource, version: string): SpanEncoding {
  if (name === 'zipkin')
    return { contentType: 'application/json', encode: (spans) => Buffer.from(zipkinDocument(spans, resource), 'utf8') };
  return name === 'otlp-json'
    ? {
        contentType: 'application/json',
        encode: (spans) => Buffer.from(otlpDocument(spans, resource, version), 'utf8'),
        refused: refusedInDocument,
      }
    : { contentType: 'application/x-protobuf', encode: (spans) => otlpMessage(spans, resource, version), refused: refusedInMessage };
}
