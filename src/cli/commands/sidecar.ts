import { sidecarSpec } from '../sidecar-spec.ts';
import { dataDirectory } from '../directories.ts';
import { settingsFromFlags } from '../app-spec.ts';
import { databaseSetting } from '../engine-setting.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { isProaError } from '../../kernel/errors.ts';
import { renderProblem } from '../../host/config/problem.ts';
import { apiSocket } from '../../host/api-socket.ts';
import type { HostEvent, RunningHost } from '../../host/host-api.ts';
import { identify, RunRegistration } from '../run-registry.ts';
import { StopWish } from '../stop-wish.ts';
import { tellError } from '../tell-error.ts';
import { waitForSidecar } from '../wait-for-sidecar.ts';

/** `proa sidecar`: daprd's behaviour (Dapr reference 11.1). Exit code 0 after a drained stop, 1 when the start failed. */
export async function run(context: CommandContext): Promise<number> {
  const { ports, args, output, version } = context;
  const { values } = args;
  if (values.version === true || values['build-info'] === true) {
    output.line(values['build-info'] === true ? `Version: ${version}\nNode: ${ports.process.nodeVersion}` : version);
    return exitCodes.ok;
  }
  if (values.wait === true) return waitForSidecar(ports, values, output);
  // daprd ignores them too, so that manifests with `--flag true` start; they are mostly a program that nobody will start.
  const [stray] = [...args.positionals, ...args.rest];
  if (stray !== undefined) output.warn(`"${stray}" has no effect: a sidecar starts no program (\`proa run -- <command>\` does)`);
  const spec = sidecarSpec(values, ports.process);
  const database = await databaseSetting(ports, values.engine);
  const settings = settingsFromFlags(values, {
    mode: 'sidecar',
    ...(database !== undefined && { database }),
    dataDirectory: dataDirectory(ports.process, values['data-dir'], undefined),
    logFormat: values['log-as-json'] === true ? 'json' : ports.process.isTerminal('stdout') ? 'human' : 'logfmt',
  });
  const stop = new StopSignals(ports);
  try {
    const startHost = await context.loadHost();
    const host = await startHost({ ports, apps: [spec], shared: settings, events: (event) => printProblems(event, context) });
    stop.attach(host);
    const registration = new RunRegistration(ports);
    const app = host.apps[0];
    const httpSocket = apiSocket(spec, 'http');
    await registration.update({
      version: 1,
      process: identify(ports, ports.process.pid),
      mode: 'sidecar',
      startedAtMs: ports.clock.now(),
      directory: ports.process.cwd(),
      dataDirectory: settings.dataDirectory,
      apps: [
        {
          id: spec.id,
          httpPort: app?.httpPort ?? spec.httpPort,
          grpcPort: app?.grpcPort ?? spec.grpcPort,
          ...(httpSocket !== undefined && { httpSocket }),
          ...(app?.metricsPort !== undefined && { metricsPort: app.metricsPort }),
          ...(spec.appPort !== undefined && { appPort: spec.appPort }),
        },
      ],
    });
    const code = await host.done;
    await registration.remove();
    return code;
  } catch (thrown) {
    if (!isProaError(thrown)) throw thrown;
    if (stop.asked) return exitCodes.ok;
    return tellError(thrown, context.command.name, output);
  } finally {
    stop.close();
  }
}

function printProblems(event: HostEvent, { output }: CommandContext): void {
  if (event.kind === 'problems') for (const problem of event.problems) output.say(renderProblem(problem));
}

/** SIGINT and SIGTERM stop, SIGHUP restarts inside the process; also while the host is still starting. A second stop signal ends at once. */
class StopSignals {
  readonly #wish: StopWish;
  #restartAsked = false;
  #host: RunningHost | undefined;
  #over = false;

  constructor({ process, clock }: CommandContext['ports']) {
    this.#wish = new StopWish(clock);
    const stop = (signal: string) => () => {
      // What was asked for is done; the process is about to exit with its own code.
      if (this.#over) return;
      const heard = this.#wish.hear();
      if (heard === 'again') process.exit(1);
      else if (heard === 'first') void this.#host?.stop(signal);
    };
    const restart = (): void => {
      if (this.#over) return;
      if (this.#host === undefined) this.#restartAsked = true;
      else void this.#host.restart();
    };
    process.onSignal('SIGINT', stop('SIGINT'));
    process.onSignal('SIGTERM', stop('SIGTERM'));
    process.onSignal('SIGHUP', restart);
  }

  get asked(): boolean {
    return this.#wish.asked;
  }

  attach(host: RunningHost): void {
    this.#host = host;
    if (this.asked) void host.stop('signal');
    else if (this.#restartAsked) void host.restart();
  }

  /** From here on signals change nothing. They stay caught: without a listener the next one would end the process in the system's way. */
  close(): void {
    this.#over = true;
  }
}
