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
        entries: bulkEntries(await request.text(), { pubsub: param(request, 'pubsub'), topic: param(request, 'topic') }),
        metadata: request.query.metadata(),
      }),
      service: (blocks) => blocks.pubsub.bulkPublish,
      encode: bulkReply,
    }),
  ),
];

/** Where the entries of a request go; its errors say so. */
interface Bulk {
  readonly pubsub: string;
  readonly topic: string;
}

/** An entry whose event is still JSON text. */
type RawEntry = Omit<BulkPublishEntry, 'event'> & { readonly raw: string };

function bulkEntries(text: string, bulk: Bulk): BulkPublishEntry[] {
  let entries: RawEntry[];
  try {
    // An element that is null is an entry that says nothing, as in Go's decoder.
    entries = arrayElements(text).map((raw) => bulkEntry(new JsonFields(raw === 'null' ? '{}' : raw)));
  } catch (cause) {
    const why = (cause as Error).message;
    throw refused('pubsub.events-unmarshal', bulk, { why, message: `error when unmarshaling the request for topic ${bulk.topic}: ${why}` });
  }
  return entries.map((entry) => {
    const { raw: _raw, ...read } = entry;
    return { ...read, event: eventBytes(entry, bulk) };
  });
}

function bulkEntry(fields: JsonFields): RawEntry {
  const contentType = fields.text('contentType') ?? '';
  const entryId = fields.text('entryId') ?? '';
  const metadata = fields.texts('metadata');
  return { entryId, contentType, raw: fields.raw('event') ?? 'null', ...(metadata === undefined ? {} : { metadata }) };
}

// Each event must fit its content type: text types take a string, binary ones base64 in a string, JSON types JSON. What other types take nobody could say.
function eventBytes({ entryId, contentType, raw }: RawEntry, bulk: Bulk): Uint8Array {
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  if (type === 'application/json' || type === 'application/cloudevents+json') return Buffer.from(raw, 'utf8');
  const value: unknown = JSON.parse(raw);
  if (typeof value === 'string') {
    if (type.startsWith('text/') || type === 'application/xml') return Buffer.from(value, 'utf8');
    const bytes = type === 'application/octet-stream' ? Buffer.from(value, 'base64') : undefined;
    if (bytes !== undefined && bytes.toString('base64') === value) return bytes;
  }
  const why = `the event of the entry "${entryId}" does not fit its content type "${contentType}"`;
  const message = `error when marshalling cloud event envelope for topic ${bulk.topic} pubsub ${bulk.pubsub}: ${why}`;
  throw refused('pubsub.events-envelope', bulk, { why, message });
}

function refused(
  code: 'pubsub.events-envelope' | 'pubsub.events-unmarshal',
  { pubsub }: Bulk,
  { why, message }: { readonly why: string; readonly message: string },
): ProaError {
  return new ProaError(code, message, {
    details: { metadata: { error: why }, resource: { type: 'pubsub', name: pubsub, description: message } },
  });
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
