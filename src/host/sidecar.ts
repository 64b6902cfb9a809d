import type { AppChannel } from '../contracts/app-channel.ts';
import { adminRoutes } from '../fronts/admin/routes.ts';
import { metadataRoutes, healthRoutes } from '../fronts/http/routes/runtime.ts';
import { createPipeline, type Pipeline } from '../fronts/http/pipeline.ts';
import { apiRoutes, allowedRoutes } from '../fronts/http/routes/all.ts';
import { serveHttpFront, type HttpFrontOptions } from '../fronts/http/server.ts';
import { wheelClock } from '../kernel/timer-wheel.ts';
import { ProaError } from '../kernel/errors.ts';
import { closeFailureText, Owner } from '../kernel/lifecycle.ts';
import { limits } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import type { Address, Ports } from '../kernel/ports.ts';
import { createSecret, type Secret } from '../kernel/secret.ts';
import { tokensOf } from '../kernel/token-list.ts';
import type { Exposition, MetricsRegistry } from '../telemetry/metrics-registry.ts';
import { printInTurns } from '../telemetry/print-in-turns.ts';
import { http2Codec } from '../wire/http2/codec-setting.ts';
import { apiSocket } from './api-socket.ts';
import { createAppRuntime, type AppRuntime } from './app-runtime.ts';
import { followApp, type AppLifecycle } from './app-lifecycle.ts';
import { openAppChannel } from './app-channels.ts';
import { listening, portOf } from './bound-port.ts';
import type { DriverIndex } from './config/check-component.ts';
import type { LoadedResources } from './config/model.ts';
import type { AppSpec } from './host-api.ts';
import { http2Front } from './http2-front.ts';
import { listenLazily } from './lazy-listener.ts';
import { openMeshPort } from './mesh-port.ts';
import { openMetricsPort } from './metrics-port.ts';
import { middlewareOf } from './middleware-handlers.ts';
import type { LocalApp, Machine } from './machine.ts';
import { traitsOf } from './instance-traits.ts';
import { removeStaleSocket } from './stale-socket.ts';
import { createAppTelemetry, type AppTelemetry } from './telemetry.ts';
import { acrossProcesses, adminAcross } from './workers/across-processes.ts';
import type { ProcessRole } from './workers/role.ts';
import { workerInstance } from './workers/siblings.ts';

export interface SidecarOptions {
  readonly ports: Ports;
  readonly log: Logger;
  readonly spec: AppSpec;
  readonly machine: Machine;
  readonly resources: LoadedResources;
  readonly drivers: DriverIndex;
  readonly version: string;
  /** Where runtimes of this machine reach the app. */
  readonly socket: Address;
  /** The socket that this process alone accepts on; the same one where it serves the app alone. */
  readonly own: Address;
  readonly graceMs: number;
  readonly shutdown: (force: boolean) => void;
  readonly becameReady: () => void;
  /** The app's place in the host, for what processes that serve it together tell each other. */
  readonly place: number;
  readonly role: ProcessRole;
}

/** One app's runtime with its listeners. */
export interface Sidecar {
  readonly spec: AppSpec;
  readonly runtime: AppRuntime;
  /** The name under which other runtimes know this one. */
  readonly instance: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly metricsPort: number | undefined;
  /** Where the port for runtimes of other machines is bound; undefined: there is none. */
  readonly mesh: Address | undefined;
  /** The metrics of this process. */
  exposition(format: Exposition): Promise<string>;
  /** The app listens here now. */
  connect(appPort: number): Promise<void>;
  /** The app's process ended. */
  disconnect(): Promise<void>;
  /** Takes no more events, keeps the APIs open, and resolves when `forMs` have passed or the app has become unhealthy. */
  linger(forMs: number): Promise<void>;
  /** Stops taking events, lets what runs finish, closes listeners and components. */
  close(): Promise<void>;
}

