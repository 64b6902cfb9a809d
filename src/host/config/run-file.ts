import { posix } from 'node:path';
import type { Disk } from '../../kernel/ports.ts';
import { readDaprRunFile } from './kinds/dapr-run-file.ts';
import { readProaRunFile } from './kinds/proa-run-file.ts';
import { sortProblems, type Problem } from './problem.ts';
import { readDocuments } from './read-files.ts';
import { valueAt } from './yaml.ts';

/** What to do when an app's process ends by itself. */
export type RestartPolicy = 'always' | 'on-failure' | 'never';
export type LogDestination = 'console' | 'file' | 'fileAndConsole';

/** One app of a run file. Paths are absolute. Absent settings: the runtime's defaults. */
export interface RunApp {
  readonly id: string;
  readonly dir: string;
  /** Program and arguments; absent: an app that somebody else starts. A single line of shell is `['/bin/sh', '-c', line]`. */
  readonly command?: readonly string[];
  /** Absent: found by watching the process. 0: a free port that the app is told in PORT. */
  readonly appPort?: number;
  readonly protocol: 'http' | 'https' | 'grpc' | 'grpcs' | 'h2c';
  readonly channelAddress: string;
  readonly httpPort?: number;
  readonly grpcPort?: number;
  readonly internalGrpcPort?: number;
  readonly metricsPort?: number;
  readonly unixDomainSocket?: string;
  readonly env: Readonly<Record<string, string>>;
  /** `NAME=value` files, read before `env` applies. */
  readonly envFiles: readonly string[];
  readonly resources: readonly string[];
  readonly configs: readonly string[];
  readonly health?: { readonly path: string; readonly intervalMs: number; readonly timeoutMs: number; readonly threshold: number };
  readonly maxConcurrency?: number;
  readonly maxBodyBytes?: number;
  readonly readBufferBytes?: number;
  readonly logLevel?: string;
  readonly apiLogging?: boolean;
  readonly appLogs: LogDestination;
  readonly runtimeLogs: LogDestination;
  readonly replicas: number;
  readonly restart: RestartPolicy;
  /** Ids of apps that must be healthy first. */
  readonly waits: readonly string[];
}

export interface RunFile {
  readonly file: string;
  readonly name: string;
  /** Which format it was. */
  readonly format: 'dapr' | 'proa';
  readonly apps: readonly RunApp[];
}

/** Where relative paths of a run file begin. */
export interface RunFileContext {
  readonly disk: Disk;
  readonly file: string;
  readonly directory: string;
}

/** Names that are looked for in a folder, in this order. */
export const runFileNames = ['proa.yaml', 'proa.yml', 'dapr.yaml', 'dapr.yml'] as const;

/** An absolute path out of one that may be relative to the run file. */
export function pathOf(context: RunFileContext, path: string, base = context.directory): string {
  return posix.resolve(base, path);
}

/** The run file that `path` names: the file itself, or the first known name in the folder. */
export async function findRunFile(disk: Disk, path: string): Promise<string | undefined> {
  const stat = await disk.stat(path).catch(() => undefined);
  if (stat?.kind === 'file') return path;
  if (stat?.kind !== 'directory') return undefined;
  for (const name of runFileNames) {
    const file = posix.join(path, name);
    const found = await disk.stat(file).catch(() => undefined);
    if (found?.kind === 'file') return file;
  }
  return undefined;
}

/** Reads dapr.yaml or proa.yaml; which one it is, its content decides. `file` must be absolute. Undefined: see `problems`. */
export async function loadRunFile(disk: Disk, file: string): Promise<{ readonly run?: RunFile; readonly problems: readonly Problem[] }> {
  const problems: Problem[] = [];
  const [node, second] = await readDocuments(disk, file, problems);
  if (second !== undefined)
    problems.push({ severity: 'error', code: 'config.yaml', message: 'a run file holds one document', at: second.span });
  if (node === undefined) {
    if (problems.length === 0) problems.push({ severity: 'error', code: 'config.file', message: `${file} is empty` });
    return { problems };
  }
  const context: RunFileContext = { disk, file, directory: posix.dirname(file) };
  const isDapr = valueAt(node, 'apps')?.kind === 'list' || valueAt(node, 'common') !== undefined;
  const reading = { problems, origins: new Map<string, string>() };
  const run = isDapr ? await readDaprRunFile(node, context, reading) : readProaRunFile(node, context, reading);
  if (run !== undefined) checkApps(run, problems);
  const failed = problems.some(({ severity }) => severity === 'error');
  return { problems: sortProblems(problems), ...(run !== undefined && !failed && { run }) };
}

function checkApps(run: RunFile, problems: Problem[]): void {
  const ids = run.apps.map(({ id }) => id);
  const fail = (message: string): void =>
    void problems.push({ severity: 'error', code: 'config.wrong-value', message: `${run.file}: ${message}` });
  if (ids.length === 0) fail('there are no apps');
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) fail(`two apps have the id "${id}"`);
  for (const { id, waits } of run.apps) {
    for (const wait of waits) if (!ids.includes(wait)) fail(`app "${id}" waits for "${wait}", which is not in the file`);
  }
  const circle = findCircle(run.apps);
  if (circle !== undefined) fail(`apps wait for each other in a circle: ${circle.join(' → ')}`);
  const ports = new Map<number, string>();
  for (const app of run.apps) {
    for (const port of [app.appPort, app.httpPort, app.grpcPort, app.internalGrpcPort, app.metricsPort]) {
      if (port === undefined || port === 0) continue;
      const other = ports.get(port);
      if (other !== undefined) fail(`port ${port} is given twice (${other}, ${app.id})`);
      ports.set(port, app.id);
    }
  }
}

/** A circle of waits, its first app repeated at the end; undefined when there is none. */
function findCircle(apps: readonly RunApp[]): string[] | undefined {
  const waits = new Map(apps.map((app) => [app.id, app.waits]));
  const done = new Set<string>();
  const follow = (id: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(id)) return [...trail.slice(trail.indexOf(id)), id];
    if (done.has(id)) return undefined;
    for (const wait of waits.get(id) ?? []) {
      const circle = follow(wait, [...trail, id]);
      if (circle !== undefined) return circle;
    }
    done.add(id);
    return undefined;
  };
  for (const { id } of apps) {
    const circle = follow(id, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}
