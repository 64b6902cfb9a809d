import type { HttpClient } from '../contracts/http-client.ts';
import { bytesBody, collect } from '../kernel/body.ts';
import { neverCancelled } from '../kernel/cancel.ts';
import type { SpanEncoding } from './span-encodings.ts';
import { tellRefused, type CollectorTarget, type SpanSender } from './span-exporter.ts';

const answerMaxBytes = 64 * 1024;

/** Sends batches over HTTP, in one of the encodings that collectors take. */
export function createHttpSender(target: CollectorTarget, client: HttpClient, encoding: SpanEncoding): SpanSender {
  const url = new URL(target.url);
  const secure = url.protocol === 'https:';
  return {
    url: target.url,
    async send(spans) {
      const answer = await client.request({
        address: { host: url.hostname.replaceAll(/[[\]]/g, ''), port: Number(url.port || (secure ? 443 : 80)) },
        ...(secure ? { tls: { serverName: url.hostname } } : {}),
        method: 'POST',
        target: url.pathname + url.search,
        headers: ['host', url.host, 'content-type', encoding.contentType, ...target.headers],
        body: bytesBody(encoding.encode(spans)),
        cancel: neverCancelled,
        timeoutMs: target.timeoutMs,
      });
      if (answer.status >= 300 || encoding.refused === undefined) answer.body.discard();
      if (answer.status >= 300) throw new Error(`the collector answered ${answer.status}`);
      if (encoding.refused !== undefined) tellRefused(encoding.refused(await collect(answer.body, answerMaxBytes)), spans.length);
    },
    close() {},
  };
}
