import type { RuntimeMetadata } from '../../../blocks/runtime/index.ts';
import { Dapr } from '../../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import { formatDuration } from '../../../kernel/duration.ts';
import type { Handlers } from '../../../wire/grpc/method.ts';
import { unaryRows, type GrpcFrontContext } from '../row.ts';

const { method } = Dapr;
const block = 'runtime';
const subscriptionTypes = { DECLARATIVE: 1, PROGRAMMATIC: 2, STREAMING: 3 } as const;

/** Metadata and shutdown over gRPC. On gRPC the rules of a subscription stand one level deeper than on HTTP (Dapr reference 4.10). */
export function runtimeRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  return {
    getMetadata: row(method.getMetadata, {
      operation: { block, name: 'get_metadata', idempotent: true },
      decode: () => undefined,
      service: (blocks) => () => blocks.runtime.report(),
      encode: (metadata) => wireMetadata(metadata),
    }),
    setMetadata: row(method.setMetadata, {
      operation: { block, name: 'set_metadata', idempotent: true },
      decode: ({ key, value }) => ({ key, value }),
      service: (blocks) => (call) => Promise.resolve(blocks.runtime.putMetadata(call.input.key, call.input.value)),
      encode: () => ({}),
    }),
    shutdown: row(method.shutdown, {
      operation: { block, name: 'shutdown', idempotent: true },
      decode: () => undefined,
      service: (blocks) => () => Promise.resolve(blocks.runtime.shutdown(false)),
      encode: () => ({}),
    }),
  };
}

function wireMetadata(metadata: RuntimeMetadata) {
  return {
    id: metadata.id,
    runtimeVersion: metadata.runtimeVersion,
    enabledFeatures: [...metadata.enabledFeatures],
    registeredComponents: metadata.components.map(({ name, type, version, capabilities }) => ({
      name,
      type,
      version,
      capabilities: [...capabilities],
    })),
    extendedMetadata: { ...metadata.extended },
    subscriptions: metadata.subscriptions.map((subscription) => ({
      pubsubName: subscription.pubsub,
      topic: subscription.topic,
      metadata: { ...subscription.metadata },
      rules: {
        rules: [
          ...subscription.rules.map(({ match, path }) => ({ match, path })),
          ...(subscription.defaultPath === undefined ? [] : [{ match: '', path: subscription.defaultPath }]),
        ],
      },
      deadLetterTopic: subscription.deadLetterTopic ?? '',
      type: subscriptionTypes[subscription.kind],
    })),
    httpEndpoints: metadata.httpEndpoints.map((name) => ({ name })),
    resiliencies: metadata.resiliencies.map((name) => ({ name })),
    workflowAccessPolicies: metadata.workflowAccessPolicies.map((name) => ({ name })),
    ...(metadata.workflowWorkers > 0 && { workflows: { connectedWorkers: metadata.workflowWorkers } }),
    ...wireActors(metadata.actors),
    appConnectionProperties: wireConnection(metadata.appConnection),
  };
}

const statuses = { initializing: 0, disabled: 1, running: 2 } as const;

function wireActors(actors: RuntimeMetadata['actors']) {
  if (actors === undefined) return { actorRuntime: { runtimeStatus: statuses.disabled, hostReady: false } };
  const activeActors = actors.active.map(({ type, count }) => ({ type, count }));
  return {
    activeActorsCount: activeActors,
    actorRuntime: {
      runtimeStatus: actors.ready ? statuses.running : statuses.initializing,
      activeActors,
      hostReady: actors.ready,
      placement: `placement: ${actors.ready ? 'connected' : 'disconnected'}`,
    },
  };
}

function wireConnection(connection: RuntimeMetadata['appConnection']) {
  const { port, protocol, channelAddress, maxConcurrency, health } = connection;
  return {
    port: port ?? 0,
    protocol,
    channelAddress,
    maxConcurrency: maxConcurrency ?? 0,
    ...(health === undefined
      ? {}
      : {
          health: {
            healthCheckPath: health.path,
            healthProbeInterval: formatDuration(health.intervalMs),
            healthProbeTimeout: formatDuration(health.timeoutMs),
            healthThreshold: health.threshold,
          },
        }),
  };
}
