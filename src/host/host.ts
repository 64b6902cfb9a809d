import type { Registry } from '../contracts/resolver.ts';
import { createEngineRegistry } from '../drivers/resolver-engine/index.ts';
import { ProaError } from '../kernel/errors.ts';
import { closeFailureText, Owner } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import type { Address, Ports } from '../kernel/ports.ts';
import { createLogger } from '../telemetry/log-lines.ts';
import type { HttpClient } from '../contracts/http-client.ts';
import { createHttpClient } from './http-client.ts';
import type { DriverIndex } from './config/check-component.ts';
import { loadResources } from './config/load-resources.ts';
import type { LoadedResources } from './config/model.ts';
import { hasErrors, renderProblem } from './config/problem.ts';
import { type ResourcesDiff, watchResources } from './config/watch-resources.ts';
import type { AppSpec, HostOptions, RunningApp, RunningHost } from './host-api.ts';
import type { Machine } from './machine.ts';
import { openMachineEngines } from './machine-engine.ts';
import { servePeers } from './peer-server.ts';
import { listenLazily } from './lazy-listener.ts';
import { findDrivers } from './pluggable-drivers.ts';
import { openSidecar, type Sidecar } from './sidecar.ts';
import { version } from './version.ts';

/** Starts the runtimes of all apps in this process (see `StartHost`). */
export async function startHost(options: HostOptions): Promise<RunningHost> {
  const host = new Host(options);
  try {
    await host.start();
  } catch (error) {
    await host.close();
    throw error;
  }
  return host;
}

class Host implements RunningHost {
  readonly #options: HostOptions;
  readonly #log: Logger;
  readonly #owner: Owner;
  readonly #apps: HostedApp[] = [];
  readonly #finished: Promise<number>;
  #finish: (code: number) => void = () => {};
  #stopping: Promise<void> | undefined;
  #drivers: DriverIndex = {};

  constructor(options: HostOptions) {
    this.#options = options;
    this.#log = this.#loggerOf(options.apps.length === 1 ? (options.apps[0]?.id ?? '') : 'proa');
    this.#owner = new Owner(options.ports.clock);
    this.#finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  get apps(): readonly RunningApp[] {
    return this.#apps;
  }

  get done(): Promise<number> {
    return this.#finished;
  }

  async start(): Promise<void> {
    this.#drivers = await findDrivers(this.#options.ports, this.#log);
    const loaded = await this.#loadAll();
    const machine = await this.#openMachine();
    const peers = await this.#openPeers(machine);
    for (const [i, spec] of this.#options.apps.entries()) {
      const app = new HostedApp({
        ...this.#options,
        log: this.#loggerOf(spec.id),
        spec,
        machine,
        peers,
        resources: loaded[i] as LoadedResources,
        drivers: this.#drivers,
        shutdown: (force) => this.#shutdown(force),
      });
      this.#apps.push(app);
      this.#owner.own(`app ${spec.id}`, () => app.close(), this.#options.shared.graceMs + 10_000);
      await app.open();
    }
  }

  stop(reason: string): Promise<void> {
    this.#stopping ??= this.#drain(reason);
    return this.#stopping;
  }

