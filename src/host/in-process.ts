import type { AppEvent, InvokeRequest } from '../contracts/app-channel.ts';
import { noTracer } from '../contracts/tracer.ts';
import { createEngineRegistry } from '../drivers/resolver-engine/engine-registry.ts';
import { bytesBody, collect, emptyBody } from '../kernel/body.ts';
import { createCall, type Call } from '../kernel/call.ts';
import { ProaError } from '../kernel/errors.ts';
import { Owner } from '../kernel/lifecycle.ts';
import { limits } from '../kernel/limits.ts';
import { silentLogger, type Logger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import type { Service } from '../kernel/service.ts';
import { nodePorts } from '../ports/node/index.ts';
import { createMetricsRegistry } from '../telemetry/metrics-registry.ts';
import { createAppRuntime } from './app-runtime.ts';
import { loadResources } from './config/load-resources.ts';
import { hasErrors, renderProblem } from './config/problem.ts';
import type { AppSpec } from './host-api.ts';
import { createHttpClient } from './http-client.ts';
import { outboundOf } from './outbound-client.ts';
import type { Machine } from './machine.ts';
import { openMachineEngines } from './machine-engine.ts';
import { createMachinePeers } from './machine-peers.ts';
import { findDrivers } from './pluggable-drivers.ts';
import { version } from './version.ts';

export interface RuntimeOptions {
  readonly appId: string;
  /** Where the engine keeps its data; runtimes and hosts of one user that name the same directory share it. */
  readonly dataDirectory: string;
  /** `postgres://user:password@host/database`: the database that keeps what embedded components store; absent: the engine in `dataDirectory`. */
  readonly database?: string;
  /** Folders of component files. Kinds that they leave out get the embedded components `statestore`, `pubsub`, `lockstore`, `secretstore`. */
  readonly resources?: readonly string[];
  readonly namespace?: string;
  readonly log?: Logger;
  readonly ports?: Ports;
}

/** A CloudEvent as subscribers see it; `data` is JSON when its content type says so. */
export interface ReceivedEvent {
  readonly id: string;
  readonly topic: string;
  readonly data: unknown;
}

/**
 * The building blocks of one app as functions in its own process: no sockets, no listeners. Values are JSON. Failures are `ProaError`s with a code
 * of the catalogue. Other apps of the machine can be called from here, but not call in: that takes `proa run`.
 */
export interface Runtime {
  /** Undefined: there is no such key. */
  getState(store: string, key: string): Promise<{ readonly value: unknown; readonly etag: string } | undefined>;
  /** With an etag the write fails with `state.save-etag-mismatch` when somebody has written since. */
  setState(store: string, key: string, item: { readonly value: unknown; readonly etag?: string }): Promise<void>;
  deleteState(store: string, key: string): Promise<void>;
  /** Resolves when the broker has the event durably. */
  publish(pubsub: string, topic: string, data: unknown): Promise<void>;
  /** A handler that fails gets the event again. The answer ends the subscription, waiting for events under way. */
  subscribe(pubsub: string, topic: string, handler: (event: ReceivedEvent) => Promise<void> | void): Promise<() => Promise<void>>;
  /** POST with `data` as JSON, GET without. */
  invoke(appId: string, method: string, data?: unknown): Promise<{ readonly status: number; readonly body: unknown }>;
  getSecret(store: string, name: string): Promise<Readonly<Record<string, string>> | undefined>;
  /** False: somebody else holds it. */
  tryLock(store: string, lock: { readonly resourceId: string; readonly owner: string; readonly expirySeconds: number }): Promise<boolean>;
  /** False: it was not held by that owner. */
  unlock(store: string, lock: { readonly resourceId: string; readonly owner: string }): Promise<boolean>;
  close(): Promise<void>;
}

const graceMs = 5_000;
const noMetadata: Readonly<Record<string, string>> = {};

/** Opens the runtime of one app in this process. Fails with `config.invalid` and every problem of the files; leaves nothing open then. */
export async function createRuntime(options: RuntimeOptions): Promise<Runtime> {
  const ports = options.ports ?? nodePorts();
  const owner = new Owner(ports.clock);
  try {
    const opened = await open({ ...options, ports, log: options.log ?? silentLogger, namespace: options.namespace ?? 'default' }, owner);
    return functionsOver(opened, owner);
  } catch (error) {
    await owner.close();
    throw error;
  }
}

type Complete = RuntimeOptions & Required<Pick<RuntimeOptions, 'ports' | 'log' | 'namespace'>>;

async function open(options: Complete, owner: Owner) {
  const { ports, log, appId, namespace } = options;
  const spec = specOf(options);
  const drivers = await findDrivers(ports, log);
  const resources = await loadResources({
    disk: ports.disk,
    paths: spec.resourcePaths,
    appId,
    namespace,
    drivers,
    defaults: spec.defaults,
  });
  if (hasErrors(resources.problems)) throw new ProaError('config.invalid', resources.problems.map(renderProblem).join('\n\n'));
  const machine = await openMachine(options, owner);
  const metrics = createMetricsRegistry({ app_id: appId });
  const shutdown = (): void => {};
  const runtime = await createAppRuntime({
    // A wheel would let the process end while a call waits.
    callClock: ports.clock,
    ports,
    log,
    metrics,
    tracer: noTracer,
    spec,
    machine,
    drivers,
    resources,
    version,
    shutdown,
  });
  owner.own('runtime', () => runtime.close(graceMs), 2 * graceMs);
  return { blocks: runtime.blocks, caller: { appId, namespace } };
}

async function openMachine(from: Pick<Complete, 'ports' | 'log' | 'dataDirectory' | 'database'>, owner: Owner): Promise<Machine> {
  const { ports, log } = from;
  const database = from.database === undefined ? {} : { database: from.database };
  const engines = await openMachineEngines({ ports, log, directory: from.dataDirectory, role: 'sidecar', ...database }, owner);
  const client = createHttpClient({ ports });
  owner.own('connections', () => client.close());
  const registry = createEngineRegistry({ engine: engines.local, clock: ports.clock, log });
  owner.own('registry', () => registry.close());
  const peers = createMachinePeers({ ports, log, engine: engines.local, dataDirectory: from.dataDirectory });
  owner.own('connections to other runtimes', () => peers.close());
  return { engine: engines.components, registry, client, outbound: outboundOf(ports, client), local: new Map(), peers };
}

function specOf({ appId, namespace, resources }: Complete): AppSpec {
  return {
    id: appId,
    namespace,
    appProtocol: 'http',
    appChannelAddress: '127.0.0.1',
    disabledInitEndpoints: [],
    bindingOptionsTimeoutMs: 3_000,
    listenAddresses: [],
    httpPort: 0,
    grpcPort: 0,
    internalGrpcPort: 0,
    internalGrpcListenAddress: '',
    publicListenAddress: '',
    allowedOrigins: '',
    bodyBytesMax: limits.bodyBytes,
    headerBytesMax: limits.headerBytes,
    resourcePaths: resources ?? [],
    configPaths: [],
    defaults: 'missing-kinds',
    reconcileMs: 60_000,
    mtls: false,
    controlPlaneTrustDomain: 'localhost',
  };
}

function functionsOver({ blocks, caller }: Awaited<ReturnType<typeof open>>, owner: Owner): Runtime {
  // One call from start to end.
  const ask = async <In, Out>(service: Service<In, Out>, operation: readonly [block: string, name: string], input: In): Promise<Out> => {
    const call = createCall({ block: operation[0], name: operation[1], idempotent: false }, input, { caller });
    try {
      const output = await service(call);
      const status = (output as { readonly status?: number } | undefined)?.status;
      call.end.fire(typeof status === 'number' ? { ok: status < 500, status } : { ok: true });
      return output;
    } catch (error) {
      call.end.fire({ ok: false, error });
      throw error;
    }
  };
  const metadata = noMetadata;
  return {
    async getState(store, key) {
      const found = await ask(blocks.state.get, ['state', 'get'], { store, key, metadata });
      return found === undefined ? undefined : { value: parsed(found.data), etag: found.etag };
    },
    setState: (store, key, { value, etag }) =>
      ask(blocks.state.save, ['state', 'set'], {
        store,
        items: [
          { key, value: json(value), metadata, ...(etag !== undefined && { etag, options: { concurrency: 'first-write' as const } }) },
        ],
      }),
    deleteState: (store, key) => ask(blocks.state.delete, ['state', 'delete'], { store, item: { key, metadata } }),
    publish: (pubsub, topic, data) =>
      ask(blocks.pubsub.publish, ['pubsub', 'publish'], { pubsub, topic, data: json(data), contentType: 'application/json', metadata }),
    async subscribe(pubsub, topic, handler) {
      const spec = { pubsub, topic, metadata, rules: [], defaultPath: '/', kind: 'STREAMING' } as const;
      const end = await blocks.pubsub.subscribeStream(spec, { event: (call) => deliver(call, handler) });
      return () => end(graceMs);
    },
    async invoke(appId, method, data) {
      return readAnswer(await ask(blocks.invoke.call, ['invoke', 'call'], requestOf({ appId, namespace: caller.namespace }, method, data)));
    },
    getSecret: (store, name) => ask(blocks.secrets.get, ['secrets', 'get'], { store, name, metadata }),
    async tryLock(store, { resourceId, owner: lockOwner, expirySeconds }) {
      return (await ask(blocks.lock.tryLock, ['lock', 'try_lock'], { store, resourceId, lockOwner, expirySeconds })).success;
    },
    async unlock(store, { resourceId, owner: lockOwner }) {
      return (await ask(blocks.lock.unlock, ['lock', 'unlock'], { store, resourceId, lockOwner })) === 0;
    },
    async close() {
      await owner.close();
    },
  };
}

async function deliver({ input }: Call<AppEvent>, handler: (event: ReceivedEvent) => Promise<void> | void) {
  const event = parsed(input.cloudEvent) as { readonly id: string; readonly data?: unknown };
  try {
    await handler({ id: event.id, topic: input.topic, data: event.data });
    return { status: 'success' } as const;
  } catch (error) {
    return { status: 'retry', error: String(error) } as const;
  }
}

function requestOf(target: Pick<InvokeRequest, 'appId' | 'namespace'>, method: string, data: unknown): InvokeRequest {
  const [path = '', query = ''] = method.replace(/^\/+/, '').split('?', 2);
  const body = data === undefined ? emptyBody : bytesBody(json(data));
  const headers = data === undefined ? [] : ['content-type', 'application/json'];
  return { ...target, httpMethod: data === undefined ? 'GET' : 'POST', path, query, headers, body, replayable: true };
}

async function readAnswer({ status, body }: { readonly status: number; readonly body: InvokeRequest['body'] }) {
  return { status, body: parsed(await collect(body, limits.bodyBytes)) };
}

function json(value: unknown): Uint8Array {
  // Of what JSON does not know, nothing is left.
  return Buffer.from((JSON.stringify(value) as string | undefined) ?? '', 'utf8');
}

// What is no JSON stays text.
function parsed(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  const text = new TextDecoder().decode(bytes);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
