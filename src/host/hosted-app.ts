import { ProaError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import type { Address } from '../kernel/ports.ts';
import { AbsentTargets } from './absent-targets.ts';
import { applyChanges, summaryOf } from './apply-changes.ts';
import type { DriverIndex } from './config/check-component.ts';
import type { LoadedResources } from './config/model.ts';
import { type Problem, renderProblem } from './config/problem.ts';
import { type ResourcesDiff, watchResources } from './config/watch-resources.ts';
import type { AppSpec, HostOptions, RunningApp } from './host-api.ts';
import type { Machine } from './machine.ts';
import { openSidecar, type Sidecar } from './sidecar.ts';
import { tellProblems } from './tell-problems.ts';
import type { ProcessRole } from './workers/role.ts';
import { version } from './version.ts';

/** What `loadResources` and `watchResources` need to know of an app. */
export function loadOptions({ ports, apps, shared }: HostOptions, spec: AppSpec, drivers: DriverIndex) {
  return {
    // A sidecar cannot know which apps others run.
    ...(shared.mode === 'run' && { knownApps: apps.map(({ id }) => id) }),
    disk: ports.disk,
    paths: spec.resourcePaths,
    configPaths: spec.configPaths,
    appId: spec.id,
    namespace: spec.namespace,
    drivers,
    defaults: spec.defaults,
  };
}

export interface HostedAppOptions extends HostOptions {
  readonly log: Logger;
  readonly spec: AppSpec;
  readonly machine: Machine;
  /** Where runtimes of this machine reach the app. */
  readonly socket: Address;
  /** The socket that this process alone accepts on. */
  readonly own: Address;
  readonly resources: LoadedResources;
  readonly drivers: DriverIndex;
  readonly shutdown: (force: boolean) => void;
  /** The app's place in `apps`. */
  readonly place: number;
  readonly role: ProcessRole;
}

/** One app of the host across restarts of its runtime: its ports stay what they were. */
export class HostedApp implements RunningApp {
  readonly spec: AppSpec;
  readonly #options: HostedAppOptions;
  #sidecar: Sidecar | undefined;
  #absent: AbsentTargets | undefined;
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

  get appPort(): number | undefined {
    return this.#appPort;
  }

  /** The app's runtime; undefined while it is closed. */
  get sidecar(): Sidecar | undefined {
    return this.#sidecar;
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
    const { role, place } = this.#options;
    await Promise.all([this.#sidecar?.connect(appPort), role.connected(place, appPort)]);
  }

  async disconnect(): Promise<void> {
    this.#appPort = undefined;
    this.#renewReady();
    const { role, place } = this.#options;
    await Promise.all([this.#sidecar?.disconnect(), role.connected(place, undefined)]);
  }

  async linger(forMs: number): Promise<void> {
    await this.#sidecar?.linger(forMs);
  }

  putMetadata(key: string, value: string): void {
    this.#sidecar?.runtime.blocks.runtime.putMetadata(key, value);
  }

  /** Closes and opens again, with what was there when that cannot be done with these; then it is said. */
  async restart(resources: LoadedResources): Promise<void> {
    await this.#orAsBefore(() => this.#reopenAlone(resources));
  }

  #reopenAlone(resources: LoadedResources): Promise<void> {
    return this.#inTurn(() => this.#options.role.alone(() => this.#reopen(resources)));
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
    this.#absent?.close();
    await this.#sidecar?.close();
    this.#sidecar = undefined;
  }

  async #open(resources: LoadedResources, spec: AppSpec): Promise<void> {
    const { ports, log, machine, socket, own, shared, drivers, shutdown, events, place, role } = this.#options;
    const sidecar = await openSidecar({
      ports,
      log,
      spec,
      machine,
      resources,
      drivers,
      version,
      socket,
      own,
      graceMs: shared.graceMs,
      shutdown,
      place,
      role,
      becameReady: () => {
        this.#markReady();
        // `run` says so itself.
        if (shared.mode === 'sidecar') log.info('the app is ready');
        events({ kind: 'ready', appId: spec.id });
      },
    });
    this.#sidecar = sidecar;
    this.#current = resources;
    if (shared.mode === 'sidecar' && role.first) {
      const { registry } = sidecar.runtime;
      this.#absent = new AbsentTargets({
        clock: ports.clock,
        log,
        namespace: spec.namespace,
        resolver: registry,
        announced: async () => (await registry.list()).map(({ appId }) => appId),
      });
      this.#absent.read(resources);
    }
    const { httpPort, grpcPort, metricsPort } = sidecar;
    this.#bound = { httpPort, grpcPort };
    events({ kind: 'listening', appId: spec.id, httpPort, grpcPort, ...(metricsPort === undefined ? {} : { metricsPort }) });
  }

  #watch(): void {
    const { ports, log, resources, drivers, role } = this.#options;
    const { spec } = this;
    this.#watching = watchResources({
      ...loadOptions(this.#options, spec, drivers),
      clock: ports.clock,
      initial: resources,
      reconcileMs: spec.reconcileMs,
      changed: (diff) => this.#reload(diff),
      rejected: ({ problems }) => {
        this.#tell(problems);
        if (role.first) log.warn('the files have errors: what was in effect stays');
      },
      mended: () => this.#reloaded('the files have no errors any more, and say what is in effect'),
    });
  }

  #reloaded(summary: string): void {
    const { events, log, shared, role } = this.#options;
    // `run` says so itself.
    if (shared.mode === 'sidecar' && role.first) log.info(`the files are in effect: ${summary}`);
    events({ kind: 'reloaded', appId: this.spec.id, summary });
  }

  /** Problems that were not there before; of several processes the first tells them. */
  #tell(problems: readonly Problem[], before: readonly Problem[] = []): void {
    if (!this.#options.role.first) return;
    const known = new Set(before.map(renderProblem));
    tellProblems(
      this.#options,
      this.spec.id,
      problems.filter((problem) => !known.has(renderProblem(problem))),
    );
  }

  async #reload(diff: ResourcesDiff): Promise<void> {
    // The first process restarts its workers when it restarts.
    if (diff.restart && !this.#options.role.first) return;
    const { problems } = this.#current;
    const done = await this.#orAsBefore(() =>
      diff.restart ? this.#reopenAlone(diff.current) : this.#inTurn(() => this.#applyChanges(diff)),
    );
    if (!done) return;
    this.#tell(diff.current.problems, problems);
    this.#reloaded(summaryOf(diff));
  }

  /** Answers whether it worked; otherwise it is said, and what was there goes on. */
  async #orAsBefore(step: () => Promise<void>): Promise<boolean> {
    const { log } = this.#options;
    const before = this.#current;
    try {
      await step();
      return true;
    } catch (error) {
      log.error('the files could not be put into effect; going on with what was there', { error: ProaError.from(error).message });
      if (this.#sidecar === undefined) await this.#reopenAlone(before).catch((again: unknown) => this.#gone(again));
      return false;
    }
  }

  /** A sidecar that serves nothing ends, so that whoever supervises it begins it anew; beside other apps it waits for better files. */
  #gone(error: unknown): void {
    const { log, shared, shutdown } = this.#options;
    log.error('nor could the former', { error: ProaError.from(error).message });
    if (shared.mode === 'sidecar') shutdown(true);
  }

  /** Restarts and reloads follow each other, whoever asked. */
  #inTurn(step: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(step);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #applyChanges(diff: ResourcesDiff): Promise<void> {
    if (this.#sidecar === undefined) return;
    this.#current = diff.current;
    this.#absent?.read(diff.current);
    await applyChanges(this.#sidecar.runtime, diff, this.#options.shared.graceMs);
  }

  #renewReady(): void {
    this.#ready = new Promise((resolve) => {
      this.#markReady = resolve;
    });
  }
}
