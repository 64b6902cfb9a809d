import { resolve } from 'node:path';
import { lintResources } from '../../host/config/lint.ts';
import { renderProblem, type Problem } from '../../host/config/problem.ts';
import { findRunFile, loadRunFile } from '../../host/config/run-file.ts';
import type { CommandContext } from '../context.ts';
import type { Check, Finding } from './check.ts';

function findingOf(name: string, problems: readonly Problem[]): Finding {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const status = errors > 0 ? 'failed' : problems.length > 0 ? 'warning' : 'ok';
  const detail = problems.length === 0 ? 'fine' : `${counted(errors, 'error')}, ${counted(problems.length - errors, 'warning')}`;
  return { group: 'Project', name, status, detail, ...(problems.length > 0 && { fix: problems.map(renderProblem).join('\n\n') }) };
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

async function checkResources(
  context: CommandContext,
  appId: string,
  from: { paths: readonly string[]; configPaths: readonly string[] },
): Promise<Finding> {
  const { disk, process: system } = context.ports;
  const problems = await lintResources({ disk, ...from, appId, namespace: system.env('NAMESPACE') ?? '' });
  return findingOf(`resources of ${appId}`, problems);
}

/** Run file and resources, as `run` would read them. */
export const checkProject: Check = async (context) => {
  const { ports, args } = context;
  const cwd = ports.process.cwd();
  const absolute = (path: string): string => resolve(cwd, path);
  const paths = (args.values['resources-path'] ?? []).map(absolute);
  const configPaths = (args.values.config ?? []).map(absolute);
  const findings: Finding[] = [];
  if (paths.length > 0 || configPaths.length > 0) findings.push(await checkResources(context, 'doctor', { paths, configPaths }));
  const file = await findRunFile(ports.disk, absolute(args.values['run-file'] ?? '.'));
  if (file === undefined) return findings;
  const { run, problems } = await loadRunFile(ports.disk, file);
  findings.push(findingOf(file, problems));
  for (const app of run?.apps ?? [])
    findings.push(await checkResources(context, app.id, { paths: app.resources, configPaths: app.configs }));
  return findings;
};
