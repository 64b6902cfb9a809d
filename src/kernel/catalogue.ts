import { actorErrors } from './actor-errors.ts';
import { spec, type ErrorSpec } from './error-spec.ts';
import { workflowErrors } from './workflow-errors.ts';

export type { ErrorSpec, GrpcCode, RetryClass } from './error-spec.ts';

/**
 * Every error that leaves Proa. `errorCode` is what HTTP clients see, `reason` the ErrorInfo reason of newer errors, `http` and
 * `grpc` the statuses, `retry` what a caller may do. Codes and statuses: Dapr 1.18 (docs/reference/errors.md is generated from here).
 */
export const catalogue = {
  // common
  'bad-request': spec('ERR_BAD_REQUEST', 400, 'INVALID_ARGUMENT', { category: 'common', title: 'The request is not valid' }),
  'malformed-request': spec('ERR_MALFORMED_REQUEST', 400, 'INVALID_ARGUMENT', { category: 'common', title: 'The body cannot be decoded' }),
  'malformed-request-data': spec('ERR_MALFORMED_REQUEST_DATA', 500, 'INTERNAL', {
    category: 'common',
    title: 'The data cannot be encoded',
  }),
  'malformed-response': spec('ERR_MALFORMED_RESPONSE', 500, 'INTERNAL', { category: 'common', title: 'The answer cannot be encoded' }),
  'body-read': spec('ERR_BODY_READ', 400, 'INVALID_ARGUMENT', { category: 'common', title: 'The body cannot be read or is too large' }),
  unimplemented: spec('ERR_API_UNIMPLEMENTED', 501, 'UNIMPLEMENTED', { category: 'common', title: 'This API is not implemented' }),
  'app-channel-nil': spec('ERR_APP_CHANNEL_NIL', 500, 'INTERNAL', {
    category: 'common',
    title: 'No application is connected',
    hint: 'start with --app-port, or let the runtime start the application',
  }),
  internal: spec('ERR_INTERNAL', 500, 'INTERNAL', { category: 'common', title: 'Internal error' }),
  cancelled: spec('ERR_CANCELLED', 408, 'CANCELLED', { category: 'common', title: 'The caller gave up', retry: 'unknown' }),
  'deadline-exceeded': spec('ERR_DEADLINE_EXCEEDED', 504, 'DEADLINE_EXCEEDED', {
    category: 'common',
    title: 'The deadline passed',
    retry: 'unknown',
  }),
  overloaded: spec('ERR_OVERLOADED', 429, 'RESOURCE_EXHAUSTED', { category: 'common', title: 'A limit is reached', retry: 'safe' }),
  // RESOURCE_EXHAUSTED and not UNAVAILABLE: retries must not come back to a runtime that sheds load.
  shed: spec('ERR_SHED', 503, 'RESOURCE_EXHAUSTED', {
    category: 'common',
    title: 'The runtime sheds load',
    retry: 'safe',
    hint: 'more calls arrive than the app can answer in time; come again later, or raise the priority of what matters',
  }),
  unavailable: spec('ERR_UNAVAILABLE', 503, 'UNAVAILABLE', { category: 'common', title: 'The target cannot be reached', retry: 'safe' }),
  'circuit-open': spec('ERR_CIRCUIT_OPEN', 503, 'UNAVAILABLE', {
    category: 'common',
    title: 'A circuit breaker refuses calls to the target for now',
    retry: 'safe',
    hint: 'the target failed too often; the breaker lets calls through again by itself',
  }),
  'http.broken': spec('ERR_HTTP_BROKEN', 502, 'UNAVAILABLE', {
    category: 'common',
    title: 'The connection broke before the answer was complete',
    retry: 'unknown',
  }),
  'http.protocol': spec('ERR_HTTP_PROTOCOL', 502, 'INTERNAL', {
    category: 'common',
    title: 'The peer does not keep to HTTP/1.1',
    retry: 'unknown',
  }),
  unauthenticated: spec('ERR_UNAUTHENTICATED', 401, 'UNAUTHENTICATED', { category: 'common', title: 'The token is missing or wrong' }),
  // what a remote side answers without a code of this catalogue: one per gRPC status
  'not-found': spec('ERR_NOT_FOUND', 404, 'NOT_FOUND', { category: 'common', title: 'It does not exist' }),
  'already-exists': spec('ERR_ALREADY_EXISTS', 409, 'ALREADY_EXISTS', { category: 'common', title: 'It exists already' }),
  'permission-denied': spec('ERR_FORBIDDEN', 403, 'PERMISSION_DENIED', { category: 'common', title: 'The caller may not do this' }),
  'failed-precondition': spec('ERR_FAILED_PRECONDITION', 400, 'FAILED_PRECONDITION', {
    category: 'common',
    title: 'The state of the target does not allow this',
  }),
  aborted: spec('ERR_ABORTED', 409, 'ABORTED', { category: 'common', title: 'A concurrent change got in the way' }),
  'out-of-range': spec('ERR_OUT_OF_RANGE', 400, 'OUT_OF_RANGE', { category: 'common', title: 'The value is out of range' }),
  unknown: spec('ERR_UNKNOWN', 500, 'UNKNOWN', { category: 'common', title: 'The remote side failed', retry: 'unknown' }),
  'data-loss': spec('ERR_DATA_LOSS', 500, 'DATA_LOSS', { category: 'common', title: 'Stored data is damaged or lost' }),
  // configuration of the runtime itself
  'config.invalid': spec('ERR_CONFIG_INVALID', 500, 'FAILED_PRECONDITION', { category: 'common', title: 'The configuration is not valid' }),
  'config.port-taken': spec('ERR_PORT_TAKEN', 500, 'FAILED_PRECONDITION', {
    category: 'common',
    title: 'The port is in use',
    hint: 'choose another port, or stop the process that holds it',
  }),
  'component.init-failed': spec('ERR_COMPONENT_INIT', 500, 'FAILED_PRECONDITION', {
    category: 'common',
    title: 'A component cannot be started',
  }),
  'peer.broken': spec('ERR_PEER_BROKEN', 502, 'UNAVAILABLE', {
    category: 'common',
    title: 'The connection to another runtime broke before the answer was complete',
    retry: 'unknown',
  }),
  'peer.protocol': spec('ERR_PEER_PROTOCOL', 502, 'INTERNAL', {
    category: 'common',
    title: 'Another runtime broke the protocol between runtimes',
    retry: 'unknown',
  }),
  'peer.identity': spec('ERR_PEER_IDENTITY', 502, 'UNAUTHENTICATED', {
    category: 'common',
    title: 'A runtime does not accept the certificate of another one',
    hint: 'both need certificates of one authority and trust domain that are valid now; compare the clocks of the two machines',
  }),
  'identity.unavailable': spec('ERR_IDENTITY_UNAVAILABLE', 503, 'UNAVAILABLE', {
    category: 'common',
    title: 'An app has no certificate for calls between machines',
    retry: 'safe',
  }),
  'driver.missing-package': spec('ERR_DRIVER_PACKAGE', 500, 'FAILED_PRECONDITION', {
    category: 'common',
    title: 'A package that this component needs is not installed',
  }),
  // engine
  'engine.unavailable': spec('ERR_ENGINE_UNAVAILABLE', 503, 'UNAVAILABLE', {
    category: 'common',
    title: 'The embedded engine does not answer',
    retry: 'safe',
  }),
  'engine.limit': spec('ERR_ENGINE_LIMIT', 400, 'INVALID_ARGUMENT', { category: 'common', title: 'A limit of the engine is exceeded' }),
  'engine.read-only': spec('ERR_ENGINE_READ_ONLY', 503, 'UNAVAILABLE', {
    category: 'common',
    title: 'The engine accepts no writes',
    hint: 'free disk space or repair the disk',
  }),
  'engine.corrupt': spec('ERR_ENGINE_CORRUPT', 500, 'DATA_LOSS', { category: 'common', title: 'Stored data is damaged' }),
  'engine.format': spec('ERR_ENGINE_FORMAT', 500, 'FAILED_PRECONDITION', {
    category: 'common',
    title: 'The data was written by a newer version',
  }),
  'engine.outcome-unknown': spec('ERR_ENGINE_OUTCOME_UNKNOWN', 503, 'UNAVAILABLE', {
    category: 'common',
    title: 'The write may or may not have happened',
    retry: 'unknown',
  }),
  'engine.fenced': spec('ERR_ENGINE_FENCED', 409, 'ABORTED', {
    category: 'common',
    title: 'Another runtime owns what was to be written',
  }),
  'engine.denied': spec('ERR_ENGINE_DENIED', 403, 'PERMISSION_DENIED', {
    category: 'common',
    title: "The engine refuses what lies outside of the client's scope",
  }),
  // invocation
  'invoke.failed': spec('ERR_DIRECT_INVOKE', 500, 'INTERNAL', {
    category: 'service-invocation',
    title: 'The call to the app failed',
    retry: 'unknown',
  }),
  'invoke.unreachable': spec('ERR_DIRECT_INVOKE', 500, 'UNAVAILABLE', {
    category: 'service-invocation',
    title: 'The app cannot be reached',
    retry: 'safe',
  }),
  'invoke.no-app-id': spec('ERR_DIRECT_INVOKE', 404, 'NOT_FOUND', { category: 'service-invocation', title: 'The request names no app' }),
  'invoke.bad-method': spec('ERR_DIRECT_INVOKE', 500, 'INVALID_ARGUMENT', {
    category: 'service-invocation',
    title: 'The method name is not allowed',
  }),
  'invoke.denied': spec('ERR_DIRECT_INVOKE', 403, 'PERMISSION_DENIED', {
    category: 'service-invocation',
    title: 'Access control denies the call',
  }),
  'invoke.not-ready': spec('ERR_DIRECT_INVOKE', 500, 'INTERNAL', {
    category: 'service-invocation',
    title: 'The runtime is not ready for calls',
    retry: 'safe',
  }),
  // health
  'health.not-ready': spec('ERR_HEALTH_NOT_READY', 500, 'INTERNAL', {
    category: 'health',
    title: 'The runtime is not ready',
    retry: 'safe',
  }),
  'health.app-id': spec('ERR_HEALTH_APPID_NOT_MATCH', 500, 'INTERNAL', { category: 'health', title: 'Another app answers here' }),
  'health.outbound-not-ready': spec('ERR_OUTBOUND_HEALTH_NOT_READY', 500, 'INTERNAL', {
    category: 'health',
    title: 'Outgoing APIs are not ready',
    retry: 'safe',
  }),
  // state
  'state.not-configured': spec('ERR_STATE_STORE_NOT_CONFIGURED', 500, 'FAILED_PRECONDITION', {
    category: 'state',
    reason: 'DAPR_STATE_NOT_CONFIGURED',
    title: 'There is no state store',
  }),
  'state.not-found': spec('ERR_STATE_STORE_NOT_FOUND', 400, 'INVALID_ARGUMENT', {
    category: 'state',
    reason: 'DAPR_STATE_NOT_FOUND',
    title: 'There is no state store of this name',
  }),
  'state.illegal-key': spec('ERR_MALFORMED_REQUEST', 400, 'INVALID_ARGUMENT', {
    category: 'state',
    reason: 'DAPR_STATE_ILLEGAL_KEY',
    title: 'The key is not allowed',
  }),
  'state.get': spec('ERR_STATE_GET', 500, 'INTERNAL', { category: 'state', title: 'State cannot be read', retry: 'safe' }),
  'state.bulk-get': spec('ERR_STATE_BULK_GET', 500, 'INTERNAL', { category: 'state', title: 'State cannot be read', retry: 'safe' }),
  'state.save': spec('ERR_STATE_SAVE', 500, 'INTERNAL', { category: 'state', title: 'State cannot be saved', retry: 'unknown' }),
  'state.save-etag-mismatch': spec('ERR_STATE_SAVE', 409, 'ABORTED', { category: 'state', title: 'The etag does not match' }),
  'state.save-etag-invalid': spec('ERR_STATE_SAVE', 400, 'INVALID_ARGUMENT', { category: 'state', title: 'The etag is not valid' }),
  'state.delete': spec('ERR_STATE_DELETE', 500, 'INTERNAL', { category: 'state', title: 'State cannot be deleted', retry: 'unknown' }),
  'state.delete-etag-mismatch': spec('ERR_STATE_DELETE', 409, 'ABORTED', { category: 'state', title: 'The etag does not match' }),
  'state.delete-etag-invalid': spec('ERR_STATE_DELETE', 400, 'INVALID_ARGUMENT', { category: 'state', title: 'The etag is not valid' }),
  'state.bulk-delete': spec('ERR_STATE_BULK_DELETE', 500, 'INTERNAL', {
    category: 'state',
    title: 'State cannot be deleted',
    retry: 'unknown',
  }),
  'state.bulk-delete-etag-mismatch': spec('ERR_STATE_BULK_DELETE', 409, 'ABORTED', { category: 'state', title: 'The etag does not match' }),
  'state.bulk-delete-etag-invalid': spec('ERR_STATE_BULK_DELETE', 400, 'INVALID_ARGUMENT', {
    category: 'state',
    title: 'The etag is not valid',
  }),
  'state.transaction': spec('ERR_STATE_TRANSACTION', 500, 'INTERNAL', {
    category: 'state',
    title: 'The transaction failed',
    retry: 'unknown',
  }),
  'state.transaction-etag-mismatch': spec('ERR_STATE_TRANSACTION', 500, 'INTERNAL', {
    category: 'state',
    title: 'The etag does not match',
  }),
  'state.operation-not-supported': spec('ERR_NOT_SUPPORTED_STATE_OPERATION', 400, 'UNIMPLEMENTED', {
    category: 'state',
    title: 'The operation is neither upsert nor delete',
  }),
  'state.transactions-not-supported': spec('ERR_STATE_STORE_NOT_SUPPORTED', 500, 'UNIMPLEMENTED', {
    category: 'state',
    reason: 'DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED',
    title: 'The store has no transactions',
  }),
  'state.query-not-supported': spec('ERR_STATE_STORE_NOT_SUPPORTED', 500, 'INTERNAL', {
    category: 'state',
    reason: 'DAPR_STATE_QUERYING_NOT_SUPPORTED',
    title: 'The store has no queries',
  }),
  'state.too-many-operations': spec('ERR_STATE_STORE_TOO_MANY_TRANSACTIONS', 400, 'INVALID_ARGUMENT', {
    category: 'state',
    reason: 'DAPR_STATE_TOO_MANY_TRANSACTIONS',
    title: 'The transaction has too many operations',
  }),
  'state.query': spec('ERR_STATE_QUERY', 500, 'INTERNAL', {
    category: 'state',
    reason: 'DAPR_STATE_QUERY_FAILED',
    title: 'The query failed',
  }),
  // pub/sub
  'pubsub.not-configured': spec('ERR_PUBSUB_NOT_CONFIGURED', 400, 'FAILED_PRECONDITION', {
    category: 'pubsub',
    reason: 'DAPR_PUBSUB_NOT_CONFIGURED',
    title: 'There is no pub/sub component',
  }),
  'pubsub.not-found': spec('ERR_PUBSUB_NOT_FOUND', 404, 'INVALID_ARGUMENT', {
    category: 'pubsub',
    reason: 'DAPR_PUBSUB_NOT_FOUND',
    title: 'There is no pub/sub component of this name',
  }),
  'pubsub.empty': spec('ERR_PUBSUB_EMPTY', 404, 'INVALID_ARGUMENT', {
    category: 'pubsub',
    reason: 'DAPR_PUBSUB_NAME_EMPTY',
    title: 'The pub/sub name is empty',
  }),
  'pubsub.topic-empty': spec('ERR_TOPIC_NAME_EMPTY', 404, 'INVALID_ARGUMENT', {
    category: 'pubsub',
    reason: 'DAPR_PUBSUB_TOPIC_NAME_EMPTY',
    title: 'The topic is empty',
  }),
  'pubsub.forbidden': spec('ERR_PUBSUB_FORBIDDEN', 403, 'PERMISSION_DENIED', {
    category: 'pubsub',
    reason: 'DAPR_PUBSUB_FORBIDDEN',
    title: 'The app may not use this topic',
  }),
  'pubsub.publish': spec('ERR_PUBSUB_PUBLISH_MESSAGE', 500, 'INTERNAL', {
    category: 'pubsub',
    reason: 'DAPR_PUBSUB_PUBLISH_MESSAGE',
    title: 'The event cannot be published',
    retry: 'unknown',
  }),
  'pubsub.request-metadata': spec('ERR_PUBSUB_REQUEST_METADATA', 400, 'INVALID_ARGUMENT', {
    category: 'pubsub',
    reason: 'DAPR_PUBSUB_METADATA_DESERIALIZATION',
    title: 'The metadata is not valid',
  }),
  'pubsub.cloud-event': spec('ERR_PUBSUB_CLOUD_EVENTS_SER', 500, 'INVALID_ARGUMENT', {
    category: 'pubsub',
    reason: 'DAPR_PUBSUB_CLOUD_EVENT_CREATION',
    title: 'The CloudEvent cannot be made',
  }),
  'pubsub.events-envelope': spec('ERR_PUBSUB_EVENTS_SER', 400, 'INVALID_ARGUMENT', {
    category: 'pubsub',
    reason: 'DAPR_PUBSUB_MARSHAL_ENVELOPE',
    title: 'The envelope cannot be made',
  }),
  'pubsub.events-marshal': spec('ERR_PUBSUB_EVENTS_SER', 400, 'INVALID_ARGUMENT', {
    category: 'pubsub',
    reason: 'DAPR_PUBSUB_MARSHAL_EVENTS',
    title: 'The entries are not valid',
  }),
  'pubsub.events-unmarshal': spec('ERR_PUBSUB_EVENTS_SER', 400, 'INVALID_ARGUMENT', {
    category: 'pubsub',
    reason: 'DAPR_PUBSUB_UNMARSHAL_EVENTS',
    title: 'The events cannot be decoded',
  }),
  'pubsub.delivery': spec('ERR_PUBSUB_DELIVERY', 500, 'UNAVAILABLE', {
    category: 'pubsub',
    title: 'The app did not take the event',
    retry: 'safe',
  }),
  'pubsub.outbox': spec('ERR_PUBLISH_OUTBOX', 500, 'INTERNAL', {
    category: 'pubsub',
    title: 'The outbox cannot be written',
    retry: 'unknown',
  }),
  // bindings
  'binding.failed': spec('ERR_INVOKE_OUTPUT_BINDING', 500, 'INTERNAL', {
    category: 'binding',
    title: 'The output binding failed',
    retry: 'unknown',
  }),
  // secrets
  'secrets.not-configured': spec('ERR_SECRET_STORES_NOT_CONFIGURED', 500, 'FAILED_PRECONDITION', {
    category: 'secret',
    title: 'There is no secret store',
  }),
  'secrets.not-found': spec('ERR_SECRET_STORE_NOT_FOUND', 401, 'INVALID_ARGUMENT', {
    category: 'secret',
    title: 'There is no secret store of this name',
  }),
  'secrets.denied': spec('ERR_PERMISSION_DENIED', 403, 'PERMISSION_DENIED', {
    category: 'secret',
    title: 'The app may not read this secret',
  }),
  'secrets.get': spec('ERR_SECRET_GET', 500, 'INTERNAL', { category: 'secret', title: 'The secret cannot be read' }),
  // configuration stores
  'configuration.not-configured': spec('ERR_CONFIGURATION_STORE_NOT_CONFIGURED', 500, 'FAILED_PRECONDITION', {
    category: 'configuration',
    title: 'There is no configuration store',
  }),
  'configuration.not-found': spec('ERR_CONFIGURATION_STORE_NOT_FOUND', 400, 'INVALID_ARGUMENT', {
    category: 'configuration',
    title: 'There is no configuration store of this name',
  }),
  'configuration.get': spec('ERR_CONFIGURATION_GET', 500, 'INTERNAL', {
    category: 'configuration',
    title: 'The configuration cannot be read',
    retry: 'safe',
  }),
  'configuration.subscribe': spec('ERR_CONFIGURATION_SUBSCRIBE', 500, 'INTERNAL', {
    category: 'configuration',
    title: 'The subscription failed',
  }),
  'configuration.unsubscribe': spec('ERR_CONFIGURATION_UNSUBSCRIBE', 500, 'INTERNAL', {
    category: 'configuration',
    title: 'Unsubscribing failed',
  }),
  // locks
  'lock.not-configured': spec('ERR_LOCK_STORE_NOT_CONFIGURED', 500, 'FAILED_PRECONDITION', {
    category: 'lock',
    title: 'There is no lock store',
  }),
  'lock.not-found': spec('ERR_LOCK_STORE_NOT_FOUND', 400, 'INVALID_ARGUMENT', {
    category: 'lock',
    title: 'There is no lock store of this name',
  }),
  'lock.try': spec('ERR_TRY_LOCK', 500, 'INTERNAL', { category: 'lock', title: 'The lock cannot be tried', retry: 'unknown' }),
  'lock.unlock': spec('ERR_UNLOCK', 500, 'INTERNAL', { category: 'lock', title: 'The lock cannot be released', retry: 'unknown' }),
  // crypto
  'crypto.not-configured': spec('ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED', 500, 'INTERNAL', {
    category: 'crypto',
    title: 'There is no crypto provider',
  }),
  'crypto.not-found': spec('ERR_CRYPTO_PROVIDER_NOT_FOUND', 400, 'INVALID_ARGUMENT', {
    category: 'crypto',
    title: 'There is no crypto provider of this name',
  }),
  'crypto.key': spec('ERR_CRYPTO_KEY', 500, 'INTERNAL', { category: 'crypto', title: 'The key cannot be read' }),
  'crypto.failed': spec('ERR_CRYPTO', 500, 'INTERNAL', { category: 'crypto', title: 'The cryptographic operation failed' }),
  ...workflowErrors,
  ...actorErrors,
} as const satisfies Record<string, ErrorSpec>;

/** A code of the catalogue. */
export type ErrorCode = keyof typeof catalogue;
