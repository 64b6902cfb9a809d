import type { ConfigurationItems } from '../../../blocks/configuration/index.ts';
import { JsonFields } from '../json-fields.ts';
import { malformed, parseJson } from '../json-members.ts';
import { jsonReply, noContent, type Reply } from '../reply.ts';
import { route, type Route, type RouteRequest } from '../route.ts';
import { param } from './state.ts';

/** Secrets over HTTP (Dapr reference 4.4). */
export const secretRoutes: readonly Route[] = [
  route({
    methods: ['GET'],
    path: '/v1.0/secrets/{store}/bulk',
    name: 'GetBulkSecret',
    group: 'secrets',
    operation: { block: 'secrets', name: 'bulk_get', idempotent: true },
    decode: (request) => ({ store: param(request, 'store'), metadata: request.query.metadata() }),
    service: (blocks) => blocks.secrets.bulkGet,
    encode: (secrets): Reply => jsonReply(secrets),
  }),
  route({
    methods: ['GET'],
    path: '/v1.0/secrets/{store}/{name}',
    name: 'GetSecret',
    group: 'secrets',
    operation: { block: 'secrets', name: 'get', idempotent: true },
    decode: (request) => ({ store: param(request, 'store'), name: param(request, 'name'), metadata: request.query.metadata() }),
    service: (blocks) => blocks.secrets.get,
    encode: (secret): Reply => jsonReply(secret),
  }),
];

/** Configuration over HTTP, stable and alpha. */
export const configurationRoutes: readonly Route[] = ['/v1.0', '/v1.0-alpha1'].flatMap((version) => [
  route({
    methods: ['GET'],
    path: `${version}/configuration/{store}`,
    name: 'GetConfiguration',
    group: 'configuration',
    operation: { block: 'configuration', name: 'get', idempotent: true },
    decode: configurationQuery,
    service: (blocks) => blocks.configuration.get,
    encode: (items): Reply => (Object.keys(items).length === 0 ? noContent : jsonReply(printItems(items))),
  }),
  route({
    methods: ['GET'],
    path: `${version}/configuration/{store}/subscribe`,
    name: 'SubscribeConfiguration',
    group: 'configuration',
    operation: { block: 'configuration', name: 'subscribe', idempotent: false },
    decode: configurationQuery,
    service: (blocks) => blocks.configuration.subscribe,
    encode: (id): Reply => jsonReply({ id }),
  }),
  route({
    methods: ['GET'],
    path: `${version}/configuration/{store}/{id}/unsubscribe`,
    name: 'UnsubscribeConfiguration',
    group: 'configuration',
    operation: { block: 'configuration', name: 'unsubscribe', idempotent: true },
    decode: (request) => ({ store: param(request, 'store'), id: param(request, 'id') }),
    service: (blocks) => blocks.configuration.unsubscribe,
    encode: (result): Reply => (result.ok ? jsonReply({ ok: true }) : jsonReply({ message: result.message ?? '' }, 500)),
  }),
]);

function configurationQuery(request: RouteRequest) {
  return { store: param(request, 'store'), keys: request.query.all('key'), metadata: request.query.metadata() };
}

function printItems(items: ConfigurationItems): Record<string, unknown> {
  const printed = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(items)) {
    printed[key] = {
      value: item.value,
      ...(item.version === '' ? {} : { version: item.version }),
      ...(Object.keys(item.metadata).length === 0 ? {} : { metadata: item.metadata }),
    };
  }
  return printed;
}

/** Locks over HTTP. */
export const lockRoutes: readonly Route[] = [
  route({
    methods: ['POST'],
    path: '/v1.0-alpha1/lock/{store}',
    name: 'TryLock',
    group: 'lock',
    operation: { block: 'lock', name: 'try_lock', idempotent: false },
    async decode(request) {
      const fields = new JsonFields(await request.text());
      return {
        store: param(request, 'store'),
        ...holder(fields),
        expirySeconds: wholeNumber(fields, 'expiryInSeconds', 'expiry_in_seconds'),
      };
    },
    service: (blocks) => blocks.lock.tryLock,
    encode: (result): Reply => jsonReply(result),
  }),
  route({
    methods: ['POST'],
    path: '/v1.0-alpha1/unlock/{store}',
    name: 'Unlock',
    group: 'unlock',
    operation: { block: 'lock', name: 'unlock', idempotent: false },
    decode: async (request) => ({ store: param(request, 'store'), ...holder(new JsonFields(await request.text())) }),
    service: (blocks) => blocks.lock.unlock,
    encode: (status): Reply => jsonReply({ status }),
  }),
];

// These bodies are protobuf JSON: names of either spelling, and numbers that may be written as strings.
function holder(fields: JsonFields): { resourceId: string; lockOwner: string } {
  return {
    resourceId: fields.text('resourceId') ?? fields.text('resource_id') ?? '',
    lockOwner: fields.text('lockOwner') ?? fields.text('lock_owner') ?? '',
  };
}

function wholeNumber(fields: JsonFields, camel: string, snake: string): number {
  const raw = fields.raw(camel) ?? fields.raw(snake);
  if (raw === undefined) return 0;
  const value = parseJson(raw);
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number') throw malformed(`"${camel}" must be a number`);
  return number;
}
