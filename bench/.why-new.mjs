// src/kernel/cancel.ts
var CancelScope = class {
  // Most scopes guard one thing at a time: it needs no set.
  #work;
  #listeners;
  #controller;
  cancelled = false;
  reason = void 0;
  /** Cancels once; later calls change nothing. Listeners run synchronously, in the order in which they came. */
  cancel(reason) {
    if (this.cancelled) return;
    this.cancelled = true;
    this.reason = reason;
    const work = this.#work;
    const listeners = this.#listeners;
    this.#work = void 0;
    this.#listeners = void 0;
    work?.cancel(reason);
    if (listeners !== void 0) for (const listener of listeners) listener.cancel(reason);
    this.#controller?.abort(reason);
  }
  onCancel(listener) {
    if (this.cancelled) {
      listener(this.reason);
      return noop;
    }
    const work = { cancel: listener };
    this.guard(work);
    return () => this.release(work);
  }
  guard(work) {
    if (this.cancelled) work.cancel(this.reason);
    else if (this.#work === void 0 && this.#listeners === void 0) this.#work = work;
    else (this.#listeners ??= /* @__PURE__ */ new Set()).add(work);
  }
  release(work) {
    if (this.#work === work) this.#work = void 0;
    else if (this.#listeners?.delete(work) === true && this.#listeners.size === 0) this.#listeners = void 0;
  }
  signal() {
    if (this.#controller === void 0) {
      this.#controller = new AbortController();
      if (this.cancelled) this.#controller.abort(this.reason);
    }
    return this.#controller.signal;
  }
};
function noop() {}

// src/kernel/context.ts
var emptyContext = { key: void 0, value: void 0, parent: void 0 };
function contextKey(name, fallback3) {
  return { name, fallback: fallback3 };
}
function withValue(context, key, value) {
  return { key, value, parent: context };
}
function valueOf(context, key) {
  for (let node = context; node !== void 0; node = node.parent) {
    if (node.key === key) return node.value;
  }
  return key.fallback;
}

// src/kernel/call.ts
var CallEnd = class {
  #outcome;
  #first;
  #rest;
  /** The end of the call to which an attempt belongs that has an end of its own; they share a trail. */
  of;
  /** What happened on the way, when there is anything to tell (`trailOf`). */
  trail;
  /** Where the current attempt went: one field, so that a call that succeeds pays for no more. */
  place = void 0;
  /** The current attempt, once there is a trail. */
  attempt = void 0;
  constructor(of) {
    this.of = of;
    this.trail = of?.trail;
  }
  get outcome() {
    return this.#outcome;
  }
  /** Adds a listener; innermost layers are added last and run first, so that permits are returned inside out. */
  listen(listener) {
    if (this.#outcome !== void 0) listener(this.#outcome);
    else if (this.#first === void 0) this.#first = listener;
    else (this.#rest ??= []).push(listener);
  }
  /** How many listeners wait: where a later `rewind` has to stop. */
  get mark() {
    return this.#first === void 0 ? 0 : 1 + (this.#rest?.length ?? 0);
  }
  /** Ends what was added since `mark`, inside out, and not the call: one attempt is over and another follows. */
  rewind(mark, outcome) {
    const rest = this.#rest;
    if (rest !== void 0) while (rest.length > 0 && rest.length >= mark) rest.pop()?.(outcome);
    if (mark > 0) return;
    const first = this.#first;
    this.#first = void 0;
    first?.(outcome);
  }
  /** Ends the call; a second call changes nothing and returns false. */
  fire(outcome) {
    if (this.#outcome !== void 0) return false;
    this.#outcome = outcome;
    const rest = this.#rest;
    if (rest !== void 0) for (let i = rest.length - 1; i >= 0; i--) rest[i]?.(outcome);
    this.#first?.(outcome);
    this.#first = void 0;
    this.#rest = void 0;
    return true;
  }
};
var nobody = { appId: '', namespace: '' };
function createCall(operation2, input, options = {}) {
  return {
    operation: operation2,
    input,
    context: options.context ?? emptyContext,
    deadlineMs: options.deadlineMs ?? Infinity,
    priority: options.priority ?? 'default',
    caller: options.caller ?? nobody,
    cancel: options.cancel ?? new CancelScope(),
    end: new CallEnd(),
  };
}
function withInput(call, input) {
  const { operation: operation2, context, deadlineMs, priority: priority2, caller: caller2, cancel, end } = call;
  return { operation: operation2, input, context, deadlineMs, priority: priority2, caller: caller2, cancel, end };
}
function derive(call, changes) {
  return {
    operation: changes.operation ?? call.operation,
    input: 'input' in changes ? changes.input : call.input,
    context: changes.context ?? call.context,
    deadlineMs: changes.deadlineMs ?? call.deadlineMs,
    priority: changes.priority ?? call.priority,
    caller: changes.caller ?? call.caller,
    cancel: changes.cancel ?? call.cancel,
    end: changes.end ?? call.end,
  };
}

// src/kernel/catalogue.ts
function spec(errorCode, http, grpc, more) {
  return { errorCode, http, grpc, retry: 'never', ...more };
}
var catalogue = {
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
  // blocks with an issue of their own
  'actor.no-runtime': spec('ERR_ACTOR_RUNTIME_NOT_FOUND', 500, 'INTERNAL', { category: 'actor', title: 'Actors are off' }),
};

// src/kernel/errors.ts
var brand = /* @__PURE__ */ Symbol.for('proa.error');
var ProaError = class _ProaError extends Error {
  code;
  details;
  hint;
  [brand] = true;
  constructor(code, message, options = {}) {
    super(message, options.cause === void 0 ? void 0 : { cause: options.cause });
    this.name = 'ProaError';
    this.code = code;
    this.details = options.details;
    this.hint = options.hint ?? catalogue[code].hint;
  }
  get spec() {
    return catalogue[this.code];
  }
  /** The one conversion of a boundary: a ProaError stays what it is, anything else becomes `fallback` with the thing as its cause. */
  static from(thrown, fallback3 = 'internal') {
    if (isProaError(thrown)) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new _ProaError(fallback3, message, { cause: thrown });
  }
};
function isProaError(thrown) {
  return typeof thrown === 'object' && thrown !== null && thrown[brand] === true;
}

// src/kernel/timeout-header.ts
var unitMs = { H: 36e5, M: 6e4, S: 1e3, m: 1, u: 1e-3, n: 1e-6 };
function parseTimeout(text2) {
  const match2 = /^(\d{1,8})([HMSmun])$/.exec(text2);
  if (match2 === null) throw new ProaError('bad-request', `malformed grpc-timeout: ${JSON.stringify(text2.slice(0, 40))}`);
  return Number(match2[1]) * unitMs[match2[2]];
}
var digitsMax = 99999999;
function formatTimeout(timeoutMs3) {
  const us = Math.max(1, Math.ceil(timeoutMs3 * 1e3));
  if (us <= digitsMax) return `${us}u`;
  const ms = Math.ceil(timeoutMs3);
  return ms <= digitsMax ? `${ms}m` : `${Math.min(digitsMax, Math.ceil(timeoutMs3 / 1e3))}S`;
}
var timeoutHeader = 'grpc-timeout';
function deadlineOf(text2, clock) {
  return text2 === void 0 ? Infinity : clock.mono() + parseTimeout(text2);
}

// src/kernel/method-path.ts
var clean = /^[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*(\/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)*$/;
function canonicalMethod(raw) {
  const relative = raw.charCodeAt(0) === 47 ? raw.slice(1) : raw;
  if (clean.test(relative)) return { path: relative };
  let decoded;
  try {
    decoded = relative.includes('%') ? decodeURIComponent(relative) : relative;
  } catch {
    return { error: 'the method holds a bad percent escape' };
  }
  for (let i = 0; i < decoded.length; i++) {
    const c = decoded.charCodeAt(i);
    if (c === 35 || c === 63 || c < 32 || c === 127)
      return { error: 'the method holds a character that is not allowed (#, ?, NUL or a control character)' };
  }
  return { path: cleanPath(decoded) };
}
function cleanPath(path2) {
  const kept = [];
  for (const segment of path2.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') kept.pop();
    else kept.push(segment);
  }
  const cleaned = kept.join('/');
  return path2.endsWith('/') && cleaned !== '' ? `${cleaned}/` : cleaned;
}

// src/kernel/text-memo.ts
var slots = 128;
var charsMax = 256;
var TextMemo = class {
  #make;
  #texts = Array.from({ length: slots }, () => void 0);
  #values = Array.from({ length: slots }, () => void 0);
  /** `make` must answer the same for the same text. What it throws is not remembered. */
  constructor(make) {
    this.#make = make;
  }
  /** `make(text)`, or what it answered before. */
  of(text2) {
    const { length } = text2;
    if (length === 0 || length > charsMax) return this.#make(text2);
    const slot = (length * 7 + text2.charCodeAt(length - 1) * 31 + text2.charCodeAt(length >> 1)) & (slots - 1);
    if (this.#texts[slot] === text2) return this.#values[slot];
    const value = this.#make(text2);
    this.#texts[slot] = text2;
    this.#values[slot] = value;
    return value;
  }
};

// src/kernel/trace-context.ts
var noTrace = { traceparent: '', tracestate: '', baggage: '' };
var traceKey = contextKey('trace', noTrace);
function isSampled(traceparent) {
  return (traceparent.charCodeAt(54) & 1) === 1;
}
function isRecorded({ sampled, traceparent }) {
  return sampled ?? (traceparent !== '' && isSampled(traceparent));
}

// src/wire/http1/forward-headers.ts
function forwardHeaders(headers3) {
  const forwarded = [];
  let named = void 0;
  for (let i = 0; i + 1 < headers3.length; i += 2) {
    const name = headers3[i];
    if (hopByHop(name)) {
      if (name === 'connection') named = namedBy(headers3[i + 1], named);
    } else forwarded.push(name, headers3[i + 1]);
  }
  return named === void 0 ? forwarded : without(forwarded, named);
}
function hopByHop(name) {
  switch (name.length) {
    case 2:
      return name === 'te';
    case 7:
      return name === 'upgrade' || name === 'trailer';
    case 10:
      return name === 'connection' || name === 'keep-alive';
    case 14:
      return name === 'content-length';
    case 16:
      return name === 'proxy-connection';
    case 17:
      return name === 'transfer-encoding';
    case 18:
      return name === 'proxy-authenticate';
    case 19:
      return name === 'proxy-authorization';
    default:
      return false;
  }
}
function namedBy(value, before) {
  if (value === 'keep-alive' || value === 'close') return before;
  const tokens = value
    .toLowerCase()
    .split(',')
    .map((token2) => token2.trim());
  return [...(before ?? []), ...tokens];
}
function without(headers3, named) {
  const kept = [];
  for (let i = 0; i < headers3.length; i += 2) {
    if (!named.includes(headers3[i]) || headers3[i] === 'host') kept.push(headers3[i], headers3[i + 1]);
  }
  return kept;
}

// src/kernel/body.ts
var emptyBody = {
  length: 0,
  replayable: true,
  pipe(sink) {
    sink.open(endlessFlow);
    sink.end();
  },
  discard() {},
};
var endlessFlow = { credit() {}, cancel() {} };
function bytesBody(bytes) {
  if (bytes.length === 0) return emptyBody;
  return {
    length: bytes.length,
    replayable: true,
    pipe(sink) {
      let cancelled = false;
      sink.open({
        credit() {},
        cancel() {
          cancelled = true;
        },
      });
      if (cancelled) return;
      sink.chunk(bytes);
      sink.end();
    },
    discard() {},
  };
}
var BodyTooLarge = class extends Error {
  bytesMax;
  constructor(bytesMax) {
    super(`the body is larger than ${bytesMax} bytes`);
    this.bytesMax = bytesMax;
  }
};
async function collect(body, bytesMax) {
  return collectSoon(body, bytesMax);
}
function collectSoon(body, bytesMax) {
  if (body.length !== void 0 && body.length > bytesMax) {
    const error = new BodyTooLarge(bytesMax);
    body.discard(error);
    throw error;
  }
  const collector = new Collector(bytesMax);
  body.pipe(collector);
  return collector.outcome();
}
var Collector = class {
  #bytesMax;
  #parts = [];
  #size = 0;
  #flow;
  #whole;
  #error;
  #waiting;
  constructor(bytesMax) {
    this.#bytesMax = bytesMax;
  }
  outcome() {
    if (this.#error !== void 0) throw this.#error.thrown;
    if (this.#whole !== void 0) return this.#whole;
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }
  open(flow) {
    this.#flow = flow;
    flow.credit(Number.MAX_SAFE_INTEGER);
  }
  chunk(chunk) {
    if (this.#error !== void 0) return;
    this.#size += chunk.length;
    if (this.#size <= this.#bytesMax) return void this.#parts.push(Buffer.from(chunk));
    const error = new BodyTooLarge(this.#bytesMax);
    this.fail(error);
    this.#flow?.cancel(error);
  }
  end() {
    if (this.#error !== void 0) return;
    this.#whole = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts, this.#size);
    this.#waiting?.resolve(this.#whole);
  }
  fail(error) {
    this.#error = { thrown: error };
    this.#waiting?.reject(error);
  }
};

// src/fronts/http/error-reply.ts
function errorReply(error, headers3 = []) {
  const { spec: spec3 } = error;
  const details = errorDetails(error);
  const document = { errorCode: spec3.errorCode, message: error.message, ...(details.length > 0 ? { details } : {}) };
  return {
    status: spec3.http,
    headers: ['content-type', 'application/json', 'x-proa-error', error.code, ...headers3, ...retryAfter(error)],
    body: JSON.stringify(document),
  };
}
function retryAfter(error) {
  const ms = Number(error.details?.metadata?.['retryAfterMs']);
  return Number.isFinite(ms) ? ['retry-after', String(Math.max(1, Math.ceil(ms / 1e3)))] : [];
}
var typeUrl = 'type.googleapis.com/google.rpc.';
function errorDetails(error) {
  const { details, spec: spec3 } = error;
  const reason = details?.reason ?? spec3.reason;
  const printed = [];
  if (reason !== void 0) {
    printed.push({
      '@type': `${typeUrl}ErrorInfo`,
      reason,
      domain: 'dapr.io',
      ...(details?.metadata === void 0 ? {} : { metadata: details.metadata }),
    });
  }
  if (details?.resource !== void 0) {
    const { type, name, owner, description } = details.resource;
    printed.push({
      '@type': `${typeUrl}ResourceInfo`,
      resource_type: type,
      resource_name: name,
      owner: owner ?? '',
      description: description ?? error.message,
    });
  }
  if (details?.violations !== void 0) {
    printed.push({ '@type': `${typeUrl}BadRequest`, field_violations: details.violations });
  }
  return printed;
}

// src/fronts/http/query.ts
var noMetadata = Object.freeze({});
var Query = class {
  raw;
  #pairs;
  constructor(raw) {
    this.raw = raw;
  }
  /** The first value of `name`. */
  get(name) {
    if (this.raw === '') return void 0;
    return this.#all().find(([key]) => key === name)?.[1];
  }
  all(name) {
    if (this.raw === '') return [];
    return this.#all()
      .filter(([key]) => key === name)
      .map(([, value]) => value);
  }
  /** `metadata.<key>=<value>` as an object without prototype; the first value of a key wins. */
  metadata() {
    if (this.raw === '' || !this.raw.includes('metadata.')) return noMetadata;
    const metadata = /* @__PURE__ */ Object.create(null);
    for (const [key, value] of this.#all()) {
      if (!key.startsWith('metadata.')) continue;
      const name = key.slice('metadata.'.length);
      if (!(name in metadata)) metadata[name] = value;
    }
    return metadata;
  }
  #all() {
    this.#pairs ??= this.raw
      .split('&')
      .filter((part2) => part2 !== '')
      .map((part2) => {
        const equals = part2.indexOf('=');
        return equals < 0 ? [unescapeQuery(part2), ''] : [unescapeQuery(part2.slice(0, equals)), unescapeQuery(part2.slice(equals + 1))];
      });
    return this.#pairs;
  }
};
function unescapeQuery(text2) {
  if (!text2.includes('%') && !text2.includes('+')) return text2;
  const spaced = text2.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}

// src/fronts/http/route.ts
function whenRead(read, use) {
  return read instanceof Promise ? read.then(use) : use(read);
}
function route(row2) {
  return row2;
}

// src/fronts/http/dispatch.ts
function dispatch(options, request, { match: match2, to }) {
  const row2 = match2.route;
  let decoded;
  try {
    decoded = row2.decode(new RoutedRequest(request, match2, options.bodyBytesMax));
  } catch (thrown) {
    to.dispatched(failed(row2, request, thrown, void 0));
    return;
  }
  if (decoded instanceof Promise) {
    decoded.then(
      (input) => run(options, row2, request, { input, to }),
      (thrown) => to.dispatched(failed(row2, request, thrown, void 0)),
    );
  } else run(options, row2, request, { input: decoded, to });
}
function run(options, row2, request, { input, to }) {
  let deadlineMs;
  try {
    deadlineMs = deadlineOf(request.header(timeoutHeader), options.clock);
  } catch (thrown) {
    to.dispatched(failed(row2, request, thrown, void 0));
    return;
  }
  const call = createCall(row2.operation, input, {
    caller: options.caller,
    cancel: request.cancel,
    deadlineMs,
    context: request.trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, request.trace),
  });
  row2
    .service(options.blocks)(call)
    .then(
      (output) => {
        let result;
        try {
          result = { reply: row2.encode(output, input), call, error: void 0 };
        } catch (thrown) {
          result = failed(row2, request, thrown, call);
        }
        to.dispatched(result);
      },
      (thrown) => to.dispatched(failed(row2, request, thrown, call)),
    );
}
function failed(row2, request, thrown, call) {
  request.body.discard();
  const error = ProaError.from(thrown);
  return { reply: row2.failed?.(error) ?? errorReply(error), call, error };
}
var RoutedRequest = class {
  method;
  params;
  query;
  body;
  #request;
  #bodyBytesMax;
  constructor(request, match2, bodyBytesMax) {
    this.method = request.method;
    this.params = match2.params;
    this.query = new Query(request.query);
    this.body = request.body;
    this.#request = request;
    this.#bodyBytesMax = bodyBytesMax;
  }
  header(name) {
    return this.#request.header(name);
  }
  bytes() {
    if (this.body === emptyBody) return noBytes;
    try {
      const read = collectSoon(this.body, this.#bodyBytesMax);
      return read instanceof Promise ? read.catch(unreadable) : read;
    } catch (thrown) {
      return unreadable(thrown);
    }
  }
  text() {
    return whenRead(this.bytes(), utf8);
  }
};
var noBytes = new Uint8Array(0);
function utf8(bytes) {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
function unreadable(thrown) {
  const detail = thrown instanceof BodyTooLarge ? `the body is larger than ${thrown.bytesMax} bytes (--max-body-size)` : String(thrown);
  throw new ProaError('body-read', `failed to read request body: ${detail}`, { cause: thrown });
}

// src/fronts/http/invoke-target.ts
var prefix = '/v1.0/invoke/';
var separator = '/method/';
function invokeTarget(path2, request) {
  const named = request.header('dapr-app-id');
  if (named !== void 0 && named !== '') return { appId: named, rawMethod: stripInvokePrefix(path2) };
  const authorized = appIdOfAuthorization(request.header('authorization'));
  if (authorized !== void 0) return { appId: authorized, rawMethod: stripInvokePrefix(path2) };
  return targetOfPath(path2);
}
function isNamedByHeader(request) {
  return request.header('dapr-app-id') !== void 0 || request.header('authorization') !== void 0;
}
function targetOfPath(path2) {
  if (!path2.startsWith(prefix)) return void 0;
  const at = path2.indexOf(separator, prefix.length);
  if (at <= prefix.length) return void 0;
  const appId = unescapeQuery(path2.slice(prefix.length, at));
  return {
    appId: appId.startsWith('http') ? appId.replace(/^(https?):\/+/, '$1://') : appId,
    rawMethod: path2.slice(at + separator.length),
  };
}
function stripInvokePrefix(path2) {
  const target2 = targetOfPath(path2);
  return target2 === void 0 ? path2.slice(1) : target2.rawMethod;
}
function appIdOfAuthorization(value) {
  if (value === void 0 || !/^basic /i.test(value)) return void 0;
  const decoded = Buffer.from(value.slice(6), 'base64').toString('utf8');
  const [user, appId] = decoded.split(':', 2);
  return user === 'dapr-app-id' && appId !== void 0 && appId !== '' ? appId : void 0;
}

// src/fronts/http/answer.ts
var invokeOperation = { block: 'invoke', name: 'call', idempotent: false };
var badEscape = {
  reply: { status: 400, headers: ['content-type', 'text/plain'], body: 'invalid URL escape' },
  call: void 0,
  error: void 0,
};
function createAnswerer(options) {
  const ofPath = new TextMemo((path2) => destinationOf(foldSlashes(path2), noHeaders));
  return (request, match2, to) => {
    if (match2 === 'bad-escape') {
      request.body.discard();
      return to.dispatched(badEscape);
    }
    if (match2 !== void 0) return dispatch(options, request, { match: match2, to });
    if (!options.invocations) return to.dispatched(refused(request, noAppId()));
    const destination = isNamedByHeader(request) ? destinationOf(foldSlashes(request.path), request) : ofPath.of(request.path);
    if ('appId' in destination) return invoke(options, request, { destination, to });
    return to.dispatched(refused(request, destination.refusal()));
  };
}
var noHeaders = { header: () => void 0 };
function destinationOf(path2, request) {
  const target2 = invokeTarget(path2, request);
  if (target2 === void 0) return { refusal: noAppId };
  const { appId, rawMethod } = target2;
  const method = canonicalMethod(rawMethod);
  if ('path' in method) return { appId, path: method.path };
  return { refusal: () => new ProaError('invoke.bad-method', `failed to invoke, id: ${appId}, err: ${method.error}`) };
}
function noAppId() {
  return new ProaError('invoke.no-app-id', 'failed getting app id either from the URL path or the header dapr-app-id');
}
function invoke(options, request, { destination, to }) {
  const { appId, path: path2 } = destination;
  let deadlineMs;
  try {
    deadlineMs = deadlineOf(request.header(timeoutHeader), options.clock);
  } catch (thrown) {
    to.dispatched(refused(request, ProaError.from(thrown)));
    return;
  }
  const input = {
    appId,
    namespace: options.caller.namespace,
    httpMethod: request.method,
    path: path2,
    query: request.query,
    headers: forwardHeaders(request.headers),
    body: request.body,
    replayable: request.body.length !== void 0,
  };
  const call = createCall(invokeOperation, input, {
    caller: options.caller,
    cancel: request.cancel,
    deadlineMs,
    context: request.trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, request.trace),
  });
  options.blocks.invoke.call(call).then(
    (answer2) =>
      to.dispatched({
        reply: { status: answer2.status, headers: forwardHeaders(answer2.headers), stream: answer2.body },
        call,
        error: void 0,
      }),
    (thrown) => {
      const error = ProaError.from(thrown, 'invoke.failed');
      to.dispatched({ reply: errorReply(error), call, error });
    },
  );
}
function refused(request, error) {
  request.body.discard();
  return { reply: errorReply(error), call: void 0, error };
}
function foldSlashes(path2) {
  return path2.includes('//') && !path2.includes('://') ? path2.replace(/\/{2,}/g, '/') : path2;
}

// src/fronts/http/router.ts
function createRouter(routes) {
  const root = { fixed: /* @__PURE__ */ new Map() };
  for (const route2 of routes) add(root, route2);
  const search = (method, path2) => {
    const folded = path2.includes('//') ? path2.replace(/\/{2,}/g, '/') : path2;
    const end = folded.length > 1 && folded.charCodeAt(folded.length - 1) === slash ? folded.length - 1 : folded.length;
    return find(root, { path: folded, end, method, values: [] }, 1);
  };
  const recent = new TextMemo(() => ({ method: '', found: void 0 }));
  return {
    match(method, path2) {
      const last = recent.of(path2);
      if (last.method !== method) {
        last.method = method;
        last.found = search(method, path2);
      }
      return last.found;
    },
  };
}
var slash = 47;
function add(root, route2) {
  let node = root;
  const names4 = [];
  for (const segment of route2.path.split('/').slice(1)) {
    const parameter = /^\{(\w+)(\.\.\.)?\}$/.exec(segment);
    if (parameter === null) {
      const next = node.fixed.get(segment) ?? { fixed: /* @__PURE__ */ new Map() };
      node.fixed.set(segment, next);
      node = next;
      continue;
    }
    names4.push(parameter[1]);
    if (parameter[2] !== void 0) {
      node.rest ??= /* @__PURE__ */ new Map();
      for (const method of route2.methods) node.rest.set(method, { route: route2, names: names4 });
      return;
    }
    node.parameter ??= { fixed: /* @__PURE__ */ new Map() };
    node = node.parameter;
  }
  node.leaves ??= /* @__PURE__ */ new Map();
  for (const method of route2.methods) node.leaves.set(method, { route: route2, names: names4 });
}
function find(node, search, at) {
  const { path: path2, end, method, values } = search;
  if (at > end) {
    const leaf = node.leaves?.get(method);
    return leaf === void 0 ? void 0 : bind(leaf, values);
  }
  const next = path2.indexOf('/', at);
  const stop = next < 0 || next > end ? end : next;
  const segment = path2.slice(at, stop);
  const fixed = node.fixed.get(segment);
  if (fixed !== void 0) {
    const found = find(fixed, search, stop + 1);
    if (found !== void 0) return found;
  }
  if (node.parameter !== void 0 && segment !== '') {
    values.push(segment);
    const found = find(node.parameter, search, stop + 1);
    if (found !== void 0) return found;
    values.pop();
  }
  const rest = node.rest?.get(method);
  if (rest === void 0) return void 0;
  values.push(path2.slice(at, end));
  return bind(rest, values);
}
function bind(leaf, values) {
  const params = {};
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value.includes('%') && /%(?![0-9A-Fa-f]{2})/.test(value)) return 'bad-escape';
    params[leaf.names[i]] = unescapeQuery(value);
  }
  return { route: leaf.route, params };
}

// src/kernel/names.ts
var metricNames = {
  componentLoaded: 'dapr_runtime_component_loaded',
  componentInit: 'dapr_runtime_component_init_total',
  componentInitFail: 'dapr_runtime_component_init_fail_total',
  aclAppAllowed: 'dapr_runtime_acl_app_policy_action_allowed_total',
  aclAppBlocked: 'dapr_runtime_acl_app_policy_action_blocked_total',
  aclGlobalAllowed: 'dapr_runtime_acl_global_policy_action_allowed_total',
  aclGlobalBlocked: 'dapr_runtime_acl_global_policy_action_blocked_total',
  invocationRequestSent: 'dapr_runtime_service_invocation_req_sent_total',
  invocationRequestReceived: 'dapr_runtime_service_invocation_req_recv_total',
  invocationResponseSent: 'dapr_runtime_service_invocation_res_sent_total',
  invocationResponseReceived: 'dapr_runtime_service_invocation_res_recv_total',
  invocationLatency: 'dapr_runtime_service_invocation_res_recv_latency_ms',
  pubsubIngress: 'dapr_component_pubsub_ingress_count',
  pubsubIngressLatency: 'dapr_component_pubsub_ingress_latencies',
  pubsubIngressBulk: 'dapr_component_pubsub_ingress_bulk_count',
  pubsubIngressBulkEvents: 'dapr_component_pubsub_ingress_bulk_event_count',
  pubsubIngressBulkLatency: 'dapr_component_pubsub_ingress_bulk_latencies',
  pubsubEgress: 'dapr_component_pubsub_egress_count',
  pubsubEgressLatency: 'dapr_component_pubsub_egress_latencies',
  pubsubEgressBulk: 'dapr_component_pubsub_egress_bulk_count',
  pubsubEgressBulkLatency: 'dapr_component_pubsub_egress_bulk_latencies',
  inputBinding: 'dapr_component_input_binding_count',
  inputBindingLatency: 'dapr_component_input_binding_latencies',
  outputBinding: 'dapr_component_output_binding_count',
  outputBindingLatency: 'dapr_component_output_binding_latencies',
  state: 'dapr_component_state_count',
  stateLatency: 'dapr_component_state_latencies',
  configuration: 'dapr_component_configuration_count',
  configurationLatency: 'dapr_component_configuration_latencies',
  secret: 'dapr_component_secret_count',
  secretLatency: 'dapr_component_secret_latencies',
  crypto: 'dapr_component_crypto_count',
  cryptoLatency: 'dapr_component_crypto_latencies',
  lock: 'dapr_component_lock_count',
  lockLatency: 'dapr_component_lock_latencies',
  errorCode: 'dapr_error_code_total',
  resiliencyLoaded: 'dapr_resiliency_loaded',
  resiliencyActivations: 'dapr_resiliency_activations_total',
  resiliencyBreakerState: 'dapr_resiliency_cb_state',
  httpServerRequests: 'dapr_http_server_request_count',
  httpServerResponses: 'dapr_http_server_response_count',
  httpServerLatency: 'dapr_http_server_latency',
  httpServerRequestBytes: 'dapr_http_server_request_bytes',
  httpServerResponseBytes: 'dapr_http_server_response_bytes',
  httpClientCompleted: 'dapr_http_client_completed_count',
  httpClientLatency: 'dapr_http_client_roundtrip_latency',
  httpClientSentBytes: 'dapr_http_client_sent_bytes',
  httpClientReceivedBytes: 'dapr_http_client_received_bytes',
  healthProbes: 'dapr_http_healthprobes_completed_count',
  healthProbeLatency: 'dapr_http_healthprobes_roundtrip_latency',
  grpcServerCompleted: 'dapr_grpc_io_server_completed_rpcs',
  grpcServerLatency: 'dapr_grpc_io_server_server_latency',
  grpcClientCompleted: 'dapr_grpc_io_client_completed_rpcs',
  grpcClientLatency: 'dapr_grpc_io_client_roundtrip_latency',
  engineKeys: 'proa_engine_keys',
  engineIndexBytes: 'proa_engine_index_bytes',
  engineDiskBytes: 'proa_engine_disk_bytes',
  engineCommits: 'proa_engine_commits_total',
  engineSyncs: 'proa_engine_syncs_total',
  engineQuarantined: 'proa_engine_quarantined_records',
  discoveryEndpoints: 'proa_discovery_endpoints',
  discoveryStaleSince: 'proa_discovery_stale_since_seconds',
  residentMemory: 'process_resident_memory_bytes',
  cpuSeconds: 'process_cpu_seconds_total',
  startTime: 'process_start_time_seconds',
};
var labelNames = {
  appId: 'app_id',
  component: 'component',
  namespace: 'namespace',
  operation: 'operation',
  success: 'success',
  topic: 'topic',
  status: 'status',
  processStatus: 'process_status',
  method: 'method',
  path: 'path',
  srcAppId: 'src_app_id',
  dstAppId: 'dst_app_id',
  type: 'type',
  reason: 'reason',
  name: 'name',
  policy: 'policy',
  flowDirection: 'flow_direction',
  target: 'target',
};

// src/kernel/limits.ts
var limits = {
  /** `--max-body-size`, Dapr's default. */
  bodyBytes: 4 * 1024 * 1024,
  /** `--read-buffer-size`, Dapr's default. */
  headerBytes: 4 * 1024,
  headers: 100,
  /** Nesting of JSON that the runtime has to look into; deeper documents are refused before they are parsed. */
  jsonDepth: 256,
  appIdChars: 253,
  keyBytes: 1024,
  topicChars: 512,
  metadataEntries: 256,
  /** Bodies up to this size can be sent again (retry, mirror). */
  replayBytes: 64 * 1024,
  tracestateBytes: 512,
};

// src/blocks/bindings/output.ts
function failureMetadata(error) {
  const cause = error instanceof Error ? error.cause : void 0;
  if (!(cause instanceof Error) || !('metadata' in cause)) return void 0;
  return cause.metadata;
}

// src/kernel/json-depth.ts
function jsonWithinDepth(text2, depthMax2) {
  let depth = 0;
  for (let at = 0; at < text2.length; at++) {
    const code = text2.charCodeAt(at);
    if (code === 34) at = endOfText(text2, at);
    else if (code === 91 || code === 123) {
      if (++depth > depthMax2) return false;
    } else if (code === 93 || code === 125) depth--;
  }
  return true;
}
function endOfText(text2, from) {
  for (let at = from + 1; at < text2.length; at++) {
    const code = text2.charCodeAt(at);
    if (code === 92) at++;
    else if (code === 34) return at;
  }
  return text2.length;
}

// src/fronts/http/json-members.ts
function parseJson(text2) {
  if (!jsonWithinDepth(text2, limits.jsonDepth)) throw malformed(`JSON is nested deeper than ${limits.jsonDepth} levels`);
  try {
    return JSON.parse(text2);
  } catch (cause) {
    throw malformed(cause.message, cause);
  }
}
function objectMembers(text2) {
  const members = /* @__PURE__ */ new Map();
  walk(text2, '{', (name, raw) => members.set(name, raw));
  return members;
}
function arrayElements(text2) {
  const elements = [];
  walk(text2, '[', (_name, raw) => elements.push(raw));
  return elements;
}
function malformed(detail, cause) {
  return new ProaError('malformed-request', `failed deserializing HTTP body: ${detail}`, { cause });
}
function walk(text2, open2, member) {
  parseJson(text2);
  let at = skipSpace(text2, 0);
  if (text2[at] !== open2) throw malformed(open2 === '[' ? 'expected an array' : 'expected an object');
  const close2 = open2 === '[' ? ']' : '}';
  at = skipSpace(text2, at + 1);
  while (text2[at] !== close2) {
    let name = '';
    if (open2 === '{') {
      const end2 = endOfText(text2, at);
      name = JSON.parse(text2.slice(at, end2 + 1));
      at = skipSpace(text2, skipSpace(text2, end2 + 1) + 1);
    }
    const end = endOfValue(text2, at);
    member(name, text2.slice(at, end));
    at = skipSpace(text2, end);
    if (text2[at] === ',') at = skipSpace(text2, at + 1);
  }
}
function endOfValue(text2, from) {
  let depth = 0;
  let i = from;
  for (; i < text2.length; i++) {
    const c = text2.charCodeAt(i);
    if (c === 34) i = endOfText(text2, i);
    else if (c === 91 || c === 123) depth++;
    else if (c === 93 || c === 125) {
      if (depth === 0) break;
      depth--;
    } else if (c === 44 && depth === 0) break;
  }
  let end = i;
  while (end > from && isSpace(text2.charCodeAt(end - 1))) end--;
  return end;
}
function skipSpace(text2, from) {
  let at = from;
  while (isSpace(text2.charCodeAt(at))) at++;
  return at;
}
function isSpace(c) {
  return c === 32 || c === 10 || c === 13 || c === 9;
}

// src/fronts/http/json-fields.ts
var JsonFields = class _JsonFields {
  #members;
  constructor(text2) {
    this.#members = objectMembers(text2);
  }
  /** The member's raw JSON text. The exact name wins; else case does not matter, as in Go's decoder, on which SDKs rely (`entryID`). */
  raw(name) {
    const raw = this.#members.get(name) ?? this.#anyCase(name);
    return raw === 'null' ? void 0 : raw;
  }
  text(name) {
    return this.#typed(name, 'string');
  }
  number(name) {
    return this.#typed(name, 'number');
  }
  flag(name) {
    return this.#typed(name, 'boolean');
  }
  /** An object of texts. */
  texts(name) {
    const raw = this.raw(name);
    if (raw === void 0) return void 0;
    const texts3 = /* @__PURE__ */ Object.create(null);
    for (const [key, value] of objectMembers(raw)) {
      const parsed = parseJson(value);
      if (typeof parsed !== 'string') throw malformed(`"${name}.${key}" must be a string`);
      texts3[key] = parsed;
    }
    return texts3;
  }
  object(name) {
    const raw = this.raw(name);
    return raw === void 0 ? void 0 : new _JsonFields(raw);
  }
  #anyCase(name) {
    const wanted = name.toLowerCase();
    for (const [key, raw] of this.#members) if (key.length === name.length && key.toLowerCase() === wanted) return raw;
    return void 0;
  }
  #typed(name, type) {
    const raw = this.raw(name);
    if (raw === void 0) return void 0;
    const value = parseJson(raw);
    if (typeof value !== type) throw malformed(`"${name}" must be a ${type}`);
    return value;
  }
};

// src/fronts/http/reply.ts
var json = ['content-type', 'application/json'];
var noContent = { status: 204, headers: [] };
function jsonReply(value, status = 200) {
  return {
    status,
    headers: json,
    body: `${JSON.stringify(value)}
`,
  };
}
function jsonTextReply(text2, status = 200) {
  return { status, headers: json, body: text2 };
}
function metadataHeaders(metadata) {
  if (metadata === void 0) return [];
  return Object.entries(metadata).flatMap(([key, value]) => [`metadata.${key}`, value]);
}

// src/kernel/json-scan.ts
import { isUtf8 } from 'node:buffer';
var depthMax = 1e4;
var quote = 34;
var comma = 44;
var colon = 58;
var openBrace = 123;
var closeBrace = 125;
var openBracket = 91;
var closeBracket = 93;
var backslash = 92;
function jsonObjects(bytes, levels) {
  let at = skipSpace2(bytes, 0);
  if (bytes[at] !== openBracket || !isUtf8(bytes)) return void 0;
  const objects = [];
  at = skipSpace2(bytes, at + 1);
  if (bytes[at] === closeBracket) return skipSpace2(bytes, at + 1) === bytes.length ? objects : void 0;
  for (;;) {
    const members = [];
    const end = membersEnd(bytes, at, { members, levels: levels - 2 });
    if (end < 0) return void 0;
    objects.push(members);
    at = skipSpace2(bytes, end);
    if (bytes[at] === closeBracket) return skipSpace2(bytes, at + 1) === bytes.length ? objects : void 0;
    if (bytes[at] !== comma) return void 0;
    at = skipSpace2(bytes, at + 1);
  }
}
function membersEnd(bytes, from, into) {
  if (bytes[from] !== openBrace) return -1;
  let at = skipSpace2(bytes, from + 1);
  if (bytes[at] === closeBrace) return at + 1;
  for (;;) {
    const nameEnd = bytes[at] === quote ? stringEnd(bytes, at) : -1;
    const begin = nameEnd < 0 ? -1 : afterColon(bytes, nameEnd);
    const to = begin < 0 ? -1 : valueEnd(bytes, begin, into.levels);
    if (to < 0) return -1;
    into.members.push({ name: stringAt(bytes, at, nameEnd), from: begin, to });
    at = skipSpace2(bytes, to);
    if (bytes[at] === closeBrace) return at + 1;
    if (bytes[at] !== comma) return -1;
    at = skipSpace2(bytes, at + 1);
  }
}
function stringMember(bytes, member) {
  return member !== void 0 && bytes[member.from] === quote ? stringAt(bytes, member.from, member.to) : void 0;
}
function stringAt(bytes, from, to) {
  const inner = Buffer.from(bytes.buffer, bytes.byteOffset + from + 1, to - from - 2);
  return inner.includes(backslash) ? JSON.parse(`"${inner.toString('utf8')}"`) : inner.toString('utf8');
}
function skipSpace2(bytes, from) {
  let at = from;
  for (let c = bytes[at]; c === 32 || c === 10 || c === 13 || c === 9; c = bytes[at]) at++;
  return at;
}
function afterColon(bytes, from) {
  const at = skipSpace2(bytes, from);
  return bytes[at] === colon ? skipSpace2(bytes, at + 1) : -1;
}
function afterKey(bytes, at) {
  if (bytes[at] !== quote) return -1;
  const end = stringEnd(bytes, at);
  return end < 0 ? -1 : afterColon(bytes, end);
}
function valueEnd(bytes, from, levels = depthMax) {
  const open2 = [];
  let at = from;
  for (;;) {
    const c = bytes[at];
    if (c === openBrace || c === openBracket) {
      const close2 = c === openBrace ? closeBrace : closeBracket;
      if (open2.length >= levels) return -1;
      at = skipSpace2(bytes, at + 1);
      if (bytes[at] !== close2) {
        open2.push(close2);
        if (c === openBrace) at = afterKey(bytes, at);
        if (at < 0) return -1;
        continue;
      }
      at++;
    } else at = scalarEnd(bytes, at);
    if (at < 0) return -1;
    at = close(bytes, at, open2);
    if (open2.length === 0 || at < 0) return at;
  }
}
function close(bytes, from, open2) {
  let at = from;
  while (open2.length > 0) {
    at = skipSpace2(bytes, at);
    const closing = open2[open2.length - 1];
    if (bytes[at] === comma) {
      at = skipSpace2(bytes, at + 1);
      return closing === closeBrace ? afterKey(bytes, at) : at;
    }
    if (bytes[at] !== closing) return -1;
    open2.pop();
    at++;
  }
  return at;
}
function scalarEnd(bytes, at) {
  switch (bytes[at]) {
    case quote:
      return stringEnd(bytes, at);
    case 116:
      return wordEnd(bytes, at, 'true');
    case 102:
      return wordEnd(bytes, at, 'false');
    case 110:
      return wordEnd(bytes, at, 'null');
    default:
      return numberEnd(bytes, at);
  }
}
function wordEnd(bytes, at, word3) {
  for (let i = 0; i < word3.length; i++) if (bytes[at + i] !== word3.charCodeAt(i)) return -1;
  return at + word3.length;
}
function stringEnd(bytes, from) {
  let at = from + 1;
  for (;;) {
    while (at < bytes.length && insideString[bytes[at]] === 1) at++;
    if (bytes[at] === quote) return at + 1;
    if (bytes[at] !== backslash) return -1;
    at = escapeEnd(bytes, at);
    if (at < 0) return -1;
  }
}
var insideString = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 32 && byte !== quote && byte !== backslash ? 1 : 0));
function escapeEnd(bytes, at) {
  const c = bytes[at + 1];
  if (c === 117) {
    for (let i = at + 2; i < at + 6; i++) if (!isHex(bytes[i])) return -1;
    return at + 6;
  }
  const plain2 = c === quote || c === backslash || c === 47 || c === 98 || c === 102 || c === 110 || c === 114 || c === 116;
  return plain2 ? at + 2 : -1;
}
function isHex(c) {
  return c !== void 0 && ((c >= 48 && c <= 57) || (c >= 97 && c <= 102) || (c >= 65 && c <= 70));
}
function digitsEnd(bytes, from) {
  let at = from;
  for (let c = bytes[at]; c !== void 0 && c >= 48 && c <= 57; c = bytes[at]) at++;
  return at;
}
function numberEnd(bytes, from) {
  const start = bytes[from] === 45 ? from + 1 : from;
  let at = bytes[start] === 48 ? start + 1 : digitsEnd(bytes, start);
  if (at === start) return -1;
  if (bytes[at] === 46) {
    const fraction2 = digitsEnd(bytes, at + 1);
    if (fraction2 === at + 1) return -1;
    at = fraction2;
  }
  if (bytes[at] === 101 || bytes[at] === 69) {
    const sign = bytes[at + 1];
    const digits2 = sign === 43 || sign === 45 ? at + 2 : at + 1;
    const end = digitsEnd(bytes, digits2);
    return end === digits2 ? -1 : end;
  }
  return at;
}

// src/fronts/http/plain-items.ts
var nullValue = Buffer.from('null');
function plainItems(bytes, metadata) {
  const items = [];
  for (const members of jsonObjects(bytes, limits.jsonDepth) ?? []) {
    const item = plainItem(bytes, members);
    if (item === void 0) return void 0;
    const { key, value, etag } = item;
    items.push(etag === void 0 || etag === '' ? { key, value, metadata } : { key, value, etag, metadata });
  }
  return items.length === 0 ? void 0 : items;
}
function plainItem(bytes, members) {
  let key;
  let value;
  let etag;
  for (const member of members) {
    if (member.name === 'key' && key === void 0) {
      key = stringMember(bytes, member);
      if (key === void 0) return void 0;
    } else if (member.name === 'value' && value === void 0) value = bytes.subarray(member.from, member.to);
    else if (member.name === 'etag' && etag === void 0) {
      etag = stringMember(bytes, member);
      if (etag === void 0) return void 0;
    } else return void 0;
  }
  return key === void 0 ? void 0 : { key, value: value ?? nullValue, etag };
}

// src/fronts/http/routes/state.ts
var group = 'state';
var write = ['POST', 'PUT'];
var stateRoutes = [
  route({
    methods: ['GET'],
    path: '/v1.0/state/{store}/{key}',
    name: 'GetState',
    group,
    operation: { block: group, name: 'get', idempotent: true },
    decode(request) {
      const { query } = request;
      const consistency = consistencyOf(query.get('consistency'));
      const wanted = { store: param(request, 'store'), key: param(request, 'key'), metadata: query.metadata() };
      return consistency === void 0 ? wanted : { ...wanted, consistency };
    },
    service: (blocks) => blocks.state.get,
    encode(value) {
      if (value === void 0) return noContent;
      const headers3 = ['content-type', value.contentType ?? 'application/json'];
      if (value.metadata !== void 0) headers3.push(...metadataHeaders(value.metadata));
      if (value.etag !== '') headers3.push('etag', value.etag);
      return { status: value.data.length === 0 ? 204 : 200, headers: headers3, body: value.data };
    },
  }),
  route({
    methods: write,
    path: '/v1.0/state/{store}',
    name: 'SaveState',
    group,
    operation: { block: group, name: 'set', idempotent: false },
    decode: (request) =>
      whenRead(request.bytes(), (bytes) => ({ store: param(request, 'store'), items: saveItems(bytes, request.query.metadata()) })),
    service: (blocks) => blocks.state.save,
    encode: () => noContent,
  }),
  route({
    methods: ['DELETE'],
    path: '/v1.0/state/{store}/{key}',
    name: 'DeleteState',
    group,
    operation: { block: group, name: 'delete', idempotent: false },
    decode(request) {
      const etag = request.header('if-match');
      const options = optionsOf(request.query.get('concurrency'), request.query.get('consistency'));
      const item = {
        key: param(request, 'key'),
        metadata: request.query.metadata(),
        ...(etag === void 0 || etag === '' ? {} : { etag }),
        ...(options === void 0 ? {} : { options }),
      };
      return { store: param(request, 'store'), item };
    },
    service: (blocks) => blocks.state.delete,
    encode: () => noContent,
  }),
  route({
    methods: write,
    path: '/v1.0/state/{store}/bulk',
    name: 'GetBulkState',
    group,
    operation: { block: group, name: 'bulk_get', idempotent: true },
    async decode(request) {
      const fields = new JsonFields(await request.text());
      const parallelism = fields.number('parallelism');
      return {
        store: param(request, 'store'),
        keys: texts(fields.raw('keys') ?? '[]', 'keys'),
        ...(parallelism === void 0 ? {} : { parallelism }),
        metadata: { ...fields.texts('metadata'), ...request.query.metadata() },
      };
    },
    service: (blocks) => blocks.state.bulkGet,
    encode: (items) =>
      jsonTextReply(`[${items.map(bulkItem).join(',')}]
`),
  }),
  route({
    methods: write,
    path: '/v1.0/state/{store}/transaction',
    name: 'ExecuteStateTransaction',
    group,
    operation: { block: group, name: 'transaction', idempotent: false },
    async decode(request) {
      const shared2 = request.query.metadata();
      const fields = new JsonFields(await request.text());
      const operations = arrayElements(fields.raw('operations') ?? '[]').map((raw) => transactionItem(new JsonFields(raw), shared2));
      return { store: param(request, 'store'), operations, metadata: { ...fields.texts('metadata'), ...shared2 } };
    },
    service: (blocks) => blocks.state.transact,
    encode: () => noContent,
  }),
  route({
    methods: write,
    path: '/v1.0-alpha1/state/{store}/query',
    name: 'QueryStateAlpha1',
    group,
    operation: { block: group, name: 'query', idempotent: true },
    decode: async (request) => ({ store: param(request, 'store'), query: await request.text(), metadata: request.query.metadata() }),
    service: (blocks) => blocks.state.query,
    encode(result) {
      if (result.results.length === 0) return noContent;
      const rows = result.results.map(
        (item) =>
          `{"key":${JSON.stringify(item.key)}${item.data.length > 0 ? `,"data":${rawJson(item.data)}` : ''}${item.etag === void 0 ? '' : `,"etag":${JSON.stringify(item.etag)}`}${item.error === void 0 ? '' : `,"error":${JSON.stringify(item.error)}`}}`,
      );
      const token2 = result.token === void 0 || result.token === '' ? '' : `,"token":${JSON.stringify(result.token)}`;
      const metadata = result.metadata === void 0 ? '' : `,"metadata":${JSON.stringify(result.metadata)}`;
      return jsonTextReply(`{"results":[${rows.join(',')}]${token2}${metadata}}
`);
    },
  }),
];
function param(request, name) {
  return request.params[name] ?? '';
}
function texts(raw, name) {
  return arrayElements(raw).map((element) => {
    const value = JSON.parse(element);
    if (typeof value !== 'string') throw malformed(`"${name}" must hold strings`);
    return value;
  });
}
function utf82(bytes) {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
function saveItems(bytes, shared2) {
  return plainItems(bytes, shared2) ?? arrayElements(utf82(bytes)).map((raw) => saveItem(new JsonFields(raw), shared2));
}
function saveItem(fields, shared2) {
  const etag = fields.text('etag');
  const contentType = fields.text('contentType');
  const options = optionsIn(fields.object('options'));
  return {
    key: fields.text('key') ?? '',
    value: Buffer.from(fields.raw('value') ?? 'null', 'utf8'),
    metadata: { ...fields.texts('metadata'), ...shared2 },
    ...(etag === void 0 || etag === '' ? {} : { etag }),
    ...(contentType === void 0 ? {} : { contentType }),
    ...(options === void 0 ? {} : { options }),
  };
}
function transactionItem(fields, shared2) {
  const operation2 = fields.text('operation') ?? '';
  const request = fields.object('request') ?? new JsonFields('{}');
  if (operation2 === 'upsert') return { kind: 'upsert', ...saveItem(request, shared2) };
  if (operation2 === 'delete') {
    const { value: _value, contentType: _contentType, ...item } = saveItem(request, shared2);
    return { kind: 'delete', ...item };
  }
  throw new ProaError('state.operation-not-supported', `operation type ${operation2} not supported`);
}
function optionsIn(fields) {
  return fields === void 0 ? void 0 : optionsOf(fields.text('concurrency'), fields.text('consistency'));
}
function optionsOf(concurrency, consistency) {
  const checkedConsistency = consistencyOf(consistency);
  const checkedConcurrency = concurrencyOf(concurrency);
  if (checkedConcurrency === void 0 && checkedConsistency === void 0) return void 0;
  return {
    ...(checkedConcurrency === void 0 ? {} : { concurrency: checkedConcurrency }),
    ...(checkedConsistency === void 0 ? {} : { consistency: checkedConsistency }),
  };
}
function concurrencyOf(word3) {
  if (word3 === void 0 || word3 === '') return void 0;
  if (word3 === 'first-write' || word3 === 'last-write') return word3;
  throw malformed(`unrecognized concurrency option ${word3}`);
}
function consistencyOf(word3) {
  if (word3 === void 0 || word3 === '') return void 0;
  if (word3 === 'strong' || word3 === 'eventual') return word3;
  throw malformed(`unrecognized consistency option ${word3}`);
}
function bulkItem(item) {
  const parts = [`"key":${JSON.stringify(item.key)}`];
  if (item.value !== void 0 && item.value.data.length > 0) parts.push(`"data":${rawJson(item.value.data)}`);
  if (item.value !== void 0 && item.value.etag !== '') parts.push(`"etag":${JSON.stringify(item.value.etag)}`);
  if (item.value?.metadata !== void 0 && Object.keys(item.value.metadata).length > 0)
    parts.push(`"metadata":${JSON.stringify(item.value.metadata)}`);
  if (item.error !== void 0) parts.push(`"error":${JSON.stringify(item.error)}`);
  return `{${parts.join(',')}}`;
}
function rawJson(data) {
  const text2 = utf82(data);
  try {
    JSON.parse(text2);
    return text2;
  } catch {
    return JSON.stringify(text2);
  }
}

// src/fronts/http/routes/bindings.ts
var bindingRoutes = [
  route({
    methods: ['POST', 'PUT'],
    path: '/v1.0/bindings/{name}',
    name: 'InvokeBinding',
    group: 'bindings',
    operation: { block: 'bindings', name: 'invoke', idempotent: false },
    async decode(request) {
      const fields = new JsonFields(await request.text());
      return {
        name: param(request, 'name'),
        operation: fields.text('operation') ?? '',
        data: Buffer.from(fields.raw('data') ?? '', 'utf8'),
        metadata: { ...fields.texts('metadata') },
      };
    },
    service: (blocks) => blocks.bindings.invoke,
    encode(response) {
      const headers3 = metadataHeaders(response.metadata);
      const { data } = response;
      if (data === void 0 || data.length === 0) return { status: 204, headers: headers3 };
      return { status: 200, headers: ['content-type', response.contentType ?? 'application/json', ...headers3], body: data };
    },
    failed: (error) => errorReply(error, metadataHeaders(failureMetadata(error))),
  }),
];

// src/fronts/http/routes/crypto.ts
var cryptoRoutes = [
  route({
    methods: ['PUT'],
    path: '/v1.0-alpha1/crypto/{name}/encrypt',
    name: 'Encrypt',
    group: 'crypto',
    operation: { block: 'crypto', name: 'encrypt', idempotent: false },
    decode: (request) => ({ provider: param(request, 'name'), data: request.body, options: encryptOptions(request) }),
    service: (blocks) => blocks.crypto.encrypt,
    encode: stream,
  }),
  route({
    methods: ['PUT'],
    path: '/v1.0-alpha1/crypto/{name}/decrypt',
    name: 'Decrypt',
    group: 'crypto',
    operation: { block: 'crypto', name: 'decrypt', idempotent: false },
    decode(request) {
      const keyName = request.header('dapr-key-name');
      return { provider: param(request, 'name'), data: request.body, ...(keyName === void 0 || keyName === '' ? {} : { keyName }) };
    },
    service: (blocks) => blocks.crypto.decrypt,
    encode: stream,
  }),
];
function encryptOptions(request) {
  const cipher = request.header('dapr-data-encryption-cipher');
  const decryptionKeyName = request.header('dapr-decryption-key-name');
  return {
    keyName: required(request, 'dapr-key-name'),
    keyWrapAlgorithm: required(request, 'dapr-key-wrap-algorithm'),
    omitDecryptionKeyName: /^(true|yes|on|1|y|t)$/i.test(request.header('dapr-omit-decryption-key-name') ?? ''),
    ...(cipher === void 0 ? {} : { dataEncryptionCipher: cipher }),
    ...(decryptionKeyName === void 0 ? {} : { decryptionKeyName }),
  };
}
function required(request, header) {
  const value = request.header(header);
  if (value === void 0 || value === '') throw new ProaError('bad-request', `invalid request: missing header '${header}'`);
  return value;
}
function stream(body) {
  return { status: 200, headers: ['content-type', 'application/octet-stream'], stream: body };
}

// src/fronts/http/routes/publish.ts
var methods = ['POST', 'PUT'];
var group2 = 'publish';
var publishRoutes = [
  route({
    methods,
    path: '/v1.0/publish/{pubsub}/{topic...}',
    name: 'PublishEvent',
    group: group2,
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
      group: group2,
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
function bulkEntries(text2) {
  let elements;
  try {
    elements = arrayElements(text2);
  } catch (cause) {
    throw new ProaError('pubsub.events-unmarshal', `error when unmarshaling the request for topic: ${cause.message}`, { cause });
  }
  return elements.map((raw) => bulkEntry(new JsonFields(raw)));
}
function bulkEntry(fields) {
  const contentType = fields.text('contentType') ?? '';
  const entryId = fields.text('entryId') ?? '';
  const metadata = fields.texts('metadata');
  return { entryId, contentType, event: eventBytes(fields, contentType, entryId), ...(metadata === void 0 ? {} : { metadata }) };
}
function eventBytes(fields, contentType, entryId) {
  const raw = fields.raw('event') ?? 'null';
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  if (type === 'application/json' || type.endsWith('+json')) return Buffer.from(raw, 'utf8');
  const value = JSON.parse(raw);
  if (typeof value !== 'string') throw mismatch(entryId, contentType);
  if (type.startsWith('text/') || type === '') return Buffer.from(value, 'utf8');
  const bytes = Buffer.from(value, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== value.replace(/=+$/, '')) throw mismatch(entryId, contentType);
  return bytes;
}
function mismatch(entryId, contentType) {
  return new ProaError(
    'pubsub.events-marshal',
    `error when marshaling the entry "${entryId}": its event does not fit the content type "${contentType}"`,
  );
}
function bulkReply(failed2) {
  if (failed2.length === 0) return noContent;
  const document = JSON.stringify({ failedEntries: failed2, errorCode: 'ERR_PUBSUB_PUBLISH_MESSAGE' });
  const message = failed2
    .map((entry) => entry.error)
    .join('; ')
    .replace(/[\r\n]+/g, ' ');
  return {
    status: 500,
    headers: ['content-type', 'application/json', 'metadata.responsedata', document, 'metadata.error', message],
    body: document,
  };
}

// src/kernel/duration.ts
var unitsMs = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1e3, m: 6e4, h: 36e5 };
var part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
function parseDuration(text2) {
  const trimmed = text2.trim();
  if (/^[+-]?\d+$/.test(trimmed)) return Number(trimmed) * 1e3;
  const sign = trimmed.startsWith('-') ? -1 : 1;
  const rest = trimmed.replace(/^[+-]/, '');
  if (rest.length === 0) return void 0;
  let total = 0;
  part.lastIndex = 0;
  while (part.lastIndex < rest.length) {
    const match2 = part.exec(rest);
    if (match2 === null) return void 0;
    total += Number(match2[1]) * unitsMs[match2[2]];
  }
  return sign * total;
}
function formatDuration(ms) {
  if (ms === 0) return '0s';
  if (Math.abs(ms) < 1) return `${Math.round(ms * 1e3)}\xB5s`;
  if (Math.abs(ms) < 1e3) return `${ms}ms`;
  const sign = ms < 0 ? '-' : '';
  const seconds = Math.abs(ms) / 1e3;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = `${Number((seconds % 60).toFixed(3))}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${sign}${minutes}m${rest}` : `${sign}${rest}`;
}

// src/fronts/http/routes/runtime.ts
var healthRoutes = [
  route({
    methods: ['GET'],
    path: '/v1.0/healthz',
    name: 'Healthz',
    group: 'healthz',
    operation: { block: 'runtime', name: 'healthz', idempotent: true },
    decode: (request) => ({ appId: request.query.get('appid') }),
    service:
      ({ runtime }) =>
      (call) =>
        attempt(() => health(runtime, call.input.appId)),
    encode: () => noContent,
  }),
  route({
    methods: ['GET'],
    path: '/v1.0/healthz/outbound',
    name: 'HealthzOutbound',
    group: 'healthz',
    operation: { block: 'runtime', name: 'healthz_outbound', idempotent: true },
    decode: () => void 0,
    service:
      ({ runtime }) =>
      () =>
        attempt(() => {
          if (!runtime.outboundReady()) throw new ProaError('health.outbound-not-ready', 'dapr outbound is not ready');
        }),
    encode: () => noContent,
  }),
];
var metadataRoutes = [
  route({
    methods: ['GET'],
    path: '/v1.0/metadata',
    name: 'GetMetadata',
    group: 'metadata',
    operation: { block: 'runtime', name: 'get_metadata', idempotent: true },
    decode: () => void 0,
    service:
      ({ runtime }) =>
      () =>
        attempt(() => runtime.metadata()),
    encode: (metadata) => jsonReply(printMetadata(metadata)),
  }),
];
var controlRoutes = [
  route({
    methods: ['PUT'],
    path: '/v1.0/metadata/{key}',
    name: 'PutMetadata',
    group: 'metadata',
    operation: { block: 'runtime', name: 'set_metadata', idempotent: true },
    decode: async (request) => ({ key: param(request, 'key'), value: utf82(await request.bytes()) }),
    service:
      ({ runtime }) =>
      (call) =>
        attempt(() => runtime.putMetadata(call.input.key, call.input.value)),
    encode: () => noContent,
  }),
  route({
    methods: ['POST'],
    path: '/v1.0/shutdown',
    name: 'Shutdown',
    group: 'shutdown',
    operation: { block: 'runtime', name: 'shutdown', idempotent: true },
    decode: (request) => ({ force: request.header('dapr-force-shutdown') === 'true' }),
    service:
      ({ runtime }) =>
      (call) =>
        attempt(() => runtime.shutdown(call.input.force)),
    encode: () => noContent,
  }),
];
async function attempt(run2) {
  return run2();
}
function health(runtime, appId) {
  const missing2 = runtime.notReady();
  if (missing2.length > 0) throw new ProaError('health.not-ready', `dapr is not ready: [${missing2.join(' ')}]`);
  if (appId !== void 0 && appId !== '' && appId !== runtime.metadata().id)
    throw new ProaError('health.app-id', 'dapr app-id does not match');
}
function printMetadata(metadata) {
  const connection = metadata.appConnection;
  return {
    id: metadata.id,
    runtimeVersion: metadata.runtimeVersion,
    ...some('enabledFeatures', metadata.enabledFeatures),
    ...some('components', metadata.components.map(printComponent)),
    extended: metadata.extended,
    ...some('subscriptions', metadata.subscriptions.map(printSubscription)),
    ...some(
      'httpEndpoints',
      metadata.httpEndpoints.map((name) => ({ name })),
    ),
    ...some(
      'resiliencies',
      metadata.resiliencies.map((name) => ({ name })),
    ),
    ...(connection === void 0 ? {} : { appConnectionProperties: printConnection(connection) }),
    actorRuntime: { runtimeStatus: 'DISABLED', hostReady: false },
  };
}
function some(name, list2) {
  return list2.length === 0 ? {} : { [name]: list2 };
}
function printComponent(component) {
  const { name, type, version, capabilities } = component;
  return { name, type, version, ...some('capabilities', capabilities) };
}
function printSubscription(subscription) {
  const rules = subscription.rules.map(({ match: match2, path: path2 }) => ({ match: match2, path: path2 }));
  if (subscription.defaultPath !== void 0) rules.push({ match: '', path: subscription.defaultPath });
  return {
    pubsubname: subscription.pubsub,
    topic: subscription.topic,
    ...(Object.keys(subscription.metadata).length === 0 ? {} : { metadata: subscription.metadata }),
    ...some('rules', rules),
    deadLetterTopic: subscription.deadLetterTopic ?? '',
    type: subscription.kind,
  };
}
function printConnection(connection) {
  const { port, protocol, channelAddress, maxConcurrency, health: probe } = connection;
  return {
    ...(port === 0 ? {} : { port }),
    protocol,
    channelAddress,
    ...(maxConcurrency === void 0 ? {} : { maxConcurrency }),
    ...(probe === void 0
      ? {}
      : {
          health: {
            healthCheckPath: probe.path,
            healthProbeInterval: formatDuration(probe.intervalMs),
            healthProbeTimeout: formatDuration(probe.timeoutMs),
            healthThreshold: probe.threshold,
          },
        }),
  };
}

// src/fronts/http/routes/stores.ts
var secretRoutes = [
  route({
    methods: ['GET'],
    path: '/v1.0/secrets/{store}/bulk',
    name: 'GetBulkSecret',
    group: 'secrets',
    operation: { block: 'secrets', name: 'bulk_get', idempotent: true },
    decode: (request) => ({ store: param(request, 'store'), metadata: request.query.metadata() }),
    service: (blocks) => blocks.secrets.bulkGet,
    encode: (secrets) => jsonReply(secrets),
  }),
  route({
    methods: ['GET'],
    path: '/v1.0/secrets/{store}/{name}',
    name: 'GetSecret',
    group: 'secrets',
    operation: { block: 'secrets', name: 'get', idempotent: true },
    decode: (request) => ({ store: param(request, 'store'), name: param(request, 'name'), metadata: request.query.metadata() }),
    service: (blocks) => blocks.secrets.get,
    encode: (secret) => (secret === void 0 ? noContent : jsonReply(secret)),
  }),
];
var configurationRoutes = ['/v1.0', '/v1.0-alpha1'].flatMap((version) => [
  route({
    methods: ['GET'],
    path: `${version}/configuration/{store}`,
    name: 'GetConfiguration',
    group: 'configuration',
    operation: { block: 'configuration', name: 'get', idempotent: true },
    decode: configurationQuery,
    service: (blocks) => blocks.configuration.get,
    encode: (items) => (Object.keys(items).length === 0 ? noContent : jsonReply(printItems(items))),
  }),
  route({
    methods: ['GET'],
    path: `${version}/configuration/{store}/subscribe`,
    name: 'SubscribeConfiguration',
    group: 'configuration',
    operation: { block: 'configuration', name: 'subscribe', idempotent: false },
    decode: configurationQuery,
    service: (blocks) => blocks.configuration.subscribe,
    encode: (id) => jsonReply({ id }),
  }),
  route({
    methods: ['GET'],
    path: `${version}/configuration/{store}/{id}/unsubscribe`,
    name: 'UnsubscribeConfiguration',
    group: 'configuration',
    operation: { block: 'configuration', name: 'unsubscribe', idempotent: true },
    decode: (request) => ({ store: param(request, 'store'), id: param(request, 'id') }),
    service: (blocks) => blocks.configuration.unsubscribe,
    encode: (result) => (result.ok ? jsonReply({ ok: true }) : jsonReply({ message: result.message ?? '' }, 500)),
  }),
]);
function configurationQuery(request) {
  return { store: param(request, 'store'), keys: request.query.all('key'), metadata: request.query.metadata() };
}
function printItems(items) {
  const printed = /* @__PURE__ */ Object.create(null);
  for (const [key, item] of Object.entries(items)) {
    printed[key] = {
      value: item.value,
      ...(item.version === '' ? {} : { version: item.version }),
      ...(Object.keys(item.metadata).length === 0 ? {} : { metadata: item.metadata }),
    };
  }
  return printed;
}
var lockRoutes = [
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
    encode: (result) => jsonReply(result),
  }),
  route({
    methods: ['POST'],
    path: '/v1.0-alpha1/unlock/{store}',
    name: 'Unlock',
    group: 'unlock',
    operation: { block: 'lock', name: 'unlock', idempotent: false },
    decode: async (request) => ({ store: param(request, 'store'), ...holder(new JsonFields(await request.text())) }),
    service: (blocks) => blocks.lock.unlock,
    encode: (status) => jsonReply({ status }),
  }),
];
function holder(fields) {
  return {
    resourceId: fields.text('resourceId') ?? fields.text('resource_id') ?? '',
    lockOwner: fields.text('lockOwner') ?? fields.text('lock_owner') ?? '',
  };
}
function wholeNumber(fields, camel, snake2) {
  const raw = fields.raw(camel) ?? fields.raw(snake2);
  if (raw === void 0) return 0;
  const value = parseJson(raw);
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number') throw malformed(`"${camel}" must be a number`);
  return number;
}

// src/fronts/http/routes/subtle-crypto.ts
var subtleCryptoRoutes = [
  row({
    verb: 'getkey',
    name: 'SubtleGetKey',
    decode: (fields, provider) => ({ provider, keyName: fields.text('name'), format: fields.keyFormat() }),
    service: (subtle) => subtle.getKey,
    encode: (publicKey, { keyName }) => ({ name: keyName, publicKey }),
  }),
  row({
    verb: 'encrypt',
    name: 'SubtleEncrypt',
    decode: (fields, provider) => fields.message(provider, 'plaintext'),
    service: (subtle) => subtle.encrypt,
    encode: ({ data, tag }) => ({ ciphertext: base64(data), tag: base64(tag) }),
  }),
  row({
    verb: 'decrypt',
    name: 'SubtleDecrypt',
    decode: (fields, provider) => fields.message(provider, 'ciphertext'),
    service: (subtle) => subtle.decrypt,
    encode: (plaintext) => ({ plaintext: base64(plaintext) }),
  }),
  row({
    verb: 'wrapkey',
    name: 'SubtleWrapKey',
    decode: (fields, provider) => fields.message(provider, 'plaintextKey'),
    service: (subtle) => subtle.wrapKey,
    encode: ({ data, tag }) => ({ wrappedKey: base64(data), tag: base64(tag) }),
  }),
  row({
    verb: 'unwrapkey',
    name: 'SubtleUnwrapKey',
    decode: (fields, provider) => fields.message(provider, 'wrappedKey'),
    service: (subtle) => subtle.unwrapKey,
    encode: (plaintextKey) => ({ plaintextKey: base64(plaintextKey) }),
  }),
  row({
    verb: 'sign',
    name: 'SubtleSign',
    decode: (fields, provider) => ({ ...fields.key(provider), digest: fields.bytes('digest') }),
    service: (subtle) => subtle.sign,
    encode: (signature) => ({ signature: base64(signature) }),
  }),
  row({
    verb: 'verify',
    name: 'SubtleVerify',
    decode: (fields, provider) => ({ ...fields.key(provider), digest: fields.bytes('digest'), signature: fields.bytes('signature') }),
    service: (subtle) => subtle.verify,
    encode: (valid) => ({ valid }),
  }),
];
function row({ verb, name, decode, service, encode }) {
  return route({
    methods: ['POST'],
    path: `/v1.0-alpha1/subtlecrypto/{name}/${verb}`,
    name,
    group: 'subtlecrypto',
    operation: { block: 'crypto', name: `subtle_${verb}`, idempotent: true },
    decode: async (request) => decode(new ProtoFields(await request.text()), param(request, 'name')),
    service: (blocks) => service(blocks.crypto.subtle),
    encode(output, input) {
      const members = Object.entries(encode(output, input)).filter(([, value]) => value !== '' && value !== false);
      return jsonReply(Object.fromEntries(members));
    },
  });
}
function base64(bytes) {
  return bytes === void 0 ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
var ProtoFields = class {
  #fields;
  constructor(text2) {
    this.#fields = new JsonFields(text2);
  }
  text(name) {
    return this.#fields.text(name) ?? this.#fields.text(snake(name)) ?? '';
  }
  /** Base64 of either alphabet, padded or not. */
  bytes(name) {
    const text2 = this.text(name);
    if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text2)) throw malformed(`"${name}" must be base64`);
    return Buffer.from(text2, 'base64');
  }
  key(provider) {
    return { provider, keyName: this.text('keyName'), algorithm: this.text('algorithm') };
  }
  message(provider, data) {
    return {
      ...this.key(provider),
      data: this.bytes(data),
      nonce: this.bytes('nonce'),
      associatedData: this.bytes('associatedData'),
      tag: this.bytes('tag'),
    };
  }
  /** An enumeration: its name or its number. */
  keyFormat() {
    const raw = this.#fields.raw('format');
    const value = raw === void 0 ? 0 : parseJson(raw);
    if (value === 0 || value === 'PEM') return 'pem';
    return value === 1 || value === 'JSON' ? 'json' : String(value);
  }
};
function snake(name) {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

// src/fronts/http/routes/unimplemented.ts
var unimplementedRoutes = [
  ...missing('actors', ['POST', 'PUT'], '/v1.0/actors/{type}/{id}/state', 'ExecuteActorStateTransaction'),
  ...missing('actors', ['GET'], '/v1.0/actors/{type}/{id}/state/{key}', 'GetActorState'),
  ...missing('actors', ['GET', 'POST', 'PUT', 'DELETE'], '/v1.0/actors/{type}/{id}/method/{method...}', 'InvokeActor'),
  ...missing('actors', ['GET', 'POST', 'PUT', 'DELETE'], '/v1.0/actors/{type}/{id}/reminders/{name}', 'ActorReminder'),
  ...missing('actors', ['POST', 'PUT', 'DELETE'], '/v1.0/actors/{type}/{id}/timers/{name}', 'ActorTimer'),
  ...['/v1.0', '/v1.0-alpha1'].flatMap((version) => missing('jobs', ['GET', 'POST', 'DELETE'], `${version}/jobs/{name}`, 'Job')),
  ...['/v1.0-alpha1', '/v1.0-alpha2'].flatMap((version) =>
    missing('conversation', ['POST'], `${version}/conversation/{name}/converse`, 'Converse'),
  ),
  ...['/v1.0', '/v1.0-beta1', '/v1.0-alpha1'].flatMap((version) => [
    ...missing('workflows', ['GET'], `${version}/workflows/{component}/{instance}`, 'GetWorkflow'),
    ...missing('workflows', ['POST'], `${version}/workflows/{component}/{instance}/{verb...}`, 'Workflow'),
  ]),
];
function missing(group3, methods4, path2, name) {
  return [
    route({
      methods: methods4,
      path: path2,
      name,
      group: group3,
      operation: { block: group3, name, idempotent: true },
      decode: () => void 0,
      service: () => () => Promise.reject(new ProaError('unimplemented', `this version of Proa does not implement the ${group3} API`)),
      encode: () => noContent,
    }),
  ];
}

// src/fronts/http/routes/all.ts
var apiRoutes = [
  ...stateRoutes,
  ...publishRoutes,
  ...bindingRoutes,
  ...secretRoutes,
  ...configurationRoutes,
  ...lockRoutes,
  ...cryptoRoutes,
  ...subtleCryptoRoutes,
  ...healthRoutes,
  ...metadataRoutes,
  ...controlRoutes,
  ...unimplementedRoutes,
];

// src/fronts/http/path-label.ts
var httpMetricsDefaults = { increasedCardinality: true, pathMatching: [], excludeVerbs: false };
var staticPaths = /* @__PURE__ */ new Set(['/dapr/config', '/dapr/metrics', '/dapr/subscribe', '/healthz']);
function createPathLabel({ increasedCardinality, pathMatching }) {
  const match2 = createPathMatcher(pathMatching);
  if (increasedCardinality) return (path2) => match2(path2) ?? pathLabel(path2);
  const unmatched = pathMatching.length > 0 ? '_' : '';
  return (path2) => match2(path2) ?? (staticPaths.has(path2) ? path2 : unmatched);
}
function createPathMatcher(patterns) {
  const compiled = patterns.map(compile).toSorted(moreSpecific);
  if (compiled.length === 0) return () => void 0;
  return (path2) => {
    const segments2 = path2.split('/').slice(1);
    return compiled.find((pattern) => fits(pattern, segments2))?.text;
  };
}
function compile(text2) {
  const segments2 = text2.split('/').slice(1);
  const last = segments2.at(-1) ?? '';
  if (last === '{$}') return { text: text2, segments: [...segments2.slice(0, -1), ''], open: false };
  const open2 = last === '' || /^\{\w+\.\.\.\}$/.test(last);
  return { text: text2, segments: open2 ? segments2.slice(0, -1) : segments2, open: open2 };
}
function fits({ segments: segments2, open: open2 }, path2) {
  if (open2 ? path2.length <= segments2.length : path2.length !== segments2.length) return false;
  return segments2.every((segment, i) => (isWildcard(segment) ? path2[i] !== '' : segment === path2[i]));
}
function isWildcard(segment) {
  return /^\{\w+\}$/.test(segment);
}
function moreSpecific(a, b) {
  const rank = ({ segments: segments2 }, i) => {
    const segment = segments2[i];
    if (segment === void 0) return 2;
    return isWildcard(segment) ? 1 : 0;
  };
  for (let i = 0; i < Math.max(a.segments.length, b.segments.length); i++) {
    const order2 = rank(a, i) - rank(b, i);
    if (order2 !== 0) return order2;
  }
  return Number(a.open) - Number(b.open);
}
function pathLabel(path2) {
  const segments2 = path2.split('/', 5);
  const block2 = segments2[2];
  if (block2 === 'state' || block2 === 'secrets' || block2 === 'bindings' || block2 === 'configuration')
    return segments2.slice(0, 4).join('/');
  if (block2 === 'publish' || block2 === 'actors' || block2 === 'jobs') return segments2.slice(0, 4).join('/');
  return path2;
}

// src/fronts/http/front-metrics.ts
var known = /* @__PURE__ */ new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
var pathsMax = 4096;
function createFrontMetrics(metrics3, options) {
  const names4 = {
    count: metricNames.httpServerRequests,
    responses: metricNames.httpServerResponses,
    latency: metricNames.httpServerLatency,
    requestBytes: metricNames.httpServerRequestBytes,
    requestBytesLabelled: false,
    responseBytes: metricNames.httpServerResponseBytes,
  };
  return createHttpMetrics(metrics3, names4, options);
}
function createHttpMetrics(metrics3, names4, options = httpMetricsDefaults) {
  const byPath = /* @__PURE__ */ new Map();
  const labelOf = createPathLabel(options);
  const responseSizes = metrics3.histogram(names4.responseBytes, {});
  const recent = new TextMemo((path2) => ({ series: byPath.get(path2) }));
  const resolve = (method, path2, status) => {
    const verb = known.has(method) ? method : 'UNKNOWN';
    const labels = {
      [labelNames.method]: options.excludeVerbs ? '' : verb,
      [labelNames.path]: labelOf(path2),
      [labelNames.status]: String(status),
    };
    return {
      count: metrics3.counter(names4.count, labels),
      responses: names4.responses !== void 0 && options.increasedCardinality ? metrics3.counter(names4.responses, labels) : void 0,
      latency: metrics3.histogram(names4.latency, labels),
      requestBytes: metrics3.histogram(names4.requestBytes, names4.requestBytesLabelled ? labels : {}),
    };
  };
  const remember = (method, path2, status) => {
    const series = resolve(method, path2, status);
    let methods4 = byPath.get(path2);
    if (methods4 === void 0) {
      if (byPath.size >= pathsMax) return series;
      methods4 = /* @__PURE__ */ new Map();
      byPath.set(path2, methods4);
    }
    const statuses = methods4.get(method) ?? [];
    methods4.set(method, statuses);
    statuses[status - 100] = series;
    return series;
  };
  return {
    record({ method, path: path2, status, tookMs, requestBytes, responseBytes }) {
      const last = recent.of(path2);
      const series = (last.series ??= byPath.get(path2))?.get(method)?.[status - 100] ?? remember(method, path2, status);
      series.count.add(1);
      series.responses?.add(1);
      series.latency.record(tookMs);
      if (requestBytes !== void 0) series.requestBytes.record(requestBytes);
      if (responseBytes !== void 0) responseSizes.record(responseBytes);
    },
  };
}

// src/kernel/attempt.ts
var attemptKey = contextKey('attempt', 0);

// src/kernel/trail.ts
var attemptsMax = 32;
var decisionsMax = 64;
var Trail = class {
  attempts = [];
  decisions = [];
  lost = 0;
};
function trailOf(call) {
  const { end } = call;
  if (end.trail !== void 0) return end.trail;
  let outermost = end;
  while (outermost.of !== void 0) outermost = outermost.of;
  const trail = (outermost.trail ??= new Trail());
  end.trail = trail;
  if (end.place !== void 0) attemptOf(call);
  return trail;
}
function attemptOf(call) {
  const { end } = call;
  if (end.attempt !== void 0) return end.attempt;
  const trail = end.trail ?? trailOf(call);
  if (end.attempt !== void 0) return end.attempt;
  const attempt2 = { number: valueOf(call.context, attemptKey) };
  if (end.place !== void 0) attempt2.endpoint = placeText(end.place);
  end.attempt = attempt2;
  if (trail.attempts.length < attemptsMax) trail.attempts.push(attempt2);
  else trail.lost++;
  return attempt2;
}
function placeText({ instance, local, mesh }) {
  if (local !== void 0 || mesh === void 0) return instance;
  return `${instance} at ${'path' in mesh ? mesh.path : `${mesh.host}:${mesh.port}`}`;
}
function sendAttempt(call, place, nowMs) {
  const attempt2 = attemptOf(call);
  attempt2.endpoint = placeText(place);
  attempt2.startedMs ??= nowMs;
}
function beginAttempt(call, nowMs) {
  call.end.place = void 0;
  call.end.attempt = void 0;
  attemptOf(call).startedMs = nowMs;
}
function endAttempt(call, outcome, nowMs) {
  const attempt2 = attemptOf(call);
  if (attempt2.endedMs !== void 0) return;
  attempt2.endedMs = nowMs;
  attempt2.outcome = outcome;
}
function noteDecision(call, decision) {
  const trail = trailOf(call);
  if (trail.decisions.length < decisionsMax) trail.decisions.push({ ...decision, attempt: valueOf(call.context, attemptKey) });
  else trail.lost++;
}

// src/blocks/invoke/stamp-headers.ts
function isStamped(name) {
  switch (name.length) {
    case 4:
      return name === 'host';
    case 6:
      return name === 'expect';
    case 18:
      return name === 'dapr-caller-app-id' || name === 'dapr-callee-app-id' || name === 'destination-app-id';
    case 21:
      return name === 'dapr-caller-namespace';
    case 11:
      return name === 'dapr-app-id' || name === 'traceparent';
    case 10:
      return name === 'tracestate';
    case 12:
      return name === timeoutHeader;
    case 14:
      return name === 'dapr-api-token';
    default:
      return false;
  }
}
function stampHeaders(headers3, context, stamp) {
  const stamped = [];
  for (let i = 0; i < headers3.length; i += 2) {
    const name = headers3[i];
    if (!isStamped(name)) stamped.push(name, headers3[i + 1]);
  }
  stamped.push(
    'dapr-caller-app-id',
    stamp.caller.appId,
    'dapr-caller-namespace',
    stamp.caller.namespace,
    'dapr-callee-app-id',
    stamp.calleeAppId,
  );
  const trace = valueOf(context, traceKey);
  if (trace.traceparent !== '') stamped.push('traceparent', trace.traceparent);
  if (trace.tracestate !== '') stamped.push('tracestate', trace.tracestate);
  if (stamp.leftMs !== void 0) stamped.push(timeoutHeader, formatTimeout(stamp.leftMs));
  if (stamp.forwarded !== void 0) {
    const { address, host } = stamp.forwarded;
    const quoted = address.includes(':') ? `"[${address}]"` : address;
    stamped.push('x-forwarded-for', address, 'x-forwarded-host', host, 'forwarded', `for=${quoted};by=${quoted};host=${host}`);
  }
  return stamped;
}

// src/blocks/invoke/invoke-block.ts
var targetsMax = 1e4;
function createInvokeBlock(context, dependencies) {
  const targets = /* @__PURE__ */ new Map();
  const places = new Places(dependencies);
  const received = context.govern(
    { block: 'invoke', name: context.appId, operation: 'receive', direction: 'inbound' },
    receive(context, dependencies),
  );
  const compile4 = (appId) => {
    const target2 = { block: 'invoke', name: appId, operation: 'call', direction: 'outbound' };
    const service = context.govern(target2, send(context, dependencies, { appId, places }));
    if (targets.size >= targetsMax) targets.delete(targets.keys().next().value);
    targets.set(appId, service);
    return service;
  };
  return {
    call: (call) => (targets.get(call.input.appId) ?? compile4(call.input.appId))(call),
    receive: received,
    close: () => {
      places.close();
      return Promise.resolve();
    },
  };
}
function receive(context, dependencies) {
  return (call) => {
    const channel = dependencies.channel();
    if (channel !== void 0) return channel.invoke(call);
    call.input.body.discard();
    return Promise.reject(
      new ProaError('invoke.unreachable', `no app is connected to the runtime of "${context.appId}"`, {
        hint: 'give the port on which the app listens with --app-port',
      }),
    );
  };
}
var Places = class {
  #known = /* @__PURE__ */ new Map();
  #dependencies;
  #stop;
  /** Rises with every change: what was remembered under a lower one has to be asked for again. */
  changes = 0;
  constructor(dependencies) {
    this.#dependencies = dependencies;
    this.#stop = dependencies.resolver.onChange((appId, namespace) => {
      this.changes++;
      const instances = this.#known.get(`${namespace}\0${appId}`);
      if (instances !== void 0) instances.current = false;
    });
  }
  known(name, namespace) {
    const instances = this.#known.get(`${namespace}\0${name}`);
    return instances?.current === true ? instances.balancer : void 0;
  }
  /** Fails with `invoke.failed` when there are none. */
  async find(name, namespace) {
    const { resolver, balance: balance2 } = this.#dependencies;
    const { endpoints } = await resolver.resolve(name, namespace);
    const key = `${namespace}\0${name}`;
    if (endpoints.length === 0) {
      this.#known.delete(key);
      throw new ProaError('invoke.failed', `no instance of app "${name}" is known in namespace "${namespace}"`, {
        hint: 'is it running? `proa list` shows the apps that are',
      });
    }
    const instances = this.#known.get(key) ?? { balancer: balance2(name, namespace), current: true };
    instances.current = true;
    instances.balancer.update(endpoints);
    if (this.#known.size >= targetsMax) this.#known.delete(this.#known.keys().next().value);
    this.#known.set(key, instances);
    return instances.balancer;
  }
  close() {
    this.#stop();
  }
};
function send(context, dependencies, target2) {
  const { appId, places } = target2;
  const [name, namespace] = splitAppId(appId, context.namespace);
  const to = (endpoint2, call) => sendTo(context, dependencies, call, endpoint2);
  let balancer;
  let seenChanges = -1;
  return (call) => {
    const external = externalTarget(appId, dependencies.httpEndpoints());
    if (external !== void 0) return failing(appId, dependencies.external.send(external, call));
    if (balancer === void 0 || seenChanges !== places.changes) {
      seenChanges = places.changes;
      balancer = places.known(name, namespace);
    }
    if (balancer !== void 0) return failing(appId, balancer.send(call, to));
    return failing(
      appId,
      places.find(name, namespace).then(
        (found) => found.send(call, to),
        (error) => {
          call.input.body.discard();
          throw error;
        },
      ),
    );
  };
}
function sendTo(context, dependencies, call, endpoint2) {
  const { input } = call;
  call.end.place = endpoint2;
  if (call.end.trail !== void 0) sendAttempt(call, endpoint2, context.ports.clock.mono());
  const self = endpoint2.appId === context.appId && endpoint2.namespace === context.namespace;
  const forwarded = self ? void 0 : { address: dependencies.hostAddress, host: context.ports.process.hostName() };
  const leftMs = call.deadlineMs === Infinity ? void 0 : call.deadlineMs - context.ports.clock.mono();
  const headers3 = stampHeaders(input.headers, call.context, { caller: call.caller, calleeAppId: endpoint2.appId, leftMs, forwarded });
  const stamped = {
    appId: endpoint2.appId,
    namespace: endpoint2.namespace,
    httpMethod: input.httpMethod,
    path: input.path,
    query: input.query,
    headers: headers3,
    body: input.body,
    replayable: input.replayable,
  };
  return dependencies.peers.send(endpoint2, withInput(call, stamped));
}
var passing = /* @__PURE__ */ new Set(['invoke.denied', 'cancelled', 'deadline-exceeded', 'circuit-open', 'overloaded', 'shed']);
function failing(appId, answer2) {
  return answer2.catch((thrown) => {
    const error = ProaError.from(thrown, 'invoke.failed');
    if (isProaError(thrown) && passing.has(error.code)) throw error;
    const code =
      error.code === 'unavailable' ? 'invoke.unreachable' : error.spec.errorCode === 'ERR_DIRECT_INVOKE' ? error.code : 'invoke.failed';
    throw new ProaError(code, `failed to invoke, id: ${appId}, err: ${error.message}`, {
      cause: error,
      ...(error.hint === void 0 ? {} : { hint: error.hint }),
    });
  });
}
function splitAppId(appId, ownNamespace) {
  const dot = appId.lastIndexOf('.');
  return dot > 0 && dot < appId.length - 1 ? [appId.slice(0, dot), appId.slice(dot + 1)] : [appId, ownNamespace];
}
function externalTarget(appId, endpoints) {
  const named = endpoints.size === 0 ? void 0 : endpoints.get(appId);
  if (named !== void 0) return named;
  return appId.startsWith('http') && /^https?:\/\//.test(appId) ? { name: appId, baseUrl: appId, headers: {} } : void 0;
}

// src/contracts/decisions.ts
var untold = () => {};
function stackName({ direction, block: block2, name, operation: operation2 }) {
  return block2 === 'invoke' ? `${direction} ${name}` : `${direction} ${name} ${operation2}`;
}
function tellTrail(role, target2, from = {}) {
  return (call, kind, what) => noteDecision(call, { role, kind, what, target: target2, ...from });
}

// src/filters/authorise/access-control.ts
function accessControl(list2, callerTrustDomain, { decided, tell = untold }) {
  const policies = new Map(list2.policies.map((policy2) => [`${policy2.namespace}\0${policy2.appId}`, policy2]));
  return {
    admit(call) {
      const request = call;
      const policy2 = policies.get(`${call.caller.namespace}\0${call.caller.appId}`);
      const known2 = policy2 !== void 0 && policy2.trustDomain === callerTrustDomain;
      const action2 = known2 ? decide(policy2, request.input) : list2.defaultAction;
      decided({
        allowed: action2 === 'allow',
        by: known2 ? 'app' : 'global',
        trustDomain: callerTrustDomain,
        namespace: call.caller.namespace,
      });
      if (action2 === 'allow') return;
      tell(
        call,
        'refused',
        known2 ? 'the policy of the calling app denies the operation' : 'no policy is about the calling app, and the default is deny',
      );
      throw new ProaError(
        'invoke.denied',
        `access control policy has denied access to id: spiffe://${callerTrustDomain}/ns/${call.caller.namespace}/${call.caller.appId} operation: ${request.input.path} verb: ${request.input.httpMethod}`,
      );
    },
  };
}
function decide(policy2, request) {
  const path2 = segments(request.path.toLowerCase());
  for (const operation2 of policy2.operations) {
    if (!matchesVerb(operation2.httpVerbs, request.httpMethod)) continue;
    if (matchesPath(segments(operation2.name.toLowerCase()), path2)) return operation2.action;
  }
  return policy2.defaultAction;
}
function matchesVerb(verbs2, method) {
  return verbs2.length === 0 || verbs2.some((verb) => verb === '*' || verb.toUpperCase() === method);
}
function segments(path2) {
  return path2.split('/').filter((segment) => segment !== '');
}
function matchesPath(pattern, path2) {
  const last = pattern.at(-1);
  const open2 = last === '**';
  if (open2 ? path2.length < pattern.length : path2.length !== pattern.length) return false;
  return pattern.every((segment, i) => (i === pattern.length - 1 && (open2 || segment === '*')) || segment === path2[i]);
}

// src/filters/metrics/component-metrics.ts
function componentMetrics(options) {
  const { metrics: metrics3, clock, countName, latencyName, labels, recorder } = options;
  const series = (success) => {
    const all = { ...labels, success: String(success) };
    return { count: metrics3.counter(countName, all), latency: metrics3.histogram(latencyName, all) };
  };
  const good = series(true);
  let bad;
  return {
    admit(call) {
      recorder?.begin(call);
      return clock.mono();
    },
    settle(call, outcome, admitted) {
      const { count, latency } = outcome.ok ? good : (bad ??= series(false));
      count.add(1);
      const tookMs = clock.mono() - admitted;
      latency.record(tookMs);
      recorder?.end(call, outcome, tookMs);
    },
  };
}

// src/filters/metrics/invocation-metrics.ts
function outboundInvocationMetrics(options) {
  const { metrics: metrics3, clock, appId, recorder } = options;
  const sent = metrics3.counter(metricNames.invocationRequestSent, { [labelNames.dstAppId]: appId, [labelNames.type]: 'unary' });
  const byStatus = /* @__PURE__ */ new Map();
  const seriesOf = (status) => {
    let series = byStatus.get(status);
    if (series === void 0) {
      const labels = { [labelNames.srcAppId]: appId, [labelNames.status]: String(status) };
      series = {
        received: metrics3.counter(metricNames.invocationResponseReceived, { ...labels, [labelNames.type]: 'unary' }),
        latency: metrics3.histogram(metricNames.invocationLatency, labels),
      };
      byStatus.set(status, series);
    }
    return series;
  };
  return {
    admit(call) {
      recorder?.begin(call);
      sent.add(1);
      return clock.mono();
    },
    settle(call, outcome, admitted) {
      const series = seriesOf(statusOf(outcome));
      series.received.add(1);
      const tookMs = clock.mono() - admitted;
      series.latency.record(tookMs);
      recorder?.end(call, outcome, tookMs);
    },
  };
}
function inboundInvocationMetrics(metrics3, recorder) {
  const callers = /* @__PURE__ */ new Map();
  const make = (appId) => {
    const series = {
      received: metrics3.counter(metricNames.invocationRequestReceived, { [labelNames.srcAppId]: appId }),
      answered: /* @__PURE__ */ new Map(),
    };
    callers.set(appId, series);
    return series;
  };
  return {
    admit(call) {
      recorder?.begin(call);
      const { appId } = call.caller;
      const series = callers.get(appId) ?? make(appId);
      series.received.add(1);
      return series;
    },
    settle(call, outcome, admitted) {
      const { answered } = admitted;
      const status = statusOf(outcome);
      let counter = answered.get(status);
      if (counter === void 0) {
        const labels = { [labelNames.dstAppId]: call.caller.appId, [labelNames.status]: String(status) };
        counter = metrics3.counter(metricNames.invocationResponseSent, labels);
        answered.set(status, counter);
      }
      counter.add(1);
      recorder?.end(call, outcome, void 0);
    },
  };
}
function statusOf(outcome) {
  return outcome.status ?? (outcome.ok ? 200 : 500);
}

// src/filters/record/record.ts
function record(recorder, clock) {
  return {
    admit(call) {
      recorder.begin(call);
      return clock.mono();
    },
    settle: (call, outcome, admitted) => recorder.end(call, outcome, clock.mono() - admitted),
  };
}

// src/kernel/stack.ts
function layerFilter(filter) {
  return filter;
}
function createStack(order2, layers, settleAt) {
  let last = -1;
  for (const layer of layers) {
    const position = order2.indexOf(layer.role);
    if (position < 0) throw new ProaError('internal', `stack role "${layer.role}" has no place in the order`);
    if (position === last) throw new ProaError('internal', `stack role "${layer.role}" stands twice`);
    if (position < last) throw new ProaError('internal', `stack role "${layer.role}" stands too far inside`);
    last = position;
  }
  return { layers, settleAt, over: (service) => compile2(layers, settleAt, service) };
}
function compile2(layers, settleAt, service) {
  let inner = service;
  let run2 = [];
  for (let i = layers.length - 1; i >= 0; i--) {
    const layer = layers[i];
    if ('pair' in layer) {
      run2.unshift(layer.pair);
      continue;
    }
    inner = layer.filter(fuse(run2, settleAt, inner));
    run2 = [];
  }
  return fuse(run2, settleAt, inner);
}
function fuse(pairs, settleAt, next) {
  if (pairs.length === 0) return next;
  const [only] = pairs;
  const admitAll = pairs.length === 1 ? admitOne(only) : admitEach(pairs);
  const settleAll = pairs.length === 1 ? settleOne(only) : settleEach(pairs);
  if (settleAt === 'result') return settlingWithResult(admitAll, settleAll, next);
  return (call) => {
    let admitted;
    try {
      admitted = admitAll(call);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    call.end.listen((outcome) => settleAll(call, outcome, admitted));
    return next(call);
  };
}
function admitOne(pair3) {
  return (call) => {
    try {
      return pair3.admit?.(call);
    } catch (cause) {
      throw ProaError.from(cause);
    }
  };
}
function settleOne(pair3) {
  return (call, outcome, admitted) => pair3.settle?.(call, outcome, admitted);
}
function admitEach(pairs) {
  const settle = settleEach(pairs);
  return (call) => {
    const admitted = [];
    try {
      for (const pair3 of pairs) admitted.push(pair3.admit?.(call));
      return admitted;
    } catch (cause) {
      const error = ProaError.from(cause);
      settle(call, { ok: false, error }, admitted);
      throw error;
    }
  };
}
function settleEach(pairs) {
  return (call, outcome, admitted) => {
    const values = admitted;
    for (let i = values.length - 1; i >= 0; i--) pairs[i]?.settle?.(call, outcome, values[i]);
  };
}
function settlingWithResult(admitAll, settleAll, next) {
  return (call) => {
    let admitted;
    try {
      admitted = admitAll(call);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    const failed2 = (cause) => {
      const error = ProaError.from(cause);
      settleAll(call, { ok: false, error }, admitted);
      throw error;
    };
    try {
      return next(call).then((result) => {
        settleAll(call, succeeded, admitted);
        return result;
      }, failed2);
    } catch (cause) {
      return Promise.reject(cause).catch(failed2);
    }
  };
}
var succeeded = { ok: true };

// src/filters/admission/admission.ts
var order = ['critical', 'default', 'sheddable'];
function createAdmission(options) {
  return new Door(options);
}
var Door = class {
  #options;
  // Per class, newest last. The newest is let in first: who has waited long has mostly given up.
  #queues = { critical: /* @__PURE__ */ new Set(), default: /* @__PURE__ */ new Set(), sheddable: /* @__PURE__ */ new Set() };
  inFlight = 0;
  waiting = 0;
  constructor(options) {
    this.#options = options;
  }
  enter(call, priority2) {
    if (this.#hasRoom(priority2)) {
      this.#begin(call);
      return void 0;
    }
    const { queueMax } = this.#options;
    if (this.waiting >= queueMax && !this.#evict(priority2)) return Promise.reject(this.#shed());
    return this.#wait(call, priority2);
  }
  #hasRoom(priority2) {
    const { limit: limit2, shares } = this.#options;
    return this.inFlight < Math.max(1, Math.floor(limit2.current * shares[priority2]));
  }
  #begin(call) {
    const { clock, limit: limit2 } = this.#options;
    this.inFlight++;
    const begunMs = clock.mono();
    call.end.listen(({ ok, error }) => {
      const dropped = !ok && error !== void 0 && ProaError.from(error).code === 'deadline-exceeded';
      if (ok || dropped) limit2.sample(clock.mono() - begunMs, this.inFlight, dropped);
      this.inFlight--;
      this.#admitNext();
    });
  }
  #wait(call, priority2) {
    const { clock, waitMaxMs } = this.#options;
    const queue = this.#queues[priority2];
    return new Promise((resolve, reject) => {
      let timer = void 0;
      let unlink = () => {};
      const leave = () => {
        if (!queue.delete(waiter)) return;
        this.waiting--;
        timer?.cancel();
        unlink();
      };
      const waiter = {
        priority: priority2,
        admitted: () => {
          leave();
          this.#begin(call);
          resolve();
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      queue.add(waiter);
      this.waiting++;
      timer = clock.timer(waitMaxMs, () => waiter.refuse(this.#shed()));
      unlink = call.cancel.onCancel((reason) =>
        waiter.refuse(new ProaError('cancelled', 'the caller gave up while it waited to be let in', { cause: reason })),
      );
    });
  }
  #admitNext() {
    for (const priority2 of order) {
      const queue = this.#queues[priority2];
      while (queue.size > 0 && this.#hasRoom(priority2)) {
        let newest;
        for (const waiter of queue) newest = waiter;
        newest?.admitted();
      }
    }
  }
  /** Makes room in the queue by refusing the one that matters least, if it matters less. */
  #evict(priority2) {
    for (let i = order.length - 1; i > order.indexOf(priority2); i--) {
      const [oldest] = this.#queues[order[i]];
      if (oldest === void 0) continue;
      oldest.refuse(this.#shed());
      return true;
    }
    return false;
  }
  #shed() {
    this.#options.refused?.();
    return new ProaError('shed', `more calls arrive than can be answered: ${this.inFlight} are under way, ${this.waiting} wait`, {
      details: { metadata: { retryAfterMs: '1000' } },
    });
  }
};
function admit(admission2, priorityOf2, tell = untold) {
  return (next) => (call) => {
    const priority2 = priorityOf2(call);
    const waiting = admission2.enter(call, priority2);
    return waiting === void 0
      ? next(call)
      : waiting.then(
          () => {
            tell(call, 'waited', `a call of priority ${priority2} had to wait to be let in`);
            return next(call);
          },
          (thrown) => {
            const error = ProaError.from(thrown);
            tell(call, 'refused', `${error.message}; its priority is ${priority2}`);
            throw error;
          },
        );
  };
}

// src/filters/admission/concurrency-limit.ts
var longWindow = 600;
var warmUpSamples = 10;
var tolerance = 1.5;
var queueSize = 4;
var smoothing = 0.2;
function createGradient2({ initial, min, max }) {
  let limit2 = initial;
  let long = 0;
  let count = 0;
  return {
    get current() {
      return Math.floor(limit2);
    },
    sample(rttMs, inFlight, dropped) {
      const short = Math.max(1e-3, rttMs);
      count++;
      long = count <= warmUpSamples ? (long * (count - 1) + short) / count : long + (short - long) * (2 / (longWindow + 1));
      if (long / short > 2) long *= 0.95;
      if (inFlight < limit2 / 2) return;
      const gradient = dropped ? 0.5 : Math.max(0.5, Math.min(1, (tolerance * long) / short));
      limit2 = Math.min(max, Math.max(min, limit2 * (1 - smoothing) + (limit2 * gradient + queueSize) * smoothing));
    },
  };
}
function createVegas({ initial, min, max }, random) {
  let limit2 = initial;
  let best = Infinity;
  let samples = 0;
  let jitter = 1;
  return {
    get current() {
      return Math.floor(limit2);
    },
    sample(rttMs, inFlight, dropped) {
      const rtt = Math.max(1e-3, rttMs);
      if (++samples > 30 * limit2 * jitter) {
        samples = 0;
        jitter = 0.5 + random.u32() / 2 ** 33;
        best = rtt;
        return;
      }
      if (rtt < best) best = rtt;
      if (inFlight < limit2 / 2) return;
      const step = Math.max(1, Math.log10(limit2));
      const queue = Math.ceil(limit2 * (1 - best / rtt));
      const wanted =
        dropped || queue > 6 * step ? limit2 - step : queue <= step ? limit2 + 6 * step : queue < 3 * step ? limit2 + step : limit2;
      limit2 = Math.min(max, Math.max(min, wanted));
    },
  };
}

// src/filters/authorise/decide.ts
var tokenCharsMax = 16 * 1024;
function decide2(options) {
  const { grants, enforced, onTrial, target: target2, refused: refused3 } = options;
  const inForce = grants.filter(({ dryRun }) => !dryRun);
  return (next) => (call) => {
    const token2 = grants.some((grant) => grant.token !== void 0) ? bearerOf(call.input.headers) : void 0;
    const judge2 = (claims) => {
      const why = enforced ? refusal(inForce, claims) : void 0;
      if (why !== void 0) {
        refused3(call, why, false);
        call.input.body.discard();
        return Promise.reject(
          new ProaError(
            'invoke.denied',
            `${target2}: ${why.why} (caller "${call.caller.appId}", ${call.input.httpMethod} /${call.input.path})`,
          ),
        );
      }
      const trial = onTrial ? refusal(grants, claims) : void 0;
      if (trial !== void 0) refused3(call, trial, true);
      return next(call);
    };
    if (token2 === void 0) return judge2(() => void 0);
    const verifiers = new Set(grants.flatMap((grant) => (grant.token === void 0 ? [] : [grant.token.verifier])));
    if ([...verifiers].every((verifier) => verifier.known(token2) !== void 0)) return judge2((verifier) => verifier.known(token2));
    return verifyAll(verifiers, token2).then((claims) => judge2((verifier) => claims.get(verifier)));
  };
}
async function verifyAll(verifiers, token2) {
  const verified = /* @__PURE__ */ new Map();
  for (const verifier of verifiers) verified.set(verifier, verifier.known(token2) ?? (await verifier.verify(token2)));
  return verified;
}
function refusal(grants, claims) {
  const fits3 = (grant) => grant.token === void 0 || fitsToken(grant.token.claims, claims(grant.token.verifier));
  const denying = grants.find((grant) => grant.action === 'deny' && fits3(grant));
  if (denying !== void 0) return { why: `${denying.name} denies the call`, by: denying.name };
  return grants.some((grant) => grant.action === 'allow' && fits3(grant)) ? void 0 : { why: 'no policy allows the call' };
}
function fitsToken(wanted, claims) {
  if (claims === void 0) return false;
  return Object.entries(wanted).every(([name, values]) => {
    const found = claimOf(claims, name);
    const list2 = Array.isArray(found) ? found : typeof found === 'string' && name === 'scope' ? found.split(' ') : [found];
    return list2.some((value) => values.includes(String(value)));
  });
}
function claimOf(claims, name) {
  if (Object.hasOwn(claims, name)) return claims[name];
  let at = claims;
  for (const part2 of name.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part2)) return void 0;
    at = at[part2];
  }
  return at;
}
function bearerOf(headers3) {
  for (let i = 0; i < headers3.length; i += 2) {
    if (headers3[i] !== 'authorization') continue;
    const value = headers3[i + 1];
    return value.length <= tokenCharsMax && value.slice(0, 7).toLowerCase() === 'bearer ' ? value.slice(7).trim() : void 0;
  }
  return void 0;
}

// src/contracts/egress.ts
function isAddress(host) {
  return /^[\d.]+$|:/.test(host);
}
function addressKind(address) {
  const text2 = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  if (text2.includes(':')) return kindOfV6(groupsOf(text2));
  const parts = text2.split('.').map(Number);
  const sound = parts.length === 4 && parts.every((part2) => Number.isInteger(part2) && part2 >= 0 && part2 < 256);
  return sound ? kindOfV4(parts[0], parts[1], text2) : 'forbidden';
}
function kindOfV4(first, second, text2) {
  if (first >= 224 || (first === 169 && second === 254) || text2 === '100.100.100.200') return 'forbidden';
  if (first === 127 || first === 0) return 'loopback';
  if (first === 10 || (first === 172 && second >= 16 && second < 32) || (first === 192 && second === 168)) return 'private';
  return first === 100 && second >= 64 && second < 128 ? 'private' : 'public';
}
function kindOfV6(groups) {
  if (groups === void 0) return 'forbidden';
  const embedded2 = embeddedV4(groups);
  if (embedded2 !== void 0) return addressKind(embedded2);
  const first = groups[0];
  if (groups.slice(0, 7).every((group3) => group3 === 0)) return 'loopback';
  if ((first & 65472) === 65152 || first >= 65280) return 'forbidden';
  if (first === 64768 && groups[1] === 3778 && groups[7] === 596) return 'forbidden';
  return (first & 65024) === 64512 || (first & 65472) === 65216 ? 'private' : 'public';
}
function embeddedV4(groups) {
  const zeros = (from, to) => groups.slice(from, to).every((group3) => group3 === 0);
  const mapped = zeros(0, 5) && (groups[5] === 65535 || (groups[5] === 0 && groups[6] !== 0));
  const nat64 = groups[0] === 100 && groups[1] === 65435 && zeros(2, 6);
  if (mapped || nat64) return dotted(groups[6], groups[7]);
  return groups[0] === 8194 ? dotted(groups[1], groups[2]) : void 0;
}
function dotted(high, low) {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
function groupsOf(text2) {
  if (!URL.canParse(`http://[${text2}]`)) return void 0;
  const [head = '', tail] = new URL(`http://[${text2}]`).hostname.slice(1, -1).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === void 0 || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].map((group3) => Number.parseInt(group3, 16));
}

// src/contracts/fetch-bytes.ts
function httpTarget(url2, tls = {}) {
  let parsed;
  try {
    parsed = new URL(url2);
  } catch {
    throw new Error(`"${url2}" is not a URL`);
  }
  const secure = parsed.protocol === 'https:';
  if (!secure && parsed.protocol !== 'http:') throw new Error(`"${url2}" is neither http nor https`);
  if (parsed.username !== '' || parsed.password !== '') throw new Error(`the URL of ${parsed.host} must not hold credentials`);
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  if (isAddress(host) && addressKind(host) === 'forbidden')
    throw new Error(`"${host}" is a link-local address, where machines hand out their credentials: it is not called`);
  const port = parsed.port === '' ? (secure ? 443 : 80) : Number(parsed.port);
  return {
    address: { host, port },
    target: parsed.pathname + parsed.search,
    authority: parsed.host,
    ...(secure && { tls: { ...tls, serverName: host } }),
  };
}
async function fetchBytes(options) {
  const { http, clock, body, bytesMax, timeoutMs: timeoutMs3 } = options;
  const { authority, ...where } = httpTarget(options.url, options.tls);
  const scope = new CancelScope();
  const unlink = options.cancel?.onCancel((reason) => scope.cancel(reason));
  const late = () => scope.cancel(new ProaError('deadline-exceeded', `${authority} did not answer within ${timeoutMs3} ms`));
  const timer = timeoutMs3 === void 0 ? void 0 : clock.timer(timeoutMs3, late);
  try {
    const response = await http.request({
      ...where,
      method: options.method ?? 'GET',
      headers: ['host', authority, ...(options.headers ?? [])],
      body: body === void 0 ? emptyBody : bytesBody(body),
      cancel: scope,
      ...(timeoutMs3 !== void 0 && { timeoutMs: timeoutMs3 }),
    });
    return { status: response.status, headers: response.headers, data: await orCancelled(collect(response.body, bytesMax), scope) };
  } catch (cause) {
    if (cause instanceof BodyTooLarge)
      throw new ProaError('overloaded', `the answer of ${authority} is larger than ${bytesMax} bytes`, { cause });
    throw cause;
  } finally {
    timer?.cancel();
    unlink?.();
  }
}
function orCancelled(work, scope) {
  return new Promise((resolve, reject) => {
    const unlink = scope.onCancel((reason) => reject(reason));
    work.then(resolve, reject).finally(unlink);
  });
}
async function fetchJson(options) {
  const { status, data } = await fetchBytes({ ...options, headers: ['accept', 'application/json', ...(options.headers ?? [])] });
  if (status !== 200) throw new Error(`${options.url} answered with status ${status}`);
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8'));
  } catch {
    throw new Error(`${options.url} did not answer with JSON`);
  }
}

// src/contracts/issuer-keys.ts
var timeoutMs = 3e4;
var documentBytesMax = 1024 * 1024;
var refreshMs = 10 * 6e4;
var lookAgainMs = 6e4;
async function fetchIssuerKeys(issuer, jwksUrl, context) {
  const { clock } = context;
  const get = (url3) => fetchJson({ http: context.http, clock, url: url3, timeoutMs, bytesMax: documentBytesMax });
  const url2 = jwksUrl === '' ? await discover(issuer, get) : jwksUrl;
  const load = async () => {
    const document = await get(url2);
    if (!Array.isArray(document?.keys)) throw new Error(`${url2} has no list "keys"`);
    return document;
  };
  let keys = await load();
  let loadedAt = clock.mono();
  let loading;
  const reload = async () => {
    loadedAt = clock.mono();
    try {
      keys = await load();
      return true;
    } catch (error) {
      context.log.warn("the issuer's keys cannot be refreshed; the last ones stay", {
        component: context.name,
        error: error.message,
      });
      return false;
    } finally {
      loading = void 0;
    }
  };
  return {
    current: () => keys,
    freshen() {
      if (clock.mono() - loadedAt >= refreshMs) loading ??= reload();
    },
    lookAgain() {
      if (loading === void 0 && clock.mono() - loadedAt < lookAgainMs) return Promise.resolve(false);
      return (loading ??= reload());
    },
  };
}
async function discover(issuer, get) {
  const document = await get(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const { issuer: found, jwks_uri: jwksUri } = document ?? {};
  if (typeof jwksUri !== 'string' || jwksUri === '') throw new Error("the OpenID Configuration document does not contain a 'jwks_uri'");
  if (found !== issuer) {
    const seen = JSON.stringify(found);
    throw new Error(`the issuer in the OpenID Configuration document (${seen}) is not the one of the component's metadata ("${issuer}")`);
  }
  return jwksUri;
}

// src/filters/authorise/tokens.ts
var skewSeconds = 60;
var remembered = 1e3;
var rememberedMs = 6e4;
function createTokenVerifier(options) {
  const { issuer, audience, context } = options;
  const { clock } = context;
  const good = /* @__PURE__ */ new Map();
  let keys;
  const keysOf2 = () => {
    keys ??= fetchIssuerKeys(issuer, options.jwksUri ?? '', context).catch((cause) => {
      keys = void 0;
      throw new ProaError('unavailable', `the keys of ${issuer} cannot be fetched: ${cause.message}`, { cause });
    });
    return keys;
  };
  const remember = (token2, claims) => {
    if (good.size >= remembered) good.delete(good.keys().next().value);
    const expiresMs = typeof claims['exp'] === 'number' ? claims['exp'] * 1e3 - clock.now() : Infinity;
    good.set(token2, { claims, untilMs: clock.mono() + Math.min(rememberedMs, Math.max(0, expiresMs)) });
  };
  return {
    known(token2) {
      const found = good.get(token2);
      if (found === void 0 || clock.mono() < found.untilMs) return found?.claims;
      good.delete(token2);
      return void 0;
    },
    async verify(token2) {
      const { createLocalJWKSet, errors, jwtVerify } = await import('jose');
      const fetched = await keysOf2();
      fetched.freshen();
      const check = async (set) => {
        const checked = await jwtVerify(token2, createLocalJWKSet(set), {
          issuer,
          audience,
          currentDate: new Date(clock.now()),
          clockTolerance: skewSeconds,
        });
        remember(token2, checked.payload);
        return checked.payload;
      };
      try {
        return await check(fetched.current());
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey) || !(await fetched.lookAgain())) return void 0;
        return check(fetched.current()).catch(() => void 0);
      }
    },
  };
}

// src/filters/fault/fault.ts
function fault(options) {
  const { random, delay, abort, injected, tell = untold } = options;
  const hits = (share2) => random.u32() / 2 ** 32 < share2;
  return (next) => (call) => {
    const delayed = delay !== void 0 && hits(delay.share);
    const aborted = abort !== void 0 && hits(abort.share);
    if (!delayed && !aborted) return next(call);
    injected?.();
    const go = () => {
      if (!aborted) return next(call);
      tell(call, 'refused', 'a failure was injected in place of the call');
      return abort.answer();
    };
    if (!delayed) return go();
    const { minMs, maxMs } = delay;
    const delayMs = minMs + ((maxMs - minMs) * random.u32()) / 2 ** 32;
    tell(call, 'waited', `a delay of ${formatDuration(Math.round(delayMs))} was injected`);
    return pause(options.clock, delayMs, call).then(go);
  };
}
function pause(clock, ms, call) {
  return new Promise((resolve, reject) => {
    const timer = clock.timer(ms, () => {
      unlink();
      resolve();
    });
    const unlink = call.cancel.onCancel((reason) => {
      timer.cancel();
      reject(new ProaError('cancelled', 'the caller gave up during an injected delay', { cause: reason }));
    });
  });
}

// src/mesh/policy/activations.ts
function labelsOf({ namespace, target: target2 }, policy2, rule2) {
  return {
    [labelNames.name]: rule2.resource,
    [labelNames.policy]: policy2,
    [labelNames.namespace]: namespace,
    [labelNames.flowDirection]: target2.direction,
    [labelNames.target]: target2.block === 'invoke' ? `app_${target2.name}` : `${target2.componentType ?? target2.block}_${target2.name}`,
  };
}
function activations(parts, policy2, rule2) {
  let counter;
  return () => {
    counter ??= parts.metrics.counter(metricNames.resiliencyActivations, labelsOf(parts, policy2, rule2));
    counter.add(1);
  };
}
var states = ['closed', 'half-open', 'open'];
function breakerGauge(parts, rule2) {
  let gauges;
  const opened2 = activations(parts, 'circuitbreaker', rule2);
  return (state) => {
    const labels = labelsOf(parts, 'circuitbreaker', rule2);
    gauges ??= new Map(
      states.map((each) => [each, parts.metrics.gauge(metricNames.resiliencyBreakerState, { ...labels, [labelNames.status]: each })]),
    );
    for (const [each, gauge] of gauges) gauge.set(each === state ? 1 : 0);
    if (state === 'open') opened2();
  };
}

// src/mesh/policy/path-template.ts
function templateError(template) {
  if (!template.startsWith('/')) return 'it must begin with /';
  const segments2 = template.slice(1).split('/');
  for (const [i, segment] of segments2.entries()) {
    if (segment === '' && segments2.length > 1) return 'it holds an empty segment';
    if (segment === '**' && i !== segments2.length - 1) return '** may only be the last segment';
    if (segment.includes('*') && segment !== '*' && segment !== '**') return `* must be a segment of its own, not part of "${segment}"`;
    if (/[{}]/.test(segment) && !/^\{[A-Za-z_][A-Za-z0-9_]*\}$/.test(segment)) return `"${segment}" is not a variable such as {id}`;
  }
  return void 0;
}
function templateRank(template) {
  const segments2 = template.slice(1).split('/');
  let rank = segments2.at(-1) === '**' ? 0 : 1;
  for (const segment of segments2) rank += segment === '**' ? 0 : isOpen(segment) ? 10 : 100;
  return rank;
}
function isOpen(segment) {
  return segment === '*' || segment.startsWith('{');
}
function compileTemplate(template) {
  const segments2 = template.slice(1).split('/');
  const rest = segments2.at(-1) === '**';
  const fixed = rest ? segments2.slice(0, -1) : segments2;
  if (fixed.every((segment) => !isOpen(segment))) return literal(fixed.join('/'), rest);
  return (path2) => {
    let at = 0;
    for (let i = 0; i < fixed.length; i++) {
      if (at > path2.length) return false;
      const segment = fixed[i];
      let end = path2.indexOf('/', at);
      if (end < 0) end = path2.length;
      if (isOpen(segment) ? end === at : end - at !== segment.length || !path2.startsWith(segment, at)) return false;
      at = end + 1;
    }
    return rest || at === path2.length + 1;
  };
}
function literal(text2, rest) {
  if (!rest) return (path2) => path2 === text2;
  if (text2 === '') return () => true;
  return (path2) => path2.startsWith(text2) && (path2.length === text2.length || path2.charCodeAt(text2.length) === 47);
}

// src/mesh/policy/match.ts
function compileMatch(match2) {
  if (match2 === void 0) return void 0;
  const tests = [];
  const { methods: methods4, path: path2, callers, headers: headers3, cookies } = match2;
  if (methods4 !== void 0) {
    const set = new Set(methods4);
    tests.push((call) => set.has(call.input.httpMethod));
  }
  if (callers !== void 0) {
    const set = new Set(callers);
    tests.push((call) => set.has(call.caller.appId));
  }
  if (path2 !== void 0) {
    const fits3 = compileTemplate(path2);
    tests.push((call) => fits3(call.input.path));
  }
  for (const header of headers3 ?? []) {
    const fits3 = valueTest(header);
    tests.push((call) => fits3(headerOf(call.input.headers, header.name)));
  }
  for (const cookie of cookies ?? []) {
    const fits3 = valueTest(cookie);
    tests.push((call) => fits3(cookieOf(call.input.headers, cookie.name)));
  }
  if (tests.length === 0) return void 0;
  if (tests.length === 1) return tests[0];
  return (call) => {
    for (let i = 0; i < tests.length; i++) if (!tests[i](call)) return false;
    return true;
  };
}
function valueTest(wanted) {
  if ('exact' in wanted) return (value) => value === wanted.exact;
  if ('prefix' in wanted) return (value) => value !== void 0 && value.startsWith(wanted.prefix);
  return (value) => (value !== void 0) === wanted.present;
}
function headerOf(headers3, name) {
  for (let i = 0; i < headers3.length; i += 2) if (headers3[i] === name) return headers3[i + 1];
  return void 0;
}
function cookieOf(headers3, name) {
  const all = headerOf(headers3, 'cookie');
  if (all === void 0) return void 0;
  for (let at = 0; at < all.length;) {
    while (all.charCodeAt(at) === 32) at++;
    let end = all.indexOf(';', at);
    if (end < 0) end = all.length;
    if (all.startsWith(name, at) && all.charCodeAt(at + name.length) === 61) return all.slice(at + name.length + 1, end).trim();
    at = end + 1;
  }
  return void 0;
}
function matchRank(match2) {
  if (match2 === void 0) return -1;
  const pairs = (match2.headers?.length ?? 0) + (match2.cookies?.length ?? 0);
  return (
    (match2.path === void 0 ? 0 : templateRank(match2.path) * 1e4) +
    (match2.callers === void 0 ? 0 : 5e3) +
    Math.min(pairs, 99) * 10 +
    (match2.methods === void 0 ? 0 : 5) +
    (match2.operations === void 0 ? 0 : 1)
  );
}
function matchKey(match2) {
  if (match2 === void 0) return '';
  const sorted = (list2) => JSON.stringify((list2 ?? []).map((item) => JSON.stringify(item)).toSorted());
  return [
    match2.path ?? '',
    sorted(match2.methods),
    sorted(match2.callers),
    sorted(match2.headers),
    sorted(match2.cookies),
    sorted(match2.operations),
  ].join('|');
}

// src/mesh/policy/answers.ts
function failureOfAnswer(clock) {
  return (answer2) => {
    const grpc = answer2.grpc?.code ?? 0;
    if (grpc === 0 && answer2.status >= 200 && answer2.status <= 399) return void 0;
    const pushback = headerOf(answer2.trailers ?? [], 'grpc-retry-pushback-ms') ?? headerOf(answer2.headers, 'grpc-retry-pushback-ms');
    const retryAfterMs = pushback === void 0 ? retryAfterOf(headerOf(answer2.headers, 'retry-after'), clock) : pushbackOf(pushback);
    return { error: void 0, code: grpc === 0 ? answer2.status : grpc, retryAfterMs };
  };
}
function pushbackOf(text2) {
  return /^\d{1,9}$/.test(text2) ? Number(text2) : -1;
}
function retryAfterOf(text2, clock) {
  if (text2 === void 0) return void 0;
  if (/^\d{1,9}$/.test(text2)) return Number(text2) * 1e3;
  const at = Date.parse(text2);
  return Number.isNaN(at) ? void 0 : Math.max(0, at - clock.now());
}
function dropAnswer(answer2) {
  answer2.body.discard();
}

// src/mesh/policy/layer-parts.ts
function describeTarget({ block: block2, name, operation: operation2 }) {
  return block2 === 'invoke' ? `app "${name}"` : `${operation2} of ${block2} "${name}"`;
}
function tellerOf({ target: target2 }, role, from) {
  const rule2 = from?.entry?.rule;
  const origin = from === void 0 ? void 0 : rule2?.origins[from.name];
  return tellTrail(role, stackName(target2), {
    ...(rule2 !== void 0 && { policy: rule2.resource }),
    ...(origin !== void 0 && { origin }),
  });
}
function fromOf(entry, name) {
  if (entry === void 0) return { from: 'built in' };
  return { from: `${entry.rule.resource}, ${entry.rule.origins[name] ?? ''}` };
}
function stateKey({ target: target2 }, entry, role) {
  return `${role} | ${target2.direction} ${target2.block} ${target2.name} ${target2.block === 'invoke' ? '' : target2.operation} | ${entry?.key ?? 'built in'}`;
}
function callsApp({ target: target2 }) {
  return target2.block === 'invoke' && target2.direction === 'outbound';
}
function dropOf({ target: target2 }) {
  return target2.block === 'invoke' ? { drop: (answer2) => dropAnswer(answer2) } : {};
}

// src/mesh/policy/access-layers.ts
var priorityHeader = 'proa-priority';
function priorityOf(call) {
  const written = headerOf(call.input.headers, priorityHeader);
  return written === 'critical' || written === 'sheddable' ? written : call.priority;
}
function admissionLayer(parts, entry, priority2) {
  const { clock, random, states: states2 } = parts;
  const settings = entry.value;
  const { algorithm, initial, min, max, queueMax, waitMaxMs, shares } = settings;
  const admission2 = states2.of(stateKey(parts, entry, 'admission'), settings, () =>
    createAdmission({
      clock,
      limit: algorithm === 'vegas' ? createVegas({ initial, min, max }, random) : createGradient2({ initial, min, max }),
      shares,
      queueMax,
      waitMaxMs,
      refused: activations(parts, 'admission', entry.rule),
    }),
  );
  const fixed = priority2?.value;
  return {
    role: 'admission',
    why: 'sheds what cannot be answered in time, before it costs anything; the least important first',
    parameters: {
      algorithm,
      limit: `${min} to ${max}, begins at ${initial}`,
      queue: `${queueMax} for ${formatDuration(waitMaxMs)}`,
      shares: `critical ${shares.critical}, default ${shares.default}, sheddable ${shares.sheddable}`,
      priority: fixed ?? `header ${priorityHeader}`,
      ...fromOf(entry, 'admission'),
    },
    filter: layerFilter(
      admit(admission2, fixed === void 0 ? priorityOf : () => fixed, tellerOf(parts, 'admission', { entry, name: 'admission' })),
    ),
  };
}
function faultLayer(parts, entry) {
  const { clock, random, target: target2 } = parts;
  const { delay, abort } = entry.value;
  return {
    role: 'fault',
    why: 'on the logical call, so that fallbacks are tried and nothing is repeated into the fault',
    parameters: {
      ...(delay !== void 0 && { delay: `${delay.share * 100} %, ${formatDuration(delay.minMs)} to ${formatDuration(delay.maxMs)}` }),
      ...(abort !== void 0 && {
        abort: `${abort.share * 100} %, ${abort.grpc === void 0 ? `status ${abort.status}` : `gRPC status ${abort.grpc}`}`,
      }),
      ...fromOf(entry, 'fault'),
    },
    filter: layerFilter(
      fault({
        clock,
        random,
        ...(delay !== void 0 && { delay }),
        ...(abort !== void 0 && { abort: { share: abort.share, answer: () => abortAnswer(abort, target2.block === 'invoke') } }),
        injected: activations(parts, 'fault', entry.rule),
        tell: tellerOf(parts, 'fault', { entry, name: 'fault' }),
      }),
    ),
  };
}
function abortAnswer({ status, grpc }, isApp) {
  if (!isApp) return Promise.reject(new ProaError('unavailable', 'a policy injected this failure'));
  const body = bytesBody(Buffer.from('a policy injected this failure'));
  const headers3 = ['content-type', 'text/plain', 'proa-fault', 'abort'];
  return Promise.resolve({
    status,
    headers: headers3,
    body,
    ...(grpc !== void 0 && { grpc: { code: grpc, message: 'a policy injected this failure' } }),
  });
}
function accessLayer(parts, access) {
  const grants = access.grants.map(({ value, rule: rule2 }) => ({
    name: rule2.resource,
    action: value.action,
    dryRun: value.dryRun,
    ...(value.token !== void 0 && { token: { verifier: verifierOf(parts, value.token), claims: value.token.claims } }),
  }));
  const refusedInForce = access.any === void 0 ? void 0 : activations(parts, 'authorise', access.any);
  return {
    role: 'access',
    why: 'before the app is touched, on the canonical path; refuses what no policy allows',
    parameters: {
      rules:
        grants
          .map(
            ({ name, action: action2, dryRun, token: token2 }) =>
              `${name}: ${action2}${token2 === void 0 ? '' : ' with a token'}${dryRun ? ' (dry run)' : ''}`,
          )
          .join('; ') || 'none matches',
      otherwise: access.enforced ? 'denied' : 'allowed (dry run)',
      from: access.grants.map(({ rule: rule2 }) => rule2.origins.authorise ?? '').join(', ') || (access.any?.origins.authorise ?? ''),
    },
    filter: layerFilter(
      decide2({
        grants,
        enforced: access.enforced,
        onTrial: access.onTrial,
        target: describeTarget(parts.target),
        refused(call, { why, by }, dryRun) {
          const rule2 = access.grants.find((grant) => grant.rule.resource === by)?.rule ?? access.any;
          noteDecision(call, {
            role: 'access',
            kind: dryRun ? 'chose' : 'refused',
            what: dryRun ? `${why}; on trial, so it went on` : why,
            target: stackName(parts.target),
            ...(rule2 !== void 0 && { policy: rule2.resource }),
            ...(rule2?.origins.authorise !== void 0 && { origin: rule2.origins.authorise }),
          });
          if (!dryRun) return refusedInForce?.();
          const { caller: caller2, input } = call;
          return parts.log.warn('a policy in dry run would refuse a call', {
            why,
            caller: caller2.appId,
            method: input.httpMethod,
            path: input.path,
          });
        },
      }),
    ),
  };
}
function verifierOf({ states: states2, clock, http, log }, { issuer, audience, jwksUri }) {
  return states2.of(`tokens | ${issuer} ${audience} ${jwksUri ?? ''}`, '', () =>
    createTokenVerifier({
      issuer,
      audience,
      ...(jwksUri !== void 0 && { jwksUri }),
      context: { clock, http, log, name: `tokens of ${issuer}` },
    }),
  );
}

// src/kernel/replay-body.ts
function replayBody(body) {
  const { length } = body;
  if (body === emptyBody) return emptyReplay;
  if (length === void 0 || length > limits.replayBytes) return void 0;
  if (length === 0)
    return {
      length: 0,
      pipe: (sink) => body.pipe(sink),
      discard: (reason) => body.discard(reason),
      again: () => bytesBody(new Uint8Array(0)),
    };
  const kept = Buffer.allocUnsafe(length);
  let used = 0;
  let piped = false;
  return {
    length,
    pipe(sink) {
      piped = true;
      body.pipe(
        keeping(sink, (chunk) => {
          kept.set(chunk, used);
          used += chunk.length;
        }),
      );
    },
    discard: (reason) => body.discard(reason),
    again() {
      if (!piped) return body;
      return used === length ? bytesBody(kept) : void 0;
    },
  };
}
var emptyReplay = { ...emptyBody, again: () => emptyBody };
function keeping(sink, keep2) {
  return {
    open: (flow) => sink.open(flow),
    chunk(chunk) {
      keep2(chunk);
      sink.chunk(chunk);
    },
    end: (trailers) => sink.end(trailers),
    fail: (error) => sink.fail(error),
  };
}

// src/filters/split/mirror.ts
var timeoutMs2 = 1e4;
function mirror(options) {
  const { random, share: share2, concurrencyMax, mirrored } = options;
  let underWay = 0;
  return (next) => (call) => {
    const { input } = call;
    if (random.u32() / 2 ** 32 >= share2 || !input.replayable) return next(call);
    const body = input.body.replayable === true ? void 0 : replayBody(input.body);
    if (body === void 0 && input.body.replayable !== true) return next(call);
    call.end.listen(() => {
      const again = body === void 0 ? input.body : body.again();
      if (again === void 0 || underWay >= concurrencyMax) return;
      underWay++;
      mirrored?.(call);
      void copy(options, { call, input: { ...input, body: again } }).finally(() => underWay--);
    });
    return body === void 0 ? next(call) : next({ ...call, input: { ...input, body } });
  };
}
async function copy({ clock, app, invoke: invoke2 }, { call, input }) {
  const cancel = new CancelScope();
  const { operation: operation2, caller: caller2, context } = call;
  const headers3 = [...input.headers, 'proa-mirror', 'true'];
  const copied = createCall(
    operation2,
    { ...input, appId: app, headers: headers3 },
    { cancel, caller: caller2, context, priority: 'sheddable', deadlineMs: clock.mono() + timeoutMs2 },
  );
  try {
    const answer2 = await invoke2(copied);
    answer2.body.discard();
    copied.end.fire({ ok: true, status: answer2.status });
  } catch (error) {
    copied.end.fire({ ok: false, error });
  }
}

// src/contracts/balancing.ts
var balancePlanKey = contextKey('balance', void 0);
var versionKey = contextKey('version', '');

// src/filters/split/split.ts
function split(options) {
  const { targets, draw, invoke: invoke2, tell = untold } = options;
  const total = targets.reduce((sum2, { weight }) => sum2 + weight, 0);
  const bounds = [];
  for (let i = 0, sum2 = 0; i < targets.length; i++) bounds.push(((sum2 += targets[i].weight) / total) * 2 ** 32);
  return (next) => (call) => {
    const drawn = draw(call);
    let i = 0;
    while (i < targets.length - 1 && drawn >= bounds[i]) i++;
    const { to } = targets[i];
    if (i > 0 || call.end.trail !== void 0)
      tell(call, 'chose', 'version' in to ? `it goes to version ${to.version}` : `it goes to app ${to.app}`);
    if ('version' in to) return next(derive(call, { context: withValue(call.context, versionKey, to.version) }));
    const end = new CallEnd();
    call.end.listen((outcome) => end.fire(outcome));
    return invoke2(derive(call, { input: { ...call.input, appId: to.app }, end }));
  };
}

// src/mesh/balance/hash.ts
function hash32(text2, seed = 0) {
  let h = (2166136261 ^ seed) >>> 0;
  for (let i = 0; i < text2.length; i++) h = Math.imul(h ^ text2.charCodeAt(i), 16777619);
  h ^= h >>> 16;
  h = Math.imul(h, 2246822507);
  h ^= h >>> 13;
  h = Math.imul(h, 3266489909);
  return (h ^ (h >>> 16)) >>> 0;
}

// src/mesh/balance/tables.ts
var pointsPerMember = 160;
var pointsMax = 4e4;
function createRing(members) {
  const total = members.reduce((sum2, { weight }) => sum2 + weight, 0);
  const scale = Math.min(pointsPerMember * members.length, pointsMax) / total;
  const points = members.flatMap((member) => {
    const count = Math.max(1, Math.round(member.weight * scale));
    return Array.from({ length: count }, (_, i) => ({ at: hash32(member.endpoint.instance, i + 1), member }));
  });
  points.sort((a, b) => a.at - b.at);
  return (hash, step) => {
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (points[middle].at < hash) low = middle + 1;
      else high = middle;
    }
    let found = points[low % points.length];
    for (let passed = 0, i = low; passed < step && i < low + points.length; i++) {
      const next = points[(i + 1) % points.length];
      if (next.member === found.member) continue;
      found = next;
      passed++;
    }
    return found.member;
  };
}
var slots2 = 16381;
function createMaglev(members) {
  const table = new Int32Array(slots2).fill(-1);
  const heaviest = Math.max(...members.map(({ weight }) => weight));
  const offsets = members.map(({ endpoint: endpoint2 }) => hash32(endpoint2.instance, 40503) % slots2);
  const steps = members.map(({ endpoint: endpoint2 }) => (hash32(endpoint2.instance, 31161) % (slots2 - 1)) + 1);
  const turns = members.map(() => 0);
  const credits = members.map(() => 0);
  for (let filled = 0; filled < slots2;) {
    for (let i = 0; i < members.length && filled < slots2; i++) {
      credits[i] = credits[i] + members[i].weight / heaviest;
      if (credits[i] < 1 - 1e-9) continue;
      credits[i] = credits[i] - 1;
      let slot = (offsets[i] + turns[i] * steps[i]) % slots2;
      while (table[slot] !== -1) {
        turns[i] = turns[i] + 1;
        slot = (offsets[i] + turns[i] * steps[i]) % slots2;
      }
      table[slot] = i;
      turns[i] = turns[i] + 1;
      filled++;
    }
  }
  return (hash, step) => members[(table[hash % slots2] + step) % members.length];
}

// src/mesh/balance/strategies.ts
function createStrategy(settings, random) {
  const fallback3 = twoChoices(random, (member, nowMs) => member.cost(nowMs, settings.slowStartMs));
  switch (settings.policy) {
    case 'p2c-ewma':
      return fallback3;
    case 'least-request':
      return twoChoices(random, (member, nowMs) => (member.inFlight + 1) / (member.weight * member.share(nowMs, settings.slowStartMs)));
    case 'random':
      return (members) => members[random.u32() % members.length];
    case 'round-robin':
      return roundRobin();
    case 'weighted':
      return weighted(settings.slowStartMs);
    case 'ring-hash':
      return keyed(settings.key, createRing, fallback3);
    case 'maglev':
      return keyed(settings.key, createMaglev, fallback3);
  }
}
function twoChoices(random, cost) {
  return (members, { nowMs }) => {
    const drawn = random.u32();
    const a = drawn % members.length;
    let b = (drawn >>> 16) % (members.length - 1);
    if (b >= a) b++;
    const [one, other] = [members[a], members[b]];
    return cost(other, nowMs) < cost(one, nowMs) ? other : one;
  };
}
function roundRobin() {
  let next = 0;
  return (members) => {
    const member = members[next % members.length];
    next = (next + 1) % members.length;
    return member;
  };
}
function weighted(slowStartMs) {
  const credit = /* @__PURE__ */ new WeakMap();
  return (members, { nowMs }) => {
    let total = 0;
    let best = members[0];
    let most = -Infinity;
    for (const member of members) {
      const weight = member.weight * member.share(nowMs, slowStartMs);
      const now = (credit.get(member) ?? 0) + weight;
      credit.set(member, now);
      total += weight;
      if (now > most) [best, most] = [member, now];
    }
    credit.set(best, most - total);
    return best;
  };
}
function keyed(key, make, fallback3) {
  let of;
  let table;
  return (members, picking) => {
    const value = key === void 0 ? void 0 : stickyValue(key, picking.call);
    if (value === void 0) return fallback3(members, picking);
    if (of !== members || table === void 0) {
      of = members;
      table = make(members);
    }
    return table(hash32(value), picking.step);
  };
}
function stickyValue(key, { input, caller: caller2 }) {
  switch (key.from) {
    case 'header':
      return headerOf(input.headers, key.name);
    case 'cookie':
      return cookieOf(input.headers, key.name);
    case 'caller':
      return caller2.appId;
    case 'path':
      return input.path;
  }
}

// src/mesh/policy/delivery-layers.ts
function splitLayer(parts, entry) {
  const { random, invoke: invoke2 } = parts;
  const { targets, sticky } = entry.value;
  const total = targets.reduce((sum2, { weight }) => sum2 + weight, 0);
  const draw = (call) => {
    const value = sticky === void 0 ? void 0 : stickyValue(sticky, call);
    return value === void 0 ? random.u32() : hash32(value, 81);
  };
  return {
    role: 'split',
    why: 'outside of retries: the attempts of one call stay with one version',
    parameters: {
      targets: targets
        .map(
          ({ to, weight }) => `${'version' in to ? `version ${to.version}` : `app ${to.app}`} ${Math.round((weight / total) * 1e3) / 10} %`,
        )
        .join(', '),
      ...(sticky !== void 0 && { sticky: 'name' in sticky ? `${sticky.from} ${sticky.name}` : sticky.from }),
      ...fromOf(entry, 'split'),
    },
    filter: layerFilter(split({ targets, draw, invoke: invoke2, tell: tellerOf(parts, 'split', { entry, name: 'split' }) })),
  };
}
function mirrorLayer(parts, entry) {
  const { clock, random, invoke: invoke2 } = parts;
  const { app, share: share2, concurrencyMax } = entry.value;
  const copied = activations(parts, 'mirror', entry.rule);
  const tell = tellerOf(parts, 'mirror', { entry, name: 'mirror' });
  return {
    role: 'mirror',
    why: 'on the logical call: one copy, whatever is repeated',
    parameters: { app, percent: share2 * 100, maxConcurrent: concurrencyMax, ...fromOf(entry, 'mirror') },
    filter: layerFilter(
      mirror({
        clock,
        random,
        app,
        share: share2,
        concurrencyMax,
        invoke: invoke2,
        mirrored(call) {
          copied();
          tell(call, 'chose', `a copy of it goes to app ${app}`);
        },
      }),
    ),
  };
}

// src/filters/concurrency/bulkhead.ts
function createBulkhead(options) {
  const { clock, target: target2, concurrencyMax, queueMax, waitMaxMs } = options;
  const queue = /* @__PURE__ */ new Set();
  let taken = 0;
  const full = (why) => new ProaError('overloaded', `${target2} has ${concurrencyMax} calls under way; ${why}`);
  return {
    get taken() {
      return taken;
    },
    get waiting() {
      return queue.size;
    },
    tryTake() {
      if (taken >= concurrencyMax) return false;
      taken++;
      return true;
    },
    wait(call) {
      if (queue.size >= queueMax) return Promise.reject(full(queueMax === 0 ? 'none may wait' : `${queueMax} more wait already`));
      return new Promise((resolve, reject) => {
        let timer = void 0;
        const leave = () => {
          queue.delete(waiter);
          timer?.cancel();
          unlink();
        };
        const waiter = {
          granted() {
            leave();
            resolve();
          },
        };
        queue.add(waiter);
        timer = clock.timer(waitMaxMs, () => {
          leave();
          reject(full(`no place became free within ${formatDuration(waitMaxMs)}`));
        });
        const unlink = call.cancel.onCancel((reason) => {
          queue.delete(waiter);
          timer?.cancel();
          reject(new ProaError('cancelled', `the caller gave up while it waited for a place at ${target2}`, { cause: reason }));
        });
      });
    },
    release() {
      const [next] = queue;
      if (next === void 0) taken--;
      else next.granted();
    },
  };
}
function bulkhead(places, clock, tell = untold) {
  return (next) => (call) => {
    if (places.tryTake()) {
      call.end.listen(places.release);
      return next(call);
    }
    const { taken, waiting } = places;
    const sinceMs = clock.mono();
    return places.wait(call).then(
      () => {
        call.end.listen(places.release);
        attemptOf(call).waitedMs = clock.mono() - sinceMs;
        tell(call, 'waited', `${taken} calls were under way and ${waiting} waited: it had to wait for a place`);
        return next(call);
      },
      (thrown) => {
        const error = ProaError.from(thrown);
        tell(call, 'refused', error.message);
        throw error;
      },
    );
  };
}

// src/filters/balance/with-plan.ts
function withPlan(plan) {
  return (next) => (call) => next(derive(call, { context: withValue(call.context, balancePlanKey, plan) }));
}

// src/mesh/balance/plan.ts
var defaultBalance = {
  policy: 'p2c-ewma',
  zoneShareMin: 0.7,
  slowStartMs: 0,
  outlier: {
    consecutive: 5,
    failureRatio: 0,
    requestsMin: 20,
    intervalMs: 1e4,
    ejectionMs: 1e4,
    ejectionMaxMs: 3e5,
    ejectedShareMax: 0.5,
  },
  panicShare: 0.5,
};
var defaultPlan = { settings: defaultBalance };

// src/filters/breaker/breaker-pair.ts
function breakerPair({ clock, breakerOf: breakerOf2, target: target2, badFrom, timed = false, tell = untold }) {
  return {
    admit(call) {
      const nowMs = clock.mono();
      const token2 = breakerOf2(call).enter(nowMs);
      if (token2 < 0) {
        const state = breakerOf2(call).state(nowMs);
        attemptOf(call).breakerBefore = state;
        tell(
          call,
          'refused',
          `the circuit breaker of ${target2} is ${state}${state === 'open' ? '' : ' and has let enough calls through'}`,
        );
        throw new ProaError('circuit-open', `the circuit breaker of ${target2} is open`);
      }
      return timed ? { token: token2, nowMs } : token2;
    },
    settle(call, outcome, admitted) {
      const nowMs = clock.mono();
      const entered = admitted;
      const breaker3 = breakerOf2(call);
      const verdict = verdictOf(outcome, badFrom);
      const before = verdict === 'bad' || call.end.trail !== void 0 ? breaker3.state(nowMs) : void 0;
      if (typeof entered === 'number') breaker3.leave(entered, verdict, nowMs);
      else breaker3.leave(entered.token, paced(verdict, nowMs - entered.nowMs, breaker3), nowMs);
      if (before !== void 0) tellBreaker(call, { before, after: breaker3.state(nowMs), target: target2, tell });
    },
  };
}
function tellBreaker(call, { before, after, target: target2, tell }) {
  const attempt2 = attemptOf(call);
  attempt2.breakerBefore = before;
  attempt2.breakerAfter = after;
  if (before !== after) tell(call, 'changed', `the circuit breaker of ${target2} was ${before} and is ${after} now`);
}
function paced(verdict, tookMs, { slowMs: slowMs2 }) {
  return verdict === 'good' && tookMs > slowMs2 ? 'slow' : verdict;
}
function verdictOf(outcome, badFrom) {
  const { ok, status, error } = outcome;
  if (status !== void 0 && error === void 0) return status >= badFrom || status < 200 ? 'bad' : 'good';
  if (ok) return 'good';
  return error !== void 0 && ProaError.from(error).code === 'cancelled' ? 'ignored' : 'bad';
}

// src/filters/breaker/counting-breaker.ts
function createCountingBreaker(options) {
  const { requestsMax, intervalMs, openMs, trips, changed } = options;
  const counts = { requests: 0, totalSuccesses: 0, totalFailures: 0, consecutiveSuccesses: 0, consecutiveFailures: 0 };
  let state = 'closed';
  let generation = 0;
  let expiresMs = intervalMs > 0 ? -1 : Infinity;
  const begin = (next, nowMs) => {
    const was = state;
    state = next;
    generation++;
    counts.requests = counts.totalSuccesses = counts.totalFailures = counts.consecutiveSuccesses = counts.consecutiveFailures = 0;
    expiresMs = next === 'open' ? nowMs + openMs : next === 'closed' && intervalMs > 0 ? nowMs + intervalMs : Infinity;
    if (was !== next) changed?.(next);
  };
  const turn = (nowMs) => {
    if (nowMs < expiresMs) return;
    begin(state === 'open' ? 'half-open' : state, nowMs);
  };
  const succeeded2 = (nowMs) => {
    counts.totalSuccesses++;
    counts.consecutiveSuccesses++;
    counts.consecutiveFailures = 0;
    if (state === 'half-open' && counts.consecutiveSuccesses >= requestsMax) begin('closed', nowMs);
  };
  const failed2 = (nowMs) => {
    counts.totalFailures++;
    counts.consecutiveFailures++;
    counts.consecutiveSuccesses = 0;
    if (state === 'half-open' || trips(counts)) begin('open', nowMs);
  };
  return {
    slowMs: Infinity,
    enter(nowMs) {
      turn(nowMs);
      if (state === 'open' || (state === 'half-open' && counts.requests >= requestsMax)) return -1;
      counts.requests++;
      return generation;
    },
    leave(token2, verdict, nowMs) {
      turn(nowMs);
      if (token2 !== generation || state === 'open') return;
      if (verdict === 'good' || verdict === 'slow') succeeded2(nowMs);
      else if (verdict === 'bad') failed2(nowMs);
      else counts.requests = Math.max(0, counts.requests - 1);
    },
    state(nowMs) {
      turn(nowMs);
      return state;
    },
  };
}

// src/filters/breaker/keyed-breakers.ts
function createKeyedBreakers(sizeMax, make) {
  const breakers = /* @__PURE__ */ new Map();
  let last = '';
  return {
    of(key) {
      const known2 = breakers.get(key);
      if (known2 !== void 0) {
        if (key !== last) {
          breakers.delete(key);
          breakers.set(key, known2);
          last = key;
        }
        return known2;
      }
      if (breakers.size >= sizeMax) breakers.delete(breakers.keys().next().value);
      const made = make(key);
      breakers.set(key, made);
      last = key;
      return made;
    },
    entries: () => breakers.entries(),
  };
}

// src/filters/breaker/window-breaker.ts
var slots3 = 10;
var probesMin = 3;
function createWindowBreaker(options) {
  return new WindowBreaker(options);
}
var WindowBreaker = class {
  #options;
  #calls = new Int32Array(slots3);
  #bad = new Int32Array(slots3);
  #slow = new Int32Array(slots3);
  #slot = -1;
  #state = 'closed';
  #generation = 0;
  #inRow = 0;
  #sinceMs = 0;
  #openMs;
  #probes = 0;
  constructor(options) {
    this.#options = options;
    this.#openMs = options.openMs;
  }
  get slowMs() {
    return this.#options.slowMs;
  }
  enter(nowMs) {
    this.#turn(nowMs);
    if (this.#state === 'open') return -1;
    if (this.#state === 'half-open') {
      const share2 = (nowMs - this.#sinceMs) / this.#options.rampMs;
      if (this.#probes > 0 && this.#options.random.u32() / 2 ** 32 >= share2) return -1;
      this.#probes++;
    }
    return this.#generation;
  }
  leave(token2, verdict, nowMs) {
    this.#turn(nowMs);
    if (token2 !== this.#generation || this.#state === 'open') return;
    if (this.#state === 'half-open') this.#probes = Math.max(0, this.#probes - 1);
    if (verdict === 'ignored') return;
    this.#count(verdict, nowMs);
    if (this.#tooBad()) this.#open(nowMs);
  }
  state(nowMs) {
    this.#turn(nowMs);
    return this.#state;
  }
  #count(verdict, nowMs) {
    const bad = verdict === 'bad';
    const at = this.#advance(nowMs);
    this.#calls[at] = this.#calls[at] + 1;
    if (verdict === 'slow') this.#slow[at] = this.#slow[at] + 1;
    if (bad) this.#bad[at] = this.#bad[at] + 1;
    this.#inRow = bad ? this.#inRow + 1 : 0;
  }
  #tooBad() {
    const { consecutive, errorRatio, slowRatio, requestsMin } = this.#options;
    const half = this.#state === 'half-open';
    if (consecutive > 0 && this.#inRow >= (half ? Math.min(probesMin, consecutive) : consecutive)) return true;
    const calls = sum(this.#calls);
    if (calls < (half ? Math.min(probesMin, requestsMin) : requestsMin)) return false;
    if (errorRatio > 0 && sum(this.#bad) >= calls * errorRatio) return true;
    return slowRatio > 0 && sum(this.#slow) >= calls * slowRatio;
  }
  #open(nowMs) {
    const { openMs, openMaxMs } = this.#options;
    this.#openMs = this.#state === 'half-open' ? Math.min(openMaxMs, this.#openMs * 2) : openMs;
    this.#enterState('open', nowMs);
  }
  #turn(nowMs) {
    if (this.#state === 'open' && nowMs - this.#sinceMs >= this.#openMs) this.#enterState('half-open', nowMs);
    else if (this.#state === 'half-open' && nowMs - this.#sinceMs >= this.#options.rampMs && sum(this.#calls) > 0)
      this.#enterState('closed', nowMs);
  }
  #enterState(state, nowMs) {
    this.#state = state;
    this.#sinceMs = nowMs;
    this.#generation++;
    this.#probes = this.#inRow = 0;
    for (const counts of [this.#calls, this.#bad, this.#slow]) counts.fill(0);
    this.#options.changed?.(state);
  }
  #advance(nowMs) {
    const slot = Math.floor(nowMs / (this.#options.windowMs / slots3));
    const passed = this.#slot < 0 ? 0 : Math.min(slots3, slot - this.#slot);
    for (let i = 0; i < passed; i++) for (const counts of [this.#calls, this.#bad, this.#slow]) counts[(slot - i) % slots3] = 0;
    this.#slot = slot;
    return slot % slots3;
  }
};
function sum(counts) {
  let total = 0;
  for (let i = 0; i < slots3; i++) total += counts[i];
  return total;
}

// src/mesh/policy/trip.ts
var names = ['requests', 'totalSuccesses', 'totalFailures', 'consecutiveSuccesses', 'consecutiveFailures'];
var charsMax2 = 1024;
var structure = { maxAstNodes: 200, maxDepth: 20, maxListElements: 50, maxMapEntries: 10, maxCallArguments: 8 };
var defaultTrip = ({ consecutiveFailures }) => consecutiveFailures > 5;
async function compileTrip(text2) {
  if (text2.length > charsMax2) throw new Error(`it is longer than ${charsMax2} characters`);
  const { Environment } = await import('@marcbachmann/cel-js');
  const environment = new Environment({ unlistedVariablesAreDyn: false, limits: structure });
  for (const name of names) environment.registerVariable(name, 'int');
  const evaluate = environment.parse(text2);
  const checked = evaluate.check();
  if (!checked.valid) throw checked.error ?? new Error('it has a type error');
  if (checked.type !== 'bool') throw new Error('its result is not true or false');
  return (counts) => {
    try {
      return evaluate(Object.fromEntries(names.map((name) => [name, BigInt(counts[name])]))) === true;
    } catch {
      return false;
    }
  };
}

// src/mesh/policy/breaker-layers.ts
function breakerLayer(parts, entry) {
  const { clock, states: states2, target: target2 } = parts;
  const settings = entry.value;
  const perMethod = target2.block === 'invoke' && settings.per === 'method';
  const make = makeBreaker(parts, entry);
  const key = stateKey(parts, entry, 'breaker');
  const breakers = perMethod ? states2.of(key, settings, () => createKeyedBreakers(settings.cacheSize, make)) : void 0;
  const single = perMethod ? void 0 : states2.of(key, settings, make);
  const ofPath = (call) => breakers.of(call.input.path);
  return {
    role: 'breaker',
    why: 'inside retries, so that each attempt counts; an open breaker ends them',
    parameters: { ...breakerParameters(settings), per: perMethod ? 'method' : 'target', ...fromOf(entry, 'breaker') },
    pair: breakerPair({
      clock,
      breakerOf: single === void 0 ? ofPath : () => single,
      target: describeTarget(target2),
      badFrom: badFromOf(settings),
      timed: settings.kind === 'window',
      tell: tellerOf(parts, 'breaker', { entry, name: 'breaker' }),
    }),
  };
}
function badFromOf({ kind }) {
  return kind === 'counting' ? 400 : 500;
}
function makeBreaker(parts, entry) {
  const settings = entry.value;
  const changed = breakerGauge(parts, entry.rule);
  if (settings.kind === 'window') return () => createWindowBreaker({ ...settings, random: parts.random, changed });
  const { requestsMax, intervalMs, openMs, trip } = settings;
  const trips = trip === void 0 ? defaultTrip : (parts.epoch.document.trips.get(trip) ?? defaultTrip);
  return () => createCountingBreaker({ requestsMax, intervalMs, openMs, trips, changed });
}
function breakerParameters(settings) {
  if (settings.kind === 'counting')
    return {
      trip: settings.trip ?? 'consecutiveFailures > 5',
      open: formatDuration(settings.openMs),
      halfOpenCalls: settings.requestsMax,
      ...(settings.intervalMs > 0 && { interval: formatDuration(settings.intervalMs) }),
    };
  const { consecutive, errorRatio, slowRatio, slowMs: slowMs2 } = settings;
  const trips = [
    ...(consecutive > 0 ? [`${consecutive} failures in a row`] : []),
    ...(errorRatio > 0 ? [`${errorRatio * 100} % failures`] : []),
    ...(slowRatio > 0 ? [`${slowRatio * 100} % slower than ${formatDuration(slowMs2)}`] : []),
  ];
  return {
    trip: trips.join(' or '),
    window: `${formatDuration(settings.windowMs)}, at least ${settings.requestsMin} calls`,
    open: `${formatDuration(settings.openMs)} to ${formatDuration(settings.openMaxMs)}`,
    ramp: formatDuration(settings.rampMs),
  };
}

// src/mesh/policy/balance-layers.ts
function balanceLayer(parts, balance2, breaker3) {
  const settings = balance2?.value ?? defaultBalance;
  const breakerKey = breaker3 === void 0 ? '' : `${stateKey(parts, breaker3, 'breaker')} ${JSON.stringify(breaker3.value)}`;
  const plan = parts.states.of(
    `${stateKey(parts, balance2, 'balance')} ${stateKey(parts, breaker3, 'breaker')}`,
    [settings, breaker3?.value],
    () => {
      if (breaker3 === void 0) return { settings };
      return { settings, breakers: { key: breakerKey, make: makeBreaker(parts, breaker3), badFrom: badFromOf(breaker3.value) } };
    },
  );
  plan.tell = tellerOf(parts, 'balance', { entry: balance2, name: 'balance' });
  plan.tellBreaker = tellerOf(parts, 'breaker', { entry: breaker3, name: 'breaker' });
  return {
    role: 'balance',
    why: 'innermost, so that each attempt may go elsewhere',
    parameters: {
      ...balanceParameters(settings),
      ...fromOf(balance2, 'balance'),
      ...(breaker3 !== void 0 && {
        breakerPerEndpoint: breakerParameters(breaker3.value)['trip'],
        breakerFrom: fromOf(breaker3, 'breaker')['from'],
      }),
    },
    filter: layerFilter(withPlan(plan)),
  };
}
function balanceParameters({ policy: policy2, key, zoneShareMin, slowStartMs, outlier, panicShare }) {
  return {
    policy: policy2,
    ...(key !== void 0 && { key: 'name' in key ? `${key.from} ${key.name}` : key.from }),
    zone: zoneShareMin === 0 ? 'ignored' : `own, while ${zoneShareMin * 100} % of it is usable`,
    ...(slowStartMs > 0 && { slowStart: formatDuration(slowStartMs) }),
    eject: `${outlier.consecutive} failures in a row${outlier.failureRatio > 0 ? ` or ${outlier.failureRatio * 100} % failures` : ''}, for ${formatDuration(outlier.ejectionMs)} and more, at most ${outlier.ejectedShareMax * 100} %`,
    panic: `below ${panicShare * 100} % usable`,
  };
}
function bulkheadLayer(parts, entry) {
  const { concurrencyMax, queueMax, waitMaxMs } = entry.value;
  const places = parts.states.of(stateKey(parts, entry, 'bulkhead'), entry.value, () =>
    createBulkhead({ clock: parts.clock, target: describeTarget(parts.target), concurrencyMax, queueMax, waitMaxMs }),
  );
  return {
    role: 'concurrency',
    why: 'after everything that may refuse or wait without a place; attempts hold their place to the last byte',
    parameters: { maxConcurrent: concurrencyMax, maxQueue: queueMax, maxWait: formatDuration(waitMaxMs), ...fromOf(entry, 'bulkhead') },
    filter: layerFilter(bulkhead(places, parts.clock, tellerOf(parts, 'concurrency', { entry, name: 'bulkhead' }))),
  };
}

// src/filters/fallback/fallback.ts
var marker = ['proa-fallback', 'true'];
function fallback(options) {
  const { on, answer: answer2, used } = options;
  const kept = /* @__PURE__ */ new Map();
  return (next) => (call) => {
    const instead = (failure) => {
      const replaced = substitute(options, kept, call);
      if (replaced === void 0) return failure.answer === void 0 ? Promise.reject(failure.error) : Promise.resolve(failure.answer);
      failure.answer?.body.discard();
      used?.(call, failure.error?.code ?? `status ${failure.answer?.status ?? 0}`);
      return replaced;
    };
    return next(call).then(
      (good) => {
        if (good.status >= 500 && on.has('failed')) return instead({ answer: good });
        return answer2.kind === 'cached' && cacheable(call, good) ? keep({ options, kept }, call, good) : good;
      },
      (thrown) => {
        const error = ProaError.from(thrown);
        const cause = causeOf(error);
        if (cause === void 0 || !on.has(cause) || call.cancel.cancelled) throw error;
        return instead({ error });
      },
    );
  };
}
function causeOf(error) {
  if (error.code === 'circuit-open') return 'open';
  switch (error.spec.grpc) {
    case 'RESOURCE_EXHAUSTED':
      return 'limited';
    case 'DEADLINE_EXCEEDED':
      return 'timeout';
    case 'UNAVAILABLE':
      return 'unavailable';
    case 'INTERNAL':
    case 'UNKNOWN':
      return 'failed';
    default:
      return void 0;
  }
}
function substitute(options, kept, call) {
  const { answer: answer2, clock, invoke: invoke2 } = options;
  if (answer2.kind === 'answer') return Promise.resolve(responseOf(answer2));
  if (answer2.kind === 'cached') {
    const found = kept.get(keyOf(call));
    return found === void 0 || clock.mono() - found.atMs > answer2.ageMaxMs ? void 0 : Promise.resolve(responseOf(found.answer));
  }
  const { input } = call;
  if (input.body.length !== 0 && input.body.replayable !== true) return void 0;
  const end = new CallEnd();
  call.end.listen((outcome) => end.fire(outcome));
  return invoke2(derive(call, { input: { ...input, appId: answer2.app }, end }));
}
function responseOf({ status, headers: headers3, body }) {
  return { status, headers: [...headers3, ...marker], body: bytesBody(body) };
}
function cacheable({ input }, answer2) {
  if (input.httpMethod !== 'GET' || answer2.status !== 200) return false;
  if (answer2.body.length === void 0 || answer2.body.length > limits.replayBytes) return false;
  for (let i = 0; i < input.headers.length; i += 2) {
    const name = input.headers[i];
    if (name === 'authorization' || name === 'cookie' || name === 'dapr-api-token') return false;
  }
  for (let i = 0; i < answer2.headers.length; i += 2) {
    if (answer2.headers[i] === 'set-cookie') return false;
    if (answer2.headers[i] === 'cache-control' && /no-store|private/.test(answer2.headers[i + 1])) return false;
  }
  return true;
}
function keyOf({ input }) {
  return `${input.path}?${input.query} ${acceptOf(input.headers)}`;
}
function acceptOf(headers3) {
  for (let i = 0; i < headers3.length; i += 2) if (headers3[i] === 'accept') return headers3[i + 1];
  return '';
}
async function keep({ options, kept }, call, good) {
  const body = await collect(good.body, limits.replayBytes);
  const { entriesMax } = options.answer;
  const key = keyOf(call);
  kept.delete(key);
  if (kept.size >= entriesMax) kept.delete(kept.keys().next().value);
  kept.set(key, { atMs: options.clock.mono(), answer: { kind: 'answer', status: good.status, headers: good.headers, body } });
  return { ...good, body: bytesBody(body) };
}

// src/filters/rate-limit/keyed-limiter.ts
function createKeyedLimiter(keysMax, make) {
  const limiters = /* @__PURE__ */ new Map();
  let last = '';
  return {
    take(key, nowMs) {
      let limiter = limiters.get(key);
      if (limiter === void 0) {
        if (limiters.size >= keysMax) limiters.delete(limiters.keys().next().value);
        limiters.set(key, (limiter = make(key)));
      } else if (key !== last) {
        limiters.delete(key);
        limiters.set(key, limiter);
      }
      last = key;
      return limiter.take(nowMs);
    },
  };
}

// src/filters/rate-limit/limit.ts
function limit(options) {
  const { clock, checks, target: target2, refused: refused3, tell = untold } = options;
  const refuse = (call, check, answer2) => {
    refused3?.();
    tell(call, 'refused', `${check.text} is reached`);
    return Promise.reject(tooMuch(`${target2}: ${check.text}`, answer2));
  };
  return (next) => {
    const from = (call, start, waited) => {
      const nowMs = clock.mono();
      let waitMs = waited;
      for (let i = start; i < checks.length; i++) {
        const check = checks[i];
        const answer2 = check.take(call, nowMs);
        if (typeof answer2 !== 'number')
          return answer2.then((told) => (told < 0 ? refuse(call, check, told) : from(call, i + 1, Math.max(waitMs, told))));
        if (answer2 < 0 || nowMs + answer2 >= call.deadlineMs) return refuse(call, check, answer2);
        const { release } = check;
        if (release !== void 0) call.end.listen(() => release(call));
        if (answer2 > waitMs) waitMs = answer2;
      }
      if (waitMs === 0) return next(call);
      tell(call, 'waited', `a limit made it wait ${formatDuration(Math.ceil(waitMs))} for its turn`);
      return later(clock, waitMs, call).then(() => next(call));
    };
    return (call) => from(call, 0, 0);
  };
}
function tooMuch(text2, answer2) {
  const retryAfterMs = Math.max(1, Math.ceil(Math.abs(answer2)));
  return new ProaError('overloaded', `${text2} is reached`, { details: { metadata: { retryAfterMs: String(retryAfterMs) } } });
}
function later(clock, waitMs, call) {
  return new Promise((resolve, reject) => {
    const timer = clock.timer(waitMs, () => {
      unlink();
      resolve();
    });
    const unlink = call.cancel.onCancel((reason) => {
      timer.cancel();
      reject(new ProaError('cancelled', 'the caller gave up while it waited for its turn', { cause: reason }));
    });
  });
}

// src/filters/rate-limit/meter.ts
var slots4 = 10;
function createMeter(windowMs) {
  const counts = new Float64Array(slots4);
  const slotMs2 = windowMs / slots4;
  let current = -1;
  let total = 0;
  const turn = (nowMs) => {
    const slot = Math.floor(nowMs / slotMs2);
    if (slot !== current) {
      const passed = current < 0 ? 0 : Math.min(slots4, slot - current);
      for (let i = 0; i < passed; i++) {
        const at = (slot - i) % slots4;
        total -= counts[at];
        counts[at] = 0;
      }
      current = slot;
    }
    return slot % slots4;
  };
  return {
    add(nowMs) {
      const at = turn(nowMs);
      counts[at] = counts[at] + 1;
      total++;
    },
    sum(nowMs) {
      turn(nowMs);
      return total;
    },
    untilNextMs(nowMs) {
      turn(nowMs);
      for (let age = slots4 - 1; age >= 0; age--)
        if (counts[(current - age + slots4) % slots4] > 0) return (current - age + slots4) * slotMs2 - nowMs;
      return 0;
    },
  };
}

// src/filters/rate-limit/limiter.ts
function createWindowLimiter({ requests, perMs }) {
  const meter = createMeter(perMs);
  return {
    take(nowMs) {
      if (meter.sum(nowMs) + 1 > requests) return -Math.max(1, meter.untilNextMs(nowMs));
      meter.add(nowMs);
      return 0;
    },
  };
}
function createPacer({ requests, perMs, waitMaxMs }) {
  const gapMs = perMs / requests;
  let nextMs = -Infinity;
  return {
    take(nowMs) {
      const turnMs = Math.max(nowMs, nextMs);
      if (turnMs - nowMs > waitMaxMs) return -(turnMs - nowMs - waitMaxMs);
      nextMs = turnMs + gapMs;
      return turnMs - nowMs;
    },
  };
}
function createWarmUpLimiter(options) {
  const { perMs, periodMs, coldFactor, waitMaxMs } = options;
  const rate2 = (options.requests * 1e3) / perMs;
  const periodS = periodMs / 1e3;
  const warning = (periodS * rate2) / (coldFactor - 1);
  const most = warning + (2 * periodS * rate2) / (1 + coldFactor);
  const slope = (coldFactor - 1) / rate2 / (most - warning);
  const passed = createMeter(1e3);
  let stored = most;
  let filledS = -1;
  let lastSecond = 0;
  let nextMs = -Infinity;
  const refill = (nowMs) => {
    const second = Math.floor(nowMs / 1e3);
    if (second <= filledS) return;
    const elapsed = filledS < 0 ? 0 : second - filledS;
    if (stored < warning || lastSecond < rate2 / coldFactor) stored = Math.min(most, stored + elapsed * rate2);
    stored = Math.max(0, stored - lastSecond);
    filledS = second;
    lastSecond = 0;
  };
  const allowed = () => (stored < warning ? rate2 : 1 / ((stored - warning) * slope + 1 / rate2));
  return {
    take(nowMs) {
      refill(nowMs);
      const now = allowed();
      if (waitMaxMs !== void 0) {
        const turnMs = Math.max(nowMs, nextMs);
        if (turnMs - nowMs > waitMaxMs) return -(turnMs - nowMs - waitMaxMs);
        nextMs = turnMs + 1e3 / now;
        lastSecond++;
        return turnMs - nowMs;
      }
      if (passed.sum(nowMs) + 1 > now + 1e-9 && passed.sum(nowMs) > 0) return -Math.max(1, passed.untilNextMs(nowMs));
      passed.add(nowMs);
      lastSecond++;
      return 0;
    },
  };
}

// src/kernel/tuple.ts
var stringTag = '';
var integerTag = '';
var plain = /^[\x01-\x7f]*$/;
function tuple(...elements) {
  let key = '';
  for (const element of elements) {
    key += typeof element === 'string' ? stringTag + encodeString(element) + '\0' : integerTag + encodeInteger(element);
  }
  return key;
}
function encodeString(text2) {
  if (plain.test(text2)) return text2;
  return Buffer.from(text2, 'utf8').toString('latin1').replaceAll('\0', '\0\xFF');
}
function encodeInteger(value) {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a whole number from 0 to 2^53-1: ${value}`);
  const high = Math.floor(value / 4294967296);
  const low = value >>> 0;
  return fourBytes(high) + fourBytes(low);
}
function fourBytes(value) {
  return String.fromCharCode((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

// src/filters/rate-limit/shared-quota.ts
var portions = 20;
var attemptsMax2 = 8;
var lostMs = 5e3;
function createSharedQuota(options) {
  return new SharedQuota(options);
}
var SharedQuota = class {
  #options;
  #portion;
  #alone;
  #window = -1;
  #left = 0;
  /** The window in which nothing is left for anybody. */
  #spentWindow = -1;
  #asking;
  #lostUntilMs = 0;
  constructor(options) {
    this.#options = options;
    this.#portion = Math.max(1, Math.ceil(options.requests / portions));
    this.#alone = createWindowLimiter(options);
  }
  take(nowMs) {
    if (nowMs < this.#lostUntilMs) return this.#alone.take(nowMs);
    if (this.#spend()) return 0;
    const { engine, perMs } = this.#options;
    const engineMs = engine.now();
    if (Math.floor(engineMs / perMs) === this.#spentWindow) return -(perMs - (engineMs % perMs));
    return this.#lease().then(() => this.take(this.#options.clock.mono()));
  }
  #spend() {
    const { engine, perMs } = this.#options;
    if (this.#left <= 0 || Math.floor(engine.now() / perMs) !== this.#window) return false;
    this.#left--;
    return true;
  }
  /** One question at a time; all calls that wait are served by its answer. */
  #lease() {
    this.#asking ??= this.#ask()
      .catch((error) => {
        this.#lostUntilMs = this.#options.clock.mono() + lostMs;
        this.#options.lost(error);
      })
      .finally(() => {
        this.#asking = void 0;
      });
    return this.#asking;
  }
  async #ask() {
    const { engine, name, requests, perMs } = this.#options;
    for (let attempt2 = 0; attempt2 < attemptsMax2; attempt2++) {
      const window = Math.floor(engine.now() / perMs);
      const key = tuple('policy', 'quota', name, perMs, window);
      const entry = await engine.get(key);
      const used = entry === void 0 ? 0 : Number(Buffer.from(entry.value).toString('latin1'));
      const granted = Math.min(this.#portion, requests - used);
      if (granted <= 0) {
        this.#spentWindow = window;
        return;
      }
      const result = await engine.commit({
        if: [{ kind: 'version', key, version: entry?.version ?? 0 }],
        // Kept a little longer than the window, for owners whose clocks are handed over.
        put: [{ key, value: Buffer.from(String(used + granted), 'latin1'), expiresAtMs: (window + 2) * perMs + 1e3 }],
      });
      if (result.status === 'unknown') throw result.cause instanceof Error ? result.cause : new Error('the outcome of a commit is unknown');
      if (result.status === 'conflict') continue;
      this.#window = window;
      this.#left = granted;
      return;
    }
    throw new Error(`the quota "${name}" is contended`);
  }
};

// src/filters/system/system-guard.ts
var sampleMs = 500;
var windows = 10;
function systemGuard(options) {
  const guard = new SystemGuard(options);
  return {
    admit: (call) => guard.admit(call),
    settle: (_call, outcome, admitted) => guard.settle(outcome, admitted),
  };
}
var SystemGuard = class {
  #options;
  /** Per second of the last ten: calls admitted, calls ended well, their time, the best time. */
  #admitted = new Float64Array(windows);
  #ended = new Float64Array(windows);
  #tookMs = new Float64Array(windows);
  #bestMs = new Float64Array(windows).fill(Infinity);
  #second = -1;
  #underWay = 0;
  #sampledMs = -Infinity;
  #idleMs = 0;
  #activeMs = 0;
  #utilisation = 0;
  constructor(options) {
    this.#options = options;
  }
  admit(call) {
    const { clock, refused: refused3 } = this.#options;
    const nowMs = clock.mono();
    const at = this.#turn(nowMs);
    const why = this.#why(nowMs, at);
    if (why !== void 0) {
      refused3?.(call, why);
      throw new ProaError('overloaded', `the runtime protects itself: ${why}`, { details: { metadata: { retryAfterMs: '1000' } } });
    }
    this.#admitted[at] = this.#admitted[at] + 1;
    this.#underWay++;
    return nowMs;
  }
  settle({ ok }, admittedMs) {
    this.#underWay--;
    if (!ok) return;
    const nowMs = this.#options.clock.mono();
    const at = this.#turn(nowMs);
    const tookMs = Math.max(0.01, nowMs - admittedMs);
    this.#ended[at] = this.#ended[at] + 1;
    this.#tookMs[at] = this.#tookMs[at] + tookMs;
    this.#bestMs[at] = Math.min(this.#bestMs[at], tookMs);
  }
  #why(nowMs, at) {
    const { requestsMax, concurrentMax, averageMaxMs, utilisationMax } = this.#options;
    if (this.#admitted[at] + 1 > requestsMax) return `more than ${requestsMax} calls in this second`;
    if (this.#underWay + 1 > concurrentMax) return `${concurrentMax} calls are under way`;
    if (averageMaxMs !== Infinity && this.#average() > averageMaxMs && this.#beyondCapacity())
      return `calls take longer than ${averageMaxMs} ms on average`;
    if (utilisationMax < 1 && this.#busy(nowMs) > utilisationMax && this.#beyondCapacity())
      return `its event loop is busy more than ${Math.round(utilisationMax * 100)} % of the time`;
    return void 0;
  }
  /** More under way than the best rate and the best time carry (Little's law). */
  #beyondCapacity() {
    let rate2 = 0;
    let best = Infinity;
    for (let i = 0; i < windows; i++) {
      rate2 = Math.max(rate2, this.#ended[i]);
      best = Math.min(best, this.#bestMs[i]);
    }
    return this.#underWay > 1 && (rate2 === 0 || this.#underWay > (rate2 * best) / 1e3);
  }
  #average() {
    let [calls, took] = [0, 0];
    for (let i = 0; i < windows; i++) {
      calls += this.#ended[i];
      took += this.#tookMs[i];
    }
    return calls === 0 ? 0 : took / calls;
  }
  #busy(nowMs) {
    if (nowMs - this.#sampledMs < sampleMs) return this.#utilisation;
    const { idleMs, activeMs } = this.#options.process.loopTimes();
    const [idle, active] = [idleMs - this.#idleMs, activeMs - this.#activeMs];
    this.#utilisation = this.#sampledMs === -Infinity || idle + active <= 0 ? 0 : active / (idle + active);
    [this.#sampledMs, this.#idleMs, this.#activeMs] = [nowMs, idleMs, activeMs];
    return this.#utilisation;
  }
  #turn(nowMs) {
    const second = Math.floor(nowMs / 1e3);
    const passed = this.#second < 0 ? 0 : Math.min(windows, second - this.#second);
    for (let i = 0; i < passed; i++) {
      const at = (second - i) % windows;
      this.#admitted[at] = this.#ended[at] = this.#tookMs[at] = 0;
      this.#bestMs[at] = Infinity;
    }
    this.#second = second;
    return second % windows;
  }
};

// src/mesh/policy/flow-layers.ts
function meterOf({ states: states2, target: target2 }, { path: path2, perMs }) {
  return states2.of(`meter | ${target2.direction} ${target2.name} | ${path2}`, perMs, () => createMeter(perMs));
}
function meterLayer(parts, related) {
  const { clock } = parts;
  const meters = related.map((each) => ({ fits: compileTemplate(each.path), meter: meterOf(parts, each) }));
  return {
    role: 'meter',
    why: 'limits of other calls look at these',
    parameters: { paths: related.map(({ path: path2 }) => path2).join(', ') },
    pair: {
      admit(call) {
        const { path: path2 } = call.input;
        for (const { fits: fits3, meter } of meters) if (fits3(path2)) meter.add(clock.mono());
      },
    },
  };
}
function limitLayer(parts, entry) {
  const { clock, states: states2, target: target2 } = parts;
  const checks = entry.value.map((settings, i) =>
    settings.whileBusy === void 0
      ? states2.of(`${stateKey(parts, entry, 'limits')} ${i}`, settings, () => checkOf(parts, settings))
      : relationOf(settings, meterOf(parts, { path: settings.whileBusy, perMs: settings.perMs })),
  );
  return {
    role: 'limit',
    why: 'refuses before any work, and outside of retries: a refused call is not repeated here',
    parameters: { limits: entry.value.map(textOf).join('; '), ...fromOf(entry, 'limits') },
    filter: layerFilter(
      limit({
        clock,
        checks,
        target: describeTarget(target2),
        refused: activations(parts, 'limit', entry.rule),
        tell: tellerOf(parts, 'limit', { entry, name: 'limits' }),
      }),
    ),
  };
}
function textOf(settings) {
  const { requests, perMs, concurrent, mode, by, callers, whileBusy } = settings;
  const what = concurrent === void 0 ? `${requests ?? 0} calls per ${formatDuration(perMs)}` : `${concurrent} calls at once`;
  const keyed2 = by === void 0 ? '' : ` per ${'name' in by ? `${by.from} ${by.name}` : by.from}`;
  return `${what}${keyed2}${callers === void 0 ? '' : ` of ${callers.join(', ')}`}${mode === 'reject' ? '' : `, ${mode}`}${settings.quota === void 0 ? '' : `, shared as ${settings.quota}`}${whileBusy === void 0 ? '' : `, of ${whileBusy}`}`;
}
function concerns({ callers, exceptCallers }) {
  if (callers !== void 0) {
    const set = new Set(callers);
    return (call) => set.has(call.caller.appId);
  }
  const except = new Set(exceptCallers ?? []);
  return except.size === 0 ? () => true : (call) => !except.has(call.caller.appId);
}
function relationOf(settings, meter) {
  const applies = concerns(settings);
  const { requests = 0 } = settings;
  return {
    text: `the limit of ${textOf(settings)}`,
    take: (call, nowMs) => (applies(call) && meter.sum(nowMs) + 1 > requests ? -Math.max(1, meter.untilNextMs(nowMs)) : 0),
  };
}
function checkOf(parts, settings) {
  const applies = concerns(settings);
  const text2 = `the limit of ${textOf(settings)}`;
  if (settings.concurrent !== void 0) return concurrencyCheck(settings, applies, text2);
  if (settings.quota !== void 0) return quotaCheck(parts, settings, { applies, text: text2, name: settings.quota });
  const { by, keysMax, items } = settings;
  if (by === void 0) {
    const limiter = limiterOf(settings, settings.requests ?? 0);
    return { text: text2, take: (call, nowMs) => (applies(call) ? limiter.take(nowMs) : 0) };
  }
  const own = new Map(items.map(({ value, limit: allowed }) => [value, allowed]));
  const limiters = createKeyedLimiter(keysMax, (key) => limiterOf(settings, own.get(key) ?? settings.requests ?? 0));
  return {
    text: text2,
    take(call, nowMs) {
      const key = applies(call) ? keyOf2(by, call) : void 0;
      return key === void 0 ? 0 : limiters.take(key, nowMs);
    },
  };
}
function quotaCheck({ clock, engine, log }, { requests = 0, perMs }, { applies, text: text2, name }) {
  const quota = createSharedQuota({
    clock,
    engine,
    name,
    requests,
    perMs,
    lost: (error) => log.warn('a shared quota is counted by this runtime alone for a while', { quota: name, error: String(error) }),
  });
  return { text: text2, take: (call, nowMs) => (applies(call) ? quota.take(nowMs) : 0) };
}
function limiterOf({ mode, perMs, waitMaxMs, warmUpMs, coldFactor }, requests) {
  if (requests === 0) return { take: () => -perMs };
  if (mode === 'reject') return createWindowLimiter({ requests, perMs });
  if (mode === 'queue') return createPacer({ requests, perMs, waitMaxMs });
  return createWarmUpLimiter({ requests, perMs, periodMs: warmUpMs, coldFactor, ...(mode === 'warm-up-queue' && { waitMaxMs }) });
}
function concurrencyCheck(settings, applies, text2) {
  const { by, concurrent = 0, items } = settings;
  const own = new Map(items.map(({ value, limit: allowed }) => [value, allowed]));
  const underWay = /* @__PURE__ */ new Map();
  const keyFor = (call) => (applies(call) ? (by === void 0 ? '' : keyOf2(by, call)) : void 0);
  return {
    text: text2,
    take(call) {
      const key = keyFor(call);
      if (key === void 0) return 0;
      const now = underWay.get(key) ?? 0;
      if (now + 1 > (own.get(key) ?? concurrent)) return -1e3;
      underWay.set(key, now + 1);
      return 0;
    },
    release(call) {
      const key = keyFor(call);
      if (key === void 0) return;
      const left = (underWay.get(key) ?? 1) - 1;
      if (left > 0) underWay.set(key, left);
      else underWay.delete(key);
    },
  };
}
function keyOf2(by, { input, caller: caller2 }) {
  switch (by.from) {
    case 'header':
      return headerOf(input.headers, by.name);
    case 'cookie':
      return cookieOf(input.headers, by.name);
    case 'query':
      return queryOf(input.query, by.name);
    case 'caller':
      return caller2.appId;
    case 'path':
      return input.path;
  }
}
function queryOf(query, name) {
  for (let at = 0; at < query.length;) {
    let end = query.indexOf('&', at);
    if (end < 0) end = query.length;
    if (query.startsWith(name, at) && query.charCodeAt(at + name.length) === 61) return query.slice(at + name.length + 1, end);
    at = end + 1;
  }
  return void 0;
}
function lasting({ states: states2 }, { key, settings, tell }, make) {
  const kept = states2.of(key, settings, () => {
    const holder2 = { tell };
    return { holder: holder2, value: make((call, kind, what) => holder2.tell(call, kind, what)) };
  });
  kept.holder.tell = tell;
  return kept.value;
}
function systemLayer(parts, entry) {
  const { clock, process: process2 } = parts;
  const settings = entry.value;
  const refused3 = activations(parts, 'system', entry.rule);
  const tell = tellerOf(parts, 'system', { entry, name: 'system' });
  return {
    role: 'system',
    why: 'before limits of single targets: it is about the process',
    parameters: {
      ...(settings.utilisationMax < 1 && { maxUtilisation: settings.utilisationMax }),
      ...(settings.requestsMax !== Infinity && { maxRequests: settings.requestsMax }),
      ...(settings.concurrentMax !== Infinity && { maxConcurrent: settings.concurrentMax }),
      ...(settings.averageMaxMs !== Infinity && { maxAverage: formatDuration(settings.averageMaxMs) }),
      ...fromOf(entry, 'system'),
    },
    pair: lasting(parts, { key: stateKey(parts, entry, 'system'), settings, tell }, (told) =>
      systemGuard({
        clock,
        process: process2,
        ...settings,
        refused(call, why) {
          refused3();
          told(call, 'refused', why);
        },
      }),
    ),
  };
}
function fallbackLayer(parts, entry) {
  const { on, answer: answer2 } = entry.value;
  const shown =
    answer2.kind === 'answer'
      ? `status ${answer2.status}`
      : answer2.kind === 'app'
        ? `app ${answer2.app}`
        : `last good answer, at most ${formatDuration(answer2.ageMaxMs)} old`;
  const used = activations(parts, 'fallback', entry.rule);
  const tell = tellerOf(parts, 'fallback', { entry, name: 'fallback' });
  const filter = lasting(parts, { key: stateKey(parts, entry, 'fallback'), settings: entry.value, tell }, (told) =>
    fallback({
      clock: parts.clock,
      on: new Set(on),
      answer: answer2.kind === 'answer' ? { ...answer2, body: Buffer.from(answer2.body) } : answer2,
      invoke: parts.invoke,
      used(call, covered) {
        used();
        told(call, 'answered', `${shown} in place of ${covered}`);
      },
    }),
  );
  return {
    role: 'fallback',
    why: 'around everything that may refuse or fail, inside authorisation',
    parameters: { answer: shown, on: on.join(', '), ...fromOf(entry, 'fallback') },
    filter: layerFilter(filter),
  };
}

// src/filters/hedge/hedge.ts
function hedge(options) {
  return (next) => (call) => {
    if (!options.mayHedge(call)) return next(call);
    const repeatable = options.repeatable(call);
    if (repeatable === void 0) return next(call);
    options.budget.deposit(options.clock.mono());
    return new Promise((resolve, reject) => {
      new Race(options, { next, call, again: repeatable.again, resolve, reject }).start(repeatable.first);
    });
  };
}
var Race = class {
  #options;
  #parts;
  #running = /* @__PURE__ */ new Set();
  #timer;
  #started = 0;
  #over = false;
  #exhausted = false;
  constructor(options, parts) {
    this.#options = options;
    this.#parts = parts;
    parts.call.cancel.guard(this);
  }
  start(input) {
    const { call, next } = this.#parts;
    const [scope, end] = [new CancelScope(), new CallEnd(call.end)];
    const context = this.#started === 0 ? call.context : withValue(call.context, attemptKey, this.#started);
    const sent = derive(call, { input, context, cancel: scope, end });
    const attempt2 = { call: sent, scope, end };
    this.#running.add(attempt2);
    if (this.#started > 0) beginAttempt(sent, this.#options.clock.mono());
    this.#started++;
    this.#arm();
    next(sent).then(
      (output) => this.#answered(attempt2, output),
      (thrown) => this.#failed(attempt2, ProaError.from(thrown)),
    );
  }
  #arm() {
    const { clock, afterMs, attemptsMax: attemptsMax3 } = this.#options;
    this.#timer?.cancel();
    this.#timer = this.#started < attemptsMax3 && !this.#exhausted ? clock.timer(afterMs, () => this.#another()) : void 0;
  }
  /** Starts one more attempt when number, body and budget allow it. */
  #another() {
    const { clock, attemptsMax: attemptsMax3, budget: budget2, hedged, tell = untold } = this.#options;
    if (this.#over || this.#started >= attemptsMax3 || this.#exhausted || this.#parts.call.cancel.cancelled) return false;
    const input = this.#parts.again();
    if (input === void 0 || !budget2.withdraw(clock.mono())) {
      this.#exhausted = true;
      return false;
    }
    hedged?.();
    for (const running of this.#running) attemptOf(running.call);
    tell(this.#parts.call, 'repeated', `attempt ${this.#started} is slow or failed; another one starts beside it`);
    this.start(input);
    return true;
  }
  #answered(attempt2, output) {
    if (this.#over) return this.#options.drop(output);
    if (!this.#options.isBad(output)) return this.#win(attempt2, () => this.#parts.resolve(output));
    this.#running.delete(attempt2);
    if (this.#running.size > 0 || this.#another()) {
      this.#lose(attempt2, { ok: false });
      this.#options.drop(output);
      return void 0;
    }
    return this.#win(attempt2, () => this.#parts.resolve(output));
  }
  #failed(attempt2, error) {
    this.#lose(attempt2, { ok: false, error });
    if (this.#over || this.#running.size > 0) return;
    if (error.spec.retry !== 'never' && this.#another()) return;
    this.#finish();
    this.#parts.reject(error);
  }
  #lose(attempt2, outcome) {
    this.#running.delete(attempt2);
    if (this.#started > 1) endAttempt(attempt2.call, outcome, this.#options.clock.mono());
    attempt2.end.fire(outcome);
  }
  #win(attempt2, answer2) {
    this.#running.delete(attempt2);
    this.#finish();
    const lost = new ProaError('cancelled', 'another attempt of the same call answered first');
    this.cancel(lost);
    const { call } = this.#parts;
    call.end.listen((outcome) => attempt2.end.fire(outcome));
    call.cancel.guard(attempt2.scope);
    answer2();
  }
  /** The caller went away, or an attempt won: what still runs is given up. */
  cancel(reason) {
    for (const attempt2 of this.#running) {
      attempt2.scope.cancel(reason);
      this.#lose(attempt2, { ok: false, error: reason });
    }
  }
  #finish() {
    this.#over = true;
    this.#timer?.cancel();
    this.#parts.call.cancel.release(this);
  }
};

// src/filters/retry/backoff.ts
function constantBackoff(delayMs) {
  return () => delayMs;
}
function exponentialBackoff(options) {
  const { random, initialMs, factor, maxMs, jitter } = options;
  return (repetition) => {
    const step = Math.min(maxMs, initialMs * factor ** (repetition - 1));
    const drawn = random.u32() / 2 ** 32;
    return jitter === 'full' ? step * drawn : step * (0.5 + drawn);
  };
}

// src/filters/retry/budget.ts
var slots5 = 10;
var slotMs = 1e3;
function createRetryBudget({ ratio: ratio2, perSecond }) {
  const earned = new Float64Array(slots5);
  const spent = new Float64Array(slots5);
  let current = -1;
  const floor = (perSecond * slots5 * slotMs) / 1e3;
  const turn = (nowMs) => {
    const slot = Math.floor(nowMs / slotMs);
    if (slot !== current) {
      const passed = current < 0 ? slots5 : Math.min(slots5, slot - current);
      for (let i = 0; i < passed; i++) {
        earned[(slot - i) % slots5] = 0;
        spent[(slot - i) % slots5] = 0;
      }
      current = slot;
    }
    return slot % slots5;
  };
  const left = () => {
    let sum2 = floor;
    for (let i = 0; i < slots5; i++) sum2 += earned[i] - spent[i];
    return sum2;
  };
  return {
    deposit(nowMs) {
      const at = turn(nowMs);
      earned[at] = earned[at] + ratio2;
    },
    withdraw(nowMs) {
      const at = turn(nowMs);
      if (left() < 1 - 1e-9) return false;
      spent[at] = spent[at] + 1;
      return true;
    },
    left(nowMs) {
      turn(nowMs);
      return left();
    },
  };
}

// src/kernel/status.ts
var grpcCodes = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];
function grpcNumber(code) {
  return grpcCodes.indexOf(code);
}
function grpcCodeOf(number) {
  return grpcCodes[number] ?? 'UNKNOWN';
}
var httpOfGrpc = {
  OK: 200,
  CANCELLED: 408,
  UNKNOWN: 500,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  PERMISSION_DENIED: 403,
  UNAUTHENTICATED: 401,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 400,
  ABORTED: 409,
  OUT_OF_RANGE: 400,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
};
function httpFromGrpc(code) {
  return httpOfGrpc[code];
}

// src/filters/retry/failure.ts
var permanent = /* @__PURE__ */ new Set([
  'CANCELLED',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'DATA_LOSS',
]);
function failureOfError(thrown, coded) {
  const error = ProaError.from(thrown);
  const status = error.details?.metadata?.['status'];
  const after = error.details?.metadata?.['retryAfterMs'];
  const code = status !== void 0 ? Number(status) : coded ? grpcNumber(error.spec.grpc) : void 0;
  return { error, code: Number.isInteger(code) ? code : void 0, retryAfterMs: after === void 0 ? void 0 : Number(after) };
}
function isPermanent({ error }) {
  if (error === void 0 || !isProaError(error)) return false;
  if (error.code === 'circuit-open') return true;
  return error.details?.metadata?.['status'] === void 0 && permanent.has(error.spec.grpc);
}

// src/filters/retry/retry.ts
function retry(options) {
  return (next) => (call) => {
    const repeatable = options.repeatable(call);
    if (repeatable === void 0) return next(call);
    options.budget?.deposit(options.clock.mono());
    const first = repeatable.first === call.input ? call : derive(call, { input: repeatable.first });
    return new Attempts(options, next, { call, again: repeatable.again, mark: call.end.mark, startedMs: -1 }).follow(next(first), 1);
  };
}
var Attempts = class {
  #options;
  #next;
  #logical;
  constructor(options, next, logical) {
    this.#options = options;
    this.#next = next;
    this.#logical = logical;
    if (options.elapsedMaxMs !== Infinity) logical.startedMs = options.clock.mono();
  }
  follow(attempt2, repetition) {
    return attempt2.then(
      (output) => {
        const failure = this.#options.failureOf?.(output);
        if (failure === void 0) return output;
        const delayMs = this.#waitOrTell(failure, repetition);
        if (delayMs < 0) return output;
        return this.#again({ failure, delayMs, repetition, output });
      },
      (thrown) => {
        const failure = failureOfError(thrown, this.#options.coded);
        const delayMs = this.#waitOrTell(failure, repetition);
        if (delayMs < 0) throw failure.error;
        return this.#again({ failure, delayMs, repetition, output: void 0 });
      },
    );
  }
  /** As `#waitMs`, -1 when there will be none; the call's trail tells which, and why. */
  #waitOrTell(failure, repetition) {
    const { clock, retriesMax, tell = untold } = this.#options;
    const { call } = this.#logical;
    const attempt2 = numbered(call, repetition - 1);
    endAttempt(attempt2, outcomeOf(failure), clock.mono());
    const wait = this.#waitMs(failure, repetition);
    const failed2 = `attempt ${repetition} failed (${failureText(failure)})`;
    if (typeof wait === 'string') {
      tell(attempt2, 'gave-up', `${failed2}; not repeated: ${wait}`);
      return -1;
    }
    tell(attempt2, 'repeated', `${failed2}; repetition ${repetition} of ${retriesMax} follows in ${formatDuration(Math.round(wait))}`);
    return wait;
  }
  /** How long to wait before the repetition, or why there will be none. */
  #waitMs(failure, repetition) {
    const { clock, retriesMax, elapsedMaxMs, delayMs, matches, pushbackMaxMs: pushbackMaxMs2, budget: budget2 } = this.#options;
    const { call, startedMs } = this.#logical;
    if (call.cancel.cancelled) return 'the caller gave up';
    if (isPermanent(failure)) return 'repeating cannot help';
    if (!matches(failure, call)) return 'the policy does not repeat such failures';
    if (repetition > retriesMax) return `${retriesMax} is the most`;
    let wait = delayMs(repetition);
    if (pushbackMaxMs2 !== void 0 && failure.retryAfterMs !== void 0) {
      if (failure.retryAfterMs < 0 || failure.retryAfterMs > pushbackMaxMs2) return 'the other side does not want it soon';
      wait = Math.max(failure.retryAfterMs, wait);
    }
    const now = clock.mono();
    if (now + wait >= call.deadlineMs) return 'the deadline comes first';
    if (startedMs >= 0 && now + wait - startedMs > elapsedMaxMs) return 'the time for repetitions is over';
    if (budget2 !== void 0 && !budget2.withdraw(now)) return 'the retry budget is spent';
    return wait;
  }
  async #again(step) {
    const { failure, delayMs, repetition, output } = step;
    const { call, again, mark } = this.#logical;
    const input = again();
    if (input === void 0) {
      if (output !== void 0) return output;
      throw failure.error;
    }
    call.end.rewind(mark, outcomeOf(failure));
    if (output !== void 0) this.#options.drop?.(output);
    if (delayMs > 0) await pause2(this.#options.clock, delayMs, call);
    if (call.cancel.cancelled) throw failure.error ?? new ProaError('cancelled', 'the caller gave up between two attempts');
    this.#options.repeated?.();
    const next = derive(numbered(call, repetition), { input });
    beginAttempt(next, this.#options.clock.mono());
    return this.follow(this.#next(next), repetition + 1);
  }
};
function numbered(call, attempt2) {
  return attempt2 === 0 ? call : derive(call, { context: withValue(call.context, attemptKey, attempt2) });
}
function failureText({ error, code }) {
  return error === void 0 ? `status ${code ?? 'unknown'}` : error.code;
}
function outcomeOf({ error, code, retryAfterMs }) {
  const status = {
    ...(code !== void 0 && code >= 100 && { status: code }),
    ...(retryAfterMs !== void 0 && retryAfterMs >= 0 && { retryAfterMs }),
  };
  return error === void 0 ? { ok: false, ...status, error: void 0 } : { ok: false, ...status, error };
}
function pause2(clock, delayMs, call) {
  return new Promise((resolve) => {
    const timer = clock.timer(delayMs, () => {
      unlink();
      resolve();
    });
    const unlink = call.cancel.onCancel(() => {
      timer.cancel();
      resolve();
    });
  });
}

// src/mesh/policy/idempotent.ts
var methods2 = /* @__PURE__ */ new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
function isIdempotent(call) {
  const { operation: operation2, input } = call;
  if (operation2.idempotent || operation2.block !== 'invoke') return operation2.idempotent;
  const request = input;
  return methods2.has(request.httpMethod) || headerOf(request.headers, 'idempotency-key') !== void 0;
}

// src/mesh/policy/status-codes.ts
function parseCodes(text2, min, max) {
  const codes2 = /* @__PURE__ */ new Set();
  for (const item of text2.split(',')) {
    const match2 = /^\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?\s*$/.exec(item);
    if (match2 === null) return void 0;
    const [low, high] = [Number(match2[1]), Number(match2[2] ?? match2[1])];
    if (low < min || high > max || low > high) return void 0;
    for (let code = low; code <= high; code++) codes2.add(code);
  }
  return codes2;
}

// src/mesh/policy/retry-rules.ts
var unavailable = grpcNumber('UNAVAILABLE');
var unauthenticated = grpcNumber('UNAUTHENTICATED');
var exhausted = grpcNumber('RESOURCE_EXHAUSTED');
var transient = /* @__PURE__ */ new Set([502, 503, 504, unavailable, grpcNumber('DEADLINE_EXCEEDED')]);
function retryRule(settings) {
  const http = settings.httpCodes === void 0 ? void 0 : parseCodes(settings.httpCodes, 100, 599);
  const grpc = settings.grpcCodes === void 0 ? void 0 : parseCodes(settings.grpcCodes, 0, 16);
  if (settings.when === 'absent') return ({ code, error }) => error !== void 0 && (code === unavailable || code === unauthenticated);
  const listed2 = ({ code }) => {
    if (code === void 0) return true;
    return (code < 100 ? grpc : http)?.has(code) ?? true;
  };
  if (settings.when === 'dapr') return listed2;
  return (failure, call) => {
    const { code, error, retryAfterMs } = failure;
    if (error !== void 0 && error.spec.retry === 'safe' && code !== exhausted) return true;
    if (code === 429 || code === exhausted) return retryAfterMs !== void 0;
    if (http !== void 0 || grpc !== void 0) return listed2(failure);
    return isIdempotent(call) && (code === void 0 || transient.has(code));
  };
}

// src/mesh/policy/retry-layers.ts
function retryLayer(parts, settings, entry) {
  const { clock, random, states: states2 } = parts;
  const { backoff, budget: budget2, pushbackMaxMs: pushbackMaxMs2 } = settings;
  const isInvoke = callsApp(parts);
  const options = {
    clock,
    retriesMax: settings.retriesMax,
    elapsedMaxMs: settings.elapsedMaxMs,
    delayMs: backoff.kind === 'constant' ? constantBackoff(backoff.delayMs) : exponentialBackoff({ random, ...backoff }),
    matches: retryRule(settings),
    coded: isInvoke,
    repeatable: isInvoke ? repeatableInvoke : repeatableValue,
    ...(pushbackMaxMs2 !== void 0 && { pushbackMaxMs: pushbackMaxMs2 }),
    ...(budget2 !== void 0 && { budget: states2.of(stateKey(parts, entry, 'retry'), budget2, () => createRetryBudget(budget2)) }),
    ...(entry !== void 0 && { repeated: activations(parts, 'retry', entry.rule) }),
    tell: tellerOf(parts, 'retry', { entry, name: 'retry' }),
    // The built-in retries repeat only what never arrived: whatever an app answers passes.
    ...(isInvoke &&
      settings.when !== 'absent' && {
        failureOf: failureOfAnswer(clock),
        drop: dropAnswer,
      }),
  };
  return {
    role: 'retry',
    why:
      entry === void 0
        ? 'an app that just starts or moves is not there for a moment'
        : 'repeats single attempts, each with its own breaker and timeout',
    parameters: { ...retryParameters(settings), ...fromOf(entry, 'retry') },
    filter: layerFilter(retry(options)),
  };
}
function retryParameters(settings) {
  const { backoff, retriesMax, when, httpCodes, grpcCodes: grpcCodes2, budget: budget2 } = settings;
  return {
    retries: retriesMax === Infinity ? 'unlimited' : retriesMax,
    delay:
      backoff.kind === 'constant'
        ? formatDuration(backoff.delayMs)
        : `${formatDuration(backoff.initialMs)} x ${backoff.factor} up to ${formatDuration(backoff.maxMs)}, jitter ${backoff.jitter}`,
    on:
      when === 'absent'
        ? 'UNAVAILABLE, UNAUTHENTICATED; never a streamed body'
        : when === 'dapr'
          ? 'every failure'
          : 'what may be repeated safely',
    ...(httpCodes !== void 0 && { httpStatusCodes: httpCodes }),
    ...(grpcCodes2 !== void 0 && { gRPCStatusCodes: grpcCodes2 }),
    ...(budget2 !== void 0 && { budget: `${budget2.ratio * 100} % + ${budget2.perSecond}/s` }),
  };
}
function hedgeLayer(parts, entry) {
  const { clock, states: states2 } = parts;
  const { afterMs, attemptsMax: attemptsMax3, budget: budget2 } = entry.value;
  const isBad = failureOfAnswer(clock);
  return {
    role: 'hedge',
    why: 'inside retries: a slow attempt gets a second one beside it',
    parameters: {
      after: formatDuration(afterMs),
      maxAttempts: attemptsMax3,
      budget: `${budget2.ratio * 100} % + ${budget2.perSecond}/s`,
      ...fromOf(entry, 'hedge'),
    },
    filter: layerFilter(
      hedge({
        clock,
        afterMs,
        attemptsMax: attemptsMax3,
        mayHedge: isIdempotent,
        repeatable: repeatableInvoke,
        isBad: (answer2) => answer2.status >= 500 && isBad(answer2) !== void 0,
        drop: dropAnswer,
        budget: states2.of(stateKey(parts, entry, 'hedge'), budget2, () => createRetryBudget(budget2)),
        hedged: activations(parts, 'hedge', entry.rule),
        tell: tellerOf(parts, 'hedge', { entry, name: 'hedge' }),
      }),
    ),
  };
}
function repeatableInvoke(call) {
  const { input } = call;
  if (!input.replayable) return void 0;
  if (input.body.replayable === true) return { first: input, again: () => input };
  const body = replayBody(input.body);
  if (body === void 0) return void 0;
  return {
    first: { ...input, body },
    again() {
      const next = body.again();
      return next === void 0 ? void 0 : { ...input, body: next };
    },
  };
}
function repeatableValue(call) {
  return { first: call.input, again: () => call.input };
}

// src/mesh/policy/provenance.ts
var builtIn = 'built in';
var keysOf = {
  deadline: { within: [''] },
  timeout: { timeout: ['timeout', ''] },
  limits: { limits: [''] },
  retry: {
    retries: ['maxRetries'],
    delay: ['backoff', 'policy', 'duration', 'maxInterval'],
    on: ['matching'],
    httpStatusCodes: ['httpStatusCodes', 'matching.httpStatusCodes'],
    gRPCStatusCodes: ['grpcStatusCodes', 'matching.gRPCStatusCodes'],
  },
  breaker: {
    trip: ['trip', 'consecutive', 'errorRatio', 'slowRatio', 'slow'],
    breakerPerEndpoint: ['consecutive', 'errorRatio', 'slowRatio', 'slow'],
    open: ['open', 'maxOpen', 'timeout'],
    window: ['window', 'minRequests'],
    halfOpenCalls: ['maxRequests'],
  },
  balance: { zone: ['minZoneRatio'], eject: ['outlier'], panic: ['panicRatio'] },
  admission: { limit: ['initial', 'min', 'max'], queue: ['queue', 'maxWait'] },
  fallback: { answer: ['answer', 'cached', 'app'] },
};
var notParameters = /* @__PURE__ */ new Set(['from', 'breakerFrom']);
function parameterOrigins(parameters, name, entry) {
  const names4 = Object.keys(parameters).filter((parameter) => !notParameters.has(parameter));
  return Object.fromEntries(names4.map((parameter) => [parameter, entry === void 0 ? builtIn : originOf(entry.rule, name, parameter)]));
}
function originOf({ origins }, name, parameter) {
  const found = /* @__PURE__ */ new Set();
  for (const key of keysOf[name]?.[parameter] ?? [parameter]) {
    if (key === '' && found.size > 0) continue;
    const path2 = key === '' ? name : `${name}.${key}`;
    for (const [written, origin] of Object.entries(origins))
      if (written === path2 || (key !== '' && (written.startsWith(`${path2}.`) || written.startsWith(`${path2}[`)))) found.add(origin);
  }
  return found.size === 0 ? builtIn : [...found].join(', ');
}

// src/kernel/expiring.ts
function expiring(next, call, expiry) {
  return new Promise((resolve, reject) => {
    const scope = new CancelScope();
    let over = false;
    const timer = expiry.clock.timer(expiry.afterMs, () => {
      over = true;
      const error = expiry.error(call);
      reject(error);
      scope.cancel(error);
    });
    call.cancel.guard(scope);
    next(derive(call, { cancel: scope, deadlineMs: expiry.deadlineMs })).then(
      (output) => {
        timer.cancel();
        if (over) expiry.drop?.(output);
        else resolve(output);
      },
      (thrown) => {
        timer.cancel();
        call.cancel.release(scope);
        if (!over) reject(thrown);
      },
    );
  });
}

// src/filters/attempt/attempt-timeout.ts
function attemptTimeout(options) {
  const { clock, timeoutMs: timeoutMs3, target: target2, drop: drop2, expired, tell = untold } = options;
  const text2 = `${target2} did not answer within ${formatDuration(timeoutMs3)}`;
  const error = (call) => {
    expired?.();
    tell(call, 'gave-up', text2);
    return new ProaError('deadline-exceeded', text2);
  };
  const rest = drop2 === void 0 ? {} : { drop: drop2 };
  return (next) => (call) =>
    expiring(next, call, { clock, afterMs: timeoutMs3, deadlineMs: Math.min(call.deadlineMs, clock.mono() + timeoutMs3), error, ...rest });
}

// src/filters/deadline/deadline.ts
function deadline(options) {
  const { clock, target: target2, withinMs = Infinity, drop: drop2, tell = untold } = options;
  const refusal2 = (call, text2) => {
    tell(call, 'refused', text2);
    return new ProaError('deadline-exceeded', text2);
  };
  const error = (call) => refusal2(call, `the deadline of the call to ${target2} passed`);
  return (next) => (call) => {
    if (call.deadlineMs === Infinity && withinMs === Infinity) return next(call);
    const nowMs = clock.mono();
    const deadlineMs = Math.min(call.deadlineMs, nowMs + withinMs);
    if (deadlineMs > nowMs)
      return expiring(next, call, { clock, afterMs: deadlineMs - nowMs, deadlineMs, error, ...(drop2 && { drop: drop2 }) });
    return Promise.reject(refusal2(call, `the deadline of the call to ${target2} had passed before any work began`));
  };
}

// src/mesh/policy/time-layers.ts
function deadlineLayer(parts, entry) {
  const { clock, target: target2 } = parts;
  const withinMs = entry?.value.withinMs;
  return {
    role: 'deadline',
    why: 'one budget of time over all attempts; what has none left is refused before work begins',
    parameters: { within: withinMs === void 0 ? 'as the caller says' : formatDuration(withinMs), ...fromOf(entry, 'deadline') },
    filter: layerFilter(
      deadline({
        clock,
        target: describeTarget(target2),
        tell: tellerOf(parts, 'deadline', { entry, name: 'deadline' }),
        ...(withinMs !== void 0 && { withinMs }),
        ...dropOf(parts),
      }),
    ),
  };
}
function timeoutLayer(parts, entry) {
  const { clock, target: target2 } = parts;
  const { timeoutMs: timeoutMs3 } = entry.value;
  return {
    role: 'attempt',
    why: 'bounds each attempt by itself',
    parameters: { timeout: formatDuration(timeoutMs3), ...fromOf(entry, 'timeout') },
    filter: layerFilter(
      attemptTimeout({
        clock,
        timeoutMs: timeoutMs3,
        target: describeTarget(target2),
        expired: activations(parts, 'timeout', entry.rule),
        tell: tellerOf(parts, 'attempt', { entry, name: 'timeout' }),
        ...dropOf(parts),
      }),
    ),
  };
}

// src/mesh/policy/layers.ts
function policyLayers(parts, effective2, { named, related, access }) {
  const { target: target2 } = parts;
  const layers = [];
  const add2 = (layer, name) => {
    layers.push({ ...layer, origins: parameterOrigins(layer.parameters ?? {}, name, effective2[name]) });
  };
  if (target2.block === 'invoke' || target2.direction === 'outbound' || effective2.deadline !== void 0)
    add2(deadlineLayer(parts, effective2.deadline), 'deadline');
  if (related.length > 0) layers.push(meterLayer(parts, related));
  if (access !== void 0) layers.push(accessLayer(parts, access));
  if (effective2.fault !== void 0) add2(faultLayer(parts, effective2.fault), 'fault');
  if (effective2.admission !== void 0) add2(admissionLayer(parts, effective2.admission, effective2.priority), 'admission');
  if (effective2.split !== void 0) add2(splitLayer(parts, effective2.split), 'split');
  if (effective2.mirror !== void 0) add2(mirrorLayer(parts, effective2.mirror), 'mirror');
  if (effective2.limits !== void 0) add2(limitLayer(parts, effective2.limits), 'limits');
  if (effective2.system !== void 0) add2(systemLayer(parts, effective2.system), 'system');
  if (effective2.fallback !== void 0) add2(fallbackLayer(parts, effective2.fallback), 'fallback');
  if (effective2.retry !== void 0) add2(retryLayer(parts, effective2.retry.value, effective2.retry), 'retry');
  else if (callsApp(parts) && !named) add2(retryLayer(parts, parts.epoch.document.builtIn.serviceRetries, void 0), 'retry');
  if (effective2.hedge !== void 0) add2(hedgeLayer(parts, effective2.hedge), 'hedge');
  if (effective2.timeout !== void 0) add2(timeoutLayer(parts, effective2.timeout), 'timeout');
  if (effective2.bulkhead !== void 0) add2(bulkheadLayer(parts, effective2.bulkhead), 'bulkhead');
  const { breaker: breaker3, balance: balance2 } = effective2;
  const perEndpoint = callsApp(parts) && breaker3?.value.per === 'endpoint' ? breaker3 : void 0;
  if (breaker3 !== void 0 && perEndpoint === void 0) add2(breakerLayer(parts, breaker3), 'breaker');
  if (balance2 !== void 0 || perEndpoint !== void 0) layers.push(balancing(parts, balance2, perEndpoint));
  return layers;
}
function balancing(parts, balance2, breaker3) {
  const layer = balanceLayer(parts, balance2, breaker3);
  const { breakerPerEndpoint, ...own } = layer.parameters ?? {};
  const ofBreaker = breakerPerEndpoint === void 0 ? {} : parameterOrigins({ breakerPerEndpoint }, 'breaker', breaker3);
  return { ...layer, origins: { ...parameterOrigins(own, 'balance', balance2), ...ofBreaker } };
}

// src/mesh/policy/rule-set.ts
var matchesMax = 20;
function selectorKey({ target: target2, match: match2, rank }) {
  return `${targetKey(target2)} ${matchKey(match2)} ${rank}`;
}
function targetKey(target2) {
  if (target2.kind === 'app') return `app ${target2.app} at ${target2.at}`;
  if (target2.kind === 'actor') return `actor ${target2.type}`;
  return `component ${target2.component} ${target2.direction} ${target2.block ?? ''}`;
}
function concerns2(rule2, target2) {
  const wanted = rule2.target;
  if (wanted.kind === 'app') {
    if (target2.block !== 'invoke') return false;
    const at = target2.direction === 'outbound' ? 'caller' : 'callee';
    return wanted.at === at && (wanted.app === '*' || wanted.app === target2.name);
  }
  if (wanted.kind === 'actor' || target2.block === 'invoke' || wanted.direction !== target2.direction) return false;
  if (wanted.component !== '*' && wanted.component !== target2.name) return false;
  if (wanted.block !== void 0 && wanted.block !== target2.block) return false;
  return rule2.match?.operations === void 0 || rule2.match.operations.includes(target2.operation);
}
function rankOf({ target: target2, match: match2, rank }) {
  const open2 = (target2.kind === 'app' && target2.app === '*') || (target2.kind === 'component' && target2.component === '*');
  return (rank === 'default' ? -2e9 : open2 ? 0 : 2e9) + matchRank(match2);
}
function accessOf(matching, all) {
  const concerned = all.filter(({ settings }) => settings.authorise !== void 0);
  if (concerned.length === 0) return void 0;
  return {
    grants: matching.flatMap((rule2) => (rule2.settings.authorise === void 0 ? [] : [{ value: rule2.settings.authorise, rule: rule2 }])),
    enforced: concerned.some(({ settings }) => settings.authorise?.dryRun === false),
    onTrial: concerned.some(({ settings }) => settings.authorise?.dryRun === true),
    any: concerned[0],
  };
}
function relatedOf(rules) {
  const found = /* @__PURE__ */ new Map();
  for (const { settings } of rules)
    for (const { whileBusy, perMs } of settings.limits ?? [])
      if (whileBusy !== void 0) found.set(`${whileBusy} ${perMs}`, { path: whileBusy, perMs });
  return [...found.values()];
}
function rulesFor(rules, target2) {
  const found = rules.filter((rule2) => concerns2(rule2, target2));
  const named = found.some(({ rank, resource: resource2 }) => rank === 'named' && resource2.startsWith('Resiliency'));
  const sorted = found.filter(({ rank }) => rank === 'named' || !named).toSorted((a, b) => rankOf(b) - rankOf(a));
  if (sorted.length === 0) return void 0;
  const matchers = [];
  const bits = sorted.map((rule2) => {
    const matcher = compileMatch(rule2.match);
    return matcher === void 0 ? -1 : matchers.push(matcher) - 1;
  });
  return {
    named,
    matchers,
    related: relatedOf(sorted),
    access: (mask2) =>
      accessOf(
        sorted.filter((_rule, i) => bits[i] < 0 || (mask2 & (1 << bits[i])) !== 0),
        sorted,
      ),
    effective(mask2) {
      const effective2 = {};
      sorted.forEach((rule2, i) => {
        const bit = bits[i];
        if (bit >= 0 && (mask2 & (1 << bit)) === 0) return;
        for (const [name, value] of Object.entries(rule2.settings)) effective2[name] ??= { value, rule: rule2, key: selectorKey(rule2) };
      });
      return effective2;
    },
  };
}

// src/telemetry/harmless.ts
var charsMax3 = 300;
function clipped(text2) {
  const cut = text2.length > charsMax3 ? `${text2.slice(0, charsMax3)}\u2026` : text2;
  return cut.replace(/\/\/[^/\s@]*@/g, '//***@').replace(/\?[^\s"']*=[^\s"']*/g, '?\u2026');
}
var word = /^(?:[A-Za-z][A-Za-z_.-]{0,31}|v\d{1,3})$/;
var segmentsMax = 16;
function pathShape(path2) {
  const segments2 = path2.split('/', segmentsMax + 1).filter((segment) => segment !== '');
  const shown = segments2.slice(0, segmentsMax).map((segment) => (word.test(segment) ? segment : '{}'));
  return `/${shown.join('/')}${segments2.length > segmentsMax ? '/\u2026' : ''}`;
}

// src/telemetry/call-recorder.ts
var slowMs = 1e3;
function createCallRecorder(options) {
  return {
    begin(call) {
      if (isRecorded(valueOf(call.context, traceKey))) trailOf(call);
    },
    end(call, outcome, tookMs = 0) {
      const { trail } = call.end;
      if (trail === void 0 && outcome.ok && tookMs < slowMs && (outcome.status === void 0 || outcome.status < 500)) return;
      record2(options, { call, outcome, tookMs, trail: trail ?? trailOf(call) });
    },
  };
}
function record2(options, { call, outcome, tookMs, trail }) {
  const { traceparent } = valueOf(call.context, traceKey);
  if (traceparent === '') return;
  const { clock, records, appId, target: target2, epoch } = options;
  const nowMs = clock.mono();
  const startedMs = nowMs - tookMs;
  const name = stackName(target2);
  const outbound2 = target2.direction === 'outbound';
  const number = valueOf(call.context, attemptKey);
  const decisions = trail.decisions.filter((decision) => decision.target === name && (outbound2 || decision.attempt === number));
  const attempts = outbound2 ? trail.attempts.map((attempt2) => attemptIn({ startedMs, nowMs, outcome }, attempt2)) : [];
  const ok = outcome.ok && (outcome.status ?? 0) < 500;
  records.add({
    traceId: traceparent.slice(3, 35),
    app: appId,
    side: target2.direction,
    block: target2.block,
    target: clipped(target2.name),
    operation: target2.operation,
    caller: call.caller.appId,
    ...requestOf(call, target2),
    epoch,
    startedAtMs: clock.now() - tookMs,
    tookMs,
    ok,
    ...(outcome.status !== void 0 && { status: outcome.status }),
    ...(outcome.error !== void 0 && { error: errorOf(outcome.error, call) }),
    ...(call.deadlineMs !== Infinity && { deadlineLeftMs: call.deadlineMs - nowMs }),
    flags: flagsOf({ traceparent, tookMs, ok, attempts, decisions }),
    attempts,
    decisions,
    lost: trail.lost,
  });
}
function requestOf({ input }, { block: block2 }) {
  if (block2 !== 'invoke') return {};
  const { httpMethod, path: path2 } = input;
  return { method: httpMethod, path: pathShape(path2) };
}
function attemptIn(call, attempt2) {
  const startedMs = attempt2.startedMs ?? call.startedMs;
  const outcome = attempt2.outcome ?? call.outcome;
  const { number, endpoint: endpoint2, breakerBefore, breakerAfter, inFlight, waitedMs } = attempt2;
  return {
    number,
    ...(endpoint2 !== void 0 && { endpoint: endpoint2 }),
    atMs: startedMs - call.startedMs,
    tookMs: (attempt2.endedMs ?? call.nowMs) - startedMs,
    ok: outcome.ok && (outcome.status ?? 0) < 500,
    ...(outcome.status !== void 0 && { status: outcome.status }),
    ...(outcome.error !== void 0 && { error: ProaError.from(outcome.error).code }),
    ...(breakerBefore !== void 0 && { breakerBefore }),
    ...(breakerAfter !== void 0 && { breakerAfter }),
    ...(inFlight !== void 0 && { inFlight }),
    ...(waitedMs !== void 0 && { waitedMs }),
  };
}
function errorOf(thrown, { operation: operation2, input }) {
  const { code, message } = ProaError.from(thrown);
  const path2 = operation2.block === 'invoke' ? input.path : '';
  return { code, message: clipped(path2.length < 2 ? message : message.replaceAll(path2, pathShape(path2).slice(1))) };
}
function flagsOf({ traceparent, tookMs, ok, attempts, decisions }) {
  const flags2 = /* @__PURE__ */ new Set();
  if (isSampled(traceparent)) flags2.add('sampled');
  if (!ok) flags2.add('failed');
  if (tookMs >= slowMs || decisions.some(({ kind }) => kind === 'slow')) flags2.add('slow');
  if (attempts.length > 1) flags2.add(decisions.some(({ role }) => role === 'hedge') ? 'hedged' : 'retried');
  for (const { kind, role } of decisions) {
    if (kind === 'refused') flags2.add(`refused:${role}`);
    else if (role === 'fault') flags2.add(role);
    else if (kind === 'waited') flags2.add('queued');
    else if (kind === 'answered' || role === 'split' || role === 'mirror') flags2.add(role);
    else if (kind === 'changed') flags2.add(role === 'balance' ? 'ejected' : 'breaker-opened');
  }
  return [...flags2];
}

// src/host/govern.ts
var roleOrder = [
  'trace',
  'record',
  'metrics',
  'meter',
  'deadline',
  'authorise',
  'access',
  'fallback',
  'fault',
  'system',
  'admission',
  'limit',
  'mirror',
  'split',
  'retry',
  'hedge',
  'breaker',
  'attempt',
  'concurrency',
  'balance',
];
function createGovern(options) {
  const { book } = options;
  return (target2, service) => {
    let epoch = book.epoch;
    let current = compile3(options, target2, service);
    return (call) => {
      if (epoch !== book.epoch) {
        epoch = book.epoch;
        current = compile3(options, target2, service);
      }
      return current(call);
    };
  };
}
function compile3(options, target2, service) {
  const settleAt = target2.block === 'invoke' ? 'end' : 'result';
  const { epoch } = options.book;
  const rules = rulesFor(epoch.document.rules, target2);
  const stackOf = (mask2) =>
    createStack(roleOrder, layersOf(options, { target: target2, epoch, rules, mask: mask2 }), settleAt).over(service);
  if (rules === void 0 || rules.matchers.length === 0) return stackOf(0);
  return selecting(rules.matchers, stackOf);
}
function maskOf(matchers, call) {
  let mask2 = 0;
  for (let i = 0; i < matchers.length; i++) if (matchers[i](call)) mask2 |= 1 << i;
  return mask2;
}
function selecting(matchers, stackOf) {
  const stacks = /* @__PURE__ */ new Map();
  return (call) => {
    const mask2 = maskOf(matchers, call);
    let stack = stacks.get(mask2);
    if (stack === void 0) stacks.set(mask2, (stack = stackOf(mask2)));
    return stack(call);
  };
}
function layersOf(options, { target: target2, epoch, rules, mask: mask2 }) {
  const { clock, random, metrics: metrics3, namespace, book } = options;
  const parts = {
    clock,
    random,
    metrics: metrics3,
    namespace,
    states: book.states,
    epoch,
    target: target2,
    process: options.process,
    invoke: options.invoke,
    http: options.http,
    engine: options.engine,
    log: options.log,
  };
  const layers = [
    ...ownLayers(options, target2, epoch.number),
    ...policyLayers(parts, rules?.effective(mask2) ?? {}, {
      named: rules?.named ?? false,
      related: rules?.related ?? [],
      access: rules?.access(mask2),
    }),
  ];
  return layers.toSorted((a, b) => roleOrder.indexOf(a.role) - roleOrder.indexOf(b.role));
}
function ownLayers(options, target2, epoch) {
  const { clock, records, appId } = options;
  const recorder = createCallRecorder({ clock, records, appId, target: target2, epoch });
  if (target2.block !== 'invoke') return componentLayers(options, target2, recorder);
  return target2.direction === 'outbound' ? outboundLayers(options, target2, recorder) : inboundLayers(options, target2, recorder);
}
function outboundLayers(options, target2, recorder) {
  const { clock, metrics: metrics3 } = options;
  const pair3 = outboundInvocationMetrics({ metrics: metrics3, clock, appId: target2.name, recorder });
  return [{ role: 'metrics', why: 'outside retries: callers wait for the logical call', pair: pair3 }];
}
function inboundLayers(options, target2, recorder) {
  const layers = [{ role: 'metrics', why: 'counts refusals too', pair: inboundInvocationMetrics(options.metrics, recorder) }];
  const list2 = options.accessControl();
  if (list2 !== void 0) {
    const origin = accessOrigin(options.origins);
    layers.push({
      role: 'authorise',
      why: 'before the app is touched, on the same canonical path that dispatch uses',
      parameters: { policies: list2.policies.length, otherwise: list2.defaultAction, from: `Configuration, ${origin}` },
      pair: accessControl(list2, list2.trustDomain, {
        decided: countDecisions(options.metrics),
        tell: tellTrail('authorise', stackName(target2), { policy: 'Configuration', origin }),
      }),
    });
  }
  return layers;
}
function accessOrigin(origins) {
  for (const [path2, origin] of origins) if (path2.startsWith('spec.accessControl')) return origin;
  return 'built in';
}
function countDecisions(metrics3) {
  return ({ allowed, by, trustDomain, namespace }) => {
    const app = allowed ? metricNames.aclAppAllowed : metricNames.aclAppBlocked;
    const global = allowed ? metricNames.aclGlobalAllowed : metricNames.aclGlobalBlocked;
    metrics3.counter(by === 'app' ? app : global, { trustDomain, namespace }).add(1);
  };
}
var componentMetricNames = {
  state: [metricNames.state, metricNames.stateLatency],
  secrets: [metricNames.secret, metricNames.secretLatency],
  configuration: [metricNames.configuration, metricNames.configurationLatency],
  crypto: [metricNames.crypto, metricNames.cryptoLatency],
  lock: [metricNames.lock, metricNames.lockLatency],
};
function componentLayers(options, target2, recorder) {
  const names4 =
    target2.block === 'bindings'
      ? target2.direction === 'inbound'
        ? [metricNames.inputBinding, metricNames.inputBindingLatency]
        : [metricNames.outputBinding, metricNames.outputBindingLatency]
      : componentMetricNames[target2.block];
  if (names4 === void 0)
    return [{ role: 'record', why: 'what happened to calls that are worth telling about', pair: record(recorder, options.clock) }];
  const [countName, latencyName] = names4;
  const labels = { component: target2.name, namespace: options.namespace, operation: target2.operation };
  return [
    {
      role: 'metrics',
      why: 'what the component costs its callers',
      pair: componentMetrics({ metrics: options.metrics, clock: options.clock, countName, latencyName, labels, recorder }),
    },
  ];
}

// src/contracts/resolver.ts
function eligible(endpoints) {
  const open2 = endpoints.filter((endpoint2) => endpoint2.health !== 'draining' && endpoint2.weight !== 0);
  const healthy = open2.filter((endpoint2) => endpoint2.health !== 'unhealthy');
  if (healthy.length > 0) return healthy;
  return open2.length > 0 ? open2 : endpoints;
}

// src/mesh/balance/member.ts
var tauMs = 1e4;
var unknownMs = 1e3;
var failureMs = 1e3;
var overloadMs = 5e3;
var pushbackMaxMs = 3e5;
var Member = class {
  endpoint;
  addedMs;
  inFlight = 0;
  /** Failures in a row. */
  failures = 0;
  /** Good and bad ends of the current interval. */
  good = 0;
  bad = 0;
  intervalEndsMs = 0;
  ejectedUntilMs = 0;
  ejections = 0;
  lastBadMs = -Infinity;
  #ewmaMs = 0;
  #measuredMs = 0;
  #breakers;
  constructor(endpoint2, nowMs) {
    this.endpoint = endpoint2;
    this.addedMs = nowMs;
  }
  get weight() {
    return this.endpoint.weight ?? 1;
  }
  /** Peak EWMA: rises at once with a slow answer, falls slowly with fast ones, and fades while nothing is measured. */
  measured(nowMs, tookMs, end) {
    if (end === 'ignored') return;
    const cost = end === 'good' ? tookMs : Math.max(tookMs, end === 'bad' ? failureMs : overloadMs);
    const faded = this.#faded(nowMs);
    this.#measuredMs = nowMs;
    if (cost > faded) this.#ewmaMs = cost;
    else {
      const keep2 = Math.exp(-Math.max(1, tookMs) / tauMs);
      this.#ewmaMs = faded * keep2 + cost * (1 - keep2);
    }
  }
  /** The other side asked to be left alone for a while: it counts as that slow. */
  pushedBack(nowMs, forMs) {
    this.#ewmaMs = Math.max(this.#faded(nowMs), Math.min(forMs, pushbackMaxMs));
    this.#measuredMs = nowMs;
  }
  /** What one more call would cost here, the lower the better. */
  cost(nowMs, slowStartMs) {
    const faded = this.#faded(nowMs);
    const one = this.#measuredMs === 0 && this.inFlight > 0 ? unknownMs : faded;
    return ((one + 1e-6) * (this.inFlight + 1)) / (this.weight * this.share(nowMs, slowStartMs));
  }
  /** 0.1 to 1: how much of its share an endpoint gets that was added not long ago. */
  share(nowMs, slowStartMs) {
    const age = nowMs - this.addedMs;
    return age >= slowStartMs ? 1 : Math.max(0.1, age / slowStartMs);
  }
  breaker(key, make) {
    this.#breakers ??= /* @__PURE__ */ new Map();
    let breaker3 = this.#breakers.get(key);
    if (breaker3 === void 0) {
      if (this.#breakers.size >= 32) this.#breakers.clear();
      this.#breakers.set(key, (breaker3 = make()));
    }
    return breaker3;
  }
  #faded(nowMs) {
    return this.#ewmaMs === 0 ? 0 : this.#ewmaMs * Math.exp(-(nowMs - this.#measuredMs) / tauMs);
  }
};

// src/mesh/balance/outliers.ts
function judge(member, end, { members, nowMs, settings }) {
  if (end === 'ignored') return false;
  if (nowMs >= member.intervalEndsMs) {
    member.intervalEndsMs = nowMs + settings.intervalMs;
    member.good = member.bad = 0;
    if (member.ejections > 0 && nowMs > member.ejectedUntilMs + settings.intervalMs) member.ejections--;
  }
  if (end === 'good') {
    member.good++;
    member.failures = 0;
    return false;
  }
  member.bad++;
  member.failures++;
  member.lastBadMs = nowMs;
  if (nowMs < member.ejectedUntilMs || !tooBad(member, settings) || !mayEject(members, nowMs, settings)) return false;
  member.ejections++;
  member.failures = 0;
  member.ejectedUntilMs = nowMs + Math.min(settings.ejectionMaxMs, settings.ejectionMs * member.ejections);
  return true;
}
function tooBad(member, settings) {
  if (settings.consecutive > 0 && member.failures >= settings.consecutive) return true;
  const calls = member.good + member.bad;
  return settings.failureRatio > 0 && calls >= settings.requestsMin && member.bad / calls >= settings.failureRatio;
}
function mayEject(members, nowMs, { ejectedShareMax }) {
  let ejected = 0;
  for (const member of members) if (nowMs < member.ejectedUntilMs) ejected++;
  return ejected + 1 <= members.length * ejectedShareMax;
}

// src/mesh/balance/endpoint-group.ts
var recentlyMs = 1e4;
var EndpointGroup = class {
  #options;
  #plans = /* @__PURE__ */ new WeakMap();
  #tell;
  #members = [];
  #version = 0;
  constructor(options) {
    this.#options = options;
    this.#tell = tellTrail('balance', stackName({ block: 'invoke', name: options.appId, operation: 'call', direction: 'outbound' }));
  }
  update(endpoints) {
    const known2 = new Map(this.#members.map((member) => [member.endpoint.instance, member]));
    const first = this.#members.length === 0;
    const nowMs = this.#options.clock.mono();
    this.#members = eligible(endpoints).map((endpoint2) => {
      const member = known2.get(endpoint2.instance);
      if (member === void 0) return new Member(endpoint2, first ? -Infinity : nowMs);
      member.endpoint = endpoint2;
      return member;
    });
    this.#version++;
  }
  /** What is known now, for whoever shows it. */
  members() {
    return this.#members;
  }
  send(call, to) {
    const plan = valueOf(call.context, balancePlanKey) ?? defaultPlan;
    const [only] = this.#members;
    if (this.#members.length === 1 && plan.breakers === void 0) return to(only.endpoint, call);
    if (only === void 0) return Promise.reject(new ProaError('invoke.unreachable', `no instance of app "${this.#options.appId}" is left`));
    const nowMs = this.#options.clock.mono();
    const remembered2 = this.#remembered(plan, valueOf(call.context, versionKey), nowMs);
    const member = this.#pick(remembered2, call, nowMs);
    if (plan.breakers === void 0) return this.#track({ call, plan, member, token: 0, nowMs }, to);
    return this.#sendGuarded({ call, plan, nowMs, all: remembered2.all }, member, to);
  }
  #pick(remembered2, call, nowMs) {
    const { usable } = remembered2;
    if (usable.length === 1) return usable[0];
    const step = valueOf(call.context, attemptKey);
    const member = remembered2.strategy(usable, { call, nowMs, step });
    if (step === 0 || nowMs - member.lastBadMs > recentlyMs) return member;
    return this.#firstFrom(usable, (other) => nowMs - other.lastBadMs > recentlyMs) ?? member;
  }
  /** Asks the breakers, beginning with that of the member that balancing prefers. */
  #sendGuarded(at, preferred, to) {
    const { plan, nowMs, all } = at;
    const { key, make } = plan.breakers;
    let token2 = preferred.breaker(key, make).enter(nowMs);
    if (token2 >= 0) return this.#track({ ...at, member: preferred, token: token2 }, to);
    const other = this.#firstFrom(
      this.#members,
      (member) => member !== preferred && (token2 = member.breaker(key, make).enter(nowMs)) >= 0,
    );
    const tell = plan.tellBreaker ?? this.#tell;
    if (other !== void 0) {
      tell(at.call, 'chose', `the breaker of ${placeText(preferred.endpoint)} is open: it goes to ${placeText(other.endpoint)}`);
      return this.#track({ ...at, member: other, token: token2 }, to);
    }
    const count = all.length;
    const what = count === 1 ? 'its only instance' : `all of its ${count} instances`;
    attemptOf(at.call).breakerBefore = preferred.breaker(key, make).state(nowMs);
    tell(at.call, 'refused', `the circuit breakers of ${what} are open`);
    return Promise.reject(new ProaError('circuit-open', `app "${this.#options.appId}": the circuit breakers of ${what} are open`));
  }
  #firstFrom(members, fits3) {
    const start = this.#options.random.u32() % members.length;
    for (let i = 0; i < members.length; i++) {
      const member = members[(start + i) % members.length];
      if (fits3(member)) return member;
    }
    return void 0;
  }
  #track(attempt2, to) {
    const { call, plan, member, token: token2, nowMs } = attempt2;
    member.inFlight++;
    call.end.listen((outcome) => this.#ended({ call, plan, member, token: token2, nowMs }, outcome));
    return to(member.endpoint, call);
  }
  #ended({ call, plan, member, token: token2, nowMs: begunMs }, outcome) {
    const told = !outcome.ok || call.end.trail !== void 0;
    if (told) attemptOf(call).inFlight = member.inFlight;
    member.inFlight--;
    const nowMs = this.#options.clock.mono();
    const tookMs = nowMs - begunMs;
    const end = endOf(outcome);
    member.measured(nowMs, tookMs, end);
    if (outcome.retryAfterMs !== void 0 && end === 'overloaded') member.pushedBack(nowMs, outcome.retryAfterMs);
    if (judge(member, end, { members: this.#members, nowMs, settings: plan.settings.outlier })) {
      this.#version++;
      if (member.ejectedUntilMs > nowMs) this.#tellEjected(call, plan, member.ejectedUntilMs - nowMs);
    }
    if (plan.breakers === void 0) return;
    const { key, make, badFrom } = plan.breakers;
    const breaker3 = member.breaker(key, make);
    const verdict = verdictOf(outcome, badFrom);
    const before = told || verdict === 'bad' ? breaker3.state(nowMs) : void 0;
    breaker3.leave(token2, paced(verdict, tookMs, breaker3), nowMs);
    if (before === void 0) return;
    const target2 = placeText(member.endpoint);
    tellBreaker(call, { before, after: breaker3.state(nowMs), target: target2, tell: plan.tellBreaker ?? this.#tell });
  }
  #tellEjected(call, plan, forMs) {
    const tell = plan.tell ?? this.#tell;
    tell(call, 'changed', `the instance is ejected: for ${formatDuration(Math.round(forMs))} it gets no more calls`);
  }
  #remembered(plan, version, nowMs) {
    let versions = this.#plans.get(plan);
    if (versions === void 0) this.#plans.set(plan, (versions = /* @__PURE__ */ new Map()));
    let remembered2 = versions.get(version);
    if (remembered2 === void 0) {
      remembered2 = { strategy: createStrategy(plan.settings, this.#options.random), all: [], usable: [], version: -1, validUntilMs: 0 };
      versions.set(version, remembered2);
    }
    if (remembered2.version !== this.#version || nowMs >= remembered2.validUntilMs) {
      const own = version === '' ? this.#members : this.#members.filter(({ endpoint: endpoint2 }) => endpoint2.version === version);
      const all = own.length > 0 ? own : this.#members;
      remembered2.all = all;
      remembered2.version = this.#version;
      remembered2.validUntilMs = all.reduce(
        (until, { ejectedUntilMs }) => (ejectedUntilMs > nowMs ? Math.min(until, ejectedUntilMs) : until),
        Infinity,
      );
      remembered2.usable = this.#usable(all, plan, nowMs);
    }
    return remembered2;
  }
  /** Neither ejected nor, while enough of the own zone is left, far away. */
  #usable(members, { settings }, nowMs) {
    const inside = members.filter(({ ejectedUntilMs }) => nowMs >= ejectedUntilMs);
    const usable = inside.length < members.length * settings.panicShare ? members : inside;
    const { zone } = this.#options;
    if (zone === '' || settings.zoneShareMin === 0) return usable;
    const near = usable.filter(({ endpoint: endpoint2 }) => endpoint2.zone === zone);
    const all = members.filter(({ endpoint: endpoint2 }) => endpoint2.zone === zone);
    return near.length > 0 && near.length >= all.length * settings.zoneShareMin ? near : usable;
  }
};
function endOf(outcome) {
  const { status, error } = outcome;
  if (status === 429 || (error !== void 0 && ProaError.from(error).spec.grpc === 'RESOURCE_EXHAUSTED')) return 'overloaded';
  return verdictOf(outcome, 500);
}

// src/kernel/closest.ts
function distance(a, b, max) {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  let beforeLast = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row2 = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(last[j] + 1, row2[j - 1] + 1, last[j - 1] + cost);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) best = Math.min(best, beforeLast[j - 2] + 1);
      row2.push(best);
    }
    beforeLast = last;
    last = row2;
  }
  return last[b.length];
}
function closest(word3, candidates) {
  const wanted = word3.slice(0, 64).toLowerCase();
  let best;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const found = distance(wanted, candidate.toLowerCase(), bestDistance);
    if (found < bestDistance) {
      best = candidate;
      bestDistance = found;
    }
  }
  return best;
}

// src/mesh/policy/model.ts
var builtInServiceRetries = {
  backoff: { kind: 'constant', delayMs: 1e3 },
  retriesMax: 3,
  elapsedMaxMs: Infinity,
  when: 'absent',
};
var noPolicies = { rules: [], builtIn: { serviceRetries: builtInServiceRetries }, trips: /* @__PURE__ */ new Map() };

// src/mesh/policy/resiliency.ts
var exponentialElapsedMs = 15 * 6e4;
var exponential = { kind: 'exponential', initialMs: 500, factor: 1.5, jitter: 'around' };
function retryOf(policy2) {
  const { matching } = policy2;
  return {
    backoff:
      policy2.policy === 'constant' ? { kind: 'constant', delayMs: policy2.durationMs } : { ...exponential, maxMs: policy2.maxIntervalMs },
    retriesMax: policy2.maxRetries < 0 ? Infinity : policy2.maxRetries,
    elapsedMaxMs: policy2.policy === 'constant' ? Infinity : exponentialElapsedMs,
    when: 'dapr',
    ...(matching?.httpStatusCodes !== void 0 && { httpCodes: matching.httpStatusCodes }),
    ...(matching?.gRPCStatusCodes !== void 0 && { grpcCodes: matching.gRPCStatusCodes }),
  };
}
function breakerOf(policy2, cacheSize) {
  return {
    kind: 'counting',
    per: 'method',
    requestsMax: Math.max(1, policy2.maxRequests),
    intervalMs: policy2.intervalMs,
    openMs: policy2.timeoutMs,
    cacheSize,
    ...(policy2.trip !== void 0 && { trip: policy2.trip }),
  };
}
function settingsOf(merged, names4, cacheSize = 1) {
  const timeoutMs3 = merged.timeoutsMs[names4.timeout ?? ''];
  const retry4 = merged.retries[names4.retry ?? ''];
  const breaker3 = merged.circuitBreakers[names4.circuitBreaker ?? ''];
  return {
    ...(timeoutMs3 !== void 0 && timeoutMs3 > 0 && { timeout: { timeoutMs: timeoutMs3 } }),
    ...(retry4 !== void 0 && { retry: retryOf(retry4) }),
    ...(breaker3 !== void 0 && { breaker: breakerOf(breaker3, cacheSize) }),
  };
}
function originsOf(settings, { origin, merged, names: names4 }) {
  const origins = {};
  for (const name of Object.keys(settings)) origins[name] = origin;
  const take = (group3, policy2, name) => {
    if (policy2 === void 0 || settings[name] === void 0) return;
    const path2 = `policies.${group3}.${policy2}`;
    for (const [written, at] of Object.entries(merged.origins))
      if (written === path2) origins[`${name}.${name}`] = at;
      else if (written.startsWith(`${path2}.`)) origins[`${name}${written.slice(path2.length)}`] = at;
  };
  take('timeouts', names4.timeout, 'timeout');
  take('retries', names4.retry, 'retry');
  take('circuitBreakers', names4.circuitBreaker, 'breaker');
  return origins;
}
function namedRules(spec3, merged) {
  const rule2 = (target2, { names: names4, cacheSize, key }) => {
    const settings = settingsOf(merged, names4, cacheSize);
    const origins = originsOf(settings, { origin: spec3.origins[key] ?? '', merged, names: names4 });
    return { resource: `Resiliency "${spec3.name}"`, target: target2, settings, origins, rank: 'named' };
  };
  const apps = Object.entries(spec3.apps).map(([app, names4]) =>
    rule2({ kind: 'app', app, at: 'caller' }, { names: names4, cacheSize: names4.circuitBreakerCacheSize, key: `apps.${app}` }),
  );
  const actors = Object.entries(spec3.actors).map(([type, names4]) =>
    rule2({ kind: 'actor', type }, { names: names4, cacheSize: names4.circuitBreakerCacheSize, key: `actors.${type}` }),
  );
  const components = Object.entries(spec3.components).flatMap(([component, use]) =>
    ['outbound', 'inbound'].flatMap((direction) => {
      const names4 = use[direction];
      if (names4 === void 0) return [];
      return [rule2({ kind: 'component', component, direction }, { names: names4, key: `components.${component}` })];
    }),
  );
  return [...apps, ...actors, ...components];
}
var componentTypes = {
  state: 'Statestore',
  pubsub: 'Pubsub',
  bindings: 'Binding',
  secrets: 'Secretstore',
  configuration: 'Configuration',
  lock: 'Lock',
  crypto: 'Crypto',
};
function defaultName(known2, levels, kind) {
  return [...levels, ''].map((level) => `Default${level}${kind}Policy`).find((name) => Object.hasOwn(known2, name));
}
function defaultRule(merged, target2, levels) {
  const [timeout, retry4, circuitBreaker] = [
    defaultName(merged.timeoutsMs, levels, 'Timeout'),
    defaultName(merged.retries, levels, 'Retry'),
    defaultName(merged.circuitBreakers, levels, 'CircuitBreaker'),
  ];
  const names4 = {
    ...(timeout !== void 0 && { timeout }),
    ...(retry4 !== void 0 && { retry: retry4 }),
    ...(circuitBreaker !== void 0 && { circuitBreaker }),
  };
  const settings = settingsOf(merged, names4, target2.kind === 'app' ? 100 : 5e3);
  if (Object.keys(settings).length === 0) return [];
  const used = { ...(timeout && { timeout }), ...(retry4 && { retry: retry4 }), ...(circuitBreaker && { breaker: circuitBreaker }) };
  const origins = { ...originsOf(settings, { origin: '', merged, names: names4 }), ...used };
  return [{ resource: 'Resiliency (default policies)', target: target2, settings, origins, rank: 'default' }];
}
function defaultRules(merged) {
  const components = Object.entries(componentTypes).flatMap(([block2, type]) =>
    ['outbound', 'inbound'].flatMap((direction) => {
      const way = direction === 'outbound' ? 'Outbound' : 'Inbound';
      const levels = [`${type}Component${way}`, `Component${way}`, 'Component'];
      return defaultRule(merged, { kind: 'component', component: '*', direction, block: block2 }, levels);
    }),
  );
  return [
    ...defaultRule(merged, { kind: 'app', app: '*', at: 'caller' }, ['App']),
    ...defaultRule(merged, { kind: 'actor', type: '*' }, ['Actor']),
    ...components,
  ];
}
function overridden(merged, name, builtIn3) {
  const policy2 = merged.retries[name];
  if (policy2 === void 0) return builtIn3;
  const written = retryOf(policy2);
  return { ...written, when: builtIn3.when, retriesMax: Math.max(3, written.retriesMax) };
}
function resiliencyRules(specs) {
  const merged = {
    origins: Object.assign({}, ...specs.map(({ origins }) => origins)),
    timeoutsMs: Object.assign(/* @__PURE__ */ Object.create(null), ...specs.map(({ timeoutsMs }) => timeoutsMs)),
    retries: Object.assign(/* @__PURE__ */ Object.create(null), ...specs.map(({ retries }) => retries)),
    circuitBreakers: Object.assign(/* @__PURE__ */ Object.create(null), ...specs.map(({ circuitBreakers }) => circuitBreakers)),
  };
  return {
    rules: [...specs.flatMap((spec3) => namedRules(spec3, merged)), ...defaultRules(merged)],
    builtIn: { serviceRetries: overridden(merged, 'DaprBuiltInServiceRetries', builtInServiceRetries) },
  };
}

// src/host/config/check-component.ts
import * as v from 'valibot';

// src/host/config/block-properties.ts
var blockProperties = {
  state: [
    'keyPrefix',
    'actorStateStore',
    'primaryEncryptionKey',
    'secondaryEncryptionKey',
    'encryptionFormat',
    'outboxPublishPubsub',
    'outboxPublishTopic',
    'outboxPubsub',
    'outboxDiscardWhenMissingState',
  ],
  pubsub: ['allowedTopics', 'publishingScopes', 'subscriptionScopes', 'protectedTopics', 'consumerID'],
  bindings: ['direction', 'route'],
  secretstores: [],
  configuration: [],
  lock: ['keyPrefix'],
  crypto: [],
  middleware: [],
  nameresolution: [],
};

// src/host/config/check-component.ts
function entriesOf(schema) {
  return schema.entries;
}
function isSensitive(schema) {
  const { type, metadata, pipe, wrapped } = schema ?? {};
  if (type === 'metadata' && metadata?.sensitive === true) return true;
  return wrapped !== void 0 ? isSensitive(wrapped) : (pipe?.some((step) => step !== schema && isSensitive(step)) ?? false);
}
function isOptional(schema) {
  return ['optional', 'exact_optional', 'nullish', 'undefinedable'].includes(schema.type);
}
async function checkComponent(component, context) {
  const place = component.at && { at: component.at };
  const problem = (code, message, more = {}) => ({
    severity: 'error',
    code,
    message: `component "${component.name}": ${message}`,
    ...place,
    ...more,
  });
  const denied = context.denied.some(
    (type) => type.toLowerCase() === component.type.toLowerCase() || type === `${component.type}/${component.version}`,
  );
  if (denied) return [problem('config.denied-type', `type ${component.type} is denied by the Configuration`)];
  const entry = Object.hasOwn(context.drivers, component.type) ? context.drivers[component.type] : void 0;
  if (entry === void 0) {
    const known2 = Object.keys(context.drivers).filter((type) => type.startsWith(`${component.kind}.`));
    const guess = closest(component.type, known2);
    const help = guess === void 0 ? {} : { help: `did you mean \`${guess}\`?` };
    return [
      problem('config.unknown-type', `there is no driver for type ${component.type}`, {
        notes: [`known: ${known2.join(', ') || 'none'}`],
        ...help,
      }),
    ];
  }
  const definition = await entry.load();
  const problems = checkProperties(component, definition);
  if (!definition.versions.includes(component.version)) {
    const notes = [`known: ${definition.versions.join(', ')}`];
    problems.push(problem('config.unknown-version', `${component.type} has no version ${component.version}`, { notes }));
  }
  problems.push(...checkSecrets(component, context));
  return problems;
}
function checkSecrets(component, { secretStores }) {
  const { secretStore } = component;
  return component.properties.flatMap((property2) => {
    if (property2.source.from !== 'secret' || (secretStore !== void 0 && secretStores.has(secretStore))) return [];
    const what = `component "${component.name}" refers to secret "${property2.source.name}"`;
    const message =
      secretStore === void 0 ? `${what}, but names no secret store` : `${what}, but secret store "${secretStore}" is not configured`;
    const known2 = [...secretStores];
    const help = known2[0] === void 0 ? 'add a component of type secretstores.*' : `add \`auth: { secretStore: ${known2[0]} }\``;
    const at = property2.valueAt && { at: property2.valueAt };
    return [
      { severity: 'error', code: 'config.secret', message, notes: [`known secret stores: ${known2.join(', ') || 'none'}`], help, ...at },
    ];
  });
}
function checkProperties(component, definition) {
  const entries = entriesOf(definition.config);
  const open2 = definition.openProperties === true || definition.config.type === 'loose_object';
  if (entries === void 0) return [];
  const extras = blockProperties[component.kind];
  const known2 = new Map([...extras, ...Object.keys(entries)].map((name) => [name.toLowerCase(), name]));
  const problems = [];
  for (const property2 of component.properties) {
    const name = known2.get(property2.name.toLowerCase());
    if (name !== void 0) problems.push(...checkValue(component, property2, entries[name]));
    else if (!open2) problems.push(unknownProperty(component, property2, [...known2.values()]));
  }
  const given = new Set(component.properties.map(({ name }) => name.toLowerCase()));
  for (const [name, schema] of Object.entries(entries)) {
    if (isOptional(schema) || given.has(name.toLowerCase())) continue;
    const message = `component "${component.name}": metadata property \`${name}\` of ${component.type} is missing`;
    problems.push({ severity: 'error', code: 'config.missing-key', message, ...(component.at && { at: component.at }) });
  }
  return problems;
}
function unknownProperty(component, property2, known2) {
  const guess = closest(property2.name, known2);
  return {
    severity: 'error',
    code: 'config.unknown-key',
    message: `component "${component.name}": ${component.type} has no metadata property \`${property2.name}\``,
    notes: [`known properties: ${known2.join(', ')}`],
    ...(property2.at && { at: property2.at }),
    ...(guess !== void 0 && { help: `did you mean \`${guess}\`?` }),
  };
}
function checkValue(component, property2, schema) {
  if (schema === void 0 || property2.source.from !== 'literal' || /\{(uuid|podName|namespace|appID)\}/.test(property2.source.value))
    return [];
  const result = v.safeParse(schema, property2.source.value);
  if (result.success) return [];
  return result.issues.map((issue) => ({
    severity: 'error',
    code: 'config.wrong-value',
    message: `component "${component.name}": metadata property \`${property2.name}\` ${describeIssue(issue)}`,
    ...(property2.valueAt && { at: property2.valueAt }),
    ...(isSensitive(schema) && { concealed: true }),
  }));
}
function describeIssue(issue) {
  const requirement = issue.requirement;
  if (issue.type === 'min_value') return `must be at least ${String(requirement)}`;
  if (issue.type === 'max_value') return `must be at most ${String(requirement)}`;
  if (issue.type === 'picklist') return `must be one of ${(issue.expected ?? '').replace(/[()"]/g, '').replaceAll(' | ', ', ')}`;
  if (issue.kind === 'schema' && issue.received === 'undefined') return 'is missing';
  return issue.message.includes('but received') ? 'has a wrong value' : issue.message;
}

// src/host/config/defaults.ts
var embedded = [
  { name: 'statestore', kind: 'state', type: 'state.proa' },
  { name: 'pubsub', kind: 'pubsub', type: 'pubsub.proa' },
  { name: 'lockstore', kind: 'lock', type: 'lock.proa' },
  { name: 'configstore', kind: 'configuration', type: 'configuration.proa' },
  { name: 'secretstore', kind: 'secretstores', type: 'secretstores.local.env' },
];
function resource(from) {
  return {
    ...from,
    namespace: '',
    scopes: [],
    origin: 'embedded default',
    version: 'v1',
    ignoreErrors: false,
    initTimeoutMs: 3e4,
    properties: [],
  };
}
function embeddedDefaults(mode, written) {
  if (mode === 'never' || (mode === 'when-empty' && written.length > 0)) return [];
  const kinds3 = new Set(written.map(({ kind }) => kind));
  const names4 = new Set(written.map(({ name }) => name));
  return embedded.filter(({ kind, name }) => !kinds3.has(kind) && !names4.has(name)).map(resource);
}

// src/kernel/byte-size.ts
var factors = {
  '': 1,
  k: 1e3,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
};

// src/host/config/source.ts
function placeOf(span) {
  const { text: text2, file } = span.source;
  const before = text2.slice(0, span.start);
  const lineStart = before.lastIndexOf('\n') + 1;
  const lineEnd = text2.indexOf('\n', span.start);
  const lineText = text2.slice(lineStart, lineEnd === -1 ? void 0 : lineEnd).replace(/\r$/, '');
  return { file, line: before.split('\n').length, column: span.start - lineStart + 1, lineText };
}
function originOf2(span) {
  const { file, line } = placeOf(span);
  return `${file}:${line}`;
}

// src/host/config/yaml.ts
var yamlLimits = { fileBytesMax: 1024 * 1024, aliasesMax: 100, nodesMax: 1e5, depthMax: 64 };
var TooMuch = class extends Error {};
function spanOf(source, node) {
  return { source, start: node.range?.[0] ?? 0, end: node.range?.[1] ?? 0 };
}
function follow(alias, context, depth) {
  context.spent.aliases += 1;
  if (context.spent.aliases > yamlLimits.aliasesMax) throw new TooMuch(`more than ${yamlLimits.aliasesMax} aliases`);
  const target2 = alias.resolve(context.document);
  if (target2 === void 0) return { kind: 'scalar', span: spanOf(context.source, alias), value: null, text: '' };
  return convert(target2, context, depth + 1);
}
function convertMap(node, context, depth) {
  const { library, source, problems } = context;
  const entries = [];
  for (const pair3 of node.items) {
    const keySpan = spanOf(source, pair3.key ?? node);
    if (!library.isScalar(pair3.key)) {
      problems.push({ severity: 'error', code: 'config.yaml', message: 'a key must be plain text', at: keySpan });
      continue;
    }
    const key = String(pair3.key.value);
    if (key === '<<') problems.push({ severity: 'error', code: 'config.yaml', message: 'merge keys (<<) are not supported', at: keySpan });
    else entries.push({ key, keySpan, value: convert(pair3.value ?? emptyAt(keySpan), context, depth + 1) });
  }
  return { kind: 'map', span: spanOf(source, node), entries };
}
function emptyAt(span) {
  return { empty: span };
}
function convert(node, context, depth) {
  const { library, source, problems, spent } = context;
  if ('empty' in node) return { kind: 'scalar', span: node.empty, value: null, text: '' };
  spent.nodes += 1;
  if (spent.nodes > yamlLimits.nodesMax) throw new TooMuch(`more than ${yamlLimits.nodesMax} values`);
  if (depth > yamlLimits.depthMax) throw new TooMuch(`nested more than ${yamlLimits.depthMax} levels deep`);
  if (library.isAlias(node)) return follow(node, context, depth);
  const span = spanOf(source, node);
  if (node.tag !== void 0) problems.push({ severity: 'error', code: 'config.yaml', message: 'tags are not supported', at: span });
  if (library.isMap(node)) return convertMap(node, context, depth);
  if (library.isSeq(node)) {
    const items = node.items.map((item) => convert(item ?? emptyAt(span), context, depth + 1));
    return { kind: 'list', span, items };
  }
  return convertScalar(node, span);
}
function convertScalar(node, span) {
  const { value } = node;
  const known2 = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
  const text2 = typeof value === 'string' ? value : known2 === null ? '' : (node.source ?? String(known2));
  return { kind: 'scalar', span, value: known2, text: text2 };
}
async function parseYaml(source, problems) {
  const library = await import('yaml');
  const parsed = library.parseAllDocuments(source.text, {
    schema: 'core',
    version: '1.2',
    merge: false,
    uniqueKeys: true,
    prettyErrors: false,
  });
  const nodes = [];
  const spent = { aliases: 0, nodes: 0 };
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const found = document.errors.map((error) => ({
      severity: 'error',
      code: 'config.yaml',
      message: error.message.replace(/\.$/, ''),
      at: { source, start: error.pos[0], end: error.pos[1] },
    }));
    const { contents } = document;
    const empty = contents === null || (library.isScalar(contents) && contents.value === null);
    if (found.length === 0 && !empty) {
      const node = tryConvert(contents, { source, document, problems: found, spent, library });
      if (node !== void 0 && found.length === 0) nodes.push(node);
    }
    problems.push(...found);
  }
  return nodes;
}
function tryConvert(contents, context) {
  try {
    return convert(contents, context, 0);
  } catch (thrown) {
    if (!(thrown instanceof TooMuch)) throw thrown;
    context.problems.push({ severity: 'error', code: 'config.yaml', message: thrown.message, at: spanOf(context.source, contents) });
    return void 0;
  }
}
function toPlain(node) {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  return Object.fromEntries(node.entries.map(({ key, value }) => [key, toPlain(value)]));
}
function valueAt(node, ...path2) {
  let current = node;
  for (const key of path2) {
    if (current?.kind !== 'map') return void 0;
    current = current.entries.find((entry) => entry.key === key)?.value;
  }
  return current?.kind === 'scalar' && current.value === null ? void 0 : current;
}
function overlay(under, over) {
  if (under.kind !== 'map' || over.kind !== 'map') return over;
  const entries = new Map(under.entries.map((entry) => [entry.key, entry]));
  for (const entry of over.entries) {
    const below = entries.get(entry.key);
    entries.set(entry.key, below === void 0 ? entry : { ...entry, value: overlay(below.value, entry.value) });
  }
  return { kind: 'map', span: over.span, entries: [...entries.values()] };
}

// src/host/config/shape.ts
function required2(read) {
  return { need: 'required', read };
}
function optional(read) {
  return { need: 'optional', read };
}
function withDefault(read, fallback3) {
  return { need: 'required', read, fallback: fallback3 };
}
function wrongValue(reading, at, message) {
  reading.problems.push({ severity: 'error', code: 'config.wrong-value', message, at });
  return void 0;
}
function kindOf(node) {
  if (node.kind !== 'scalar') return `a ${node.kind}`;
  return node.value === null ? 'nothing' : `a ${typeof node.value === 'string' ? 'text' : typeof node.value}`;
}
function isNull(node) {
  return node.kind === 'scalar' && node.value === null;
}
function object(fields) {
  return (node, path2, reading) => {
    if (node.kind !== 'map') return wrongValue(reading, node.span, `${path2} must be a map, not ${kindOf(node)}`);
    const result = {};
    let sound = true;
    for (const { key, keySpan, value } of node.entries) {
      const field = Object.hasOwn(fields, key) ? fields[key] : void 0;
      if (field === void 0) {
        reportUnknown(reading, { key, keySpan, path: path2, known: Object.keys(fields) });
        sound = false;
      } else if (!isNull(value)) {
        const inner = path2 === '' ? key : `${path2}.${key}`;
        const read = field.read(value, inner, reading);
        if (read === void 0) sound = false;
        else result[key] = read;
        if (value.kind === 'scalar') reading.origins.set(inner, originOf2(value.span));
      }
    }
    if (!fillMissing(fields, result, { node, path: path2, reading })) sound = false;
    return sound ? result : void 0;
  };
}
function fillMissing(fields, result, at) {
  let complete = true;
  for (const [key, field] of Object.entries(fields)) {
    if (key in result || field.need === 'optional') continue;
    if (field.fallback !== void 0) {
      result[key] = field.fallback;
      continue;
    }
    complete = false;
    const written = at.node.kind === 'map' && at.node.entries.some((entry) => entry.key === key && !isNull(entry.value));
    if (written) continue;
    const message = at.path === '' ? `\`${key}\` is missing` : `${at.path}: \`${key}\` is missing`;
    at.reading.problems.push({ severity: 'error', code: 'config.missing-key', message, at: firstLine(at.node.span) });
  }
  return complete;
}
function firstLine(span) {
  const lineEnd = span.source.text.indexOf('\n', span.start);
  return { ...span, end: lineEnd === -1 ? span.end : Math.min(span.end, lineEnd) };
}
function reportUnknown(reading, at) {
  const guess = closest(at.key, at.known);
  reading.problems.push({
    severity: 'error',
    code: 'config.unknown-key',
    message: at.path === '' ? `unknown key \`${at.key}\`` : `${at.path}: unknown key \`${at.key}\``,
    at: at.keySpan,
    notes: [`known keys: ${at.known.join(', ')}`],
    ...(guess !== void 0 && { help: `did you mean \`${guess}\`?` }),
  });
}
var text = (node, path2, reading) =>
  node.kind === 'scalar' && node.value !== null
    ? node.text
    : wrongValue(reading, node.span, `${path2} must be a text, not ${kindOf(node)}`);
var filledText = (node, path2, reading) => {
  const value = text(node, path2, reading);
  return value === '' ? wrongValue(reading, node.span, `${path2} must not be empty`) : value;
};
var flag = (node, path2, reading) => {
  const written = node.kind === 'scalar' ? node.text.toLowerCase() : '';
  if (written === 'true' || written === 'false') return written === 'true';
  return wrongValue(reading, node.span, `${path2} must be true or false`);
};
function whole(min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  return (node, path2, reading) => {
    const value = node.kind === 'scalar' && /^[+-]?\d+$/.test(node.text) ? Number(node.text) : void 0;
    if (value !== void 0 && value >= min && value <= max) return value;
    const limits3 =
      min === Number.MIN_SAFE_INTEGER ? '' : max === Number.MAX_SAFE_INTEGER ? ` of at least ${min}` : ` from ${min} to ${max}`;
    return wrongValue(reading, node.span, `${path2} must be a whole number${limits3}`);
  };
}
var duration = (node, path2, reading) => {
  const value = node.kind === 'scalar' ? parseDuration(node.text) : void 0;
  return value ?? wrongValue(reading, node.span, `${path2} must be a duration such as 500ms, 10s, 1h30m`);
};
function word2(...words) {
  return (node, path2, reading) => {
    const written = node.kind === 'scalar' ? node.text : '';
    if (words.includes(written)) return written;
    const guess = closest(written, words);
    const message = `${path2} must be one of ${words.join(', ')}`;
    reading.problems.push({
      severity: 'error',
      code: 'config.wrong-value',
      message,
      at: node.span,
      ...(guess !== void 0 && { help: `did you mean \`${guess}\`?` }),
    });
    return void 0;
  };
}
function list(read) {
  return (node, path2, reading) => {
    if (node.kind !== 'list') return wrongValue(reading, node.span, `${path2} must be a list, not ${kindOf(node)}`);
    const items = node.items.map((item, index) => {
      const inner = `${path2}[${index}]`;
      if (item.kind === 'scalar') reading.origins.set(inner, originOf2(item.span));
      return read(item, inner, reading);
    });
    return items.includes(void 0) ? void 0 : items;
  };
}
function record3(read) {
  return (node, path2, reading) => {
    if (node.kind !== 'map') return wrongValue(reading, node.span, `${path2} must be a map, not ${kindOf(node)}`);
    const values = node.entries.map(({ key, value }) => [key, read(value, `${path2}.${key}`, reading)]);
    for (const { key, value } of node.entries) {
      if (value.kind === 'scalar') reading.origins.set(`${path2}.${key}`, originOf2(value.span));
    }
    const result = /* @__PURE__ */ Object.create(null);
    for (const [key, value] of values) if (value !== void 0) result[key] = value;
    return values.some(([, value]) => value === void 0) ? void 0 : result;
  };
}
var anything = (node) => toPlain(node) ?? void 0;

// src/host/config/kinds/head.ts
var objectMeta = object({
  name: required2(filledText),
  namespace: optional(text),
  labels: optional(anything),
  annotations: optional(anything),
  creationTimestamp: optional(anything),
  generation: optional(anything),
  resourceVersion: optional(anything),
  uid: optional(anything),
  managedFields: optional(anything),
  ownerReferences: optional(anything),
  finalizers: optional(anything),
});
var headFields = {
  apiVersion: required2(text),
  kind: required2(text),
  metadata: required2(objectMeta),
  scopes: optional(list(text)),
};
var authFields = object({ secretStore: optional(text) });
function headOf(written, at) {
  return {
    name: written.metadata.name,
    namespace: written.metadata.namespace ?? '',
    scopes: written.scopes ?? [],
    at,
    origin: originOf2(at),
  };
}

// src/host/config/kinds/component.ts
var secretReference = object({ name: required2(filledText), key: optional(text) });
var pairFields = object({
  name: required2(filledText),
  // Any value: texts stay as written, maps and lists become JSON.
  value: optional((node) => (node.kind === 'scalar' ? node.text : JSON.stringify(toPlain(node)))),
  secretKeyRef: optional(secretReference),
  envRef: optional(filledText),
});
var pair = (node, path2, reading) => {
  const written = pairFields(node, path2, reading);
  if (written === void 0) return void 0;
  const given = [written.value, written.secretKeyRef, written.envRef].filter((source) => source !== void 0);
  if (given.length > 1) return wrongValue(reading, node.span, `${path2}: only one of value, secretKeyRef and envRef may be given`);
  const nameAt = valueAt(node, 'name')?.span ?? node.span;
  const valueNode = valueAt(node, 'value') ?? valueAt(node, 'secretKeyRef') ?? valueAt(node, 'envRef');
  return { name: written.name, source: sourceOf(written), at: nameAt, valueAt: valueNode?.span ?? nameAt };
};
function sourceOf(written) {
  if (written.envRef !== void 0) return { from: 'environment', name: written.envRef };
  const secret = written.secretKeyRef;
  if (secret !== void 0) return { from: 'secret', name: secret.name, key: secret.key ?? secret.name };
  return { from: 'literal', value: written.value ?? '' };
}
var componentShape = object({
  ...headFields,
  spec: required2(
    object({
      type: required2(filledText),
      version: withDefault(filledText, 'v1'),
      ignoreErrors: withDefault(flag, false),
      initTimeout: withDefault(duration, 5e3),
      metadata: withDefault(list(pair), []),
    }),
  ),
  auth: optional(authFields),
});
var kinds = ['state', 'pubsub', 'bindings', 'secretstores', 'configuration', 'lock', 'crypto', 'middleware'];
var otherCategories = ['conversation', 'workflow', 'wasm'];
function readComponent(node, reading) {
  const written = componentShape(node, '', reading);
  if (written === void 0) return void 0;
  const { spec: spec3 } = written;
  const typeAt = valueAt(node, 'spec', 'type')?.span ?? node.span;
  const category = spec3.type.split('.')[0];
  const kind = kinds.find((known2) => known2 === category);
  if (category === 'nameresolution') {
    const message = `component "${written.metadata.name}": a resolver is no component`;
    const help = 'name it in `spec.nameResolution` of the Configuration';
    reading.problems.push({ severity: 'error', code: 'config.unknown-type', message, at: typeAt, help });
    return void 0;
  }
  if (kind === void 0) {
    if (otherCategories.includes(category)) {
      const message = `component "${written.metadata.name}": components of type ${category} are not supported yet`;
      reading.problems.push({ severity: 'warning', code: 'config.not-supported', message, at: typeAt });
      return void 0;
    }
    const guess = closest(category, kinds);
    reading.problems.push({
      severity: 'error',
      code: 'config.unknown-type',
      message: `component "${written.metadata.name}" has the unknown type ${spec3.type}`,
      at: typeAt,
      notes: [`types begin with ${kinds.join('., ')}.`],
      ...(guess !== void 0 && { help: `did you mean \`${guess}.${spec3.type.split('.').slice(1).join('.')}\`?` }),
    });
    return void 0;
  }
  return {
    ...headOf(written, valueAt(node, 'metadata', 'name')?.span ?? node.span),
    kind,
    type: spec3.type,
    version: spec3.version,
    ignoreErrors: spec3.ignoreErrors,
    initTimeoutMs: spec3.initTimeout,
    properties: onceEach(spec3.metadata, reading),
    ...(written.auth?.secretStore && { secretStore: written.auth.secretStore }),
  };
}
function onceEach(properties, reading) {
  const seen = /* @__PURE__ */ new Set();
  for (const property2 of properties) {
    const key = property2.name.toLowerCase();
    if (seen.has(key) && property2.at)
      reading.problems.push({
        severity: 'error',
        code: 'config.duplicate-name',
        message: `metadata property \`${property2.name}\` is given twice (names are compared without regard to case)`,
        at: property2.at,
      });
    seen.add(key);
  }
  return properties;
}

// src/host/config/kinds/configuration.ts
var pipeline = object({
  handlers: withDefault(
    list(
      object({
        name: required2(filledText),
        type: required2(filledText),
        version: withDefault(filledText, 'v1'),
        selector: optional(object({ fields: withDefault(list(object({ field: required2(text), value: required2(text) })), []) })),
      }),
    ),
    [],
  ),
});
var rate = (node, path2, reading) => {
  const value = node.kind === 'scalar' && node.text !== '' ? Number(node.text) : Number.NaN;
  return value >= 0 && value <= 1 ? value : wrongValue(reading, node.span, `${path2} must be a number from 0 (off) to 1 (all)`);
};
var headers = (node, path2, reading) => {
  const items = node.kind === 'list' ? node.items : [node];
  const pairs = items.flatMap((item) => {
    if (item.kind === 'map') return [[String(toPlain(valueAt(item, 'name') ?? item)), String(toPlain(valueAt(item, 'value') ?? item))]];
    const written = item.kind === 'scalar' ? item.text.split(',') : [];
    return written.map((part2) => [part2.slice(0, Math.max(0, part2.indexOf('='))).trim(), part2.slice(part2.indexOf('=') + 1).trim()]);
  });
  const sound = pairs.length > 0 && pairs.every(([name]) => name !== '');
  return sound ? Object.fromEntries(pairs) : wrongValue(reading, node.span, `${path2} must be name=value pairs`);
};
var tracing = object({
  samplingRate: optional(rate),
  stdout: withDefault(flag, false),
  zipkin: optional(object({ endpointAddress: required2(text) })),
  otel: optional(
    object({
      protocol: withDefault(word2('http', 'grpc'), 'grpc'),
      endpointAddress: required2(filledText),
      isSecure: withDefault(flag, true),
      headers: withDefault(headers, {}),
      timeout: withDefault(duration, 1e4),
    }),
  ),
});
var buckets = list(whole(0, 1e9));
var metrics = object({
  enabled: withDefault(flag, true),
  recordErrorCodes: withDefault(flag, false),
  http: optional(object({ increasedCardinality: optional(flag), pathMatching: optional(list(text)), excludeVerbs: optional(flag) })),
  latencyDistributionBuckets: optional(buckets),
  rules: withDefault(
    list(
      object({
        name: required2(text),
        labels: withDefault(list(object({ name: required2(text), regex: withDefault(record3(text), {}) })), []),
      }),
    ),
    [],
  ),
  workflow: optional(object({ latencyDistributionBuckets: optional(buckets), latencyDistributionUnits: optional(duration) })),
});
var action = word2('allow', 'deny');
var verbs = (node, path2, reading) =>
  list(word2('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'CONNECT', 'TRACE', '*'))(upperCased(node), path2, reading);
function upperCased(node) {
  if (node.kind === 'list') return { ...node, items: node.items.map(upperCased) };
  return node.kind === 'scalar' ? { ...node, text: node.text.toUpperCase() } : node;
}
var accessControl2 = object({
  defaultAction: optional(action),
  trustDomain: withDefault(filledText, 'public'),
  policies: withDefault(
    list(
      object({
        appId: required2(filledText),
        defaultAction: optional(action),
        trustDomain: required2(filledText),
        namespace: required2(filledText),
        operations: withDefault(
          list(object({ name: required2(filledText), httpVerb: withDefault(verbs, ['*']), action: required2(action) })),
          [],
        ),
      }),
    ),
    [],
  ),
});
var apiRules = withDefault(
  list(object({ name: required2(filledText), version: required2(filledText), protocol: withDefault(word2('http', 'grpc'), 'http') })),
  [],
);
var spec2 = object({
  httpPipeline: optional(pipeline),
  appHttpPipeline: optional(pipeline),
  tracing: optional(tracing),
  metric: optional(metrics),
  metrics: optional(metrics),
  mtls: optional(anything),
  secrets: optional(
    object({
      scopes: withDefault(
        list(
          object({
            storeName: required2(filledText),
            defaultAccess: withDefault(action, 'allow'),
            allowedSecrets: withDefault(list(text), []),
            deniedSecrets: withDefault(list(text), []),
          }),
        ),
        [],
      ),
    }),
  ),
  accessControl: optional(accessControl2),
  nameResolution: optional(
    object({ component: required2(filledText), version: withDefault(filledText, 'v1'), configuration: optional(anything) }),
  ),
  features: withDefault(list(object({ name: required2(filledText), enabled: withDefault(flag, false) })), []),
  api: optional(object({ allowed: apiRules, denied: apiRules })),
  components: optional(object({ deny: withDefault(list(filledText), []) })),
  logging: optional(
    object({
      apiLogging: optional(
        object({ enabled: optional(flag), obfuscateURLs: withDefault(flag, false), omitHealthChecks: withDefault(flag, false) }),
      ),
    }),
  ),
  wasm: optional(object({ strictSandbox: optional(flag) })),
  workflow: optional(anything),
});
var shape = object({ ...headFields, spec: required2(spec2) });
var featuresOn = { HotReload: true, WorkflowsRemoteActivityReminder: true };
function readConfiguration(node, reading) {
  const written = shape(node, '', reading);
  if (written === void 0) return void 0;
  const stores = /* @__PURE__ */ new Set();
  for (const { storeName } of written.spec.secrets?.scopes ?? []) {
    if (stores.has(storeName))
      wrongValue(reading, valueAt(node, 'spec', 'secrets')?.span ?? node.span, `spec.secrets.scopes: store "${storeName}" has two scopes`);
    stores.add(storeName);
  }
  return effective(written.metadata.name, written.spec, reading.origins);
}
function defaultConfiguration() {
  return effective('', { features: [] }, /* @__PURE__ */ new Map());
}
function effective(name, from, origins) {
  const { nameResolution: nameResolution2 } = from;
  return {
    name,
    httpPipeline: handlersOf(from.httpPipeline),
    appHttpPipeline: handlersOf(from.appHttpPipeline),
    tracing: tracingOf(from.tracing),
    metrics: metricsOf(from.metrics ?? from.metric),
    secretScopes: (from.secrets?.scopes ?? []).map((scope) => ({
      store: scope.storeName,
      defaultAccess: scope.defaultAccess,
      allowed: scope.allowedSecrets,
      denied: scope.deniedSecrets,
    })),
    ...(from.accessControl && { accessControl: accessOf2(from.accessControl) }),
    ...(nameResolution2 && {
      nameResolution: {
        component: nameResolution2.component,
        version: nameResolution2.version,
        configuration: nameResolution2.configuration,
      },
    }),
    features: { ...featuresOn, ...Object.fromEntries(from.features.map((feature) => [feature.name, feature.enabled])) },
    api: from.api ?? { allowed: [], denied: [] },
    deniedComponentTypes: from.components?.deny ?? [],
    apiLogging: apiLoggingOf(from.logging?.apiLogging),
    ...(from.mtls !== void 0 && { mtls: from.mtls }),
    ...(from.workflow !== void 0 && { workflow: from.workflow }),
    origins,
  };
}
function handlersOf(from) {
  return (from?.handlers ?? []).map(({ selector, ...handler }) => ({ ...handler, selector: selector?.fields ?? [] }));
}
function tracingOf(from) {
  if (from === void 0) return { samplingRate: 0, stdout: false };
  const { otel, zipkin } = from;
  return {
    // Dapr samples one of ten thousand when a tracing section gives no rate.
    samplingRate: from.samplingRate ?? 1e-4,
    stdout: from.stdout,
    ...(zipkin?.endpointAddress && { zipkinEndpoint: zipkin.endpointAddress }),
    ...(otel && {
      otel: {
        protocol: otel.protocol,
        endpointAddress: otel.endpointAddress,
        isSecure: otel.isSecure,
        headers: otel.headers,
        timeoutMs: otel.timeout,
      },
    }),
  };
}
function metricsOf(from) {
  const http = from?.http;
  return {
    enabled: from?.enabled ?? true,
    recordErrorCodes: from?.recordErrorCodes ?? false,
    http: {
      increasedCardinality: http?.increasedCardinality ?? true,
      pathMatching: http?.pathMatching ?? [],
      excludeVerbs: http?.excludeVerbs ?? false,
    },
    ...(from?.latencyDistributionBuckets && { latencyBuckets: from.latencyDistributionBuckets }),
    rules: from?.rules ?? [],
  };
}
function accessOf2(from) {
  const defaultAction = from.defaultAction ?? (from.policies.length > 0 ? 'deny' : 'allow');
  return {
    defaultAction,
    trustDomain: from.trustDomain,
    policies: from.policies.map(({ operations, ...policy2 }) => ({
      ...policy2,
      defaultAction: policy2.defaultAction ?? defaultAction,
      operations: operations.map(({ name, httpVerb, action: decision }) => ({ name, httpVerbs: httpVerb, action: decision })),
    })),
  };
}
function apiLoggingOf(from) {
  return {
    ...(from?.enabled !== void 0 && { enabled: from.enabled }),
    obfuscateUrls: from?.obfuscateURLs ?? false,
    omitHealthChecks: from?.omitHealthChecks ?? false,
  };
}

// src/host/config/kinds/http-endpoint.ts
var tlsDocument = object({
  value: optional(text),
  secretKeyRef: optional(object({ name: required2(filledText), key: optional(text) })),
});
var shape2 = object({
  ...headFields,
  spec: required2(
    object({
      baseUrl: required2(filledText),
      headers: optional(list(pair)),
      clientTLS: optional(
        object({
          rootCA: optional(tlsDocument),
          certificate: optional(tlsDocument),
          privateKey: optional(tlsDocument),
          renegotiation: optional(text),
        }),
      ),
    }),
  ),
  auth: optional(authFields),
});
function sourceOf2(document) {
  const secret = document.secretKeyRef;
  if (secret !== void 0) return { from: 'secret', name: secret.name, key: secret.key ?? secret.name };
  return { from: 'literal', value: document.value ?? '' };
}
function readHttpEndpoint(node, reading) {
  const written = shape2(node, '', reading);
  if (written === void 0) return void 0;
  const { baseUrl, headers: headers3, clientTLS } = written.spec;
  const urlAt = valueAt(node, 'spec', 'baseUrl')?.span ?? node.span;
  if (!/^https?:\/\/[^/\s]+/i.test(baseUrl) || !URL.canParse(baseUrl)) {
    return wrongValue(reading, urlAt, 'spec.baseUrl must be an http or https URL');
  }
  return {
    ...headOf(written, valueAt(node, 'metadata', 'name')?.span ?? node.span),
    baseUrl,
    headers: headers3 ?? [],
    ...(clientTLS && {
      tls: {
        ...(clientTLS.rootCA && { rootCa: sourceOf2(clientTLS.rootCA) }),
        ...(clientTLS.certificate && { certificate: sourceOf2(clientTLS.certificate) }),
        ...(clientTLS.privateKey && { privateKey: sourceOf2(clientTLS.privateKey) }),
      },
    }),
    ...(written.auth?.secretStore && { secretStore: written.auth.secretStore }),
  };
}

// src/host/config/kinds/resiliency.ts
function codes(min, max) {
  return (node, path2, reading) => {
    const written = text(node, path2, reading);
    if (written === void 0) return void 0;
    return parseCodes(written, min, max) !== void 0
      ? written
      : wrongValue(reading, node.span, `${path2} must be codes and ranges from ${min} to ${max}, such as "${min}-${max}"`);
  };
}
var retry2 = object({
  policy: withDefault(word2('constant', 'exponential'), 'constant'),
  duration: withDefault(duration, 5e3),
  maxInterval: withDefault(duration, 6e4),
  maxRetries: withDefault(whole(-1, 1e6), -1),
  matching: optional(object({ httpStatusCodes: optional(codes(100, 599)), gRPCStatusCodes: optional(codes(0, 16)) })),
});
var breaker = object({
  maxRequests: withDefault(whole(0, 1e6), 1),
  interval: withDefault(duration, 0),
  timeout: withDefault(duration, 6e4),
  trip: optional(text),
});
var names2 = { timeout: optional(text), retry: optional(text), circuitBreaker: optional(text) };
var cacheMax = 1e6;
var shape3 = object({
  ...headFields,
  spec: required2(
    object({
      policies: withDefault(
        object({ timeouts: optional(record3(duration)), retries: optional(record3(retry2)), circuitBreakers: optional(record3(breaker)) }),
        {},
      ),
      targets: withDefault(
        object({
          apps: optional(record3(object({ ...names2, circuitBreakerCacheSize: withDefault(whole(0, cacheMax), 100) }))),
          actors: optional(
            record3(
              object({
                ...names2,
                circuitBreakerScope: optional(word2('type', 'id', 'both')),
                circuitBreakerCacheSize: withDefault(whole(0, cacheMax), 5e3),
              }),
            ),
          ),
          components: optional(record3(object({ outbound: optional(object(names2)), inbound: optional(object(names2)) }))),
        }),
        {},
      ),
    }),
  ),
});
function mapValues(from, change) {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, change(value)]));
}
function readResiliency(node, reading) {
  const written = shape3(node, '', reading);
  if (written === void 0) return void 0;
  const { policies, targets } = written.spec;
  const resource2 = {
    ...headOf(written, valueAt(node, 'metadata', 'name')?.span ?? node.span),
    timeoutsMs: policies.timeouts ?? {},
    retries: mapValues(policies.retries ?? {}, ({ duration: durationMs, maxInterval: maxIntervalMs, ...rest }) => {
      return { ...rest, durationMs, maxIntervalMs };
    }),
    circuitBreakers: mapValues(policies.circuitBreakers ?? {}, ({ interval: intervalMs, timeout: timeoutMs3, ...rest }) => {
      return { ...rest, intervalMs, timeoutMs: timeoutMs3 };
    }),
    apps: mapValues(targets.apps ?? {}, (use) => ({ ...use, circuitBreakerCacheSize: use.circuitBreakerCacheSize || 100 })),
    actors: mapValues(targets.actors ?? {}, (use) => ({ ...use, circuitBreakerCacheSize: use.circuitBreakerCacheSize || 5e3 })),
    components: targets.components ?? {},
    origins: { ...targetOrigins(node), ...policyOrigins(reading) },
  };
  return checkScopes(resource2, node, reading) ? resource2 : void 0;
}
function targetOrigins(node) {
  const origins = {};
  for (const kind of ['apps', 'actors', 'components']) {
    const targets = valueAt(node, 'spec', 'targets', kind);
    if (targets?.kind !== 'map') continue;
    for (const { key, keySpan } of targets.entries) origins[`${kind}.${key}`] = originOf2(keySpan);
  }
  return origins;
}
function policyOrigins({ origins }) {
  const found = {};
  for (const [path2, origin] of origins) if (path2.startsWith('spec.policies.')) found[path2.slice('spec.'.length)] = origin;
  return found;
}
function checkScopes(resource2, node, reading) {
  const wrong = Object.entries(resource2.actors).filter(([, use]) => use.circuitBreaker && use.circuitBreakerScope === void 0);
  for (const [name] of wrong) {
    const at = valueAt(node, 'spec', 'targets', 'actors', name)?.span ?? node.span;
    wrongValue(reading, at, `spec.targets.actors.${name}: a circuitBreaker needs circuitBreakerScope (type, id or both)`);
  }
  return wrong.length === 0;
}
function usesOf(resource2) {
  const flat = (target2) =>
    Object.entries(resource2[target2]).map(([name, names4]) => ({ path: ['spec', 'targets', target2, name], names: names4 }));
  const components = Object.entries(resource2.components).flatMap(([name, use]) =>
    ['outbound', 'inbound'].map((way) => ({ path: ['spec', 'targets', 'components', name, way], names: use[way] ?? {} })),
  );
  return [...flat('apps'), ...flat('actors'), ...components];
}
function checkPolicyNames(read, reading) {
  const known2 = {
    timeout: read.flatMap(({ resource: resource2 }) => Object.keys(resource2.timeoutsMs)),
    retry: read.flatMap(({ resource: resource2 }) => Object.keys(resource2.retries)),
    circuitBreaker: read.flatMap(({ resource: resource2 }) => Object.keys(resource2.circuitBreakers)),
  };
  for (const { resource: resource2, node } of read)
    for (const { path: path2, names: use } of usesOf(resource2))
      for (const kind of ['timeout', 'retry', 'circuitBreaker']) {
        const name = use[kind];
        if (name === void 0 || name === '' || known2[kind].includes(name)) continue;
        const guess = closest(name, known2[kind]);
        reading.problems.push({
          severity: 'warning',
          code: 'config.wrong-value',
          message: `${path2.join('.')}: there is no ${kind} policy "${name}"`,
          at: valueAt(node, ...path2, kind)?.span ?? node.span,
          notes: [`known: ${known2[kind].join(', ') || 'none'}`],
          ...(guess !== void 0 && { help: `did you mean \`${guess}\`?` }),
        });
      }
}
async function compileTrips(read, reading) {
  const trips = /* @__PURE__ */ new Map();
  for (const { resource: resource2, node } of read)
    for (const [name, { trip }] of Object.entries(resource2.circuitBreakers)) {
      if (trip === void 0 || trips.has(trip)) continue;
      try {
        trips.set(trip, await compileTrip(trip));
      } catch (error) {
        const at = valueAt(node, 'spec', 'policies', 'circuitBreakers', name, 'trip')?.span ?? node.span;
        const why = error.message.split('\n')[0];
        wrongValue(reading, at, `spec.policies.circuitBreakers.${name}.trip is no condition over the counters: ${why}`);
      }
    }
  return trips;
}
function checkTargets(read, reading) {
  const seen = /* @__PURE__ */ new Map();
  for (const { resource: resource2, node } of read)
    for (const [key, origin] of Object.entries(resource2.origins)) {
      if (key.startsWith('policies.')) continue;
      const first = seen.get(key);
      seen.set(key, origin);
      if (first === void 0) continue;
      const [kind = '', ...rest] = key.split('.');
      reading.problems.push({
        severity: 'warning',
        code: 'config.policy-conflict',
        message: `Resiliency "${resource2.name}" names the target ${key} again`,
        at: valueAt(node, 'spec', 'targets', kind, rest.join('.'))?.span ?? node.span,
        notes: [`the first is in ${first}; this one wins`],
      });
    }
}

// src/host/config/kinds/policy/conflicts.ts
function checkConflicts({ policies, others }, reading) {
  const first = /* @__PURE__ */ new Map();
  for (const rule2 of others)
    for (const name of Object.keys(rule2.settings)) if (rule2.rank === 'named') first.set(`${name} ${selectorKey(rule2)}`, rule2);
  const matches = /* @__PURE__ */ new Map();
  for (const { resource: resource2, node } of policies) {
    const { rule: rule2 } = resource2;
    for (const name of Object.keys(rule2.settings)) {
      const key = `${name} ${selectorKey(rule2)}`;
      const other = first.get(key);
      first.set(key, other ?? rule2);
      if (other === void 0) continue;
      reading.problems.push({
        severity: 'error',
        code: 'config.policy-conflict',
        message: `Policy "${resource2.name}" sets \`${name}\` for calls for which ${other.resource} sets it too`,
        at: valueAt(node, 'spec', name)?.span ?? node.span,
        notes: [`the other is in ${other.origins[name] ?? 'another file'}`],
      });
    }
    countMatch({ resource: resource2, node }, matches, reading);
  }
}
function countMatch({ resource: resource2, node }, matches, reading) {
  const { target: target2, match: match2 } = resource2.rule;
  if (match2 === void 0) return;
  const name = target2.kind === 'app' ? target2.app : target2.kind === 'component' ? target2.component : target2.type;
  const count = (matches.get(name) ?? 0) + 1;
  matches.set(name, count);
  if (count !== matchesMax + 1) return;
  const at = valueAt(node, 'spec', 'match')?.span ?? node.span;
  reading.problems.push({
    severity: 'error',
    code: 'config.wrong-value',
    message: `more than ${matchesMax} policies with a match for "${name}"`,
    at,
  });
}
function checkPriorities(policies, reading) {
  const admitted = new Set(
    policies.flatMap(({ resource: { rule: rule2 } }) =>
      rule2.settings.admission !== void 0 && rule2.target.kind === 'app' ? [rule2.target.app] : [],
    ),
  );
  for (const { resource: resource2, node } of policies) {
    const { target: target2, settings } = resource2.rule;
    if (settings.priority === void 0 || target2.kind !== 'app' || admitted.has(target2.app) || admitted.has('*') || target2.app === '*')
      continue;
    reading.problems.push({
      severity: 'warning',
      code: 'config.ignored',
      message: `Policy "${resource2.name}": \`priority\` has no effect, because no policy of app "${target2.app}" sets \`admission\``,
      at: valueAt(node, 'spec', 'priority')?.span ?? node.span,
    });
  }
}
function checkKnown(policies, known2, reading) {
  for (const { resource: resource2, node } of policies) {
    const { target: target2 } = resource2.rule;
    if (target2.kind === 'actor') continue;
    const kind = target2.kind;
    const name = target2.kind === 'app' ? target2.app : target2.component;
    const at = valueAt(node, 'spec', 'target', kind)?.span ?? node.span;
    report({ kind, name, at, who: `Policy "${resource2.name}"` }, known2, reading);
  }
}
function checkKnownTargets(read, known2, reading) {
  for (const { resource: resource2, node } of read) {
    const who = `Resiliency "${resource2.name}"`;
    for (const [kind, key] of [
      ['app', 'apps'],
      ['component', 'components'],
    ])
      for (const name of Object.keys(resource2[key]))
        report({ kind, name, who, at: valueAt(node, 'spec', 'targets', key, name)?.span ?? node.span }, known2, reading);
  }
}
function report(of, known2, reading) {
  const { kind, name, at, who } = of;
  const list2 = kind === 'component' ? known2.components : known2.apps && [...known2.apps, ...known2.endpoints];
  if (list2 === void 0 || name === '*' || list2.includes(name) || /^https?:/.test(name) || (kind === 'app' && name.includes('.'))) return;
  const guess = closest(name, list2);
  reading.problems.push({
    severity: 'warning',
    code: 'config.unknown-target',
    message: `${who}: there is no ${kind} named "${name}"`,
    at,
    notes: [`known: ${list2.join(', ') || 'none'}`],
    ...(guess !== void 0 && { help: `did you mean \`${guess}\`?` }),
  });
}

// src/host/config/kinds/policy/values.ts
function fraction(min, max) {
  return (node, path2, reading) => {
    const value = node.kind === 'scalar' && /^[+-]?(\d+\.?\d*|\.\d+)$/.test(node.text) ? Number(node.text) : Number.NaN;
    return value >= min && value <= max ? value : wrongValue(reading, node.span, `${path2} must be a number from ${min} to ${max}`);
  };
}
var positiveDuration = (node, path2, reading) => {
  const value = duration(node, path2, reading);
  return value === void 0 || value > 0 ? value : wrongValue(reading, node.span, `${path2} must be longer than 0s`);
};

// src/host/config/kinds/policy/guards.ts
var ratio = fraction(0, 1);
var breakerShape = object({
  per: withDefault(word2('endpoint', 'target', 'method'), 'endpoint'),
  consecutive: withDefault(whole(0, 1e6), 5),
  errorRatio: withDefault(ratio, 0),
  slowRatio: withDefault(ratio, 0),
  slow: withDefault(positiveDuration, 1e3),
  minRequests: withDefault(whole(1, 1e6), 20),
  window: withDefault(positiveDuration, 1e4),
  open: withDefault(positiveDuration, 5e3),
  maxOpen: withDefault(positiveDuration, 6e4),
  ramp: withDefault(positiveDuration, 1e4),
  cacheSize: withDefault(whole(1, 1e5), 100),
});
var breaker2 = (node, path2, reading) => {
  const written = breakerShape(node, path2, reading);
  if (written === void 0) return void 0;
  const { consecutive, errorRatio, slowRatio, open: open2, maxOpen } = written;
  if (consecutive === 0 && errorRatio === 0 && slowRatio === 0)
    return wrongValue(reading, node.span, `${path2} can never open: set consecutive, errorRatio or slowRatio`);
  if (maxOpen < open2)
    return wrongValue(reading, valueAt(node, 'maxOpen')?.span ?? node.span, `${path2}.maxOpen must not be less than open (${open2} ms)`);
  return {
    kind: 'window',
    per: written.per,
    cacheSize: written.cacheSize,
    consecutive,
    errorRatio,
    slowRatio,
    slowMs: written.slow,
    requestsMin: written.minRequests,
    windowMs: written.window,
    openMs: open2,
    openMaxMs: maxOpen,
    rampMs: written.ramp,
  };
};
var bulkheadShape = object({
  maxConcurrent: withDefault(whole(1, 1e6), 100),
  maxQueue: withDefault(whole(0, 1e5), 0),
  maxWait: withDefault(positiveDuration, 1e3),
});
var bulkhead2 = (node, path2, reading) => {
  const written = bulkheadShape(node, path2, reading);
  return written && { concurrencyMax: written.maxConcurrent, queueMax: written.maxQueue, waitMaxMs: written.maxWait };
};
var keyShape = object({ header: optional(filledText), cookie: optional(filledText), caller: optional(flag), path: optional(flag) });
var stickyKey = (node, path2, reading) => {
  const written = keyShape(node, path2, reading);
  if (written === void 0) return void 0;
  const { header, cookie, caller: caller2, path: byPath } = written;
  if ([header, cookie, caller2 || void 0, byPath || void 0].filter((part2) => part2 !== void 0).length !== 1)
    return wrongValue(reading, node.span, `${path2} needs one of header, cookie, caller: true, path: true`);
  if (header !== void 0) return { from: 'header', name: header.toLowerCase() };
  if (cookie !== void 0) return { from: 'cookie', name: cookie };
  return { from: caller2 === true ? 'caller' : 'path' };
};
var outlierDefaults = {
  consecutive: 5,
  failureRatio: 0,
  minRequests: 20,
  interval: 1e4,
  ejection: 1e4,
  maxEjection: 3e5,
  maxEjectedRatio: 0.5,
};
var balanceShape = object({
  policy: withDefault(word2('p2c-ewma', 'round-robin', 'least-request', 'random', 'weighted', 'ring-hash', 'maglev'), 'p2c-ewma'),
  key: optional(stickyKey),
  minZoneRatio: withDefault(ratio, 0.7),
  slowStart: withDefault(duration, 0),
  outlier: withDefault(
    object({
      consecutive: withDefault(whole(0, 1e6), outlierDefaults.consecutive),
      failureRatio: withDefault(ratio, outlierDefaults.failureRatio),
      minRequests: withDefault(whole(1, 1e6), outlierDefaults.minRequests),
      interval: withDefault(positiveDuration, outlierDefaults.interval),
      ejection: withDefault(positiveDuration, outlierDefaults.ejection),
      maxEjection: withDefault(positiveDuration, outlierDefaults.maxEjection),
      maxEjectedRatio: withDefault(ratio, outlierDefaults.maxEjectedRatio),
    }),
    outlierDefaults,
  ),
  panicRatio: withDefault(ratio, 0.5),
});
var balance = (node, path2, reading) => {
  const written = balanceShape(node, path2, reading);
  if (written === void 0) return void 0;
  const { policy: policy2, key, outlier } = written;
  const keyed2 = policy2 === 'ring-hash' || policy2 === 'maglev';
  if (keyed2 !== (key !== void 0)) {
    const at = valueAt(node, keyed2 ? 'policy' : 'key')?.span ?? node.span;
    return wrongValue(reading, at, keyed2 ? `${path2}: ${policy2} needs a key` : `${path2}.key belongs to ring-hash and maglev`);
  }
  return {
    policy: policy2,
    ...(key !== void 0 && { key }),
    zoneShareMin: written.minZoneRatio,
    slowStartMs: Math.max(0, written.slowStart),
    outlier: {
      consecutive: outlier.consecutive,
      failureRatio: outlier.failureRatio,
      requestsMin: outlier.minRequests,
      intervalMs: outlier.interval,
      ejectionMs: outlier.ejection,
      ejectionMaxMs: outlier.maxEjection,
      ejectedShareMax: outlier.maxEjectedRatio,
    },
    panicShare: written.panicRatio,
  };
};

// src/host/config/kinds/policy/access.ts
var share = fraction(0, 1);
var percent = fraction(0, 100);
var shareDefaults = { critical: 1, default: 0.9, sheddable: 0.6 };
var admissionShape = object({
  algorithm: withDefault(word2('vegas', 'gradient2'), 'vegas'),
  initial: withDefault(whole(1, 1e5), 20),
  min: withDefault(whole(1, 1e5), 10),
  max: withDefault(whole(1, 1e5), 1e3),
  queue: withDefault(whole(0, 1e5), 50),
  maxWait: withDefault(positiveDuration, 100),
  shares: withDefault(
    object({
      critical: withDefault(share, shareDefaults.critical),
      default: withDefault(share, shareDefaults.default),
      sheddable: withDefault(share, shareDefaults.sheddable),
    }),
    shareDefaults,
  ),
});
var admission = (node, path2, reading) => {
  const written = admissionShape(node, path2, reading);
  if (written === void 0) return void 0;
  const { algorithm, initial, min, max, queue, maxWait, shares } = written;
  if (min > initial || initial > max) return wrongValue(reading, node.span, `${path2}: min, initial and max must be in this order`);
  if (shares.sheddable > shares.default || shares.default > shares.critical)
    return wrongValue(
      reading,
      valueAt(node, 'shares')?.span ?? node.span,
      `${path2}.shares must fall from critical over default to sheddable`,
    );
  return { algorithm, initial, min, max, queueMax: queue, waitMaxMs: maxWait, shares };
};
var priority = word2('critical', 'default', 'sheddable');
var faultShape = object({
  delay: optional(
    object({
      percent: withDefault(percent, 100),
      fixed: optional(positiveDuration),
      min: optional(positiveDuration),
      max: optional(positiveDuration),
    }),
  ),
  abort: optional(object({ percent: withDefault(percent, 100), status: optional(whole(200, 599)), grpcStatus: optional(whole(1, 16)) })),
});
var fault2 = (node, path2, reading) => {
  const written = faultShape(node, path2, reading);
  if (written === void 0) return void 0;
  const { delay, abort } = written;
  if (delay === void 0 && abort === void 0) return wrongValue(reading, node.span, `${path2} needs delay or abort`);
  const [minMs, maxMs] = [delay?.fixed ?? delay?.min, delay?.fixed ?? delay?.max];
  const mixed = delay?.fixed !== void 0 && (delay.min !== void 0 || delay.max !== void 0);
  if (delay !== void 0 && (minMs === void 0 || maxMs === void 0 || maxMs < minMs || mixed))
    return wrongValue(
      reading,
      valueAt(node, 'delay')?.span ?? node.span,
      `${path2}.delay needs either fixed, or min and max with max not less than min`,
    );
  if (abort !== void 0 && (abort.status === void 0) === (abort.grpcStatus === void 0))
    return wrongValue(reading, valueAt(node, 'abort')?.span ?? node.span, `${path2}.abort needs either status or grpcStatus`);
  return {
    ...(delay !== void 0 && { delay: { share: delay.percent / 100, minMs, maxMs } }),
    ...(abort !== void 0 && {
      abort: {
        share: abort.percent / 100,
        status: abort.status ?? httpFromGrpc(grpcCodeOf(abort.grpcStatus ?? 2)),
        ...(abort.grpcStatus !== void 0 && { grpc: abort.grpcStatus }),
      },
    }),
  };
};
var texts2 = (node, path2, reading) => {
  if (node.kind === 'list') return list(text)(node, path2, reading);
  const one = text(node, path2, reading);
  return one === void 0 ? void 0 : [one];
};
var url = (node, path2, reading) => {
  const written = text(node, path2, reading);
  if (written === void 0 || (/^https?:\/\//.test(written) && URL.canParse(written))) return written;
  return wrongValue(reading, node.span, `${path2} must be an http or https URL`);
};
var tokenShape = object({
  issuer: required2(url),
  audience: required2(filledText),
  jwksUri: optional(url),
  claims: withDefault(record3(texts2), {}),
});
var token = (node, path2, reading) => {
  const written = tokenShape(node, path2, reading);
  if (written === void 0) return void 0;
  const { issuer, audience, jwksUri, claims } = written;
  return { issuer, audience, claims, ...(jwksUri !== void 0 && { jwksUri }) };
};
var authoriseShape = object({ action: required2(word2('allow', 'deny')), token: optional(token), dryRun: withDefault(flag, false) });
var authorise = (node, path2, reading) => {
  const written = authoriseShape(node, path2, reading);
  if (written === void 0) return void 0;
  return { action: written.action, dryRun: written.dryRun, ...(written.token !== void 0 && { token: written.token }) };
};
var splitShape = object({
  targets: required2(list(object({ version: optional(filledText), app: optional(filledText), weight: required2(whole(0, 1e6)) }))),
  sticky: optional(stickyKey),
});
var split2 = (node, path2, reading) => {
  const written = splitShape(node, path2, reading);
  if (written === void 0) return void 0;
  const { targets, sticky } = written;
  const at = valueAt(node, 'targets')?.span ?? node.span;
  if (targets.length === 0 || targets.length > 20) return wrongValue(reading, at, `${path2}.targets must hold 1 to 20 targets`);
  if (targets.every(({ weight }) => weight === 0)) return wrongValue(reading, at, `${path2}.targets: the weights must not all be 0`);
  if (targets.some(({ version, app }) => (version === void 0) === (app === void 0)))
    return wrongValue(reading, at, `${path2}.targets: each needs either version or app`);
  return {
    targets: targets.map(({ version, app, weight }) => ({ to: version === void 0 ? { app } : { version }, weight })),
    ...(sticky !== void 0 && { sticky }),
  };
};
var mirrorShape = object({
  app: required2(filledText),
  percent: withDefault(percent, 100),
  maxConcurrent: withDefault(whole(1, 1e4), 100),
});
var mirror2 = (node, path2, reading) => {
  const written = mirrorShape(node, path2, reading);
  return written && { app: written.app, share: written.percent / 100, concurrencyMax: written.maxConcurrent };
};

// src/host/config/kinds/policy/match.ts
var listed = (node, path2, reading) => {
  const items = list(filledText)(node, path2, reading);
  return items?.length === 0 ? wrongValue(reading, node.span, `${path2} must not be empty`) : items;
};
var methods3 = (node, path2, reading) => {
  const items = listed(node, path2, reading)?.map((item) => item.toUpperCase());
  const wrong = items?.find((item) => !/^[A-Z]+$/.test(item));
  return wrong === void 0 ? items : wrongValue(reading, node.span, `${path2}: "${wrong}" is no HTTP method`);
};
var pathTemplate = (node, path2, reading) => {
  const written = text(node, path2, reading);
  const why = written === void 0 ? void 0 : templateError(written);
  return why === void 0 ? written : wrongValue(reading, node.span, `${path2} is no path template: ${why}`);
};
var pairShape = object({ name: required2(filledText), exact: optional(text), prefix: optional(filledText), present: optional(flag) });
function pair2(lowerCase) {
  return (node, path2, reading) => {
    const written = pairShape(node, path2, reading);
    if (written === void 0) return void 0;
    const { exact, prefix: prefix2, present } = written;
    const name = lowerCase ? written.name.toLowerCase() : written.name;
    if ([exact, prefix2, present].filter((part2) => part2 !== void 0).length !== 1)
      return wrongValue(reading, node.span, `${path2} needs one of exact, prefix, present`);
    if (exact !== void 0) return { name, exact };
    return prefix2 === void 0 ? { name, present: present ?? true } : { name, prefix: prefix2 };
  };
}
var shape4 = object({
  methods: optional(methods3),
  path: optional(pathTemplate),
  callers: optional(listed),
  headers: optional(list(pair2(true))),
  cookies: optional(list(pair2(false))),
  operations: optional(listed),
});
var match = (node, path2, reading) => {
  const written = shape4(node, path2, reading);
  if (written === void 0) return void 0;
  return Object.keys(written).length === 0
    ? wrongValue(reading, node.span, `${path2} is empty: leave it out to match every call`)
    : written;
};

// src/host/config/kinds/policy/flow.ts
var limitsMax = 50;
var keyShape2 = object({
  header: optional(filledText),
  cookie: optional(filledText),
  query: optional(filledText),
  caller: optional(flag),
  path: optional(flag),
});
var limitKey = (node, path2, reading) => {
  const written = keyShape2(node, path2, reading);
  if (written === void 0) return void 0;
  const keys = [
    ...(written.header === void 0 ? [] : [{ from: 'header', name: written.header.toLowerCase() }]),
    ...(written.cookie === void 0 ? [] : [{ from: 'cookie', name: written.cookie }]),
    ...(written.query === void 0 ? [] : [{ from: 'query', name: written.query }]),
    ...(written.caller === true ? [{ from: 'caller' }] : []),
    ...(written.path === true ? [{ from: 'path' }] : []),
  ];
  return keys.length === 1
    ? keys[0]
    : wrongValue(reading, node.span, `${path2} needs one of header, cookie, query, caller: true, path: true`);
};
var limitShape = object({
  requests: optional(whole(0, 1e9)),
  per: withDefault(positiveDuration, 1e3),
  concurrent: optional(whole(1, 1e6)),
  mode: withDefault(word2('reject', 'queue', 'warm-up', 'warm-up-queue'), 'reject'),
  maxWait: withDefault(positiveDuration, 500),
  warmUp: withDefault(positiveDuration, 1e4),
  coldFactor: withDefault(fraction(1.1, 100), 3),
  by: optional(limitKey),
  quota: optional(filledText),
  maxKeys: withDefault(whole(1, 1e5), 4e3),
  items: withDefault(list(object({ value: required2(text), limit: required2(whole(0, 1e9)) })), []),
  callers: optional(list(filledText)),
  exceptCallers: optional(list(filledText)),
  whileBusy: optional(pathTemplate),
});
var oneLimit = (node, path2, reading) => {
  const written = limitShape(node, path2, reading);
  if (written === void 0) return void 0;
  const { requests, concurrent, mode, by, items, callers, exceptCallers, whileBusy } = written;
  const why =
    (requests === void 0) === (concurrent === void 0)
      ? 'needs either requests or concurrent'
      : concurrent !== void 0 && mode !== 'reject'
        ? 'with concurrent has no mode: a bulkhead has a queue'
        : items.length > 0 && by === void 0
          ? 'has items but no key (by)'
          : callers !== void 0 && exceptCallers !== void 0
            ? 'has callers and exceptCallers'
            : whileBusy !== void 0 && (requests === void 0 || mode !== 'reject' || by !== void 0)
              ? 'with whileBusy is a plain rate: no mode, key or concurrent'
              : written.quota !== void 0 && (requests === void 0 || mode !== 'reject' || by !== void 0 || whileBusy !== void 0)
                ? 'with a quota is a plain rate: no mode, key, whileBusy or concurrent'
                : void 0;
  if (why !== void 0) return wrongValue(reading, node.span, `${path2} ${why}`);
  return {
    ...(requests !== void 0 && { requests }),
    ...(concurrent !== void 0 && { concurrent }),
    perMs: written.per,
    mode,
    waitMaxMs: written.maxWait,
    warmUpMs: written.warmUp,
    coldFactor: written.coldFactor,
    ...(by !== void 0 && { by }),
    ...(written.quota !== void 0 && { quota: written.quota }),
    keysMax: written.maxKeys,
    items,
    ...(callers !== void 0 && { callers }),
    ...(exceptCallers !== void 0 && { exceptCallers }),
    ...(whileBusy !== void 0 && { whileBusy }),
  };
};
var limits2 = (node, path2, reading) => {
  const read = list(oneLimit)(node, path2, reading);
  if (read === void 0) return void 0;
  return read.length >= 1 && read.length <= limitsMax
    ? read
    : wrongValue(reading, node.span, `${path2} must hold 1 to ${limitsMax} limits`);
};
var systemShape = object({
  maxUtilisation: optional(fraction(0.01, 1)),
  maxRequests: optional(whole(1, 1e9)),
  maxConcurrent: optional(whole(1, 1e6)),
  maxAverage: optional(positiveDuration),
});
var system = (node, path2, reading) => {
  const written = systemShape(node, path2, reading);
  if (written === void 0) return void 0;
  if (Object.keys(written).length === 0) return wrongValue(reading, node.span, `${path2} sets no limit`);
  return {
    utilisationMax: written.maxUtilisation ?? 1,
    requestsMax: written.maxRequests ?? Infinity,
    concurrentMax: written.maxConcurrent ?? Infinity,
    averageMaxMs: written.maxAverage ?? Infinity,
  };
};
var causes = word2('limited', 'open', 'timeout', 'unavailable', 'failed');
var fallbackShape = object({
  on: withDefault(list(causes), ['limited', 'open', 'timeout', 'unavailable']),
  answer: optional(
    object({ status: withDefault(whole(200, 599), 200), headers: withDefault(record3(text), {}), body: withDefault(text, '') }),
  ),
  cached: optional(object({ maxAge: withDefault(positiveDuration, 6e4), maxEntries: withDefault(whole(1, 1e5), 1e3) })),
  app: optional(filledText),
});
var fallback2 = (node, path2, reading) => {
  const written = fallbackShape(node, path2, reading);
  if (written === void 0) return void 0;
  const { on, answer: answer2, cached, app } = written;
  if ([answer2, cached, app].filter((part2) => part2 !== void 0).length !== 1)
    return wrongValue(reading, node.span, `${path2} needs one of answer, cached, app`);
  if (on.length === 0) return wrongValue(reading, valueAt(node, 'on')?.span ?? node.span, `${path2}.on must not be empty`);
  if (app !== void 0) return { on, answer: { kind: 'app', app } };
  if (cached !== void 0) return { on, answer: { kind: 'cached', ageMaxMs: cached.maxAge, entriesMax: cached.maxEntries } };
  const headers3 = Object.entries(answer2?.headers ?? {}).flatMap(([name, value]) => [name.toLowerCase(), value]);
  const bad = headers3.find((part2, i) => (i % 2 === 0 ? !/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(part2) : !/^[\t\x20-\x7e]*$/.test(part2)));
  if (bad !== void 0)
    return wrongValue(
      reading,
      valueAt(node, 'answer', 'headers')?.span ?? node.span,
      `${path2}.answer.headers: "${bad}" cannot stand in a header`,
    );
  return { on, answer: { kind: 'answer', status: answer2?.status ?? 200, headers: headers3, body: answer2?.body ?? '' } };
};

// src/host/config/kinds/policy/retries.ts
var budget = object({ percent: withDefault(fraction(0, 100), 20), perSecond: withDefault(whole(0, 1e4), 10) });
var budgetDefaults = { percent: 20, perSecond: 10 };
function budgetOf({ percent: percent2, perSecond }) {
  return { ratio: percent2 / 100, perSecond };
}
var backoffDefaults = { initial: 25, factor: 2, max: 2e3, jitter: 'full' };
var retryShape = object({
  maxRetries: withDefault(whole(0, 100), 3),
  backoff: withDefault(
    object({
      initial: withDefault(positiveDuration, 25),
      factor: withDefault(fraction(1, 10), 2),
      max: withDefault(positiveDuration, 2e3),
      jitter: withDefault(word2('full', 'around'), 'full'),
    }),
    backoffDefaults,
  ),
  httpStatusCodes: optional(codes(100, 599)),
  grpcStatusCodes: optional(codes(0, 16)),
  budget: withDefault(budget, budgetDefaults),
  pushbackMax: withDefault(duration, 3e4),
});
var retry3 = (node, path2, reading) => {
  const written = retryShape(node, path2, reading);
  if (written === void 0) return void 0;
  const { initial, factor, max, jitter } = written.backoff;
  if (max < initial)
    return wrongValue(reading, valueAt(node, 'backoff')?.span ?? node.span, `${path2}.backoff: max must not be less than initial`);
  return {
    backoff: { kind: 'exponential', initialMs: initial, factor, maxMs: max, jitter },
    retriesMax: written.maxRetries,
    elapsedMaxMs: Infinity,
    when: 'proa',
    budget: budgetOf(written.budget),
    pushbackMaxMs: written.pushbackMax,
    ...(written.httpStatusCodes !== void 0 && { httpCodes: written.httpStatusCodes }),
    ...(written.grpcStatusCodes !== void 0 && { grpcCodes: written.grpcStatusCodes }),
  };
};
var hedgeShape = object({
  after: withDefault(positiveDuration, 100),
  maxAttempts: withDefault(whole(2, 5), 2),
  budget: withDefault(budget, budgetDefaults),
});
var hedge2 = (node, path2, reading) => {
  const written = hedgeShape(node, path2, reading);
  if (written === void 0) return void 0;
  return { afterMs: written.after, attemptsMax: written.maxAttempts, budget: budgetOf(written.budget) };
};

// src/host/config/kinds/policy/policy.ts
function within(map) {
  return (node, path2, reading) => {
    const ms = positiveDuration(node, path2, reading);
    return ms === void 0 ? void 0 : map(ms);
  };
}
var everywhere = ['caller', 'callee', 'outbound', 'inbound'];
var calling = ['caller', 'outbound', 'inbound'];
var classes = {
  deadline: { read: within((withinMs) => ({ withinMs })), sides: everywhere },
  timeout: { read: within((timeoutMs3) => ({ timeoutMs: timeoutMs3 })), sides: calling },
  retry: { read: retry3, sides: calling },
  hedge: { read: hedge2, sides: ['caller'] },
  balance: { read: balance, sides: ['caller'] },
  breaker: { read: breaker2, sides: calling },
  bulkhead: { read: bulkhead2, sides: everywhere },
  admission: { read: admission, sides: ['callee'] },
  priority: { read: priority, sides: ['callee'] },
  fault: { read: fault2, sides: everywhere },
  authorise: { read: authorise, sides: ['callee'] },
  split: { read: split2, sides: ['caller'] },
  mirror: { read: mirror2, sides: ['caller'] },
  limits: { read: limits2, sides: ['caller', 'callee'] },
  system: { read: system, sides: ['callee'] },
  fallback: { read: fallback2, sides: ['caller', 'callee'] },
};
var names3 = Object.keys(classes);
var targetShape = object({
  app: optional(filledText),
  at: withDefault(word2('caller', 'callee'), 'caller'),
  component: optional(filledText),
  direction: withDefault(word2('outbound', 'inbound'), 'outbound'),
});
var target = (node, path2, reading) => {
  const written = targetShape(node, path2, reading);
  if (written === void 0) return void 0;
  const { app, at, component, direction } = written;
  if ((app === void 0) === (component === void 0)) return wrongValue(reading, node.span, `${path2} needs either app or component`);
  const stray = app === void 0 ? valueAt(node, 'at') : valueAt(node, 'direction');
  if (stray !== void 0)
    return wrongValue(
      reading,
      stray.span,
      app === void 0
        ? `${path2}.at belongs to apps; components have a direction`
        : `${path2}.direction belongs to components; apps have \`at\``,
    );
  return app === void 0 ? { kind: 'component', component, direction } : { kind: 'app', app, at };
};
var shape5 = object({
  ...headFields,
  spec: required2(
    object({
      target: required2(target),
      match: optional(match),
      ...Object.fromEntries(names3.map((name) => [name, optional(classes[name].read)])),
    }),
  ),
});
function readPolicy(node, reading) {
  const written = shape5(node, '', reading);
  if (written === void 0) return void 0;
  const spec3 = written.spec;
  const settings = Object.fromEntries(names3.filter((name) => spec3[name] !== void 0).map((name) => [name, spec3[name]]));
  const head = headOf(written, valueAt(node, 'metadata', 'name')?.span ?? node.span);
  if (!fits2(node, { ...spec3, settings }, reading)) return void 0;
  const origins = {};
  for (const [path2, origin] of reading.origins) if (path2.startsWith('spec.')) origins[path2.slice('spec.'.length)] = origin;
  for (const name of Object.keys(settings)) origins[name] = originOf2(valueAt(node, 'spec', name)?.span ?? node.span);
  const rule2 = {
    resource: `Policy "${head.name}"`,
    target: spec3.target,
    ...(spec3.match !== void 0 && { match: spec3.match }),
    settings,
    origins,
    rank: 'named',
  };
  return { ...head, rule: rule2 };
}
function sideOf(of) {
  return of.kind === 'app' ? of.at : of.kind === 'component' ? of.direction : 'caller';
}
function fits2(node, written, reading) {
  const before = reading.problems.length;
  const side = sideOf(written.target);
  const used = Object.keys(written.settings);
  if (used.length === 0)
    wrongValue(reading, valueAt(node, 'spec')?.span ?? node.span, `spec sets no policy; there are ${names3.join(', ')}`);
  for (const name of used) {
    const { sides } = classes[name];
    if (sides.includes(side)) continue;
    const where = sides.map((each) => (each === 'caller' || each === 'callee' ? `app at ${each}` : `component ${each}`)).join(', ');
    wrongValue(reading, valueAt(node, 'spec', name)?.span ?? node.span, `spec.${name} does not act at this target; it does at: ${where}`);
  }
  const parts = Object.keys(written.match ?? {});
  const strange = parts.find((part2) => (written.target.kind === 'component') !== (part2 === 'operations'));
  if (strange !== void 0) {
    const what = written.target.kind === 'component' ? 'of components has operations only' : 'of apps has no operations';
    wrongValue(reading, valueAt(node, 'spec', 'match', strange)?.span ?? node.span, `spec.match ${what}`);
  }
  return reading.problems.length === before;
}

// src/host/config/kinds/subscription.ts
var bulkLimits = { messagesMax: 1e4, awaitMaxMs: 6e5 };
var commonFields = {
  pubsubname: required2(filledText),
  topic: required2(filledText),
  metadata: optional(record3(text)),
  deadLetterTopic: optional(text),
  bulkSubscribe: optional(
    object({
      enabled: optional(flag),
      maxMessagesCount: optional(whole(0, bulkLimits.messagesMax)),
      maxAwaitDurationMs: optional(whole(0, bulkLimits.awaitMaxMs)),
    }),
  ),
};
var shapeV1 = object({ ...headFields, spec: required2(object({ ...commonFields, route: optional(text) })) });
var rule = object({ match: optional(text), path: required2(filledText) });
var shapeV2 = object({
  ...headFields,
  spec: required2(object({ ...commonFields, routes: required2(object({ rules: optional(list(rule)), default: optional(text) })) })),
});
function specOf(common, routes) {
  const bulk = common.bulkSubscribe;
  return {
    pubsub: common.pubsubname,
    topic: common.topic,
    metadata: common.metadata ?? {},
    ...routes,
    ...(common.deadLetterTopic && { deadLetterTopic: common.deadLetterTopic }),
    // 0 and absent mean Dapr's defaults: 100 messages, 1000 ms.
    ...(bulk?.enabled === true && { bulk: { maxMessages: bulk.maxMessagesCount || 100, maxAwaitMs: bulk.maxAwaitDurationMs || 1e3 } }),
    kind: 'DECLARATIVE',
  };
}
function readSubscription(node, reading) {
  const version = valueAt(node, 'apiVersion');
  const at = valueAt(node, 'metadata', 'name')?.span ?? node.span;
  if (version?.kind === 'scalar' && version.text === 'dapr.io/v2alpha1') {
    const written2 = shapeV2(node, '', reading);
    if (written2 === void 0) return void 0;
    const { routes } = written2.spec;
    const rules = (routes.rules ?? []).map(({ match: match2, path: path2 }) => ({ match: match2 ?? '', path: path2 }));
    if (rules.length === 0 && !routes.default) return wrongValue(reading, at, 'spec.routes needs rules or a default');
    return { ...headOf(written2, at), spec: specOf(written2.spec, { rules, ...(routes.default && { defaultPath: routes.default }) }) };
  }
  const written = shapeV1(node, '', reading);
  if (written === void 0) return void 0;
  const { route: route2 } = written.spec;
  if (!route2) return wrongValue(reading, at, 'spec.route is missing: events need a path of the app');
  return { ...headOf(written, at), spec: specOf(written.spec, { rules: [], defaultPath: route2 }) };
}

// src/host/config/name-resolution.ts
var refused2 = {
  sqlite: 'leave spec.nameResolution out: runtimes of one machine find each other without it',
  'aws.cloudmap': 'Cloud Map answers DNS: use proa.dns',
  azure: 'use proa.dns, or kubernetes',
};
var builtIn2 = 'proa.engine';
function nameResolutionOf({ nameResolution: nameResolution2, origins }) {
  if (nameResolution2 === void 0 || nameResolution2.component.toLowerCase() === builtIn2) return void 0;
  const { component, version, configuration } = nameResolution2;
  return {
    name: 'nameResolution',
    namespace: '',
    scopes: [],
    origin: origins.get('spec.nameResolution.component') ?? 'spec.nameResolution',
    kind: 'nameresolution',
    type: `nameresolution.${component.toLowerCase()}`,
    version,
    ignoreErrors: false,
    initTimeoutMs: 5e3,
    properties: Object.entries(isMap(configuration) ? configuration : {}).map(propertyOf),
  };
}
function checkNameResolution({ nameResolution: nameResolution2 }) {
  if (nameResolution2 === void 0) return [];
  const { component, configuration } = nameResolution2;
  const reason = Object.hasOwn(refused2, component.toLowerCase()) ? refused2[component.toLowerCase()] : void 0;
  if (reason !== void 0) {
    const message = `spec.nameResolution: the resolver ${component} is not supported`;
    return [{ severity: 'error', code: 'config.unknown-type', message, help: reason }];
  }
  if (configuration === void 0 || configuration === null || isMap(configuration)) return [];
  return [{ severity: 'error', code: 'config.wrong-value', message: 'spec.nameResolution.configuration must be a map' }];
}
function isMap(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
function propertyOf([name, value]) {
  return { name, source: sourceOf3(value) };
}
function sourceOf3(value) {
  if (isMap(value) && Object.keys(value).length === 1 && typeof value['envRef'] === 'string')
    return { from: 'environment', name: value['envRef'] };
  return { from: 'literal', value: typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value) };
}

// src/host/config/problem.ts
function excerpt(span, concealed) {
  const place = placeOf(span);
  const gutter = ' '.repeat(String(place.line).length);
  const lines = [`${gutter} \u250C\u2500 ${place.file}:${place.line}:${place.column}`];
  if (concealed) return lines;
  const length = Math.max(1, Math.min(span.end - span.start, place.lineText.length - place.column + 1));
  const indent = place.lineText.slice(0, place.column - 1).replace(/[^\t]/g, ' ');
  lines.push(`${place.line} \u2502 ${place.lineText}`, `${gutter} \u2502 ${indent}${'^'.repeat(length)}`);
  return lines;
}
function renderProblem(problem) {
  const lines = [`${problem.severity}[${problem.code}]: ${problem.message}`];
  if (problem.at) lines.push(...excerpt(problem.at, problem.concealed === true));
  for (const note of problem.notes ?? []) lines.push(`  = ${note}`);
  if (problem.help !== void 0) lines.push(`  help: ${problem.help}`);
  lines.push(`  docs: proa explain ${problem.code}`);
  return lines.join('\n');
}
function sortProblems(problems) {
  const fileOf = ({ at }) => at?.source.file ?? '\uFFFF';
  return problems.toSorted((a, b) => {
    const [one, other] = [fileOf(a), fileOf(b)];
    return one === other ? (a.at?.start ?? 0) - (b.at?.start ?? 0) : one < other ? -1 : 1;
  });
}
function problemsToError(problems) {
  const errors = problems.filter((problem) => problem.severity === 'error');
  if (errors.length === 0) return void 0;
  const count = errors.length === 1 ? '1 error' : `${errors.length} errors`;
  const violations = errors.map((problem) => ({ field: problem.at ? placeOf(problem.at).file : '', description: problem.message }));
  const text2 = errors.map(renderProblem).join('\n\n');
  return new ProaError(
    'config.invalid',
    `${text2}

${count} in the configuration`,
    { details: { violations } },
  );
}

// src/host/config/read-files.ts
var filesMax = 2e3;
function describe(thrown) {
  const code = thrown.code;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read';
  if (code === 'ENOTDIR') return 'is not a folder';
  return thrown instanceof Error ? thrown.message : String(thrown);
}
function unreadable2(problems, message) {
  problems.push({ severity: 'error', code: 'config.file', message });
  return void 0;
}
async function readSource(disk, file, problems) {
  try {
    const stat2 = await disk.stat(file);
    if (stat2 === void 0) return unreadable2(problems, `${file} does not exist`);
    if (stat2.kind !== 'file') return unreadable2(problems, `${file} is not a file`);
    if (stat2.sizeBytes > yamlLimits.fileBytesMax) return unreadable2(problems, `${file} is larger than 1 MiB`);
    const bytes = await disk.readFile(file);
    return { file, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (thrown) {
    const message = thrown instanceof TypeError ? 'is not valid UTF-8' : describe(thrown);
    return unreadable2(problems, `${file} ${message}`);
  }
}
async function readDocuments(disk, file, problems) {
  const source = await readSource(disk, file, problems);
  return source === void 0 ? [] : parseYaml(source, problems);
}
async function readFolder(disk, folder, problems) {
  const stat2 = await disk.stat(folder).catch(() => void 0);
  if (stat2?.kind === 'file') return readDocuments(disk, folder, problems);
  let names4;
  try {
    if (stat2 === void 0) throw Object.assign(new Error('missing'), { code: 'ENOENT' });
    names4 = (await disk.list(folder)).filter((name) => /\.ya?ml$/i.test(name)).toSorted();
  } catch (thrown) {
    unreadable2(problems, `resources folder ${folder} ${describe(thrown)}`);
    return [];
  }
  if (names4.length > filesMax) unreadable2(problems, `resources folder ${folder} holds more than ${filesMax} files`);
  const documents = [];
  for (const name of names4.slice(0, filesMax)) {
    const file = `${folder.replace(/\/+$/, '')}/${name}`;
    const entry = await disk.stat(file);
    if (entry?.kind === 'file') documents.push(...(await readDocuments(disk, file, problems)));
  }
  return documents;
}

// src/host/config/load-resources.ts
var notYet = ['MCPServer', 'WorkflowAccessPolicy'];
var kinds2 = ['Component', 'Configuration', 'Subscription', 'HTTPEndpoint', 'Resiliency', ...notYet];
function textAt(node, ...path2) {
  const found = valueAt(node, ...path2);
  return found?.kind === 'scalar' ? found.text : void 0;
}
function classify(node, problems) {
  const [apiVersion, kind] = [textAt(node, 'apiVersion'), textAt(node, 'kind')];
  const at = valueAt(node, 'kind')?.span ?? { ...node.span, end: node.span.start + 1 };
  if (apiVersion === void 0 || kind === void 0) {
    if (valueAt(node, 'apps') !== void 0) return void 0;
    problems.push({ severity: 'warning', code: 'config.ignored', message: 'a document without apiVersion and kind is ignored', at });
    return void 0;
  }
  if (apiVersion.startsWith('proa.dev/')) return classifyOwn({ node, kind, apiVersion, at }, problems);
  if (!apiVersion.startsWith('dapr.io/')) {
    problems.push({ severity: 'warning', code: 'config.ignored', message: `a resource of ${apiVersion} is ignored`, at });
    return void 0;
  }
  const versions = kind === 'Subscription' ? ['dapr.io/v1alpha1', 'dapr.io/v2alpha1'] : ['dapr.io/v1alpha1'];
  if (!kinds2.includes(kind)) {
    const guess = closest(kind, kinds2);
    const help = guess === void 0 ? {} : { help: `did you mean \`${guess}\`?` };
    problems.push({
      severity: 'error',
      code: 'config.unknown-kind',
      message: `unknown kind ${kind}`,
      at,
      notes: [`known kinds: ${kinds2.join(', ')}`],
      ...help,
    });
    return void 0;
  }
  if (!versions.includes(apiVersion)) {
    const versionAt = valueAt(node, 'apiVersion')?.span ?? at;
    const message = `${kind} has no apiVersion ${apiVersion}`;
    problems.push({ severity: 'error', code: 'config.unknown-kind', message, at: versionAt, notes: [`known: ${versions.join(', ')}`] });
    return void 0;
  }
  if (notYet.includes(kind)) {
    problems.push({ severity: 'warning', code: 'config.not-supported', message: `${kind} resources are not supported yet`, at });
    return void 0;
  }
  return { node, kind };
}
function classifyOwn(found, problems) {
  const { node, kind, apiVersion, at } = found;
  if (kind === 'Policy' && apiVersion === 'proa.dev/v1alpha1') return { node, kind };
  const message = kind === 'Policy' ? `Policy has no apiVersion ${apiVersion}` : `unknown kind ${kind} of ${apiVersion}`;
  const place = kind === 'Policy' ? (valueAt(node, 'apiVersion')?.span ?? at) : at;
  problems.push({ severity: 'error', code: 'config.unknown-kind', message, at: place, notes: ['known: Policy of proa.dev/v1alpha1'] });
  return void 0;
}
var Loading = class {
  options;
  problems = [];
  constructor(options) {
    this.options = options;
  }
  reading() {
    return { problems: this.problems, origins: /* @__PURE__ */ new Map() };
  }
  /** Reads the documents of one kind, keeps those of our namespace, reports names that are used twice. */
  ofKind(found, kind, read) {
    const byName = /* @__PURE__ */ new Map();
    const kept = [];
    for (const { node } of found.filter((item) => item.kind === kind)) {
      const resource2 = read(node, this.reading());
      if (resource2 === void 0 || !this.#inNamespace(resource2)) continue;
      const first = byName.get(resource2.name);
      if (first !== void 0) {
        this.problems.push({
          severity: 'error',
          code: 'config.duplicate-name',
          message: `there is another ${kind} named "${resource2.name}"`,
          ...(resource2.at && { at: resource2.at }),
          notes: [`the first is in ${first.origin}`],
        });
        continue;
      }
      byName.set(resource2.name, resource2);
      kept.push({ resource: resource2, node });
    }
    return kept;
  }
  #inNamespace({ namespace }) {
    const own = this.options.namespace ?? '';
    return own === '' || namespace === '' || namespace === own;
  }
  inScope = ({ scopes }) => scopes.length === 0 || scopes.includes(this.options.appId);
};
async function loadResources(options) {
  const loading = new Loading(options);
  const { problems } = loading;
  const found = [];
  for (const path2 of options.paths) {
    const documents = await readFolder(options.disk, path2, problems);
    found.push(...documents.map((node) => classify(node, problems)).filter((item) => item !== void 0));
  }
  const configuration = await loadConfiguration(loading, found);
  const written = loading.ofKind(found, 'Component', readComponent).map(({ resource: resource2 }) => resource2);
  const defaults = embeddedDefaults(options.defaults ?? 'never', written).filter(({ type }) => Object.hasOwn(options.drivers, type));
  const components = [...written.filter(loading.inScope), ...defaults];
  const resiliencies = loading.ofKind(found, 'Resiliency', readResiliency).filter(({ resource: resource2 }) => loading.inScope(resource2));
  checkPolicyNames(resiliencies, loading.reading());
  checkTargets(resiliencies, loading.reading());
  const trips = await compileTrips(resiliencies, loading.reading());
  const httpEndpoints = loading.ofKind(found, 'HTTPEndpoint', readHttpEndpoint).map(({ resource: resource2 }) => resource2);
  const policies = loading.ofKind(found, 'Policy', readPolicy).filter(({ resource: resource2 }) => loading.inScope(resource2));
  const { rules, builtIn: builtIn3 } = resiliencyRules(resiliencies.map(({ resource: resource2 }) => resource2));
  checkConflicts({ policies, others: rules }, loading.reading());
  const known2 = {
    ...(options.knownApps !== void 0 && { apps: options.knownApps }),
    components: [...written, ...defaults].map(({ name }) => name),
    endpoints: httpEndpoints.map(({ name }) => name),
  };
  checkPriorities(policies, loading.reading());
  checkKnown(policies, known2, loading.reading());
  checkKnownTargets(resiliencies, known2, loading.reading());
  const resources = {
    components: await checkAll(components, configuration, loading),
    subscriptions: loading
      .ofKind(found, 'Subscription', readSubscription)
      .map(({ resource: resource2 }) => resource2)
      .filter(loading.inScope),
    httpEndpoints: httpEndpoints.filter(loading.inScope),
    resiliencies: resiliencies.map(({ resource: resource2 }) => resource2),
    policies: { rules: [...policies.map(({ resource: resource2 }) => resource2.rule), ...rules], builtIn: builtIn3, trips },
    configuration,
    ...(await nameResolution(configuration, loading)),
  };
  return { ...resources, problems: sortProblems(problems) };
}
async function nameResolution(configuration, loading) {
  const wrong = checkNameResolution(configuration);
  loading.problems.push(...wrong);
  const resource2 = wrong.length > 0 ? void 0 : nameResolutionOf(configuration);
  const [usable] = resource2 === void 0 ? [] : await checkAll([resource2], configuration, loading);
  return usable === void 0 ? {} : { nameResolution: usable };
}
async function checkAll(components, configuration, loading) {
  const usable = [];
  const stores = new Set(components.filter(({ kind }) => kind === 'secretstores').map(({ name }) => name));
  for (const component of components) {
    const found = await checkComponent(component, {
      drivers: loading.options.drivers,
      denied: configuration.deniedComponentTypes,
      secretStores: stores,
    });
    const errors = found.filter(({ severity }) => severity === 'error');
    if (errors.length === 0) usable.push(component);
    loading.problems.push(...(component.ignoreErrors ? found.map((problem) => ({ ...problem, severity: 'warning' })) : found));
  }
  return usable;
}
async function loadConfiguration(loading, found) {
  const { options, problems } = loading;
  const inFolders = found.filter(({ kind }) => kind === 'Configuration');
  const layers = [];
  const used = /* @__PURE__ */ new Set();
  for (const path2 of options.configPaths ?? []) {
    const named = inFolders.find(({ node }) => textAt(node, 'metadata', 'name') === path2);
    const isFile = (await options.disk.stat(path2).catch(() => void 0)) !== void 0;
    if (named !== void 0 && !isFile) {
      layers.push(named.node);
      used.add(named.node);
      continue;
    }
    const documents = await readDocuments(options.disk, path2, problems);
    layers.push(
      ...documents
        .map((node) => classify(node, problems))
        .filter((item) => item?.kind === 'Configuration')
        .map((item) => item.node),
    );
  }
  for (const { node } of inFolders.filter((item) => !used.has(item.node))) {
    readConfiguration(node, loading.reading());
    const name = textAt(node, 'metadata', 'name') ?? '';
    const at = valueAt(node, 'kind')?.span ?? node.span;
    problems.push({
      severity: 'warning',
      code: 'config.ignored',
      message: `Configuration "${name}" is not applied`,
      at,
      help: `pass --config ${name}`,
    });
  }
  if (layers.length === 0) return defaultConfiguration();
  const before = problems.length;
  for (const layer of layers) readConfiguration(layer, loading.reading());
  if (problems.length > before) return defaultConfiguration();
  const merged = layers.reduce((under, over) => overlay(under, over));
  return readConfiguration(merged, loading.reading()) ?? defaultConfiguration();
}

// src/testing/memory-disk.ts
import { posix } from 'node:path';
function systemError(code, path2) {
  return Object.assign(new Error(`${code}: ${path2}`), { code });
}
function createMemoryDisk(files = {}) {
  const entries = /* @__PURE__ */ new Map();
  const directories = /* @__PURE__ */ new Set(['/']);
  const watchers = /* @__PURE__ */ new Set();
  let clockMs = 0;
  const clean2 = (path2) => posix.resolve('/', path2);
  const touch = (path2) => {
    for (const watcher of watchers)
      if (path2 === watcher.path || path2.startsWith(`${watcher.path.replace(/\/$/, '')}/`)) watcher.changed();
  };
  const store = (path2, bytes) => {
    entries.set(path2, { bytes, mtimeMs: ++clockMs });
    touch(path2);
  };
  const makeAll = (path2) => {
    for (let at = path2; !directories.has(at); at = posix.dirname(at)) directories.add(at);
  };
  const need = (path2) => {
    const entry = entries.get(path2);
    if (entry === void 0) throw systemError(directories.has(path2) ? 'EISDIR' : 'ENOENT', path2);
    return entry;
  };
  const needParent = (path2) => {
    if (!directories.has(posix.dirname(path2))) throw systemError('ENOENT', path2);
  };
  const openFile = (path2) => ({
    async write(chunks, position) {
      const total = chunks.reduce((sum2, chunk) => sum2 + chunk.length, 0);
      const { bytes } = need(path2);
      const grown = new Uint8Array(Math.max(bytes.length, position + total));
      grown.set(bytes);
      let at = position;
      for (const chunk of chunks) {
        grown.set(chunk, at);
        at += chunk.length;
      }
      store(path2, grown);
    },
    read: async (position, length) => need(path2).bytes.slice(position, position + length),
    sync: async () => {},
    async truncate(sizeBytes) {
      const kept = new Uint8Array(sizeBytes);
      kept.set(need(path2).bytes.subarray(0, sizeBytes));
      store(path2, kept);
    },
    size: async () => need(path2).bytes.length,
    close: async () => {},
  });
  const disk = {
    put(path2, text2) {
      const at = clean2(path2);
      makeAll(posix.dirname(at));
      store(at, new TextEncoder().encode(text2));
    },
    text(path2) {
      const entry = entries.get(clean2(path2));
      return entry && new TextDecoder().decode(entry.bytes);
    },
    async open(path2, mode) {
      const at = clean2(path2);
      if (mode === 'read') need(at);
      if (mode.startsWith('exclusive') && entries.has(at)) throw systemError('EEXIST', at);
      needParent(at);
      if (!entries.has(at)) store(at, new Uint8Array(0));
      return openFile(at);
    },
    readFile: async (path2) => need(clean2(path2)).bytes.slice(),
    async replaceFile(path2, bytes) {
      needParent(clean2(path2));
      store(clean2(path2), bytes.slice());
    },
    async stat(path2) {
      const at = clean2(path2);
      const entry = entries.get(at);
      if (entry !== void 0) return { sizeBytes: entry.bytes.length, mtimeMs: entry.mtimeMs, kind: 'file' };
      return directories.has(at) ? { sizeBytes: 0, mtimeMs: 0, kind: 'directory' } : void 0;
    },
    exists: (path2) => entries.has(clean2(path2)) || directories.has(clean2(path2)),
    async list(directory) {
      const at = clean2(directory);
      if (!directories.has(at)) throw systemError(entries.has(at) ? 'ENOTDIR' : 'ENOENT', at);
      const inside = [...entries.keys(), ...directories].filter((path2) => path2 !== '/' && posix.dirname(path2) === at);
      return inside.map((path2) => posix.basename(path2));
    },
    makeDirectory: async (path2) => makeAll(clean2(path2)),
    async rename(from, to) {
      const entry = need(clean2(from));
      needParent(clean2(to));
      entries.delete(clean2(from));
      store(clean2(to), entry.bytes);
      touch(clean2(from));
    },
    async remove(path2) {
      const at = clean2(path2);
      if (!entries.delete(at) && !directories.delete(at)) throw systemError('ENOENT', at);
      touch(at);
    },
    syncDirectory: async () => {},
    space: async () => ({ freeBytes: 1024 ** 4, fileSystem: 'memory' }),
    realPath: async (path2) => clean2(path2),
    watch(path2, changed) {
      const watcher = { path: clean2(path2), changed };
      watchers.add(watcher);
      return { close: () => void watchers.delete(watcher) };
    },
  };
  for (const [path2, text2] of Object.entries(files)) disk.put(path2, text2);
  return disk;
}

// src/kernel/timer-wheel.ts
var tickMs = 5;
var slots6 = 1024;
var mask = slots6 - 1;
var Entry = class {
  callback;
  dueTick;
  before;
  after;
  constructor(callback, dueTick) {
    this.callback = callback;
    this.dueTick = dueTick;
    this.before = this;
    this.after = this;
  }
  cancel() {
    this.callback = void 0;
    this.before.after = this.after;
    this.after.before = this.before;
    this.before = this;
    this.after = this;
  }
};
function wheelClock(clock) {
  const wheel = new Wheel(clock);
  return {
    now: () => clock.now(),
    mono: () => clock.mono(),
    soon: (callback) => clock.soon(callback),
    timer: (delayMs, callback, background) =>
      delayMs < 2 * tickMs || background === true ? clock.timer(delayMs, callback, background) : wheel.add(delayMs, callback),
  };
}
var Wheel = class {
  #clock;
  // Heads of rings, made when they are first needed.
  #rings = Array.from({ length: slots6 });
  /** The last tick whose slot was looked at. */
  #seenTick = 0;
  /** When the real timer wakes us; Infinity: it does not run. */
  #armedTick = Infinity;
  #timer;
  constructor(clock) {
    this.#clock = clock;
    this.#seenTick = Math.floor(clock.mono() / tickMs);
  }
  add(delayMs, callback) {
    const dueTick = Math.ceil((this.#clock.mono() + delayMs) / tickMs);
    const entry = new Entry(callback, dueTick);
    const ring = (this.#rings[dueTick & mask] ??= new Entry(void 0, 0));
    entry.before = ring.before;
    entry.after = ring;
    ring.before.after = entry;
    ring.before = entry;
    if (dueTick < this.#armedTick) this.#arm(dueTick);
    return entry;
  }
  // The real timer is not cancelled when the wheel gets empty: the next call would only have to set it again.
  #arm(tick) {
    this.#timer?.cancel();
    this.#armedTick = tick;
    this.#timer = this.#clock.timer(Math.max(0, tick * tickMs - this.#clock.mono()), () => this.#turn(), true);
  }
  #turn() {
    this.#armedTick = Infinity;
    this.#timer = void 0;
    const nowTick = Math.floor(this.#clock.mono() / tickMs);
    const from = Math.max(this.#seenTick + 1, nowTick - slots6 + 1);
    this.#seenTick = nowTick;
    for (let tick = from; tick <= nowTick; tick++) this.#fire(tick & mask, nowTick);
    const next = this.#next(nowTick);
    if (next < this.#armedTick) this.#arm(next);
  }
  #fire(slot, nowTick) {
    const ring = this.#rings[slot];
    if (ring === void 0) return;
    for (let entry = ring.after; entry !== ring;) {
      const following = entry.after;
      if (entry.dueTick <= nowTick) {
        const { callback } = entry;
        entry.cancel();
        callback?.();
        entry = following.after === following && following !== ring ? ring.after : following;
      } else entry = following;
    }
  }
  /** The next tick at which something is due, at most one turn of the wheel away; Infinity: nothing waits. */
  #next(nowTick) {
    let waits = false;
    for (let tick = nowTick + 1; tick <= nowTick + slots6; tick++) {
      const ring = this.#rings[tick & mask];
      if (ring === void 0 || ring.after === ring) continue;
      waits = true;
      for (let entry = ring.after; entry !== ring; entry = entry.after) if (entry.dueTick === tick) return tick;
    }
    return waits ? nowTick + slots6 : Infinity;
  }
};

// src/mesh/policy/states.ts
var epochsKept = 16;
var PolicyStates = class {
  #kept = /* @__PURE__ */ new Map();
  #epoch = 0;
  /** The state under `key`; made anew when there is none, or when `parameters` are others now. */
  of(key, parameters, make) {
    const fingerprint = JSON.stringify(parameters, (_name, value) => (value === Infinity ? 'Infinity' : value));
    const kept = this.#kept.get(key);
    if (kept !== void 0 && kept.fingerprint === fingerprint) {
      kept.epoch = this.#epoch;
      return kept.state;
    }
    const state = make();
    this.#kept.set(key, { fingerprint, state, epoch: this.#epoch });
    return state;
  }
  /** A new epoch begins. */
  turn() {
    this.#epoch++;
    for (const [key, { epoch }] of this.#kept) if (epoch < this.#epoch - epochsKept) this.#kept.delete(key);
  }
  /** Every state with its key, for whoever shows them. */
  entries() {
    return [...this.#kept].map(([key, { state }]) => [key, state]);
  }
};

// src/mesh/policy/book.ts
var PolicyBook = class {
  states = new PolicyStates();
  epoch = { number: 0, document: noPolicies };
  constructor(document = noPolicies) {
    this.epoch = { number: 0, document };
  }
  /** Calls that begin from now on see `document`. */
  turn(document) {
    this.states.turn();
    this.epoch = { number: this.epoch.number + 1, document };
  }
};

// src/kernel/log.ts
function drop() {}
var silentLogger = { debug: drop, info: drop, warn: drop, error: drop, scoped: () => silentLogger };

// src/ports/node/clock.ts
var nodeClock = {
  now: () => Date.now(),
  mono: () => performance.now(),
  timer(delayMs, callback, background = false) {
    const timeout = setTimeout(callback, Math.min(delayMs, 2147483647));
    if (background) timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
  soon(callback) {
    setImmediate(callback);
  },
};

// src/ports/node/datagrams.ts
import { networkInterfaces } from 'node:os';
function createNodeDatagrams() {
  return {
    async open(options, received) {
      const { createSocket } = await import('node:dgram');
      const socket = createSocket({ type: 'udp4', reuseAddr: options.group !== void 0 });
      socket.on('message', (bytes, from) => received(bytes, { host: from.address, port: from.port }));
      await bind2(socket, options);
      socket.on('error', () => {});
      try {
        const joined = options.group === void 0 ? [] : join(socket, options.group);
        return overSocket(socket, options.group, joined);
      } catch (error) {
        socket.close();
        throw error;
      }
    },
    hostAddresses() {
      const outside = addresses().filter(({ internal }) => !internal);
      return (outside.length > 0 ? outside : addresses()).map(({ address }) => address);
    },
  };
}
function addresses() {
  return Object.values(networkInterfaces())
    .flatMap((list2) => list2 ?? [])
    .filter(({ family }) => family === 'IPv4');
}
function bind2(socket, { port, host }) {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port, ...(host !== void 0 && { address: host }), exclusive: false }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}
function join(socket, group3) {
  const joined = addresses()
    .map(({ address }) => address)
    .filter((address) => {
      try {
        socket.addMembership(group3, address);
        return true;
      } catch {
        return false;
      }
    });
  if (joined.length === 0) throw Object.assign(new Error(`no interface takes part in multicast ${group3}`), { code: 'ENODEV' });
  socket.setMulticastLoopback(true);
  socket.setMulticastTTL(255);
  return joined;
}
function overSocket(socket, group3, joined) {
  let open2 = true;
  return {
    port: socket.address().port,
    send(bytes, to) {
      if (!open2) return;
      const ways = to.host === group3 ? joined : [void 0];
      for (const way of ways) {
        try {
          if (way !== void 0) socket.setMulticastInterface(way);
          socket.send(bytes, to.port, to.host, () => {});
        } catch {}
      }
    },
    close() {
      if (!open2) return Promise.resolve();
      open2 = false;
      return new Promise((resolve) => socket.close(() => resolve()));
    },
  };
}

// src/ports/node/disk.ts
import fs from 'node:fs';
import path from 'node:path';
var created = fs.constants.O_RDWR | fs.constants.O_CREAT;
var durableFlag = process.platform === 'linux' ? fs.constants.O_DSYNC : 0;
var flags = {
  read: fs.constants.O_RDONLY,
  write: created,
  exclusive: created | fs.constants.O_EXCL,
  'exclusive-durable': created | fs.constants.O_EXCL | durableFlag,
};
var fileSystems = /* @__PURE__ */ new Map([
  [61267, 'ext4'],
  [1481003842, 'xfs'],
  [2435016766, 'btrfs'],
  [801189825, 'zfs'],
  [4076150800, 'f2fs'],
  [16914836, 'tmpfs'],
  [2035054128, 'overlay'],
  [26985, 'nfs'],
  [20859, 'smb'],
  [4283649346, 'cifs'],
  [4266872130, 'smb2'],
  [16914839, '9p'],
  [1702057286, 'fuse'],
  [12805120, 'ceph'],
  [198183888, 'lustre'],
  [1196443219, 'gpfs'],
  [18225520, 'gfs2'],
  [1952539503, 'ocfs2'],
  [1397113167, 'afs'],
]);
var nodeDisk = {
  open: (file, mode) => opened(file, mode),
  readFile: (file) => fs.promises.readFile(file),
  replaceFile,
  stat,
  exists: (file) => fs.statSync(file, { throwIfNoEntry: false }) !== void 0,
  list: (directory) => fs.promises.readdir(directory),
  async makeDirectory(directory, mode = 448) {
    try {
      await fs.promises.mkdir(directory, { recursive: true, mode });
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      await makeFirstMissing(directory, mode);
    }
  },
  rename: (from, to) => fs.promises.rename(from, to),
  remove: (file) => fs.promises.rm(file),
  syncDirectory,
  async space(file) {
    const { bavail, bsize, type } = await fs.promises.statfs(file);
    return { freeBytes: bavail * bsize, fileSystem: fileSystems.get(type >>> 0) ?? 'unknown' };
  },
  realPath: (file) => fs.promises.realpath(file),
  watch,
};
function opened(file, mode) {
  return new Promise((resolve, reject) => {
    fs.open(file, flags[mode], 384, (error, fd) =>
      error === null ? resolve(new NodeFile(fd, mode === 'exclusive-durable' && durableFlag === 0)) : reject(error),
    );
  });
}
var NodeFile = class {
  #fd;
  #syncEachWrite;
  constructor(fd, syncEachWrite) {
    this.#fd = fd;
    this.#syncEachWrite = syncEachWrite;
  }
  async write(chunks, position) {
    await this.#writeAll(chunks, position);
    if (this.#syncEachWrite) await this.sync();
  }
  async #writeAll(chunks, position) {
    let rest = chunks.filter((chunk) => chunk.length > 0);
    let at = position;
    while (rest.length > 0) {
      const written = await this.#writeSome(rest, at);
      at += written;
      rest = behind(rest, written);
    }
  }
  /** Nearly always one call fills the buffer: then one promise is all that it takes. */
  read(position, length) {
    return new Promise((resolve, reject) => {
      const buffer = Buffer.allocUnsafeSlow(length);
      fs.read(this.#fd, buffer, 0, length, position, (error, count) => {
        if (error !== null) reject(error);
        else if (count === length) resolve(buffer);
        else this.#readOn(buffer, count, position).then(resolve, reject);
      });
    });
  }
  async #readOn(buffer, begun, position) {
    const { length } = buffer;
    let filled = begun;
    while (begun > 0 && filled < length) {
      const count = await this.#readSome(buffer, filled, position + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled === length ? buffer : buffer.subarray(0, filled);
  }
  sync() {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => (error === null ? resolve() : reject(error)));
    });
  }
  truncate(sizeBytes) {
    return new Promise((resolve, reject) => {
      fs.ftruncate(this.#fd, sizeBytes, (error) => (error === null ? resolve() : reject(error)));
    });
  }
  size() {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#fd, (error, stats) => (error === null ? resolve(stats.size) : reject(error)));
    });
  }
  close() {
    return new Promise((resolve, reject) => {
      fs.close(this.#fd, (error) => (error === null || error === void 0 ? resolve() : reject(error)));
    });
  }
  #writeSome(chunks, position) {
    return new Promise((resolve, reject) => {
      const done = (error, written) => (error === null ? resolve(written) : reject(error));
      const only = chunks.length === 1 ? chunks[0] : void 0;
      if (only === void 0) fs.writev(this.#fd, chunks.slice(0, 1e3), position, done);
      else fs.write(this.#fd, only, 0, only.length, position, done);
    });
  }
  #readSome(buffer, offset, position) {
    return new Promise((resolve, reject) => {
      fs.read(this.#fd, buffer, offset, buffer.length - offset, position, (error, count) =>
        error === null ? resolve(count) : reject(error),
      );
    });
  }
};
function behind(chunks, written) {
  let skip = written;
  const rest = [];
  for (const chunk of chunks) {
    if (skip >= chunk.length) skip -= chunk.length;
    else {
      rest.push(skip > 0 ? chunk.subarray(skip) : chunk);
      skip = 0;
    }
  }
  return rest;
}
async function makeFirstMissing(directory, mode) {
  const parent = path.dirname(directory);
  if (parent !== directory && (await stat(parent)) === void 0) await makeFirstMissing(parent, mode);
  await fs.promises.mkdir(directory, mode);
}
var temporaries = 0;
async function replaceFile(file, bytes, mode = 384) {
  const temporary = `${file}.${process.pid}-${temporaries++}.tmp`;
  const handle = await fs.promises.open(temporary, 'wx', mode);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
    await handle.close();
    await fs.promises.rename(temporary, file);
  } catch (error) {
    await handle.close().catch(() => {});
    await fs.promises.rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(path.dirname(file));
}
async function stat(file) {
  try {
    const stats = await fs.promises.stat(file);
    const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other';
    return { sizeBytes: stats.size, mtimeMs: stats.mtimeMs, kind };
  } catch (error) {
    const { code } = error;
    if (code === 'ENOENT' || code === 'ENOTDIR') return void 0;
    throw error;
  }
}
async function syncDirectory(directory) {
  const handle = await fs.promises.open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
function watch(file, changed) {
  const watcher = fs.watch(file, { persistent: false, recursive: true }, () => changed());
  watcher.on('error', () => {});
  return { close: () => watcher.close() };
}

// src/ports/node/dns.ts
import { isIP } from 'node:net';
var nothing = /* @__PURE__ */ new Set(['ENODATA', 'ENOTFOUND']);
var literalTtlSeconds = 3600;
function createNodeDns({ servers: servers2, timeoutMs: timeoutMs3 = 2e3, tries = 2 } = {}) {
  let made;
  const resolver = () => {
    made ??= import('node:dns/promises').then((loaded2) => {
      const opened2 = new loaded2.Resolver({ timeout: timeoutMs3, tries });
      if (servers2 !== void 0) opened2.setServers([...servers2]);
      return opened2;
    });
    return made;
  };
  return {
    async addresses(name) {
      if (isIP(name) !== 0) return [{ address: name, ttlSeconds: literalTtlSeconds }];
      const asked = await resolver();
      const [four, six] = await Promise.allSettled([
        orNothing(asked.resolve4(name, { ttl: true })),
        orNothing(asked.resolve6(name, { ttl: true })),
      ]);
      const found = [four, six].flatMap((answer2) => (answer2.status === 'fulfilled' ? answer2.value : []));
      if (found.length === 0) {
        for (const answer2 of [four, six]) if (answer2.status === 'rejected') throw answer2.reason;
      }
      return found.map(({ address, ttl }) => ({ address, ttlSeconds: ttl }));
    },
    async services(name) {
      const records = await orNothing((await resolver()).resolveSrv(name));
      return records.map(({ name: host, port, priority: priority2, weight }) => ({ host, port, priority: priority2, weight }));
    },
  };
}
async function orNothing(asked) {
  try {
    return await asked;
  } catch (error) {
    if (nothing.has(error.code ?? '')) return [];
    throw error;
  }
}

// src/ports/node/network.ts
import { chmodSync } from 'node:fs';
import net from 'node:net';

// src/ports/node/pinned-target.ts
import { isIP as isIP2 } from 'node:net';
function pinnedTarget(address) {
  if ('path' in address || address.via === void 0) return address;
  const { host, port, via } = address;
  const found = via.map((each) => ({ address: each, family: isIP2(each) }));
  const lookup = (_host, options, callback) => {
    const first = found[0];
    if (options.all === true) callback(null, found);
    else callback(null, first.address, first.family);
  };
  return { host, port, lookup };
}

// src/ports/node/network.ts
var readBufferBytes = 64 * 1024;
var writeQueueBytes = 64 * 1024;
var keptViewBytesMax = 2048;
var servers = /* @__PURE__ */ new WeakMap();
function fdOf(listener) {
  const server = servers.get(listener);
  const fd = server?._handle?.fd;
  if (fd === void 0 || fd < 0) throw new Error('this socket cannot be shared with another process');
  return fd;
}
function createNodeNetwork(options = {}) {
  const writes = new TurnWrites();
  const reads = new SharedReads(writes);
  let acceptedReads = options.forceDataEvents === true ? 'data-events' : 'shared-buffer';
  const serverFor = (address, accept) =>
    net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      const rewrapped = acceptedReads === 'shared-buffer' ? reads.rewrap(socket) : void 0;
      if (rewrapped === void 0) acceptedReads = 'data-events';
      const connection = rewrapped ?? new NodeConnection(socket, peerOf(socket, address), writes);
      if (rewrapped === void 0) socket.on('data', (chunk) => connection.handlers.data(chunk));
      else rewrapped.remote = peerOf(rewrapped.socket, address);
      accept(connection);
      connection.resume();
    });
  return {
    get acceptedReads() {
      return acceptedReads;
    },
    listen: (address, accept) => bind3(serverFor(address, accept), address),
    adopt: (fd, address) => ({
      address,
      accept(accept) {
        const server = serverFor(address, accept).listen({ fd });
        server.on('error', () => {});
        return { address, close: () => closeServer(server) };
      },
    }),
    connect(address) {
      const remote = 'path' in address ? address.path : `${address.host}:${address.port}`;
      return reads.connect(address, remote);
    },
    async resolve(host) {
      const dns = await import('node:dns/promises');
      return (await dns.lookup(host, { all: true })).map(({ address }) => address);
    },
  };
}
var SharedReads = class {
  #writes;
  #buffer = Buffer.allocUnsafeSlow(readBufferBytes);
  // Small reads repeat the same few lengths, so their views are kept instead of made anew.
  #views = Array.from({ length: keptViewBytesMax + 1 }, () => void 0);
  constructor(writes) {
    this.#writes = writes;
  }
  connect(address, remote) {
    const late = new LateConnection();
    const socket = net.connect({ ...pinnedTarget(address), noDelay: true, ...this.#options(late) });
    const connection = new NodeConnection(socket, remote, this.#writes);
    late.connection = connection;
    socket.once('connect', () => connection.handlers.open?.());
    return connection;
  }
  /** Moves an accepted socket's handle to a socket that reads into the buffer. Undefined where Node has no such handle. */
  rewrap(accepted) {
    const holder2 = accepted;
    const handle = holder2._handle;
    if (typeof handle !== 'object' || handle === null || typeof handle.readStart !== 'function') return void 0;
    holder2._handle = null;
    accepted.destroy();
    const late = new LateConnection();
    const connection = new NodeConnection(new net.Socket({ handle, ...this.#options(late) }), '', this.#writes);
    late.connection = connection;
    return connection;
  }
  #options(late) {
    const callback = (count) => {
      late.connection?.handlers.data(this.#first(count));
      return true;
    };
    return { allowHalfOpen: true, writableHighWaterMark: writeQueueBytes, onread: { buffer: this.#buffer, callback } };
  }
  #first(count) {
    if (count > keptViewBytesMax) return this.#buffer.subarray(0, count);
    return (this.#views[count] ??= this.#buffer.subarray(0, count));
  }
};
var LateConnection = class {
  connection = void 0;
};
var TurnWrites = class {
  #waiting = [];
  #flush = () => {
    const leaving = this.#waiting;
    this.#waiting = [];
    for (const connection of leaving) connection.flush();
  };
  add(connection) {
    if (this.#waiting.push(connection) === 1) setImmediate(this.#flush);
  }
};
var NodeConnection = class {
  socket;
  #writes;
  remote;
  handlers = silent;
  #error = void 0;
  /** Text of this turn. */
  #queued = '';
  /** `write` answered false because of what is queued here, of which the socket knows nothing. */
  #refused = false;
  constructor(socket, remote, writes) {
    this.socket = socket;
    this.remote = remote;
    this.#writes = writes;
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('end', () => this.handlers.end());
    socket.on('drain', () => this.handlers.drain());
    socket.on('close', () => this.handlers.close(this.#error));
  }
  write(data) {
    if (typeof data !== 'string') {
      this.flush();
      return this.socket.write(data);
    }
    if (this.#queued === '') {
      this.#queued = data;
      this.#writes.add(this);
    } else this.#queued += data;
    if (this.#queued.length + this.socket.writableLength < writeQueueBytes) return true;
    this.#refused = true;
    return false;
  }
  /** Hands the text of this turn to the socket. */
  flush() {
    const text2 = this.#queued;
    if (text2 === '') return;
    this.#queued = '';
    const refused3 = this.#refused;
    this.#refused = false;
    if (this.socket.destroyed) return;
    if (this.socket.write(text2, 'latin1') && refused3) this.handlers.drain();
  }
  cork() {
    this.socket.cork();
  }
  uncork() {
    this.socket.uncork();
  }
  pause() {
    this.socket.pause();
  }
  resume() {
    this.socket.resume();
  }
  end() {
    this.flush();
    this.socket.end();
  }
  destroy(error) {
    this.socket.destroy(error);
  }
};
var silent = { data() {}, end() {}, drain() {}, close() {} };
function peerOf(socket, address) {
  if ('path' in address) return address.path;
  const host = socket.remoteAddress ?? '';
  return `${host.includes(':') ? `[${host}]` : host}:${socket.remotePort ?? 0}`;
}
function bind3(server, address) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      server.on('error', () => {});
      if ('path' in address) chmodSync(address.path, 384);
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
      const listener = { address: 'path' in address ? address : { host: address.host, port }, close: () => closeServer(server) };
      servers.set(listener, server);
      resolve(listener);
    });
    if ('path' in address) privately(() => listen(server, address));
    else listen(server, address);
  });
}
var backlog = 511;
function listen(server, address) {
  const family = 'path' in address ? -1 : net.isIP(address.host);
  const bare = server;
  if (typeof bare._listen2 !== 'function' || family === 0 || process.send !== void 0) {
    server.listen({ ...('path' in address ? { path: address.path } : { host: address.host, port: address.port }), backlog });
  } else if ('path' in address) bare._listen2(address.path, -1, family, backlog);
  else bare._listen2(address.host, address.port, family, backlog);
}
function privately(work) {
  let previous;
  try {
    previous = process.umask(127);
  } catch {}
  try {
    work();
  } finally {
    if (previous !== void 0) process.umask(previous);
  }
}
function closeServer(server) {
  server.close(() => {});
  return Promise.resolve();
}

// src/ports/node/process.ts
import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { homedir, hostname, tmpdir } from 'node:os';

// src/ports/node/profiler.ts
var nodeProfiler = {
  async cpuProfile(durationMs) {
    const session = open();
    try {
      await post(session, 'Profiler.enable');
      await post(session, 'Profiler.start');
      await new Promise((resolve) => setTimeout(resolve, durationMs));
      const { profile } = await post(session, 'Profiler.stop');
      return JSON.stringify(profile);
    } finally {
      session.disconnect();
    }
  },
  async heapSnapshot(chunk) {
    const session = open();
    session.on('HeapProfiler.addHeapSnapshotChunk', ({ params }) => chunk(params.chunk));
    try {
      await post(session, 'HeapProfiler.takeHeapSnapshot');
    } finally {
      session.disconnect();
    }
  },
};
function open() {
  const { Session: Opened } = process.getBuiltinModule('node:inspector');
  const session = new Opened();
  session.connect();
  return session;
}
function post(session, method) {
  return new Promise((resolve, reject) => {
    session.post(method, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}

// src/ports/node/workers.ts
var socketsVariable = 'PROA_WORKER_SOCKETS';
var firstSocketFd = 4;
function createWorkers(network) {
  return {
    fork: forked,
    parent() {
      if (process.send === void 0) return void 0;
      const addresses2 = JSON.parse(process.env[socketsVariable] ?? '[]');
      return {
        sockets: addresses2.map((address, i) => network.adopt(firstSocketFd + i, address)),
        send(message) {
          if (process.connected) process.send?.(message, void 0, void 0, () => {});
        },
        listen(received, gone) {
          process.on('message', received);
          process.on('disconnect', gone);
        },
      };
    },
  };
}
function forked(options) {
  const { fork } = process.getBuiltinModule('node:child_process');
  const child = fork(process.argv[1], [...options.args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc', ...options.listeners.map(fdOf)],
    env: { ...process.env, [socketsVariable]: JSON.stringify(options.listeners.map(({ address }) => address)) },
  });
  child.stdout?.on('data', (chunk) => options.output('stdout', chunk));
  child.stderr?.on('data', (chunk) => options.output('stderr', chunk));
  child.on('message', options.received);
  const exit = new Promise((resolve) => {
    child.on('error', (error) => {
      if (child.pid === void 0) resolve({ code: void 0, signal: void 0, error });
    });
    child.on('exit', (code, signal) => resolve({ code: code ?? void 0, signal: signal ?? void 0 }));
  });
  return {
    pid: child.pid ?? 0,
    exit,
    kill: (signal) => void child.kill(signal),
    send(message) {
      if (child.connected) child.send(message, () => {});
    },
  };
}

// src/ports/node/process.ts
function createNodeProcess(network = createNodeNetwork()) {
  let host;
  return {
    ...createWorkers(network),
    pid: process.pid,
    platform: process.platform,
    nodeVersion: process.versions.node,
    env: (name) => process.env[name],
    environment: () => definedOnly(process.env),
    cwd: () => process.cwd(),
    homeDirectory: homedir,
    temporaryDirectory: tmpdir,
    hostName: () => (host ??= hostname()),
    loopTimes() {
      const { idle, active } = performance.eventLoopUtilization();
      return { idleMs: idle, activeMs: active };
    },
    memoryBytes() {
      const { rss, heapUsed } = process.memoryUsage();
      return { rss, heapUsed };
    },
    cpuUs() {
      const { user, system: system2 } = process.cpuUsage();
      return user + system2;
    },
    profiler: nodeProfiler,
    spawn,
    alive,
    startTicks,
    listeningPorts,
    signalTo: (pid, signal) => void process.kill(pid, signal),
    onSignal(signal, handler) {
      process.on(signal, handler);
      return () => process.off(signal, handler);
    },
    writeOut: (text2) => void process.stdout.write(text2),
    writeErr: (text2) => void process.stderr.write(text2),
    isTerminal: (stream2) => process[stream2].isTTY,
    exit: (code) => process.exit(code),
  };
}
function definedOnly(env) {
  const defined = /* @__PURE__ */ Object.create(null);
  for (const [name, value] of Object.entries(env)) if (value !== void 0) defined[name] = value;
  return defined;
}
function spawn(options) {
  const { spawn: start } = process.getBuiltinModule('node:child_process');
  const child = start(options.command, [...options.args], {
    ...(options.cwd === void 0 ? {} : { cwd: options.cwd }),
    env: options.env,
    detached: true,
    stdio: [options.input === true ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  child.stdin?.on('error', () => {});
  child.stdout?.on('data', (chunk) => options.output('stdout', chunk));
  child.stderr?.on('data', (chunk) => options.output('stderr', chunk));
  const pid = child.pid ?? 0;
  const exit = new Promise((resolve) => {
    let failure = void 0;
    child.on('error', (error) => {
      failure = error;
      if (pid === 0) resolve({ code: void 0, signal: void 0, error });
    });
    child.on('exit', (code, signal) => {
      resolve({ code: code ?? void 0, signal: signal ?? void 0, ...(failure === void 0 ? {} : { error: failure }) });
    });
  });
  return {
    pid,
    exit,
    kill(signal) {
      if (pid === 0) return;
      try {
        process.kill(-pid, signal);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    },
    write: (text2) => void child.stdin?.write(text2),
    endInput: () => void child.stdin?.end(),
    groupAlive: () => groupAlive(pid),
  };
}
async function groupAlive(group3) {
  if (group3 === 0) return false;
  try {
    process.kill(-group3, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
  if (process.platform !== 'linux') return true;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const [state, , member] = statFields(await readFile(`/proc/${name}/stat`, 'latin1').catch(() => ''));
    if (Number(member) === group3 && state !== 'Z') return true;
  }
  return false;
}
function alive(pid) {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return error.code === 'EPERM';
  }
}
function isZombie(pid) {
  try {
    return statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'))[0] === 'Z';
  } catch {
    return false;
  }
}
function statFields(text2) {
  return text2.slice(text2.lastIndexOf(')') + 2).split(' ');
}
function startTicks(pid) {
  try {
    const ticks = Number(statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'))[19]);
    return Number.isSafeInteger(ticks) ? ticks : void 0;
  } catch {
    return void 0;
  }
}
async function listeningPorts(pid) {
  if (process.platform !== 'linux') return [];
  const inodes = await listeningInodes(pid);
  if (inodes.size === 0) return [];
  const ports2 = /* @__PURE__ */ new Set();
  for (const member of await processTree(pid)) {
    for (const inode of await socketInodes(member)) {
      const port = inodes.get(inode);
      if (port !== void 0) ports2.add(port);
    }
  }
  return [...ports2].sort((a, b) => a - b);
}
async function listeningInodes(pid) {
  const found = /* @__PURE__ */ new Map();
  for (const table of ['tcp', 'tcp6']) {
    const text2 = await readFile(`/proc/${pid}/net/${table}`, 'latin1').catch(() => '');
    for (const line of text2.split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      if (columns[3] !== '0A') continue;
      const port = Number.parseInt(columns[1]?.split(':')[1] ?? '', 16);
      if (columns[9] !== void 0 && port > 0) found.set(columns[9], port);
    }
  }
  return found;
}
async function processTree(root) {
  const children = /* @__PURE__ */ new Map();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat2 = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '');
    const parent = Number(statFields(stat2)[1]);
    if (stat2 !== '') children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [root];
  for (const member of tree) tree.push(...(children.get(member) ?? []));
  return tree;
}
async function socketInodes(pid) {
  const names4 = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(names4.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}

// src/ports/node/random.ts
import { openSync, readSync } from 'node:fs';

// src/kernel/node-crypto.ts
var loaded;
function nodeCrypto() {
  return (loaded ??= process.getBuiltinModule('node:crypto'));
}

// src/ports/node/random.ts
var poolBytes = 8192;
function createNodeRandom() {
  const fill = createFill();
  const pool = Buffer.allocUnsafeSlow(poolBytes);
  let used = poolBytes;
  const take = (count) => {
    if (used + count > poolBytes) {
      fill(pool);
      used = 0;
    }
    const at = used;
    used += count;
    return at;
  };
  let digits2 = '';
  let digitsUsed = 0;
  const hex = (count) => {
    if (digitsUsed + count > digits2.length) {
      digits2 = fill(Buffer.allocUnsafe(poolBytes)).toString('hex');
      digitsUsed = 0;
    }
    const at = digitsUsed;
    digitsUsed += count;
    return digits2.slice(at, at + count);
  };
  let uuids = '';
  let uuidsUsed = 0;
  return {
    hex,
    u32: () => pool.readUInt32LE(take(4)),
    bytes(count) {
      if (count > poolBytes) return fill(Buffer.allocUnsafeSlow(count));
      const at = take(count);
      return Uint8Array.prototype.slice.call(pool, at, at + count);
    },
    uuid() {
      if (uuidsUsed === uuids.length) {
        uuids = uuidsOf(fill(Buffer.allocUnsafe(uuidsBytes)));
        uuidsUsed = 0;
      }
      uuidsUsed += uuidChars;
      return uuids.slice(uuidsUsed - uuidChars, uuidsUsed);
    },
  };
}
var uuidsBytes = 1024;
var uuidChars = 36;
function uuidsOf(bytes) {
  const text2 = Buffer.allocUnsafe((bytes.length / 16) * uuidChars);
  let at = 0;
  bytes.forEach((byte, i) => {
    const place = i % 16;
    const value = place === 6 ? (byte & 15) | 64 : place === 8 ? (byte & 63) | 128 : byte;
    if (place === 4 || place === 6 || place === 8 || place === 10) text2[at++] = 45;
    text2[at++] = hexDigits[value >> 4];
    text2[at++] = hexDigits[value & 15];
  });
  return text2.toString('latin1');
}
var hexDigits = Buffer.from('0123456789abcdef');
function createFill() {
  let device;
  const throughModule = (buffer) => nodeCrypto().randomFillSync(buffer);
  const throughDevice = (buffer) => {
    device ??= openSync('/dev/urandom', 'r');
    for (let at = 0; at < buffer.length;) {
      const count = readSync(device, buffer, at, buffer.length - at, null);
      if (count === 0) throw new Error('the random device ended');
      at += count;
    }
    return buffer;
  };
  let source = throughDevice;
  return (buffer) => {
    try {
      return source(buffer);
    } catch (error) {
      if (source === throughModule) throw error;
      source = throughModule;
      return source(buffer);
    }
  };
}

// src/ports/node/index.ts
function nodePorts(options = {}) {
  const network = createNodeNetwork(options.network);
  return {
    clock: nodeClock,
    random: createNodeRandom(),
    network,
    disk: nodeDisk,
    process: createNodeProcess(network),
    dns: createNodeDns(),
    datagrams: createNodeDatagrams(),
  };
}

// src/telemetry/call-records.ts
var recordBytesMax = 2 * 1024 * 1024;
function createCallRecords(bytesMax = recordBytesMax) {
  const traces = /* @__PURE__ */ new Map();
  let bytes = 0;
  const dropOldest = () => {
    const [oldest] = traces;
    if (oldest === void 0) return;
    const [traceId, kept] = oldest;
    bytes -= kept.shift().bytes;
    if (kept.length === 0) traces.delete(traceId);
  };
  return {
    get bytes() {
      return bytes;
    },
    add(record4) {
      const size = sizeOf(record4);
      if (size > bytesMax) return;
      while (bytes + size > bytesMax) dropOldest();
      const kept = traces.get(record4.traceId);
      if (kept === void 0) traces.set(record4.traceId, [{ record: record4, bytes: size }]);
      else kept.push({ record: record4, bytes: size });
      bytes += size;
    },
    find: (traceId) => (traces.get(traceId) ?? []).map(({ record: record4 }) => record4),
  };
}
var recordBytes = 700;
var attemptBytes = 250;
var decisionBytes = 150;
function sizeOf({ path: path2, error, attempts, decisions }) {
  let size = recordBytes + 2 * ((path2?.length ?? 0) + (error?.message.length ?? 0)) + attempts.length * attemptBytes;
  for (const { what } of decisions) size += decisionBytes + 2 * what.length;
  return size;
}

// src/telemetry/metrics-registry.ts
var latencyBounds = [
  1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400, 500, 650, 800, 1e3, 2e3, 5e3, 1e4, 2e4,
  5e4, 1e5,
];
var sizeBounds = [1024, 2048, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864, 268435456, 1073741824, 4294967296];
var seriesMax = 2e3;
var HistogramSeries = class {
  labels;
  counts;
  #bounds;
  sum = 0;
  count = 0;
  constructor(labels, bounds) {
    this.labels = labels;
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }
  record(value) {
    this.sum += value;
    this.count++;
    const bounds = this.#bounds;
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (bounds[middle] < value) low = middle + 1;
      else high = middle;
    }
    this.counts[low] = this.counts[low] + 1;
  }
};
function createMetricsRegistry(shared2, options = {}) {
  const latencies = options.latencyBounds === void 0 ? latencyBounds : [...options.latencyBounds].toSorted((a, b) => a - b);
  const families = /* @__PURE__ */ new Map();
  const refreshers = [];
  const series = (name, kind, labels) => {
    let family = families.get(name);
    if (family === void 0) {
      family = { name, kind, bounds: /bytes/.test(name) ? sizeBounds : latencies, series: /* @__PURE__ */ new Map() };
      families.set(name, family);
    }
    const all = { ...shared2, ...(options.rewrite === void 0 ? labels : options.rewrite(name, labels)) };
    const text2 = printLabels(all);
    const known2 = family.series.get(text2);
    if (known2 !== void 0) return known2;
    if (family.series.size >= seriesMax) return overflowOf(family, all);
    return put(family, text2);
  };
  return {
    counter: (name, labels) => series(name, 'counter', labels),
    gauge: (name, labels) => series(name, 'gauge', labels),
    histogram: (name, labels) => series(name, 'histogram', labels),
    onPrint: (refresh) => refreshers.push(refresh),
    print(format) {
      for (const refresh of refreshers) refresh();
      const lines = [];
      for (const family of families.values()) printFamily(family, format, lines);
      if (format === 'openmetrics') lines.push('# EOF');
      return `${lines.join('\n')}
`;
    },
  };
}
function put(family, labels) {
  const made = family.kind === 'histogram' ? new HistogramSeries(labels, family.bounds) : counterSeries(labels);
  family.series.set(labels, made);
  return made;
}
function overflowOf(family, labels) {
  const replaced = Object.fromEntries(Object.keys(labels).map((name) => [name, name === labelNames.appId ? labels[name] : 'overflow']));
  const text2 = printLabels(replaced);
  return family.series.get(text2) ?? put(family, text2);
}
function counterSeries(labels) {
  return {
    labels,
    value: 0,
    add(count) {
      this.value += count;
    },
    set(value) {
      this.value = value;
    },
  };
}
function printLabels(labels) {
  return Object.entries(labels)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',');
}
function escapeLabel(value) {
  return /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
}
function printFamily(family, format, lines) {
  const open2 = format === 'openmetrics';
  const bare = open2 && family.kind === 'counter' ? family.name.replace(/_total$/, '') : family.name;
  const sample = open2 && family.kind === 'counter' ? `${bare}_total` : family.name;
  lines.push(`# TYPE ${bare} ${family.kind}`);
  for (const series of family.series.values()) {
    if (series instanceof HistogramSeries) printHistogram(family, series, lines);
    else lines.push(`${sample}${braces(series.labels)} ${series.value}`);
  }
}
function printHistogram(family, series, lines) {
  let cumulated = 0;
  const comma2 = series.labels === '' ? '' : ',';
  family.bounds.forEach((bound, i) => {
    cumulated += series.counts[i];
    lines.push(`${family.name}_bucket{${series.labels}${comma2}le="${bound}"} ${cumulated}`);
  });
  lines.push(`${family.name}_bucket{${series.labels}${comma2}le="+Inf"} ${series.count}`);
  lines.push(`${family.name}_sum${braces(series.labels)} ${series.sum}`, `${family.name}_count${braces(series.labels)} ${series.count}`);
}
function braces(labels) {
  return labels === '' ? '' : `{${labels}}`;
}

// src/telemetry/trace-ids.ts
var traceIdBytes = 16;
var spanIdBytes = 8;
var idBytes = traceIdBytes + spanIdBytes;
var rootsMade = 64;
var emptyRoot = `00-${'0'.repeat(traceIdBytes * 2)}-${'0'.repeat(spanIdBytes * 2)}-00`;
var noSpanId = '0'.repeat(spanIdBytes * 2);
var digits = Buffer.from('0123456789abcdef', 'latin1');
function createTraceIds(random) {
  const roots = new Roots(random);
  return {
    root: () => roots.next(),
    spanId() {
      const id = random.hex(spanIdBytes * 2);
      return id.charCodeAt(0) === zeroDigit && id === noSpanId ? `${id.slice(1)}1` : id;
    },
  };
}
var zeroDigit = 48;
var Roots = class {
  #random;
  #batch = Buffer.from(emptyRoot.repeat(rootsMade), 'latin1');
  #bytes = new Uint8Array(0);
  #text = '';
  #used = 0;
  constructor(random) {
    this.#random = random;
  }
  next() {
    if (this.#used === this.#text.length) this.#refill();
    const at = this.#used;
    this.#used = at + emptyRoot.length;
    return this.#text.slice(at, this.#used);
  }
  #refill() {
    this.#bytes = this.#random.bytes(rootsMade * idBytes);
    for (let i = 0; i < rootsMade; i++) {
      const at = i * emptyRoot.length + 3;
      this.#write(at, i * idBytes, traceIdBytes);
      this.#write(at + traceIdBytes * 2 + 1, i * idBytes + traceIdBytes, spanIdBytes);
    }
    this.#text = this.#batch.toString('latin1');
    this.#used = 0;
  }
  // Zero means "invalid" on the wire; it comes up once in 2^64 ids, and then any other id will do.
  #write(start, from, count) {
    const batch = this.#batch;
    const bytes = this.#bytes;
    let at = start;
    let seen = 0;
    for (let i = from; i < from + count; i++) {
      const byte = bytes[i];
      seen |= byte;
      batch[at++] = digits[byte >> 4];
      batch[at++] = digits[byte & 15];
    }
    if (seen === 0) batch[at - 1] = zeroDigit + 1;
  }
};

// src/telemetry/tracing.ts
function createTracer(options) {
  const ids = createTraceIds(options.random);
  const threshold = Math.min(1, Math.max(0, options.samplingRate)) * 2 ** 32;
  return {
    start(kind, name, parent) {
      const root = parent.traceparent === '';
      const sampled = root ? options.random.u32() < threshold : isSampled(parent.traceparent);
      const made = root ? ids.root() : `${parent.traceparent.slice(0, 36)}${ids.spanId()}-00`;
      const traceparent = sampled ? `${made.slice(0, 53)}01` : made;
      const trace = { traceparent, tracestate: parent.tracestate, baggage: parent.baggage, sampled };
      if (!sampled) return new UnsampledSpan(trace);
      const [traceId, spanId] = [made.slice(3, 35), made.slice(36, 52)];
      return recordedSpan(options, { kind, name, trace, traceId, spanId, parentSpanId: root ? '' : parent.traceparent.slice(36, 52) });
    },
  };
}
var UnsampledSpan = class {
  sampled = false;
  trace;
  constructor(trace) {
    this.trace = trace;
  }
  set() {}
  end() {}
};
function recordedSpan(options, started) {
  const startMs = options.clock.now();
  const startMono = options.clock.mono();
  const attributes = [];
  let ended = false;
  return {
    trace: started.trace,
    sampled: true,
    set: (name, value) => attributes.push([name, value]),
    end(ok, status) {
      if (ended) return;
      ended = true;
      if (status !== void 0) attributes.push(['dapr.status_code', status]);
      const startNs = BigInt(Math.round(startMs * 1e3)) * 1000n;
      const tookNs = BigInt(Math.round((options.clock.mono() - startMono) * 1e6));
      const { kind, name, traceId, spanId, parentSpanId, trace } = started;
      options.export({
        traceId,
        spanId,
        parentSpanId,
        name,
        kind,
        startNs,
        endNs: startNs + tookNs,
        ok,
        attributes,
        traceState: trace.tracestate,
      });
    },
  };
}

// bench/stack-subject.ts
var ports = nodePorts();
var metrics2 = createMetricsRegistry({ app_id: 'bench' });
var tracer = createTracer({
  clock: ports.clock,
  random: ports.random,
  samplingRate: 0.01,
  export() {},
});
var shared = {
  clock: wheelClock(ports.clock),
  random: ports.random,
  process: ports.process,
  http: { request: () => Promise.reject(new Error('not used here')), close: () => Promise.resolve() },
  log: silentLogger,
  engine: { now: () => 0, get: () => Promise.reject(new Error('not used here')), commit: () => Promise.reject(new Error('not used here')) },
  invoke: () => Promise.resolve(answer),
  metrics: metrics2,
  namespace: '',
  accessControl: () => void 0,
  origins: /* @__PURE__ */ new Map(),
  appId: 'bench',
  records: createCallRecords(),
};
var govern = createGovern({ ...shared, book: new PolicyBook() });
var answer = { status: 200, headers: ['content-type', 'application/json', 'server', 'x'], body: emptyBody };
var endpoint = { appId: 'bench', namespace: '', instance: 'i', http: { path: '' }, grpc: { path: '' } };
var block = createInvokeBlock(
  { ports, log: silentLogger, metrics: metrics2, appId: 'bench', namespace: '', govern },
  {
    resolver: {
      resolve: () => Promise.resolve({ endpoints: [endpoint], source: 'bench' }),
      onChange: () => () => {},
      close: () => Promise.resolve(),
    },
    balance: (appId) => new EndpointGroup({ clock: ports.clock, random: ports.random, appId, zone: '' }),
    peers: { send: () => Promise.resolve(answer) },
    external: { send: () => Promise.resolve(answer) },
    channel: () => void 0,
    httpEndpoints: () => /* @__PURE__ */ new Map(),
    hostAddress: '127.0.0.1',
  },
);
var router = createRouter(apiRoutes);
var caller = { appId: 'bench', namespace: '' };
var answerer = createAnswerer({
  blocks: { invoke: block },
  caller,
  bodyBytesMax: 1e6,
  clock: ports.clock,
  invocations: true,
});
var frontMetrics = createFrontMetrics(metrics2);
var headers2 = ['host', '127.0.0.1:3500', 'user-agent', 'bench', 'accept', '*/*'];
var operation = { block: 'invoke', name: 'call', idempotent: false };
var policy = (name, spec3) => `apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: ${name} }
spec: ${spec3}
---
`;
var callerPolicies =
  policy(
    'all',
    `{ target: { app: bench }, timeout: 5s, deadline: 10s, retry: {}, hedge: { after: 1s }, breaker: { per: target, errorRatio: 0.5, slowRatio: 0.5 },
    bulkhead: {}, balance: {}, limits: [{ requests: 100000000 }], fallback: { app: other }, mirror: { app: other, percent: 0 },
    split: { targets: [{ version: v1, weight: 1 }] } }`,
  ) +
  policy('path', '{ target: { app: bench }, match: { path: "/x/{id}", methods: [GET] }, fault: { abort: { percent: 0, status: 500 } } }');
var calleePolicies = policy(
  'all',
  `{ target: { app: bench, at: callee }, deadline: 10s, bulkhead: {}, limits: [{ requests: 100000000 }], system: { maxUtilisation: 0.99 }, fallback: { answer: {} },
  admission: { initial: 1000 }, priority: critical, fault: { abort: { percent: 0, status: 500 } }, authorise: { action: allow } }`,
);
async function governed(yaml, direction) {
  const loaded2 = await loadResources({ disk: createMemoryDisk({ '/r/p.yaml': yaml }), paths: ['/r'], appId: 'bench', drivers: {} });
  const error = problemsToError(loaded2.problems);
  if (error !== void 0) throw error;
  const target2 = { block: 'invoke', name: 'bench', operation: 'call', direction };
  return createGovern({ ...shared, book: new PolicyBook(loaded2.policies) })(target2, () => Promise.resolve(answer));
}
var outbound = { block: 'invoke', name: 'bench', operation: 'call', direction: 'outbound' };
async function stackOnly(count, service = govern(outbound, () => Promise.resolve(answer))) {
  const input = {
    appId: 'bench',
    namespace: '',
    httpMethod: 'GET',
    path: 'x/1',
    query: '',
    headers: headers2,
    body: emptyBody,
    replayable: true,
  };
  for (let i = 0; i < count; i++) {
    const span = tracer.start('server', '/x', noTrace);
    const call = createCall(operation, input, { caller });
    await service(call);
    call.end.fire({ ok: true, status: 200 });
    span.end(true, 200);
  }
}
async function wholeFront(count) {
  const path2 = '/v1.0/invoke/bench/method/x';
  for (let i = 0; i < count; i++) {
    const span = tracer.start('server', path2, noTrace);
    const started = ports.clock.mono();
    const match2 = router.match('GET', path2);
    const cancel = new CancelScope();
    const dispatched = await new Promise((resolve) => {
      const request = {
        method: 'GET',
        path: path2,
        query: '',
        headers: headers2,
        header: () => void 0,
        body: emptyBody,
        trace: span.trace,
        cancel,
      };
      answerer(request, match2, { dispatched: resolve });
    });
    dispatched.call?.end.fire({ ok: true, status: 200 });
    span.end(true, 200);
    frontMetrics.record({
      method: 'GET',
      path: path2,
      status: 200,
      tookMs: ports.clock.mono() - started,
      requestBytes: 0,
      responseBytes: 0,
    });
  }
}
async function measure(run2) {
  await run2(2e5);
  const rounds = [];
  for (let i = 0; i < 7; i++) {
    const began = ((u) => (u.user + u.system) / 1000)(process.cpuUsage());
    await run2(1e5);
    rounds.push((((u) => (u.user + u.system) / 1000)(process.cpuUsage()) - began) / 100);
  }
  return rounds.toSorted((a, b) => a - b)[3];
}
var [calling2, called] = [await governed(callerPolicies, 'outbound'), await governed(calleePolicies, 'inbound')];
console.log(
  JSON.stringify({
    stack: await measure((count) => stackOnly(count)),

    called: await measure((count) => stackOnly(count, called)),
    front: await measure(wholeFront),
  }),
);
