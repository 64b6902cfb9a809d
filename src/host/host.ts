import type { Registry } from '../contracts/resolver.ts';
import type { Engine } from '../contracts/engine.ts';
import { createEngineRegistry } from '../drivers/resolver-engine/engine-registry.ts';
import { ProaError } from '../kernel/errors.ts';
import { closeFailureText, Owner } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import type { Address, Listener } from '../kernel/ports.ts';
import { createLogger } from '../telemetry/log-lines.ts';
import type { HttpClient } from '../contracts/http-client.ts';
import { createHttpClient } from './http-client.ts';
import { outboundOf } from './outbound-client.ts';
import type { DriverIndex } from './config/check-component.ts';
import { loadResources } from './config/load-resources.ts';
import type { LoadedResources } from './config/model.ts';
import { logFields } from '../kernel/names.ts';
import { hasErrors, type Problem, renderProblem } from './config/problem.ts';
import type { AppSpec, HostOptions, RunningApp, RunningHost } from './host-api.ts';
import { HostedApp, loadOptions } from './hosted-app.ts';
import { IdleMemory } from './idle-memory.ts';
import { portOf } from './bound-port.ts';
import { apiAddresses } from './sidecar.ts';
import { appendTo, type AppendedLog } from './log-file.ts';
import { tellProblems } from './tell-problems.ts';
import type { Machine } from './machine.ts';
import { openMachineEngines } from './machine-engine.ts';
import { createMachinePeers } from './machine-peers.ts';
import { openPeerSocket } from './peers/open-socket.ts';
import { findDrivers } from './pluggable-drivers.ts';
import { version } from './version.ts';
import { answerHere, type Answered, type Questions } from './workers/questions.ts';
import { siblingSocket } from './workers/siblings.ts';
import { createKeepingNetwork, type KeepingNetwork } from './workers/inherited-network.ts';
import type { ServedApp, WorkerPool } from './workers/pool.ts';
import { onlyProcess, type ProcessRole } from './workers/role.ts';
import type { WorkerHost } from './workers/worker.ts';

/** Starts the runtimes of all apps in this process (see `StartHost`). */
export function startHost(options: HostOptions): Promise<RunningHost> {
  return startInRole(options, onlyProcess);
}

/** Starts them as one process of several; `role` is what it has to do with the others. */
export async function startInRole(options: HostOptions, role: ProcessRole): Promise<WorkerHost> {
  const host = new Host(options, role);
  try {
    await host.start();
  } catch (error) {
    await host.close();
    throw error;
  }
  return host;
}

class Host implements WorkerHost {
  readonly #options: HostOptions;
  readonly #log: Logger;
  readonly #logFile: AppendedLog | undefined;
  readonly #owner: Owner;
  readonly #apps: HostedApp[] = [];
  readonly #finished: Promise<number>;
  #finish: (code: number) => void = () => {};
  #stopping: Promise<void> | undefined;
  #drivers: DriverIndex = {};
  #role: ProcessRole;
  #pool: WorkerPool | undefined;
  #socket: Address | undefined;
  #own: Address | undefined;
  readonly #kept: KeepingNetwork | undefined;