/** Opens everything of one app; what was opened is closed again when something fails. */
export async function openSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { ports, log, spec, machine } = options;
  const owner = new Owner(ports.clock);
  const telemetry = await createAppTelemetry({ ...options, configuration: options.resources.configuration });
  owner.own('telemetry', () => telemetry.close());
  try {
    // Under this name the app is announced, once for all processes that serve it.
    const announced = options.role.announced?.instances[options.place] ?? `${spec.id}-${ports.random.uuid()}`;
    const instance = options.role.first ? announced : workerInstance(announced, options.own);
    const { shared } = options.role;
    const runtime = await createAppRuntime({
      ...options,
      instance,
      ...(shared === undefined ? {} : { shared: { ...shared, name: announced } }),
      callClock: wheelClock(ports.clock),
      metrics: telemetry.metrics,
      tracer: telemetry.tracer,
    });
    const blocks = acrossProcesses(runtime.blocks, options.role, options.place);
    owner.own('runtime', () => runtime.close(options.graceMs), options.graceMs + 5_000);
    const app = { invoke: runtime.blocks.invoke, actors: runtime.blocks.actors, proxy: runtime.proxy };
    for (const name of new Set([announced, instance])) {
      machine.local.set(name, app);
      owner.own('local calls', () => void machine.local.delete(name));
    }
    const fronts = await openFronts(options, { ...runtime, blocks }, telemetry, owner);
    const metricsPort = await openMetrics(options, telemetry.metrics, owner);
    const mesh = await join(options, { runtime, app, instance, metrics: telemetry.metrics }, owner);
    runtime.state.listening = true;
    const connection = new AppConnection(options, runtime, telemetry);
    owner.own('app', () => connection.disconnect(), options.graceMs);
    if (spec.appPort === undefined) connection.withoutApp();
    else await connection.connect(spec.appPort);
    return {
      spec,
      runtime,
      instance,
      ...fronts,
      metricsPort,
      mesh,
      exposition: (format) => printInTurns(telemetry.metrics, format, ports.clock),
      connect: (port) => connection.connect(port),
      disconnect: () => connection.disconnect(),
      linger: (forMs) => connection.linger(forMs),
      async close() {
        runtime.state.stopping = true;
        for (const failure of await owner.close()) log.warn(`${failure.name} did not close in time`, { error: closeFailureText(failure) });
      },
    };
  } catch (error) {
    await owner.close();
    throw error;
  }
}

interface Joining {
  readonly runtime: AppRuntime;
  readonly app: LocalApp;
  readonly instance: string;
  readonly metrics: MetricsRegistry;
}

/** Gives the runtime its place among others, and tells them of the app, once for all processes that serve it. Answers where the port for other machines is bound. */
async function join(options: SidecarOptions, { runtime, app, instance, metrics }: Joining, owner: Owner): Promise<Address | undefined> {
  const { spec, ports, machine, resources, graceMs, role } = options;
  const { trustDomain = 'public' } = resources.configuration.accessControl ?? {};
  machine.peers.join({ appId: spec.id, namespace: spec.namespace }, trustDomain, metrics);
  const port = await openMeshPort({ ports, spec, machine, app, graceMs }, owner);
  const mesh = port === undefined ? {} : { mesh: port.reached };
  // What this process alone hosts is called at its own socket; what all of them serve, at the shared one.
  runtime.durable.reachedAt({ ...(spec.mtls ? {} : { local: options.own }), ...mesh });
  if (role.first) {
    const identity = { appId: spec.id, namespace: spec.namespace, instance };
    const places = { ...(spec.mtls ? {} : { local: options.socket }), ...mesh };
    owner.own('registry', await runtime.registry.announce({ ...identity, ...places, ...traitsOf(ports.process) }));
  }
  return port?.bound;
}

/** The app as it comes and goes. */
class AppConnection {
  readonly #options: SidecarOptions;
  readonly #runtime: AppRuntime;
  readonly #telemetry: AppTelemetry;
  #lifecycle: AppLifecycle | undefined;
  #channel: AppChannel | undefined;
  #lingering = false;
  #unhealthy: () => void = () => {};

  constructor(options: SidecarOptions, runtime: AppRuntime, telemetry: AppTelemetry) {
    this.#options = options;
    this.#runtime = runtime;
    this.#telemetry = telemetry;
  }

  /** No app has a port: the runtime is ready by itself, and what YAML wants to deliver waits. */
  withoutApp(): void {
    this.#runtime.state.appReady = true;
    this.#options.becameReady();
  }

