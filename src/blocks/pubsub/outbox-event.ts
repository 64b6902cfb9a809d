import type { OutboxEvent } from '../../contracts/outbox.ts';
import type { TraceContext } from '../../kernel/trace-context.ts';
import { dataForm } from './content-type.ts';
import { appendData, quoted } from './envelope.ts';

export interface OutboxEventOptions {
  readonly source: string;
  readonly pubsub: string;
  readonly topic: string;
  /** RFC 3339. */
  readonly time: string;
  readonly trace: TraceContext;
}

const fixed: ReadonlySet<string> = new Set(['data', 'data_base64', 'id', 'pubsubname', 'topic']);

/** The CloudEvent of an upsert (Dapr reference 12.1): metadata of the operation become attributes; id, data, topic and pub/sub name are not theirs to set. */
export function wrapOutboxEvent(event: OutboxEvent, { source, pubsub, topic, time, trace }: OutboxEventOptions): Buffer {
  const { id, data, contentType = 'text/plain' } = event;
  const attributes = new Map([
    ['id', id],
    ['datacontenttype', contentType],
    ['specversion', '1.0'],
    ['source', source],
    ['type', 'com.dapr.event.sent'],
    ['time', time],
    ['traceid', trace.traceparent],
    ['traceparent', trace.traceparent],
    ['tracestate', trace.tracestate],
    ['pubsubname', pubsub],
    ['topic', topic],
  ]);
  for (const [name, value] of Object.entries(event.attributes)) if (!fixed.has(name)) attributes.set(name, value);
  const text = Array.from(attributes, ([name, value]) => `${quoted(name)}:${quoted(value)}`).join(',');
  return appendData(`{${text}`, data, dataForm(contentType));
}
