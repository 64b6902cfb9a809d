import type { HttpClient } from '../contracts/http-client.ts';
import { bytesBody } from '../kernel/body.ts';
import { neverCancelled } from '../kernel/cancel.ts';
import { otlpDocument, zipkinDocument, type Resource } from './span-documents.ts';
import type { SpanSender } from './span-exporter.ts';
import type { FinishedSpan } from './tracing.ts';

/** Where spans go. */
export interface CollectorTarget {
  /** `http://host:port/path`; for gRPC the path means nothing. */
  readonly url: string;
  /** Flat name, value pairs, names in lower case. */
  readonly headers: readonly string[];
  readonly timeoutMs: number;
}

export interface HttpSenderOptions {
  readonly client: HttpClient;
  readonly format: 'otlp' | 'zipkin';
  readonly resource: Resource;
  readonly version: string;
}

/** Sends batches as JSON over HTTP: OTLP/HTTP or Zipkin's v2 API. */
export function createHttpSender(target: CollectorTarget, options: HttpSenderOptions): SpanSender {
  const { client, format, resource, version } = options;
  const url = new URL(target.url);
  const secure = url.protocol === 'https:';
  const write = (spans: readonly FinishedSpan[]): string =>
    format === 'otlp' ? otlpDocument(spans, resource, version) : zipkinDocument(spans, resource);
  return {
    url: target.url,
    async send(spans) {
      const answer = await client.request({
        address: { host: url.hostname, port: Number(url.port || (secure ? 443 : 80)) },
        ...(secure ? { tls: { serverName: url.hostname } } : {}),
        method: 'POST',
        target: url.pathname + url.search,
        headers: ['host', url.host, 'content-type', 'application/json', ...target.headers],
        body: bytesBody(Buffer.from(write(spans), 'utf8')),
        cancel: neverCancelled,
        timeoutMs: target.timeoutMs,
      });
      answer.body.discard();
      if (answer.status >= 300) throw new Error(`the collector answered ${answer.status}`);
    },
    close() {},
  };
}
