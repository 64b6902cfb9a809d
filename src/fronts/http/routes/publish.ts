import type { BulkPublishEntry, FailedEntry } from '../../../blocks/pubsub/index.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { JsonFields } from '../json-fields.ts';
import { arrayElements } from '../json-members.ts';
import { noContent, type Reply } from '../reply.ts';
import { route, type Route, whenRead } from '../route.ts';
import { param } from './state.ts';

const methods = ['POST', 'PUT'] as const;
const group = 'publish';

/** Publishing over HTTP (Dapr reference 4.2). */
export const publishRoutes: readonly Route[] = [
  route({
    methods,
    path: '/v1.0/publish/{pubsub}/{topic...}',
    name: 'PublishEvent',
    group,
    operation: { block: 'pubsub', name: 'publish', idempotent: false },
    decode: (request) =>
      whenRead(request.bytes(), (data) => ({
        pubsub: param(request, 'pubsub'),
        topic: param(request, 'topic'),
        data,
        contentType: request.header('content-type') ?? '',
        metadata: request.query.metadata(),
      })),
    service: (blocks) => blocks.pubsub.publish,
    encode: () => noContent,
  }),
  ...['/v1.0', '/v1.0-alpha1'].map((version) =>
    route({
      methods,
      path: `${version}/publish/bulk/{pubsub}/{topic...}`,
      name: 'BulkPublishEvent',
      group,
      operation: { block: 'pubsub', name: 'bulk_publish', idempotent: false },
      decode: async (request) => ({
        pubsub: param(request, 'pubsub'),
        topic: param(request, 'topic'),
        entries: bulkEntries(await request.text()),
        metadata: request.query.metadata(),
      }),
      service: (blocks) => blocks.pubsub.bulkPublish,
      encode: bulkReply,
    }),
  ),
];

function bulkEntries(text: string): BulkPublishEntry[] {
  let elements: string[];
  try {
    elements = arrayElements(text);
  } catch (cause) {
    throw new ProaError('pubsub.events-unmarshal', `error when unmarshaling the request for topic: ${(cause as Error).message}`, { cause });
  }
  return elements.map((raw) => bulkEntry(new JsonFields(raw)));
}

function bulkEntry(fields: JsonFields): BulkPublishEntry {
  const contentType = fields.text('contentType') ?? '';
  const entryId = fields.text('entryId') ?? '';
  const metadata = fields.texts('metadata');
  return { entryId, contentType, event: eventBytes(fields, contentType, entryId), ...(metadata === undefined ? {} : { metadata }) };
}

// Each event must fit its content type: text types take a string, binary types base64 in a string, JSON types JSON.
function eventBytes(fields: JsonFields, contentType: string, entryId: string): Uint8Array {
  const raw = fields.raw('event') ?? 'null';
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  if (type === 'application/json' || type.endsWith('+json')) return Buffer.from(raw, 'utf8');
  const value: unknown = JSON.parse(raw);
  if (typeof value !== 'string') throw mismatch(entryId, contentType);
  if (type.startsWith('text/') || type === '') return Buffer.from(value, 'utf8');
  const bytes = Buffer.from(value, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== value.replace(/=+$/, '')) throw mismatch(entryId, contentType);
  return bytes;
}

function mismatch(entryId: string, contentType: string): ProaError {
  return new ProaError(
    'pubsub.events-envelope',
    `error when marshaling the entry "${entryId}": its event does not fit the content type "${contentType}"`,
  );
}

function bulkReply(failed: readonly FailedEntry[]): Reply {
  if (failed.length === 0) return noContent;
  const document = JSON.stringify({ failedEntries: failed, errorCode: 'ERR_PUBSUB_PUBLISH_MESSAGE' });
  const message = failed
    .map((entry) => entry.error)
    .join('; ')
    .replace(/[\r\n]+/g, ' ');
  return {
    status: 500,
    headers: ['content-type', 'application/json', 'metadata.responsedata', document, 'metadata.error', message],
    body: document,
  };
}
