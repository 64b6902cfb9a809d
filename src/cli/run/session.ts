import { join } from 'node:path';
import { apiSocket } from '../../host/api-socket.ts';
import { renderProblem } from '../../host/config/problem.ts';
import type { HostEvent, HostSettings, RunningApp, RunningHost, StartHost } from '../../host/host-api.ts';
import type { Ports } from '../../kernel/ports.ts';
import { identify, RunRegistration, type RegisteredApp } from '../run-registry.ts';
import { StopWish } from '../stop-wish.ts';
import { appEnvironment } from './app-env.ts';
import { watchForPort } from './app-port.ts';
import { AppProcess, exitCodeOf, type AppExit } from './app-process.ts';
import type { RunEvent } from './console.ts';
import { LogFile } from './log-file.ts';
import { OrphanGuard } from './orphan-guard.ts';
import type { PlannedApp, RunPlan } from './plan.ts';

/** Apps get this long after SIGTERM; then their process groups are killed. */
const stopGraceMs = 10_000;
/** An app that others wait for must be ready by then; the others start in any case. */
const waitMaxMs = 60_000;

export interface SessionOptions {
  readonly ports: Ports;
  readonly startHost: StartHost;
  readonly plan: RunPlan;
  readonly settings: HostSettings;
  /** Told what happens. */
  readonly console: { emit(event: RunEvent): void };
}

interface Served {
  readonly planned: PlannedApp;
  readonly runtime: RunningApp;
  readonly log: LogFile | undefined;
  process: AppProcess | undefined;
  stopSearch: () => void;
  pid: number | undefined;
  appPort: number | undefined;
  connected: boolean;
}

