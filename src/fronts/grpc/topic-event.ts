import type { JsonObject } from '@bufbuild/protobuf';
import type { AppEvent, EventVerdict } from '../../blocks/pubsub/index.ts';

const standard = new Set(['id', 'source', 'type', 'specversion', 'datacontenttype', 'data', 'data_base64']);

/** A CloudEvent as `TopicEventRequest`: fields split out, the data decoded, the rest as extensions, `topic` and `pubsubname` among them (Dapr reference 5.4). */
export function topicEvent(event: AppEvent) {
  const envelope = JSON.parse(Buffer.from(event.cloudEvent).toString('utf8')) as Record<string, unknown>;
  const extensions: JsonObject = {};
  for (const [name, value] of Object.entries(envelope)) if (!standard.has(name)) extensions[name] = value as JsonObject[string];
  return {
    id: text(envelope['id']),
    source: text(envelope['source']),
    type: text(envelope['type']),
    specVersion: text(envelope['specversion']),
    dataContentType: text(envelope['datacontenttype']),
    data: dataOf(envelope, event.cloudEvent),
    topic: event.topic,
    pubsubName: event.pubsub,
    path: event.path,
    ...(Object.keys(extensions).length === 0 ? {} : { extensions }),
  };
}

function dataOf(envelope: Record<string, unknown>, raw: Uint8Array): Uint8Array {
  const encoded = envelope['data_base64'];
  if (typeof encoded === 'string') return Buffer.from(encoded, 'base64');
  const { data } = envelope as { data?: unknown };
  if (data === undefined) return new Uint8Array(0);
  const type = text(envelope['datacontenttype']);
  // A text of a JSON type is JSON itself; of any other type it is the payload.
  if (typeof data === 'string' && !/json/i.test(type)) return Buffer.from(data, 'utf8');
  return rawData(raw) ?? Buffer.from(JSON.stringify(data), 'utf8');
}

// The bytes of `data` as the publisher wrote them, so that numbers keep their precision: envelopes made here end with it.
function rawData(raw: Uint8Array): Uint8Array | undefined {
  const envelope = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  const at = envelope.indexOf('"data":');
  if (at < 0) return undefined;
  const candidate = envelope.subarray(at + 7, envelope.length - 1);
  try {
    JSON.parse(candidate.toString('utf8'));
    return candidate;
  } catch {
    return undefined;
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
}

/** SUCCESS, RETRY, DROP of `TopicEventResponse`; other numbers mean retry. */
export function topicVerdict(status: number): EventVerdict {
  if (status === 0) return { status: 'success' };
  return status === 2 ? { status: 'drop', error: 'the app answered DROP' } : { status: 'retry', error: 'the app answered RETRY' };
}
