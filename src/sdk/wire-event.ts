import type { AppEvent } from '../blocks/pubsub/index.ts';
import type { TopicEventRequest } from '../gen/dapr/proto/runtime/v1/appcallback_pb.ts';

/** SUCCESS, RETRY, DROP of `TopicEventResponse`. */
export const statusNumbers = { success: 0, retry: 1, drop: 2 } as const;

type Fields = Pick<TopicEventRequest, 'id' | 'source' | 'type' | 'specVersion' | 'dataContentType' | 'data' | 'extensions'>;

/** The CloudEvent that gRPC split into fields, whole again: JSON data as a value, other texts as text, bytes as base64. */
export function cloudEventOf(
  { id, source, type, specVersion, dataContentType, data, extensions }: Fields,
  topic: string,
  pubsub: string,
): Uint8Array {
  const envelope = {
    id,
    source,
    type,
    specversion: specVersion,
    datacontenttype: dataContentType,
    topic,
    pubsubname: pubsub,
    ...extensions,
    ...dataOf(data, dataContentType),
  };
  return Buffer.from(JSON.stringify(envelope));
}

/** An event as it came over gRPC. */
export function appEvent(event: TopicEventRequest): AppEvent {
  const { path, pubsubName, topic } = event;
  return { path, pubsub: pubsubName, topic, cloudEvent: cloudEventOf(event, topic, pubsubName), metadata: {} };
}

function dataOf(data: Uint8Array, contentType: string): object {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  if (data.length === 0) return {};
  if (/[/+]json\b/i.test(contentType)) {
    try {
      return { data: JSON.parse(bytes.toString('utf8')) as unknown };
    } catch {
      return { data: bytes.toString('utf8') };
    }
  }
  return /^text\/|xml\b/i.test(contentType) ? { data: bytes.toString('utf8') } : { data_base64: bytes.toString('base64') };
}