  async connect(appPort: number): Promise<void> {
    await this.disconnect();
    // Until it is well for the first time: what it is told before may reach nobody.
    this.#runtime.blocks.configuration.pause();
    const { ports, log, spec, machine, resources, becameReady, place, role } = this.#options;
    const { blocks, components, state, durable } = this.#runtime;
    const max = spec.appMaxConcurrency ?? 0;
    const permits = max < 1 ? undefined : role.shared?.places(`app ${place}`, max);
    const channel = await openAppChannel({
      ports,
      spec,
      appPort,
      client: machine.client,
      metrics: this.#telemetry.metrics,
      configuration: resources.configuration,
      middleware: components.set('middleware'),
      ...(permits === undefined ? {} : { permits }),
    });
    this.#channel = channel;
    this.#runtime.setChannel(channel);
    state.appReady = false;
    const checked = spec.appHealth !== undefined;
    state.appUnhealthy = checked;
    this.#lifecycle = followApp({
      clock: ports.clock,
      log,
      channel,
      ...(spec.appHealth === undefined ? {} : { healthCheck: spec.appHealth }),
      up: async () => {
        state.appUnhealthy = false;
        if (this.#lingering) return;
        await blocks.pubsub.start();
        // A schedule that fires in every process would fire once for each.
        if (role.first) await blocks.bindings.start();
        if (!spec.disabledInitEndpoints.includes('config')) await durable.appUp();
        blocks.jobs.start();
        blocks.configuration.resume();
        state.appReady = true;
        becameReady();
      },
      down: async () => {
        state.appUnhealthy = checked;
        this.#unhealthy();
        await this.#pause();
      },
    });
  }

  async linger(forMs: number): Promise<void> {
    this.#lingering = true;
    const over = new Promise<void>((resolve) => {
      const timer = this.#options.ports.clock.timer(forMs, resolve);
      this.#unhealthy = () => {
        timer.cancel();
        resolve();
      };
    });
    await this.#pause();
    await over;
  }

  async #pause(): Promise<void> {
    const { blocks, durable } = this.#runtime;
    blocks.configuration.pause();
    const { graceMs } = this.#options;
    await Promise.all([blocks.pubsub.pause(graceMs), blocks.bindings.pause(graceMs), blocks.jobs.pause(graceMs), durable.appDown()]);
  }

  async disconnect(): Promise<void> {
    const [lifecycle, channel] = [this.#lifecycle, this.#channel];
    this.#lifecycle = undefined;
    this.#channel = undefined;
    channel?.giveUpQuestions();
    await lifecycle?.close();
    await channel?.close();
  }
}

async function openFronts(
  options: SidecarOptions,
  runtime: AppRuntime,
  telemetry: AppTelemetry,
  owner: Owner,
): Promise<{ httpPort: number; grpcPort: number }> {
  const { spec, ports, log } = options;
  // A mistake in the setting is told now, not to the first caller.
  http2Codec(ports.process);
  const configuration = options.resources.configuration;
  const apiTokens = tokensOf(ports.process.env('DAPR_API_TOKEN')).map(createSecret);
  refuseOpenWithoutToken(spec.listenAddresses, apiTokens);
  const pipeline = openPipeline(options, runtime);
  const headerBytesMax = spec.headerBytesMax + limits.headerBytesExtra;
  const shared: Omit<HttpFrontOptions, 'address' | 'routes' | 'invocations'> = {
    ports,
    log: log.scoped('proa.api.http'),
    metrics: telemetry.metrics,
    tracer: telemetry.tracer,
    blocks: runtime.blocks,
    caller: { appId: spec.id, namespace: spec.namespace },
    apiTokens,
    allowedOrigins: spec.allowedOrigins,
    bodyBytesMax: spec.bodyBytesMax,
    headerBytesMax,
    httpMetrics: configuration.metrics.http,
    ...http2Front({ ports, log: log.scoped('proa.api.http'), headerBytesMax, graceMs: options.graceMs }, owner),
    ...(telemetry.countError === undefined ? {} : { countError: telemetry.countError }),
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(telemetry.apiLog === undefined ? {} : { apiLog: telemetry.apiLog }),
  };
  const admin = adminRoutes(adminAcross(runtime.admin, options.role, options.place), apiTokens.length > 0);
  const { routes, invocations } = allowedRoutes([...apiRoutes, ...admin], configuration.api);
  const httpPort = await listenEach(ports, addressesOf(spec, 'http'), (address) =>
    serveHttpFront({ ...shared, address, routes, invocations }).then((server) => {
      owner.own('HTTP API', () => server.drain(), options.graceMs);
      return portOf(server.address);
    }),
  );
  if (spec.publicPort !== undefined) {
    const address = publicAddress(spec, spec.publicPort);
    const { pipeline: _none, ...open } = shared;
    const server = await listening(
      () =>
        serveHttpFront({
          ...open,
          address,
          routes: [...healthRoutes, ...metadataRoutes],
          invocations: false,
          apiTokens: [],
          allowedOrigins: '',
        }),
      address,
    );
    owner.own('public API', () => server.drain(), options.graceMs);
  }
  const loadGrpc = grpcLoader(options, runtime, { telemetry, apiTokens });
  const grpcPort = await listenEach(ports, addressesOf(spec, 'grpc'), (address) =>
    listenLazily(ports.network, address, loadGrpc).then((server) => {
      owner.own('gRPC API', () => server.drain(), options.graceMs);
      return portOf(server.address);
    }),
  );
  return { httpPort, grpcPort };
}

