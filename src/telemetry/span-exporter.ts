import { ownText } from '../kernel/flat-text.ts';
import type { Logger } from '../kernel/log.ts';
import type { Clock, Timer } from '../kernel/ports.ts';
import type { FinishedSpan } from './tracing.ts';

/** Where spans go. */
export interface CollectorTarget {
  /** `http://host:port/path`; for gRPC the path means nothing. */
  readonly url: string;
  /** Flat name, value pairs, names in lower case. */
  readonly headers: readonly string[];
  readonly timeoutMs: number;
}

/** Takes batches of spans to a collector. */
export interface SpanSender {
  /** For log lines. */
  readonly url: string;
  /** Fails with the reason when the collector did not take all of them. */
  send(spans: readonly FinishedSpan[]): Promise<void>;
  close(): void;
}

/** What a collector did not take, of a batch that it answered with success. */
export interface Refused {
  readonly spans: number;
  readonly why: string;
}

/** Fails when a collector refused some spans of a batch. */
export function tellRefused(refused: Refused, sent: number): void {
  if (refused.spans > 0) throw new Error(`the collector refused ${refused.spans} of ${sent} spans: ${refused.why}`);
}

export interface SpanExporterOptions {
  readonly sender: SpanSender;
  readonly clock: Clock;
  readonly log: Logger;
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
        await options.sender.send(batch);
      } catch (thrown) {
        dropped += batch.length;
        if (options.clock.mono() - warnedMs > 60_000) {
          warnedMs = options.clock.mono();
          options.log.warn('spans cannot be exported', { url: options.sender.url, error: String(thrown), dropped });
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
      queue.push(ownSpan(span));
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
      options.sender.close();
    },
  };
}

/** Its texts are pieces of heads, which would wait with it. */
function ownSpan(span: FinishedSpan): FinishedSpan {
  const { traceId, spanId, parentSpanId, name, traceState } = span;
  return {
    ...span,
    traceId: ownText(traceId),
    spanId: ownText(spanId),
    parentSpanId: ownText(parentSpanId),
    name: ownText(name),
    traceState: ownText(traceState),
    attributes: span.attributes.map(([key, value]) => [ownText(key), typeof value === 'string' ? ownText(value) : value] as const),
  };
}