  constructor(options: HostOptions, role: ProcessRole) {
    const workers = role.first ? (options.shared.workers ?? 1) : 1;
    this.#kept = workers > 1 ? createKeepingNetwork(options.ports.network) : undefined;
    this.#options = this.#kept === undefined ? options : { ...options, ports: { ...options.ports, network: this.#kept } };
    this.#role = role;
    const { logFile } = options.shared;
    this.#logFile = logFile === undefined || role.line !== undefined ? undefined : appendTo(options.ports, logFile);
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
    if (this.#kept !== undefined) await this.#preparePool(loaded);
    await this.#openProfiles();
    const idleMemory = new IdleMemory(this.#options.ports);
    this.#owner.own('idle memory', async () => idleMemory.close());
    const machine = await this.#openMachine();
    const { socket, own } = await this.#openSockets(machine);
    for (const [i, spec] of this.#options.apps.entries()) {
      const app = new HostedApp({
        ...this.#options,
        log: this.#loggerOf(spec.id),
        spec,
        machine,
        socket,
        own,
        resources: loaded[i] as LoadedResources,
        drivers: this.#drivers,
        shutdown: (force) => this.#shutdown(force),
        place: i,
        role: this.#role,
      });
      this.#apps.push(app);
      this.#owner.own(`app ${spec.id}`, () => app.close(), this.#options.shared.graceMs + 10_000);
      await app.open();
    }
    const pool = this.#pool;
    if (pool === undefined) return;
    this.#owner.own('workers', () => pool.stop(), this.#options.shared.graceMs + 15_000);
    await pool.start();
  }

  async expositionOf(app: number, format: 'prometheus' | 'openmetrics'): Promise<string> {
    return (await this.#apps[app]?.sidecar?.exposition(format)) ?? '';
  }

  async answer<Q extends keyof Questions>(app: number, question: Q, input: Questions[Q]['input']): Promise<Answered> {
    const runtime = this.#apps[app]?.sidecar?.runtime;
    if (runtime === undefined) return { failure: { code: 'unavailable', message: 'the runtime of this process is closed' } };
    return answerHere(runtime, question, input);
  }

  stop(reason: string): Promise<void> {
    this.#stopping ??= this.#drain(reason);
    return this.#stopping;
  }

  async restart(): Promise<void> {
    this.#log.info('restarting inside the process');
    for (const app of this.#apps) {
      const resources = await this.#load(app.spec);
      this.#tellProblems(app.spec.id, resources.problems);
      // What is left of files with errors might lack the policies.
      if (hasErrors(resources.problems)) this.#log.error('not restarted: the files have errors', { [logFields.appId]: app.spec.id });
      else await app.restart(resources);
    }
  }

  async close(): Promise<void> {
    for (const failure of await this.#owner.close())
      this.#log.warn(`${failure.name} did not close properly`, { error: closeFailureText(failure) });
    await this.#logFile?.flush();
  }

  async #drain(reason: string): Promise<void> {
    this.#log.info('stopping', { reason });
    const { blockShutdownMs } = this.#options.shared;
    if (blockShutdownMs !== undefined && blockShutdownMs > 0) {
      this.#log.info('events stop; the APIs stay open for a while', { duration: `${blockShutdownMs}ms` });
      await Promise.all(this.#apps.map((app) => app.linger(blockShutdownMs)));
    }
    await this.close();
    this.#log.info('stopped');
    await this.#logFile?.flush();
    this.#finish(0);
  }

  // The answer must reach the client first.
  #shutdown(force: boolean): void {
    if (this.#role.shutdown(force)) return;
    const { clock } = this.#options.ports;
    if (force) clock.timer(100, () => this.#finish(1));
    else clock.timer(10, () => void this.stop('POST /v1.0/shutdown'));
  }

  async #preparePool(loaded: readonly LoadedResources[]): Promise<void> {
    const { ports, shared, apps } = this.#options;
    const [{ WorkerPool: Pool }, { refuseUnshareable }] = [await import('./workers/pool.ts'), await import('./workers/unshareable.ts')];
    await refuseUnshareable(loaded, this.#drivers);
    this.#pool = new Pool({
      clock: ports.clock,
      process: ports.process,
      log: this.#log,
      count: (shared.workers ?? 1) - 1,
      shared,
      apps,
      served: () => this.#served(),
      putMetadata: (app, key, value) => this.#apps[app]?.sidecar?.runtime.blocks.runtime.putMetadata(key, value),
      answer: (app, question, input) => this.answer(app, question, input),
      shutdown: (force) => this.#shutdown(force),
      line: (appId, line) => (appId === undefined ? ports.process.writeErr(line) : this.#writer(appId)(line)),
    });
    this.#role = this.#pool;
  }

  /** The socket of all processes, under which others know the apps, and that of this process alone. */
  async #openSockets(machine: Machine): Promise<{ socket: Address; own: Address }> {
    const { ports } = this.#options;
    const socket = await openPeerSocket(ports, machine, {
      owner: this.#owner,
      announced: this.#role.announced?.socket,
      sharing: machine.sharing,
    });
    const alone = this.#role === onlyProcess;
    const own = alone ? socket : await openPeerSocket(ports, machine, { owner: this.#owner, announced: undefined });
    [this.#socket, this.#own] = [socket, own];
    return { socket, own };
  }

  #siblings(instance: string, hosts: (announced: string) => boolean): Address | undefined {
    const own = this.#own;
    if (own === undefined || this.#role === onlyProcess) return undefined;
    return siblingSocket({ own, first: this.#role.announced?.own, hosts }, instance);
  }

  #served(): { apps: ServedApp[]; socket: Listener; own: Address } {
    const socket = this.#socket === undefined ? undefined : this.#kept?.listenerAt(this.#socket);
    if (socket === undefined || this.#own === undefined) throw new ProaError('internal', 'the socket of this machine is closed');
    const apps = this.#apps.map((app) => {
      const instance = app.sidecar?.instance ?? '';
      return { spec: boundSpec(app), listeners: this.#listenersOf(app), appPort: app.appPort, instance };
    });
    return { apps, socket, own: this.#own };
  }

  #listenersOf(app: HostedApp): Listener[] {
    const mesh = app.sidecar?.mesh;
    return [...apiAddresses(boundSpec(app)), ...(mesh === undefined ? [] : [mesh])].flatMap(
      (address) => this.#kept?.listenerAt(address) ?? [],
    );
  }

  async #loadAll(): Promise<LoadedResources[]> {
    const loaded: LoadedResources[] = [];
    for (const spec of this.#options.apps) loaded.push(await this.#load(spec));
    const wrong = loaded.filter((resources) => hasErrors(resources.problems));
    if (wrong.length > 0) {
      const texts = new Set(wrong.flatMap((resources) => resources.problems.map(renderProblem)));
      throw new ProaError('config.invalid', [...texts].join('\n\n'));
    }
    // Warnings: of errors the one above tells.
    for (const [i, { problems }] of loaded.entries()) this.#tellProblems(this.#options.apps[i]?.id ?? '', problems);
    return loaded;
  }

  #load(spec: AppSpec): Promise<LoadedResources> {
    return loadResources(loadOptions(this.#options, spec, this.#drivers));
  }

  #tellProblems(appId: string, problems: readonly Problem[]): void {
    tellProblems({ ...this.#options, log: this.#loggerOf(appId) }, appId, problems);
  }

  /** One port for all apps: a profile is of the process. */
  async #openProfiles(): Promise<void> {
    const { ports, apps } = this.#options;
    const port = apps.find(({ profilePort }) => profilePort !== undefined)?.profilePort;
    if (port === undefined || ports.process.profiler === undefined) return;
    const { serveProfiles } = await import('./profiles.ts');
    const server = await serveProfiles(ports, ports.process.profiler, port);
    this.#owner.own('profiles', () => server.close());
    this.#log.info('profiles are served', { port: 'port' in server.address ? server.address.port : port });
  }

  async #openMachine(): Promise<Machine> {
    const { ports, shared } = this.#options;
    const engines = await openMachineEngines(
      {
        ports,
        log: this.#log,
        directory: shared.dataDirectory,
        role: !this.#role.first ? 'client' : shared.mode === 'sidecar' ? 'sidecar' : 'host',
        ...(shared.database === undefined ? {} : { database: shared.database }),
      },
      this.#owner,
    );
    const client: HttpClient = createHttpClient({ ports });
    this.#owner.own('connections', () => client.close());
    const registry = this.#openRegistry(engines.local);
    const databaseRegistry = engines.components === engines.local ? undefined : this.#openRegistry(engines.components);
    const { dataDirectory, identityDirectory } = shared;
    const peers = createMachinePeers({
      ports,
      log: this.#log,
      engine: engines.local,
      dataDirectory,
      ...(identityDirectory === undefined ? {} : { identityDirectory }),
    });
    this.#owner.own('connections to other runtimes', () => peers.close());
    const local: Machine['local'] = new Map();
    return {
      engine: engines.components,
      engineCounted: this.#role.first || engines.components !== engines.local,
      registry,
      ...(databaseRegistry !== undefined && { databaseRegistry }),
      client,
      outbound: outboundOf(ports, client),
      local,
      peers,
      siblings: (instance) => this.#siblings(instance, (announced) => local.has(announced)),
      sharing: this.#role.shared && { processes: this.#role.shared.processes, process: ports.random.u32() },
    };
  }

  #openRegistry(engine: Engine): Registry {
    const registry = createEngineRegistry({ engine, clock: this.#options.ports.clock, log: this.#log });
    this.#owner.own('registry', () => registry.close());
    return registry;
  }

  // A sidecar's log is its standard output (or a file); `run` prints the lines of many apps itself.
  #writer(appId: string): (line: string) => void {
    const { ports, shared, events } = this.#options;
    const { line } = this.#role;
    if (line !== undefined) return (text) => line(appId, text);
    const file = this.#logFile;
    if (file !== undefined) return (text) => file.add(text);
    if (shared.mode === 'sidecar') return (line) => ports.process.writeOut(line);
    return (text) => {
      for (const line of text.slice(0, -1).split('\n')) events({ kind: 'log', appId, level: 'info', line });
    };
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

/** The app's spec with the ports that it got. */
function boundSpec({ spec, httpPort, grpcPort, sidecar }: HostedApp): AppSpec {
  return { ...spec, httpPort, grpcPort, ...(sidecar?.mesh !== undefined && { internalGrpcPort: portOf(sidecar.mesh) }) };
}
