import { posix } from 'node:path';
import { isAppId, wrongAppId } from '../../kernel/app-name.ts';
import type { Disk } from '../../kernel/ports.ts';
import { readDaprRunFile } from './kinds/dapr-run-file.ts';
import { readProaRunFile } from './kinds/proa-run-file.ts';
import type { RunApp, RunFile, RunFileContext } from './run-model.ts';
import { sortProblems, type Problem } from './problem.ts';
import { readDocuments } from './read-files.ts';
import { valueAt } from './yaml.ts';

/** Names that are looked for in a folder, in this order. */
export const runFileNames = ['proa.yaml', 'proa.yml', 'dapr.yaml', 'dapr.yml'] as const;

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
  for (const id of ids) if (!isAppId(id)) fail(wrongAppId(id));
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