// gRPC's code is loaded with the first connection.
function grpcLoader(
  options: SidecarOptions,
  runtime: AppRuntime,
  more: { readonly telemetry: AppTelemetry; readonly apiTokens: readonly Secret[] },
) {
  const { spec, ports, log, machine, resources } = options;
  const caller = { appId: spec.id, namespace: spec.namespace };
  return async () => {
    const { createGrpcFront } = await import('../fronts/grpc/server.ts');
    const { createProxy } = await import('./grpc-proxy.ts');
    const { createPassedTelemetry } = await import('./passed-telemetry.ts');
    const { tracer, metrics, grpcLog } = more.telemetry;
    const passed = createPassedTelemetry({ clock: ports.clock, tracer, metrics, apiLog: grpcLog });
    return createGrpcFront({
      ports,
      log: log.scoped('proa.api.grpc'),
      blocks: runtime.blocks,
      tracer,
      metrics,
      caller,
      apiTokens: more.apiTokens,
      messageBytesMax: spec.bodyBytesMax,
      api: resources.configuration.api,
      proxy: createProxy(
        ports,
        { local: machine.local, peers: machine.peers, invoke: runtime.blocks.invoke.call, telemetry: passed },
        caller,
      ),
      ...(more.telemetry.countError === undefined ? {} : { countError: more.telemetry.countError }),
      ...(grpcLog === undefined ? {} : { apiLog: grpcLog }),
    });
  };
}

function openPipeline(options: SidecarOptions, runtime: AppRuntime): Pipeline | undefined {
  const handlers = middlewareOf('httpPipeline', options.resources.configuration.httpPipeline, runtime.components.set('middleware'));
  return handlers.length === 0 ? undefined : createPipeline(handlers);
}

async function openMetrics(options: SidecarOptions, registry: MetricsRegistry, owner: Owner): Promise<number | undefined> {
  const { spec, ports, place, role } = options;
  if (!role.first || spec.metrics === undefined || !options.resources.configuration.metrics.enabled) return undefined;
  const print = async (format: Exposition): Promise<string> =>
    role.exposition(place, format, await printInTurns(registry, format, ports.clock));
  return openMetricsPort({ ports, ...spec.metrics, print }, owner);
}

/** Where the APIs of an app listen, once its ports are known. */
export function apiAddresses(spec: AppSpec): Address[] {
  const open = spec.publicPort === undefined ? [] : [publicAddress(spec, spec.publicPort)];
  return [...addressesOf(spec, 'http'), ...addressesOf(spec, 'grpc'), ...open];
}

function publicAddress({ publicListenAddress: host }: AppSpec, port: number): Address & { readonly port: number } {
  return { host: host === '' ? '127.0.0.1' : host, port };
}

function addressesOf(spec: AppSpec, protocol: 'http' | 'grpc'): Address[] {
  const port = protocol === 'http' ? spec.httpPort : spec.grpcPort;
  const socket = apiSocket(spec, protocol);
  if (socket !== undefined) return [{ path: socket }];
  const hosts = spec.listenAddresses.length === 0 ? ['127.0.0.1'] : spec.listenAddresses;
  return hosts.map((host) => ({ host: host === '' ? '::' : host, port }));
}

// An error only when no address can be bound (Dapr reference 2).
async function listenEach(ports: Ports, addresses: readonly Address[], listen: (address: Address) => Promise<number>): Promise<number> {
  let bound: number | undefined;
  let failure: unknown;
  for (const address of addresses) {
    try {
      await removeStaleSocket(ports, address);
      bound = await listening(() => listen(address), address);
    } catch (error) {
      failure = error;
    }
  }
  if (bound === undefined) throw failure;
  return bound;
}

const loopback = /^(127\.\d+\.\d+\.\d+|::1|\[::1\]|localhost)$/;

// Binding wider than this machine without a token would give every neighbour the app's state and secrets (T10).
function refuseOpenWithoutToken(addresses: readonly string[], tokens: readonly Secret[]): void {
  const wide = addresses.filter((address) => !loopback.test(address));
  if (wide.length === 0 || tokens.length > 0) return;
  throw new ProaError(
    'config.invalid',
    `the APIs would listen on ${wide.map((address) => address || 'every address').join(', ')} without a token`,
    {
      hint: 'set DAPR_API_TOKEN, or listen on 127.0.0.1 only',
    },
  );
}