  async restart(): Promise<void> {
    this.#log.info('restarting inside the process');
    for (const app of this.#apps) await app.reopen(await this.#load(app.spec));
  }

  async close(): Promise<void> {
    for (const failure of await this.#owner.close())
      this.#log.warn(`${failure.name} did not close properly`, { error: closeFailureText(failure) });
  }

  async #drain(reason: string): Promise<void> {
    this.#log.info('stopping', { reason });
    await this.close();
    this.#log.info('stopped');
    this.#finish(0);
  }

  // The answer must reach the client first.
  #shutdown(force: boolean): void {
    const { clock } = this.#options.ports;
    if (force) clock.timer(100, () => this.#finish(1));
    else clock.timer(10, () => void this.stop('POST /v1.0/shutdown'));
  }

  async #loadAll(): Promise<LoadedResources[]> {
    const loaded: LoadedResources[] = [];
    for (const spec of this.#options.apps) loaded.push(await this.#load(spec));
    const wrong = loaded.filter((resources) => hasErrors(resources.problems));
    if (wrong.length > 0) {
      const texts = new Set(wrong.flatMap((resources) => resources.problems.map(renderProblem)));
      throw new ProaError('config.invalid', [...texts].join('\n\n'));
    }
    return loaded;
  }

  async #load(spec: AppSpec): Promise<LoadedResources> {
    const resources = await loadResources(loadOptions(this.#options.ports, spec, this.#drivers));
    if (resources.problems.length > 0) this.#options.events({ kind: 'problems', appId: spec.id, problems: resources.problems });
    return resources;
  }

  async #openMachine(): Promise<Machine> {
    const { ports, shared } = this.#options;
    const engines = await openMachineEngines(
      {
        ports,
        log: this.#log,
        directory: shared.dataDirectory,
        role: shared.mode === 'sidecar' ? 'sidecar' : 'host',
        ...(shared.database === undefined ? {} : { database: shared.database }),
      },
      this.#owner,
    );
    const client: HttpClient = createHttpClient({ ports });
    this.#owner.own('connections', () => client.close());
    const registry: Registry = createEngineRegistry({ engine: engines.local, clock: ports.clock, log: this.#log });
    this.#owner.own('registry', () => registry.close());
    const grpcPeers: Machine['grpcPeers'] = new Map();
    this.#owner.own('gRPC peers', () => grpcPeers.forEach((peer) => peer.close()));
    return { engine: engines.components, registry, client, local: new Map(), grpcPeers };
  }

  async #openPeers(machine: Machine): Promise<{ http: Address; grpc: Address }> {
    const { ports } = this.#options;
    const id = `${ports.process.pid}-${ports.random.u32().toString(36)}`;
    // Short, because a socket's path has at most 107 bytes; private, because whoever can connect is believed.
    const directory = `${ports.process.temporaryDirectory()}/proa-peers-${await userName(ports)}`;
    await ports.disk.makeDirectory(directory, 0o700);
    const peers = { http: { path: `${directory}/${id}.http` }, grpc: { path: `${directory}/${id}.grpc` } };
    const server = await servePeers(ports, peers.http, machine);
    this.#owner.own('peers', () => server.close());
    const grpc = await listenLazily(ports.network, peers.grpc, async () =>
      (await import('./grpc-proxy.ts')).createGrpcPeerServer(ports, machine),
    );
    this.#owner.own('gRPC peers', () => grpc.drain());
    return peers;
  }

  // A sidecar's log is its standard output (or a file); `run` prints the lines of many apps itself.
  #writer(appId: string): (line: string) => void {
    const { ports, shared, events } = this.#options;
    if (shared.logFile !== undefined) return appendTo(ports, shared.logFile);
    if (shared.mode === 'sidecar') return (line) => ports.process.writeOut(line);
    return (line) => events({ kind: 'log', appId, level: 'info', line: line.slice(0, -1) });
  }

  #loggerOf(appId: string): Logger {
    const { ports, shared } = this.#options;
    return createLogger({
      clock: ports.clock,
      format: shared.logFormat,
      embedded: shared.mode !== 'sidecar',
      level: shared.logLevel === 'warn' ? 'warning' : shared.logLevel,
      appId,
      instance: ports.process.hostName(),
      version,
      write: this.#writer(appId),
    });
  }
}

function userName(ports: Ports): Promise<string> {
  return Promise.resolve(
    (ports.process.env('USER') ?? ports.process.env('LOGNAME') ?? 'me').replace(/[^A-Za-z0-9_-]/g, '').slice(0, 24) || 'me',
  );
}

// Lines are written one after another; a log that cannot be written must not stop what it tells about.
function appendTo(ports: Ports, path: string): (line: string) => void {
  let position: Promise<number> = ports.disk.stat(path).then((stat) => stat?.sizeBytes ?? 0);
  const file = ports.disk.open(path, 'write');
  file.catch(() => {});
  return (line) => {
    const bytes = Buffer.from(line, 'utf8');
    position = position.then(async (at) => {
      await (await file).write([bytes], at);
      return at + bytes.length;
    });
    position.catch(() => {});
  };
}

