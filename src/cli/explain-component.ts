import { resolve } from 'node:path';
import type { ExplainedComponent } from '../host/admin.ts';
import { hasErrors, renderProblem } from '../host/config/problem.ts';
import { explainComponentOf } from '../host/explain.ts';
import { ProaError } from '../kernel/errors.ts';
import { askRuntimes, tellProblems } from './ask-runtimes.ts';
import { exitCodes, type CommandContext } from './context.ts';
import { UsageError } from './parse-args.ts';
import { printLayers } from './print-layers.ts';
import { findRuns } from './run-registry.ts';

interface Asked {
  readonly component: string;
  readonly operation: string | undefined;
  /** Whose component; undefined: of every app that has it. */
  readonly appId: string | undefined;
}

/**
 * Prints the layers around a component. Running runtimes are asked what is in force; with --resources-path or --config, or when none runs here, files are
 * read. Exit code 3 when these have errors, 4 when no app has such a component.
 */
export async function explainComponents(context: CommandContext, component: string): Promise<number> {
  const { args, ports } = context;
  const { values, positionals } = args;
  const [operation, ...more] = positionals;
  if (component === '' || more.length > 0) throw new UsageError('which component?', 'proa explain --component statestore get');
  const asked: Asked = { component, operation, appId: values['app-id'] };
  if (values['resources-path'] !== undefined || values.config !== undefined) return explainFiles(context, asked);
  const runs = await findRuns(ports);
  const runsHere = runs.some(({ alive, record }) => alive && record.apps.some(({ id }) => asked.appId === undefined || id === asked.appId));
  return runsHere ? explainRunning(context, asked) : explainFiles(context, asked);
}

async function explainRunning(context: CommandContext, { component, operation, appId }: Asked): Promise<number> {
  const { output } = context;
  const query = operation === undefined ? '' : `?${new URLSearchParams({ operation }).toString()}`;
  const path = `/proa/v1/explain/${encodeURIComponent(component)}${query}`;
  const answers = await askRuntimes<ExplainedComponent>(context, path, appId === undefined ? undefined : [appId]);
  // Replicas of an app tell the same.
  const told = answers.flatMap((answer) => ('value' in answer ? [answer.value] : []));
  const found = [...new Map(told.map((each) => [JSON.stringify(each), each])).values()];
  // Runtimes of apps that do not have the component say so; that matters only when none has it.
  if (found.length === 0) {
    if (!answers.every((answer) => 'problem' in answer && answer.status === 404)) return tellProblems(answers, context);
    const whose = appId === undefined ? 'no app of this machine has a' : `app "${appId}" has no`;
    const guess = answers.flatMap((answer) => ('problem' in answer ? [answer.hint ?? ''] : [])).find((hint) => hint !== '');
    output.error(`${whose} component "${component}"`, guess ?? 'its name is the one in the metadata of its resource');
    return exitCodes.notFound;
  }
  if (output.json) output.value(found);
  else for (const each of found) print(each, `in the running runtime of ${each.app}, policies version ${each.epoch}`, context);
  return exitCodes.ok;
}

async function explainFiles(context: CommandContext, { component, operation, appId = 'caller' }: Asked): Promise<number> {
  const { args, output, ports } = context;
  const absolute = (each: string): string => resolve(ports.process.cwd(), each);
  const place = {
    ports,
    paths: (args.values['resources-path'] ?? ['./resources']).map(absolute),
    configPaths: (args.values.config ?? []).map(absolute),
    namespace: ports.process.env('NAMESPACE') ?? '',
  };
  try {
    const { problems, explained } = await explainComponentOf(place, appId, { component, ...(operation !== undefined && { operation }) });
    if (output.json) output.value([explained]);
    else print(explained, `in the runtime of ${appId}`, context);
    for (const problem of problems) output.error(renderProblem(problem));
    return hasErrors(problems) ? exitCodes.unsatisfied : exitCodes.ok;
  } catch (thrown) {
    const { code, message, hint } = ProaError.from(thrown);
    if (code !== 'not-found' && code !== 'bad-request') throw thrown;
    const { 'app-id': named, 'resources-path': written = ['./resources'] } = args.values;
    if (code === 'bad-request' || named !== undefined) output.error(message, hint);
    else output.error(`there is no component "${component}" in ${written.join(', ')}`, hint ?? '--resources-path names other folders');
    return exitCodes.notFound;
  }
}

const callsOf = { outbound: 'calls of the app', inbound: 'deliveries to the app' } as const;

function print({ component, type, stacks }: ExplainedComponent, where: string, context: CommandContext): void {
  context.output.line(context.output.style('bold', `${component} (${type}) ${where}`));
  for (const { direction, operation, layers } of stacks)
    printLayers(`${callsOf[direction]}, ${operation ?? 'any operation that no policy names'}`, layers, context);
}
