import { basename, join, resolve } from 'node:path';
import { problemsToError, renderProblem } from '../../host/config/problem.ts';
import { findRunFile, loadRunFile, runFileNames } from '../../host/config/run-file.ts';
import type { RestartPolicy, RunApp, RunFile } from '../../host/config/run-model.ts';
import type { AppSpec } from '../../host/host-api.ts';
import { isAppId, wrongAppId } from '../../kernel/app-name.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Ports } from '../../kernel/ports.ts';
import { specFromFlags, specFromRunApp } from '../app-spec.ts';
import type { CommandContext } from '../context.ts';
import type { FlagValues } from '../flags.ts';
import { UsageError } from '../parse-args.ts';
import { parseEnvFile } from './app-env.ts';
import { freePort } from './app-port.ts';

/** One process of an app with its runtime. An app with replicas appears once for each. */
export interface PlannedApp {
  /** Unique, for prefixes and files: the id, with a number when there are replicas. */
  readonly name: string;
  readonly app: RunApp;
  readonly spec: AppSpec;
  readonly replica: number;
  /** What the app is told in PORT. */
  readonly appPort: number;
  /** The app may listen elsewhere: watch it. */
  readonly findPort: boolean;
  readonly fromFiles: Readonly<Record<string, string>>;
}

export interface RunPlan {
  /** Where `.proa` lies. */
  readonly project: string;
  readonly apps: readonly PlannedApp[];
  readonly fromFile: boolean;
}

/** What a run consists of: a run file, or one app out of flags and command line. */
export async function planRun(context: CommandContext): Promise<RunPlan> {
  const { ports, args } = context;
  const cwd = ports.process.cwd();
  const named = args.values['run-file'];
  const single =
    args.rest.length > 0 ||
    args.values['app-id'] !== undefined ||
    args.values.attach !== undefined ||
    args.values['app-port'] !== undefined;
  const file = named !== undefined || !single ? await findRunFile(ports.disk, resolve(cwd, named ?? '.')) : undefined;
  if (file === undefined && named !== undefined)
    throw new UsageError(`there is no run file at ${named}`, `--run-file names one, or a folder that holds ${runFileNames.join(', ')}`);
  if (file === undefined && !single)
    throw new UsageError('nothing to run: there is no proa.yaml or dapr.yaml here', 'proa run -- <command>, or proa run -f <file>');
  const taken = new Set<number>();
  if (file === undefined) return { project: cwd, apps: [await planSingle(context, taken)], fromFile: false };
  if (args.rest.length > 0) throw new UsageError('a run file and a command exclude each other');
  const run = await readRunFile(context, file);
  const apps: PlannedApp[] = [];
  for (const app of run.apps) {
    for (let replica = 0; replica < app.replicas; replica++) apps.push(await planApp({ app, replica, taken, context }));
  }
  return { project: resolve(file, '..'), apps, fromFile: true };
}

async function readRunFile({ ports, output }: CommandContext, file: string): Promise<RunFile> {
  const { run, problems } = await loadRunFile(ports.disk, file);
  for (const problem of problems.filter(({ severity }) => severity === 'warning')) output.say(renderProblem(problem));
  const error = problemsToError(problems);
  if (error !== undefined || run === undefined) throw error ?? new ProaError('config.invalid', `${file} cannot be used`);
  return run;
}

async function planApp(from: { app: RunApp; replica: number; taken: Set<number>; context: CommandContext }): Promise<PlannedApp> {
  const { app: written, replica, taken, context } = from;
  const { ports, args } = context;
  const restart = restartFrom(args.values) ?? written.restart;
  // Ports of the file belong to the first replica; the others get free ones.
  const { appPort: _appPort, httpPort: _http, grpcPort: _grpc, metricsPort: _metrics, internalGrpcPort: _internal, ...portless } = written;
  const app: RunApp = replica === 0 ? { ...written, restart } : { ...portless, restart };
  const base = specFromFlags(app.id, args.values, ports.process);
  const spec = await withFreePorts(specFromRunApp(app, { ...base, defaults: 'missing-kinds' }), app, { ports, taken });
  const fixed = app.appPort !== undefined && app.appPort > 0;
  return {
    name: written.replicas > 1 ? `${app.id}-${replica + 1}` : app.id,
    app,
    spec: { ...spec, resourcePaths: await defaultResources(ports, spec.resourcePaths, written.dir) },
    replica,
    appPort: fixed ? (app.appPort as number) : await freePort(ports, 0, taken),
    findPort: !fixed && app.command !== undefined,
    fromFiles: await readEnvFiles(ports, app.envFiles),
  };
}

