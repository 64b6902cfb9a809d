import { createEngineRegistry } from '../drivers/resolver-engine/engine-registry.ts';
import { ProaError } from '../kernel/errors.ts';
import { Owner } from '../kernel/lifecycle.ts';
import { limits } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import { nodePorts } from '../ports/node/index.ts';
import type { App } from '../sdk/app.ts';
import { createClient, type Client } from '../sdk/client.ts';
import type { Operations } from '../sdk/operations.ts';
import { attachWorkflows } from '../sdk/workflow/attach.ts';
import { createLogger } from '../telemetry/log-lines.ts';
import { printInTurns } from '../telemetry/print-in-turns.ts';
import { createAppRuntime, type AppRuntime } from './app-runtime.ts';
import { loadResources } from './config/load-resources.ts';
import { hasErrors, renderProblem } from './config/problem.ts';
import { followFiles } from './follow-files.ts';
import { createFunctionActorHost } from './function-actor-host.ts';
import { createFunctionChannel } from './function-channel.ts';
import type { AppSpec } from './host-api.ts';
import { createHttpClient } from './http-client.ts';
import { createInProcessOperations } from './in-process-operations.ts';
import { outboundOf } from './outbound-client.ts';
import type { Machine } from './machine.ts';
import { openMachineEngines } from './machine-engine.ts';
import { createMachinePeers } from './machine-peers.ts';
import { openMeshPort } from './mesh-port.ts';
import { openMetricsPort } from './metrics-port.ts';
import { openPeerSocket } from './peers/open-socket.ts';
import { findDrivers } from './pluggable-drivers.ts';
import { traitsOf } from './instance-traits.ts';
import { checkedOptions } from './runtime-options.ts';
import { createAppTelemetry } from './telemetry.ts';
import { logProblems } from './tell-problems.ts';
import { version } from './version.ts';

export interface RuntimeOptions {
  readonly appId: string;
  /** Where the engine keeps its data; runtimes and hosts of one user that name the same directory share it, and their apps can call each other. */
  readonly dataDirectory: string;
  /** The app's handlers; without them the runtime only calls. */
  readonly app?: App;
  /** `postgres://user:password@host/database`: the database that keeps what embedded components store; absent: the engine in `dataDirectory`. */
  readonly database?: string;
  /** Folders of component files and policies, followed while the runtime is open. Kinds that they leave out get the embedded components `statestore`, `pubsub`, `lockstore`, `secretstore`. */
  readonly resources?: readonly string[];
  /** Configuration files, overlaid in order. */
  readonly configurations?: readonly string[];
  readonly namespace?: string;
  /** Opens the app to runtimes of other machines, over TLS with certificates on both sides. */
  readonly mesh?: MeshOptions;
  /** Serves metrics for Prometheus. Default host: loopback. */
  readonly metrics?: { readonly port: number; readonly host?: string };
  /** Without a sign of life for so long its actors, workflows and jobs go to other runtimes: 300 to 600,000. Default: 3,000. */
  readonly placementTtlMs?: number;
  /** Absent: warnings go to standard error. */
  readonly log?: Logger;
  readonly ports?: Ports;
}

export interface MeshOptions {
  /** Default: loopback. */
  readonly host?: string;
  /** Default: a free one; others find it by the registry. */
  readonly port?: number;
  /** A folder with `tls.crt`, `tls.key` and `ca.crt` of any issuer, watched for renewals. Absent: the authority of the engine issues. */
  readonly certificates?: string;
}

/** The building blocks of one app as functions in its own process. `close` ends the runtime: it takes nothing new and lets what runs finish. */
export type Runtime = Client;

const graceMs = 5_000;

/** Opens the runtime of one app in this process. Fails with `config.invalid` and every problem of the files; leaves nothing open then. */
export async function createRuntime(options: RuntimeOptions): Promise<Runtime> {
  checkedOptions(options);
  const ports = options.ports ?? nodePorts();
  const log = options.log ?? warningsOf(ports, options.appId);
  const operations = await openRuntime({ ...options, ports, log });
  const warn = (message: string): void => log.warn(message);
  const detach = attachWorkflows(options.app?.workflows, { ports, operations: operations.workflows, warn });
  const close = (): Promise<void> => operations.close().finally(detach);
  return createClient({ clock: ports.clock, uuid: () => ports.random.uuid(), operations: { ...operations, close }, warn });
}

/** The same for `serve` of the SDK; warnings go to standard error. */
export function openInProcess(options: Omit<RuntimeOptions, 'log' | 'ports'> & { readonly ports: Ports }): Promise<Operations> {
  return openRuntime({ ...checkedOptions(options), log: warningsOf(options.ports, options.appId) });
}

function warningsOf(ports: Ports, appId: string): Logger {
  return createLogger({
    clock: ports.clock,
    format: 'human',
    embedded: true,
    level: 'warning',
    appId,
    instance: ports.process.hostName(),
    version,
    write: (line) => ports.process.writeErr(line),
  });
}

type Complete = RuntimeOptions & Required<Pick<RuntimeOptions, 'ports' | 'log'>>;

async function openRuntime(options: Complete): Promise<Operations> {
  const owner = new Owner(options.ports.clock);
  try {
    return await open(options, owner);
  } catch (error) {
    await owner.close();
    throw error;
  }
}

