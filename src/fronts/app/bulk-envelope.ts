import type { AppBulkEvent } from '../../blocks/pubsub/index.ts';

/** The JSON of a bulk delivery: CloudEvents are embedded as they are, raw payloads as base64 text (Dapr reference 5.5). */
export function bulkEnvelope(bulk: AppBulkEvent): Uint8Array {
  const parts: Uint8Array[] = [
    Buffer.from(
      `{"id":${JSON.stringify(bulk.id)},"type":"com.dapr.event.sent.bulk","topic":${JSON.stringify(bulk.topic)},"pubsubname":${JSON.stringify(bulk.pubsub)},"metadata":${JSON.stringify(bulk.metadata)},"entries":[`,
    ),
  ];
  bulk.entries.forEach((entry, i) => {
    parts.push(Buffer.from(`${i === 0 ? '' : ','}{"entryId":${JSON.stringify(entry.entryId)},"event":`));
    parts.push(
      entry.contentType === 'application/octet-stream' ? Buffer.from(`"${Buffer.from(entry.event).toString('base64')}"`) : entry.event,
    );
    parts.push(Buffer.from(`,"contentType":${JSON.stringify(entry.contentType)},"metadata":${JSON.stringify(entry.metadata)}}`));
  });
  parts.push(Buffer.from(']}'));
  return Buffer.concat(parts);
}
