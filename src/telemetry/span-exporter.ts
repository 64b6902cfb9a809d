import type { HttpClient } from '../contracts/http-client.ts';
import { bytesBody } from '../kernel/body.ts';
import { neverCancelled } from '../kernel/cancel.ts';
import type { Logger } from '../kernel/log.ts';
import type { Clock, Timer } from '../kernel/ports.ts';
import { otlpDocument, zipkinDocument, type Resource } from './span-documents.ts';
import type { FinishedSpan } from './tracing.ts';

export interface SpanExporterOptions {
  readonly client: HttpClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly format: 'otlp' | 'zipkin';
  /** `http://host:port/path`. */
  readonly url: string;
  readonly headers: readonly string[];
  readonly resource: Resource;
  readonly version: string;
  readonly timeoutMs?: number;
}

export interface SpanExporter {
  add(span: FinishedSpan): void;
  /** Spans that were dropped because the collector could not keep up. */
  readonly dropped: number;
  /** Sends what is left. */
  close(): Promise<void>;
}

const queueMax = 4_096;
const batchMax = 512;
const delayMs = 1_000;

/** Sends spans in batches; a slow or missing collector costs a bounded queue and a log line a minute, never a call. */
export function createSpanExporter(options: SpanExporterOptions): SpanExporter {
  const queue: FinishedSpan[] = [];
  let dropped = 0;
  let timer: Timer | undefined;
  let warnedMs = -Infinity;
  let sending: Promise<void> | undefined;

  const flush = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue.splice(0, batchMax);
      try {
        await post(options, batch);
      } catch (thrown) {
        dropped += batch.length;
        if (options.clock.mono() - warnedMs > 60_000) {
          warnedMs = options.clock.mono();
          options.log.warn('spans cannot be exported', { url: options.url, error: String(thrown), dropped });
        }
      }
    }
  };
  const start = (): Promise<void> => {
    sending ??= flush().finally(() => {
      sending = undefined;
    });
    return sending;
  };

  return {
    get dropped() {
      return dropped;
    },
    add(span) {
      if (queue.length >= queueMax) {
        dropped++;
        return;
      }
      queue.push(span);
      timer ??= options.clock.timer(
        delayMs,
        () => {
          timer = undefined;
          void start();
        },
        true,
      );
    },
    async close() {
      timer?.cancel();
      await sending;
      await start();
    },
  };
}

async function post(options: SpanExporterOptions, spans: readonly FinishedSpan[]): Promise<void> {
  const url = new URL(options.url);
  const text = options.format === 'otlp' ? otlpDocument(spans, options.resource, options.version) : zipkinDocument(spans, options.resource);
  const secure = url.protocol === 'https:';
  const answer = await options.client.request({
    address: { host: url.hostname, port: Number(url.port || (secure ? 443 : 80)) },
    ...(secure ? { tls: { serverName: url.hostname } } : {}),
    method: 'POST',
    target: url.pathname + url.search,
    headers: ['host', url.host, 'content-type', 'application/json', ...options.headers],
    body: bytesBody(Buffer.from(text, 'utf8')),
    cancel: neverCancelled,
    timeoutMs: options.timeoutMs ?? 10_000,
  });
  answer.body.discard();
  if (answer.status >= 300) throw new Error(`the collector answered ${answer.status}`);
}