/** One `proa run` from start to end: the host, the apps' processes, and what other commands see of them. */
export class RunSession {
  readonly #options: SessionOptions;
  readonly #registration: RunRegistration;
  readonly #guard: OrphanGuard;
  readonly #startedAtMs: number;
  #served: readonly Served[] = [];
  #host: RunningHost | undefined;
  /** What the host told before other commands could find this run; told once they can. */
  #held: HostEvent[] | undefined = [];
  #stopping: Promise<void> | undefined;
  #stopCode: number | undefined;
  #over = false;
  /** Apps that were ready once; a runtime whose app has no port yet does not count. */
  readonly #ready = new Set<string>();
  readonly #readyWaiters = new Set<() => void>();
  readonly #wish: StopWish;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#registration = new RunRegistration(options.ports);
    this.#guard = new OrphanGuard(options.ports);
    this.#wish = new StopWish(options.ports.clock);
    this.#startedAtMs = options.ports.clock.now();
  }

  /** Runs until the apps have ended, the host has, or a signal came; answers the exit code. Leaves no process behind. */
  async run(): Promise<number> {
    const { ports, console } = this.#options;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) ports.process.onSignal(signal, () => this.#signalled(signal));
    try {
      await this.#startHost();
      const ends: Promise<number>[] = [this.#startApps()];
      if (this.#host !== undefined) ends.push(this.#host.done);
      const code = await Promise.race(ends);
      await this.#stop('everything has ended');
      const exitCode = this.#stopCode ?? code;
      console.emit({ type: 'stopped', exitCode });
      return exitCode;
    } finally {
      await this.#stop('the run failed');
      // A signal may have come while the host was still starting.
      await this.#host?.stop('the run has ended');
      // From here on signals change nothing. They stay caught: without a listener the next one would end the process in the system's way, and
      // its exit code would be lost, up to the last moment of Node's own ending.
      this.#over = true;
    }
  }

  /** True once the run is being ended, for whatever reason. */
  get stopping(): boolean {
    return this.#stopping !== undefined || this.#stopCode !== undefined;
  }

  /** Ends the run as a signal would; `run` answers `exitCode` then. */
  stop(exitCode: number): Promise<void> {
    this.#stopCode ??= exitCode;
    return this.#stop('the work is done');
  }

  #signalled(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void {
    if (this.#over) return;
    const heard = this.#wish.hear();
    if (heard === 'again') {
      this.#stopCode = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal];
      for (const { process } of this.#served) process?.kill();
    } else if (heard === 'first') {
      // A drain that ends is no failure.
      this.#stopCode ??= 0;
      void this.#stop(signal);
    }
  }

  async #startHost(): Promise<void> {
    const { ports, plan, settings, startHost } = this.#options;
    const apps = plan.apps.map(({ spec }) => spec);
    this.#host = await startHost({ ports, apps, shared: settings, events: (event) => this.#hostEvent(event) });
    const served: Served[] = [];
    for (const [index, planned] of plan.apps.entries()) {
      const runtime = this.#host.apps[index] as RunningApp;
      const log = await this.#openLog(planned);
      served.push({
        planned,
        runtime,
        log,
        process: undefined,
        stopSearch: () => {},
        pid: undefined,
        appPort: planned.app.appPort,
        connected: false,
      });
    }
    this.#served = served;
    await this.#announce();
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const event of held) this.#hostEvent(event);
  }

  async #openLog({ app, name }: PlannedApp): Promise<LogFile | undefined> {
    if (app.command === undefined || app.appLogs === 'console') return undefined;
    const log = new LogFile(this.#options.ports, join(this.#options.plan.project, '.proa/logs', `${name}.log`));
    return (await log.open()) ? log : undefined;
  }

  #hostEvent(event: HostEvent): void {
    const { console } = this.#options;
    // Whoever waits for one of these goes on with a command, which looks for the run's record.
    if (this.#held !== undefined && (event.kind === 'listening' || event.kind === 'ready')) {
      this.#held.push(event);
      return;
    }
    if (event.kind === 'problems') {
      for (const problem of event.problems) console.emit({ type: 'problem', app: event.appId, message: renderProblem(problem) });
    } else if (event.kind === 'listening') {
      const { appId: app, httpPort, grpcPort, metricsPort } = event;
      console.emit({ type: 'listening', app, httpPort, grpcPort, ...(metricsPort !== undefined && { metricsPort }) });
    } else if (event.kind === 'ready') {
      this.#becameReady(event.appId);
    } else {
      const line = event.kind === 'reloaded' ? event.summary : event.line;
      const level = event.kind === 'reloaded' ? 'info' : event.level;
      console.emit({ type: 'log', level, line, ...(event.appId !== undefined && { app: event.appId }) });
    }
  }

  /** The runtime of an app whose process is still to be started says "ready" too early: nothing listens yet. */
  #becameReady(appId: string): void {
    const served = this.#served.filter(({ planned }) => planned.app.id === appId);
    if (!served.some(({ connected, planned }) => connected || planned.app.command === undefined)) return;
    this.#ready.add(appId);
    this.#options.console.emit({ type: 'ready', app: appId });
    for (const waiter of [...this.#readyWaiters]) waiter();
  }

  /** Starts every app when those it waits for are ready; resolves with the exit code once all have ended for good. */
  async #startApps(): Promise<number> {
    const own = this.#served.filter(({ planned }) => planned.app.command !== undefined);
    const exits = own.map(async (served) => {
      const ready = await this.#waitFor(served.planned.app.waits);
      if (!ready || this.#stopping !== undefined) return undefined;
      return this.#startApp(served);
    });
    // Without processes of our own only a signal or the host ends the run.
    if (own.length === 0) return new Promise<number>(() => {});
    const ended = await Promise.all(exits);
    return this.#exitCode(ended.filter((exit) => exit !== undefined));
  }

  #exitCode(exits: readonly AppExit[]): number {
    const codes = exits.map(exitCodeOf);
    if (this.#served.length === 1 && codes[0] !== undefined) return codes[0];
    return codes.every((code) => code === 0) ? 0 : 1;
  }

  async #waitFor(ids: readonly string[]): Promise<boolean> {
    const { clock } = this.#options.ports;
    const missing = (): boolean => this.#served.some(({ planned }) => ids.includes(planned.app.id) && !this.#ready.has(planned.app.id));
    if (!missing()) return this.#stopping === undefined;
    let check = (): void => {};
    const allReady = new Promise<void>((resolve) => {
      check = () => {
        if (!missing()) resolve();
      };
    });
    this.#readyWaiters.add(check);
    let cancel = (): void => {};
    const tooLong = new Promise<void>((resolve) => {
      const timer = clock.timer(waitMaxMs, resolve, true);
      cancel = () => timer.cancel();
    });
    await Promise.race([allReady, tooLong]);
    if (missing()) this.#tellWhatIsMissing(ids);
    this.#readyWaiters.delete(check);
    cancel();
    return this.#stopping === undefined;
  }

  /** Whoever waits is started in any case: the apps may need each other in ways that nobody wrote down. */
  #tellWhatIsMissing(ids: readonly string[]): void {
    if (this.#stopping !== undefined) return;
    for (const { planned, connected, pid } of this.#served) {
      if (!ids.includes(planned.app.id) || this.#ready.has(planned.app.id)) continue;
      const why = pid === undefined ? 'it does not run' : connected ? 'it does not answer on its port' : 'it never listened on a port';
      const line = `not ready after ${waitMaxMs / 1000} s: ${why}; the apps that wait for it are started now`;
      this.#options.console.emit({ type: 'log', app: planned.name, level: 'warn', line });
    }
  }

  async #startApp(served: Served): Promise<AppExit> {
    const { ports, console } = this.#options;
    const { planned, runtime, log } = served;
    const { app, name } = planned;
    const command = app.command as readonly string[];
    await runtime.outboundReady;
    const env = appEnvironment({
      app,
      runtime,
      appPort: planned.appPort,
      replica: planned.replica,
      fromFiles: planned.fromFiles,
      inherited: ports.process.environment(),
    });
    const process = new AppProcess({
      ports,
      name,
      command,
      cwd: app.dir,
      env,
      restart: app.restart,
      line: (stream, line) => {
        log?.add(line);
        if (app.appLogs !== 'file') console.emit({ type: 'output', app: name, stream, line });
      },
      started: (pid) => this.#started(served, pid),
      ended: (exit, more) => this.#ended(served, exit, more),
    });
    served.process = process;
    if (this.#stopping === undefined) process.start();
    else process.kill();
    return process.done;
  }

  #started(served: Served, pid: number): void {
    const { ports, console } = this.#options;
    const { planned, runtime } = served;
    const command = planned.app.command as readonly string[];
    served.pid = pid;
    this.#guard.watch(pid);
    console.emit({ type: 'started', app: planned.name, pid, command });
    runtime.putMetadata('cliPID', String(ports.process.pid));
    runtime.putMetadata('appPID', String(pid));
    runtime.putMetadata('appCommand', command.join(' '));
    void this.#announce();
    if (!planned.findPort) {
      if (planned.app.appPort !== undefined) this.#connect(served, planned.appPort);
      return;
    }
    const host = planned.app.channelAddress;
    const found = (port: number): void => {
      console.emit({ type: 'port', app: planned.name, port });
      this.#connect(served, port);
    };
    served.stopSearch = watchForPort({ ports, pid, told: planned.appPort, host, found });
  }

  #connect(served: Served, port: number): void {
    served.appPort = port;
    served.connected = true;
    void this.#announce();
    served.runtime.connect(port).catch((error: unknown) => {
      this.#options.console.emit({ type: 'log', app: served.planned.name, level: 'error', line: String(error) });
    });
  }

  #ended(served: Served, exit: AppExit, more: { lastErrors: readonly string[]; restartInMs?: number }): void {
    served.stopSearch();
    if (served.pid !== undefined) this.#guard.forget(served.pid);
    served.pid = undefined;
    void served.runtime.disconnect().catch(() => {});
    this.#options.console.emit({
      type: 'exited',
      app: served.planned.name,
      ...(exit.code !== undefined && { code: exit.code }),
      ...(exit.signal !== undefined && { signal: exit.signal }),
      ...(exit.error !== undefined && { error: `cannot be started: ${exit.why ?? exit.error.message}` }),
      ...more,
    });
    void this.#announce();
  }

  #announce(): Promise<boolean> {
    const { ports, plan, settings } = this.#options;
    if (this.#stopping !== undefined) return Promise.resolve(false);
    const apps = this.#served.map(({ planned, runtime, pid, appPort, log }): RegisteredApp => {
      const { command } = planned.app;
      const httpSocket = apiSocket(planned.spec, 'http');
      return {
        id: planned.app.id,
        httpPort: runtime.httpPort,
        grpcPort: runtime.grpcPort,
        ...(httpSocket !== undefined && { httpSocket }),
        ...(runtime.metricsPort !== undefined && { metricsPort: runtime.metricsPort }),
        ...(appPort && { appPort }),
        ...(pid !== undefined && { process: identify(ports, pid) }),
        ...(command && { command }),
        ...(log && { logFile: log.path }),
      };
    });
    const { mode, dataDirectory } = settings;
    const self = identify(ports, ports.process.pid);
    const place = { directory: plan.project, dataDirectory };
    return this.#registration.update({ version: 1, process: self, mode, startedAtMs: this.#startedAtMs, ...place, apps });
  }

  #stop(reason: string): Promise<void> {
    this.#stopping ??= this.#stopAll(reason);
    return this.#stopping;
  }

  /** Apps first, while their runtimes still answer them; then the host drains. */
  async #stopAll(reason: string): Promise<void> {
    const running = this.#served.filter(({ pid }) => pid !== undefined);
    if (running.length > 0) this.#options.console.emit({ type: 'stopping', reason });
    await Promise.all(this.#served.map(async ({ process }) => process?.stop(stopGraceMs)));
    this.#guard.close();
    await this.#host?.stop(reason);
    await Promise.all(this.#served.map(async ({ log }) => log?.close()));
    await this.#registration.remove();
  }
}