function loadOptions(ports: Ports, spec: AppSpec, drivers: DriverIndex) {
  return {
    disk: ports.disk,
    paths: spec.resourcePaths,
    configPaths: spec.configPaths,
    appId: spec.id,
    namespace: spec.namespace,
    drivers,
    defaults: spec.defaults,
  };
}

interface HostedAppOptions extends HostOptions {
  readonly log: Logger;
  readonly spec: AppSpec;
  readonly machine: Machine;
  readonly peers: { readonly http: Address; readonly grpc: Address };
  readonly resources: LoadedResources;
  readonly drivers: DriverIndex;
  readonly shutdown: (force: boolean) => void;
}

/** One app of the host across restarts of its runtime: its ports stay what they were. */
class HostedApp implements RunningApp {
  readonly spec: AppSpec;
  readonly #options: HostedAppOptions;
  #sidecar: Sidecar | undefined;
  #bound: { readonly httpPort: number; readonly grpcPort: number };
  #current: LoadedResources;
  #turn: Promise<void> = Promise.resolve();
  #watching: { close(): Promise<void> } | undefined;
  #appPort: number | undefined;
  #ready!: Promise<void>;
  #markReady: () => void = () => {};

  constructor(options: HostedAppOptions) {
    this.#options = options;
    this.spec = options.spec;
    this.#bound = { httpPort: options.spec.httpPort, grpcPort: options.spec.grpcPort };
    this.#current = options.resources;
    this.#appPort = options.spec.appPort;
    this.#renewReady();
  }

  get id(): string {
    return this.spec.id;
  }

  get httpPort(): number {
    return this.#bound.httpPort;
  }

  get grpcPort(): number {
    return this.#bound.grpcPort;
  }

  get metricsPort(): number {
    return this.#sidecar?.metricsPort ?? 0;
  }

  get outboundReady(): Promise<void> {
    return Promise.resolve();
  }

  get ready(): Promise<void> {
    return this.#ready;
  }

  async open(): Promise<void> {
    await this.#open(this.#options.resources, this.spec);
    this.#watch();
  }

  async connect(appPort: number): Promise<void> {
    this.#appPort = appPort;
    this.#renewReady();
    await this.#sidecar?.connect(appPort);
  }

  async disconnect(): Promise<void> {
    this.#renewReady();
    await this.#sidecar?.disconnect();
  }

  putMetadata(key: string, value: string): void {
    this.#sidecar?.runtime.blocks.runtime.putMetadata(key, value);
  }

  reopen(resources: LoadedResources): Promise<void> {
    return this.#inTurn(() => this.#reopen(resources));
  }