async function open(options: Complete, owner: Owner): Promise<Operations> {
  const { ports, log, appId, namespace = 'default' } = options;
  const spec = specOf(options, namespace);
  const drivers = await findDrivers(ports, log);
  const load = {
    disk: ports.disk,
    paths: spec.resourcePaths,
    configPaths: spec.configPaths,
    appId,
    namespace,
    drivers,
    defaults: spec.defaults,
  };
  const resources = await loadResources(load);
  if (hasErrors(resources.problems)) throw new ProaError('config.invalid', resources.problems.map(renderProblem).join('\n\n'));
  logProblems(log, resources.problems);
  const machine = await openMachine(options, owner);
  const { configuration } = resources;
  const { metrics, tracer, close } = await createAppTelemetry({ ports, log, spec, machine, configuration, version });
  owner.own('telemetry', close);
  machine.peers.join({ appId, namespace }, configuration.accessControl?.trustDomain ?? 'public', metrics);
  if (spec.metrics !== undefined && configuration.metrics.enabled)
    await openMetricsPort({ ports, ...spec.metrics, print: (format) => printInTurns(metrics, format, ports.clock) }, owner);
  const shutdown = (): void => {};
  const instance = `${spec.id}-${ports.random.uuid()}`;
  const runtime = await createAppRuntime({
    // A wheel would let the process end while a call waits.
    callClock: ports.clock,
    ports,
    log,
    metrics,
    tracer,
    spec,
    machine,
    drivers,
    resources,
    version,
    instance,
    shutdown,
  });
  owner.own('runtime', () => runtime.close(graceMs), 2 * graceMs);
  const operations = createInProcessOperations(runtime.blocks, { appId, namespace }, async () => {
    await owner.close();
  });
  options.app?.actors.attach(operations);
  if (options.app !== undefined) await host(options.app, { ports, spec, machine, runtime, owner, instance });
  if (spec.resourcePaths.length + spec.configPaths.length > 0) {
    const files = followFiles({ ports, log, runtime, load, resources, reconcileMs: spec.reconcileMs, graceMs });
    owner.own('files', () => files.close());
  }
  return operations;
}

interface Hosting {
  readonly ports: Ports;
  readonly spec: AppSpec;
  readonly machine: Machine;
  readonly runtime: AppRuntime;
  readonly owner: Owner;
  readonly instance: string;
}

// Others reach the handlers as they reach the apps of any runtime: by a call in this process, or over the peer socket. There is no hop between.
async function host(app: App, { ports, spec, machine, runtime, owner, instance }: Hosting): Promise<void> {
  const local = await openPeerSocket(ports, machine, { owner, announced: undefined });
  const served = { invoke: runtime.blocks.invoke, actors: runtime.blocks.actors, proxy: runtime.proxy };
  const mesh = await openMeshPort({ ports, spec, machine, app: served, graceMs }, owner);
  // With certificates demanded of others, those of this machine show theirs too.
  const places = { ...(spec.mtls ? {} : { local }), ...(mesh === undefined ? {} : { mesh: mesh.reached }) };
  runtime.durable.reachedAt(places);
  machine.local.set(instance, served);
  owner.own('local calls', () => void machine.local.delete(instance));
  runtime.setChannel(createFunctionChannel(app));
  runtime.state.appReady = true;
  runtime.state.listening = true;
  await runtime.blocks.pubsub.start();
  await runtime.blocks.bindings.start();
  const types = app.actors.types();
  if (types.length > 0) {
    const hosted = await runtime.blocks.actors.serve(types, createFunctionActorHost(app.actors));
    owner.own('actors', () => hosted.close(), 30_000);
  }
  runtime.blocks.jobs.start();
  owner.own(
    'deliveries',
    () => Promise.all([runtime.blocks.pubsub.pause(graceMs), runtime.blocks.jobs.pause(graceMs)]).then(() => {}),
    2 * graceMs,
  );
  const identity = { appId: spec.id, namespace: spec.namespace, instance };
  owner.own('registry', await runtime.registry.announce({ ...identity, ...places, ...traitsOf(ports.process) }));
}

type MachineOptions = Pick<Complete, 'ports' | 'log' | 'dataDirectory' | 'database' | 'mesh'>;

async function openMachine(from: MachineOptions, owner: Owner): Promise<Machine> {
  const { ports, log } = from;
  const database = from.database === undefined ? {} : { database: from.database };
  const engines = await openMachineEngines({ ports, log, directory: from.dataDirectory, role: 'sidecar', ...database }, owner);
  const client = createHttpClient({ ports });
  owner.own('connections', () => client.close());
  const registry = createEngineRegistry({ engine: engines.local, clock: ports.clock, log });
  owner.own('registry', () => registry.close());
  const peers = createMachinePeers({
    ports,
    log,
    engine: engines.local,
    dataDirectory: from.dataDirectory,
    ...(from.mesh?.certificates === undefined ? {} : { identityDirectory: from.mesh.certificates }),
  });
  owner.own('connections to other runtimes', () => peers.close());
  return {
    engine: engines.components,
    engineCounted: true,
    registry,
    client,
    outbound: outboundOf(ports, client),
    local: new Map(),
    peers,
    siblings: () => undefined,
  };
}

function specOf({ appId, resources, configurations, mesh, metrics, placementTtlMs }: Complete, namespace: string): AppSpec {
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
    internalGrpcPort: mesh?.port ?? 0,
    internalGrpcListenAddress: mesh?.host ?? '',
    ...(metrics === undefined ? {} : { metrics: { port: metrics.port, listenAddress: metrics.host ?? '' } }),
    publicListenAddress: '',
    allowedOrigins: '',
    bodyBytesMax: limits.bodyBytes,
    headerBytesMax: limits.headerBytes,
    resourcePaths: resources ?? [],
    configPaths: configurations ?? [],
    defaults: 'missing-kinds',
    reconcileMs: 60_000,
    mtls: mesh !== undefined,
    ...(placementTtlMs === undefined ? {} : { placementTtlMs }),
    controlPlaneTrustDomain: 'localhost',
  };
}
