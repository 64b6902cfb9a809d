import type { RuntimeBlock, RuntimeMetadata, SubscriptionSpec } from '../../../blocks/runtime/index.ts';
import type { Call } from '../../../kernel/call.ts';
import { formatDuration } from '../../../kernel/duration.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { jsonReply, noContent } from '../reply.ts';
import { route, type Route } from '../route.ts';
import { param, utf8 } from './state.ts';

/** Health, for every listener; never behind a token (Dapr reference 2, 11.1). */
export const healthRoutes: readonly Route[] = [
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
    decode: () => undefined,
    service:
      ({ runtime }) =>
      () =>
        attempt(() => {
          if (!runtime.outboundReady()) throw new ProaError('health.outbound-not-ready', 'dapr outbound is not ready');
        }),
    encode: () => noContent,
  }),
];

/** Metadata, read-only on the public listener. */
export const metadataRoutes: readonly Route[] = [
  route({
    methods: ['GET'],
    path: '/v1.0/metadata',
    name: 'GetMetadata',
    group: 'metadata',
    operation: { block: 'runtime', name: 'get_metadata', idempotent: true },
    decode: () => undefined,
    service:
      ({ runtime }) =>
      () =>
        runtime.report(),
    encode: (metadata) => jsonReply(printMetadata(metadata)),
  }),
];

/** What only the own app may do. */
export const controlRoutes: readonly Route[] = [
  route({
    methods: ['PUT'],
    path: '/v1.0/metadata/{key}',
    name: 'PutMetadata',
    group: 'metadata',
    operation: { block: 'runtime', name: 'set_metadata', idempotent: true },
    decode: async (request) => ({ key: param(request, 'key'), value: utf8(await request.bytes()) }),
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
      (call: Call<{ readonly force: boolean }>) =>
        attempt(() => runtime.shutdown(call.input.force)),
    encode: () => noContent,
  }),
];

async function attempt<T>(run: () => T): Promise<T> {
  return run();
}

function health(runtime: RuntimeBlock, appId: string | undefined): void {
  const missing = runtime.notReady();
  if (missing.length > 0) throw new ProaError('health.not-ready', `dapr is not ready: [${missing.join(' ')}]`);
  if (appId !== undefined && appId !== '' && appId !== runtime.metadata().id)
    throw new ProaError('health.app-id', 'dapr app-id does not match');
}

// Empty lists and zero counts are left out (Dapr reference 4.10).
function printMetadata(metadata: RuntimeMetadata): Record<string, unknown> {
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
    ...some(
      'workflowAccessPolicies',
      metadata.workflowAccessPolicies.map((name) => ({ name })),
    ),
    appConnectionProperties: printConnection(metadata.appConnection),
    ...(metadata.workflowWorkers > 0 && { workflows: { connectedWorkers: metadata.workflowWorkers } }),
    ...printActors(metadata.actors),
  };
}

// The list stands twice: at the top as older clients look for it (Dapr reference 4.10).
function printActors(actors: RuntimeMetadata['actors']): Record<string, unknown> {
  if (actors === undefined) return { actorRuntime: { runtimeStatus: 'DISABLED', hostReady: false } };
  const active = actors.active.map(({ type, count }) => ({ type, ...(count === 0 ? {} : { count }) }));
  const placement = `placement: ${actors.ready ? 'connected' : 'disconnected'}`;
  return {
    ...some('actors', active),
    actorRuntime: {
      runtimeStatus: actors.ready ? 'RUNNING' : 'INITIALIZING',
      ...some('activeActors', active),
      hostReady: actors.ready,
      placement,
    },
  };
}

function some(name: string, list: readonly unknown[]): Record<string, unknown> {
  return list.length === 0 ? {} : { [name]: list };
}

function printComponent(component: RuntimeMetadata['components'][number]): Record<string, unknown> {
  const { name, type, version, capabilities } = component;
  return { name, type, version, ...some('capabilities', capabilities) };
}

function printSubscription(subscription: SubscriptionSpec): Record<string, unknown> {
  const rules = subscription.rules.map(({ match, path }) => ({ match, path }));
  if (subscription.defaultPath !== undefined) rules.push({ match: '', path: subscription.defaultPath });
  return {
    pubsubname: subscription.pubsub,
    topic: subscription.topic,
    ...(Object.keys(subscription.metadata).length === 0 ? {} : { metadata: subscription.metadata }),
    ...some('rules', rules),
    deadLetterTopic: subscription.deadLetterTopic ?? '',
    type: subscription.kind,
  };
}

function printConnection(connection: RuntimeMetadata['appConnection']): Record<string, unknown> {
  const { port, protocol, channelAddress, maxConcurrency, health: probe } = connection;
  return {
    ...(port === undefined || port === 0 ? {} : { port }),
    protocol,
    channelAddress,
    ...(maxConcurrency === undefined ? {} : { maxConcurrency }),
    ...(probe === undefined
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
