import type { AppBulkEvent, EventVerdict } from '../../blocks/pubsub/index.ts';
import { topicEvent, topicVerdict } from '../grpc/topic-event.ts';

/** A bulk delivery as `TopicEventBulkRequest`: CloudEvents split into fields, raw payloads as bytes (Dapr reference 5.5). */
export function bulkRequest(bulk: AppBulkEvent) {
  return {
    id: bulk.id,
    type: 'com.dapr.event.sent.bulk',
    topic: bulk.topic,
    pubsubName: bulk.pubsub,
    path: bulk.path,
    metadata: { ...bulk.metadata },
    entries: bulk.entries.map((entry) => ({
      entryId: entry.entryId,
      contentType: entry.contentType,
      metadata: { ...entry.metadata },
      event:
        entry.contentType === 'application/octet-stream'
          ? { case: 'bytes' as const, value: entry.event }
          : { case: 'cloudEvent' as const, value: cloudEventOf(bulk, entry.event) },
    })),
  };
}

function cloudEventOf(bulk: AppBulkEvent, event: Uint8Array) {
  const { topic: _topic, pubsubName: _pubsub, path: _path, ...fields } = topicEvent({ ...bulk, cloudEvent: event });
  return fields;
}

/** One verdict per entry; a missing one means retry. */
export function bulkAnswer(answer: {
  readonly statuses: readonly { readonly entryId: string; readonly status: number }[];
}): ReadonlyMap<string, EventVerdict> {
  return new Map(answer.statuses.map(({ entryId, status }) => [entryId, topicVerdict(status)]));
}