  async #reopen(resources: LoadedResources): Promise<void> {
    const bound = this.#bound;
    // The watch goes on: it may be what asked for this.
    await this.#closeSidecar();
    this.#renewReady();
    const metrics = this.spec.metrics;
    const port = this.#appPort;
    await this.#open(resources, {
      ...this.spec,
      ...bound,
      ...(metrics === undefined ? {} : { metrics }),
      ...(port === undefined ? {} : { appPort: port }),
    });
  }

  async close(): Promise<void> {
    await this.#watching?.close();
    this.#watching = undefined;
    await this.#closeSidecar();
  }

  async #closeSidecar(): Promise<void> {
    await this.#sidecar?.close();
    this.#sidecar = undefined;
  }

  async #open(resources: LoadedResources, spec: AppSpec): Promise<void> {
    const { ports, log, machine, peers, shared, drivers, shutdown, events } = this.#options;
    const sidecar = await openSidecar({
      ports,
      log,
      spec,
      machine,
      resources,
      drivers,
      version,
      peers,
      graceMs: shared.graceMs,
      shutdown,
      becameReady: () => {
        this.#markReady();
        // `run` says so itself.
        if (shared.mode === 'sidecar') log.info('the app is ready');
        events({ kind: 'ready', appId: spec.id });
      },
    });
    this.#sidecar = sidecar;
    this.#current = resources;
    const { httpPort, grpcPort, metricsPort } = sidecar;
    this.#bound = { httpPort, grpcPort };
    events({ kind: 'listening', appId: spec.id, httpPort, grpcPort, ...(metricsPort === undefined ? {} : { metricsPort }) });
  }

  #watch(): void {
    const { ports, events, resources, drivers } = this.#options;
    const { spec } = this;
    this.#watching = watchResources({
      ...loadOptions(ports, spec, drivers),
      clock: ports.clock,
      initial: resources,
      reconcileMs: spec.reconcileMs,
      changed: (diff) => this.#reload(diff),
      rejected: (current) => events({ kind: 'problems', appId: spec.id, problems: current.problems }),
    });
  }

  async #reload(diff: ResourcesDiff): Promise<void> {
    const { events, log } = this.#options;
    const before = this.#current;
    try {
      if (diff.restart) await this.reopen(diff.current);
      else await this.#inTurn(() => this.#applyComponents(diff));
      events({ kind: 'reloaded', appId: this.spec.id, summary: summaryOf(diff) });
    } catch (error) {
      log.error('the changed files could not be put into effect; going on with what was there', { error: ProaError.from(error).message });
      if (this.#sidecar !== undefined) return;
      await this.reopen(before).catch((again: unknown) => log.error('nor could the former', { error: ProaError.from(again).message }));
    }
  }

  /** Restarts and reloads follow each other, whoever asked. */
  #inTurn(step: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(step);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #applyComponents({ components, subscriptions, current }: ResourcesDiff): Promise<void> {
    const sidecar = this.#sidecar;
    if (sidecar === undefined) return;
    const { blocks, components: manager, state } = sidecar.runtime;
    this.#current = current;
    const changed = [...components.changed, ...ofChangedSecrets(components, current)];
    await manager.apply({ added: [...components.added, ...changed], removed: [...changed, ...components.removed] });
    if (subscriptions.added.length + subscriptions.changed.length + subscriptions.removed.length === 0) return;
    sidecar.runtime.setSubscriptions(current.subscriptions.map((subscription) => subscription.spec));
    if (!state.appReady || state.channel === undefined) return;
    await blocks.pubsub.pause(this.#options.shared.graceMs);
    await blocks.pubsub.start();
  }

  #renewReady(): void {
    this.#ready = new Promise((resolve) => {
      this.#markReady = resolve;
    });
  }
}

type Changes = ResourcesDiff['components'];

/** Components whose secrets come from a store that is another one now: they are opened again with what it says. */
function ofChangedSecrets({ added, changed }: Changes, current: LoadedResources): LoadedResources['components'] {
  const touched = new Set([...added, ...changed].map(({ name }) => name));
  const stores = new Set([...added, ...changed].filter(({ kind }) => kind === 'secretstores').map(({ name }) => name));
  const found: LoadedResources['components'][number][] = [];
  const dependents = () =>
    current.components.filter(({ name, secretStore }) => secretStore !== undefined && stores.has(secretStore) && !touched.has(name));
  // A secret store may take its own secrets from another one.
  for (let next = dependents(); next.length > 0; next = dependents()) {
    for (const component of next) {
      touched.add(component.name);
      if (component.kind === 'secretstores') stores.add(component.name);
      found.push(component);
    }
  }
  return found;
}

function summaryOf(diff: Pick<ResourcesDiff, 'components' | 'subscriptions' | 'restart'>): string {
  if (diff.restart) return 'configuration changed: the runtime was restarted inside the process';
  const names = (list: readonly { readonly name: string }[]): string => list.map(({ name }) => name).join(', ');
  const both = (change: 'added' | 'changed' | 'removed') => [...diff.components[change], ...diff.subscriptions[change]];
  const [added, changed, removed] = [both('added'), both('changed'), both('removed')];
  return [
    ...(added.length > 0 ? [`added ${names(added)}`] : []),
    ...(changed.length > 0 ? [`changed ${names(changed)}`] : []),
    ...(removed.length > 0 ? [`removed ${names(removed)}`] : []),
  ].join('; ');
}