async function planSingle(context: CommandContext, taken: Set<number>): Promise<PlannedApp> {
  const { ports, args } = context;
  const { values, rest } = args;
  const cwd = ports.process.cwd();
  const id = values['app-id'] ?? (await projectName(ports, cwd));
  if (!isAppId(id)) throw new UsageError(wrongAppId(id));
  const given = values['app-port'] || values.attach;
  const spec = specFromFlags(id, { ...values, ...(given && { 'app-port': given }) }, ports.process);
  const app: RunApp = {
    id,
    dir: cwd,
    ...(rest.length > 0 && { command: rest }),
    ...(given && { appPort: given }),
    protocol: spec.appProtocol,
    channelAddress: spec.appChannelAddress,
    ...(values['dapr-http-port'] !== undefined && { httpPort: values['dapr-http-port'] }),
    ...(values['dapr-grpc-port'] !== undefined && { grpcPort: values['dapr-grpc-port'] }),
    ...(values['metrics-port'] !== undefined && { metricsPort: values['metrics-port'] }),
    env: {},
    envFiles: [],
    resources: spec.resourcePaths,
    configs: spec.configPaths,
    appLogs: 'fileAndConsole',
    runtimeLogs: 'console',
    replicas: 1,
    restart: restartFrom(values) ?? 'never',
    waits: [],
    origins: {},
  };
  const complete = await withFreePorts({ ...spec, defaults: 'missing-kinds' }, app, { ports, taken });
  return {
    name: id,
    app,
    spec: { ...complete, resourcePaths: await defaultResources(ports, spec.resourcePaths, cwd) },
    replica: 0,
    appPort: given || (await freePort(ports, 0, taken)),
    findPort: !given && rest.length > 0,
    fromFiles: {},
  };
}

function restartFrom(values: FlagValues): RestartPolicy | undefined {
  if (values['no-restart'] === true) return 'never';
  return values.restart as RestartPolicy | undefined;
}

/** Ports that were asked for stay; the others are the usual ones or the next that are free. */
async function withFreePorts(spec: AppSpec, app: RunApp, at: { ports: Ports; taken: Set<number> }): Promise<AppSpec> {
  const { ports, taken } = at;
  const { metrics } = spec;
  return {
    ...spec,
    httpPort: app.httpPort ?? (await freePort(ports, 3500, taken)),
    grpcPort: app.grpcPort ?? (await freePort(ports, 50_001, taken)),
    ...(metrics && { metrics: { ...metrics, port: app.metricsPort ?? (await freePort(ports, 9090, taken)) } }),
  };
}

/** Without a word about resources: `proa` or `.dapr/resources` of the app's folder, whichever is there. */
async function defaultResources(ports: Ports, given: readonly string[], directory: string): Promise<readonly string[]> {
  if (given.length > 0) return given;
  for (const path of [join(directory, 'proa'), join(directory, '.dapr/resources')]) {
    const stat = await ports.disk.stat(path).catch(() => undefined);
    if (stat?.kind === 'directory') return [path];
  }
  return [];
}

async function readEnvFiles(ports: Ports, files: readonly string[]): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const file of files) {
    const bytes = await ports.disk.readFile(file).catch((cause: unknown) => {
      throw new ProaError('config.invalid', `env_file ${file} cannot be read`, { cause });
    });
    Object.assign(values, parseEnvFile(new TextDecoder().decode(bytes)));
  }
  return values;
}

/** The package's name without its scope, or the folder's, made fit for an id. */
async function projectName(ports: Ports, cwd: string): Promise<string> {
  let name = basename(cwd);
  try {
    const bytes = await ports.disk.readFile(join(cwd, 'package.json'));
    const written = (JSON.parse(new TextDecoder().decode(bytes)) as { name?: unknown }).name;
    if (typeof written === 'string' && written !== '') name = written.replace(/^@[^/]*\//, '');
  } catch {
    // No package: the folder has a name as well.
  }
  const fit = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return fit === '' ? 'app' : fit;
}
