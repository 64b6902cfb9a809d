import { resolve } from 'node:path';
import type { ExplainedStacks } from '../host/admin.ts';
import { renderProblem, hasErrors } from '../host/config/problem.ts';
import { explainCall } from '../host/explain.ts';
import { canonicalMethod } from '../kernel/method-path.ts';
import { askRuntimes, tellProblems } from './ask-runtimes.ts';
import { exitCodes, type CommandContext } from './context.ts';
import { UsageError } from './parse-args.ts';
import { printLayers } from './print-layers.ts';
import { findRuns } from './run-registry.ts';

interface Asked {
  readonly caller: string;
  readonly app: string;
  readonly method: string;
  readonly path: string;
}

/**
 * Prints the layers of a call to `app`: those in its caller's runtime, then those in its own. Running runtimes are asked what is in force; with
 * --resources-path or --config, or when neither app runs here, files are read. Exit code 3 when these have errors.
 */
export async function explainCallOf(context: CommandContext, app: string, rest: readonly string[]): Promise<number> {
  const { args, ports } = context;
  const { values } = args;
  const [method, target] = rest.length > 1 ? [(rest[0] as string).toUpperCase(), rest[1] as string] : ['GET', rest[0] as string];
  const path = canonicalMethod(target.split('?', 1)[0] ?? '');
  if (rest.length > 2 || !/^[A-Z]+$/.test(method) || 'error' in path)
    throw new UsageError('which call?', 'proa explain orders POST /orders/17');
  const asked: Asked = { caller: values['app-id'] ?? 'caller', app, method, path: path.path };
  if (values['resources-path'] !== undefined || values.config !== undefined) return explainFiles(context, asked);
  const runs = await findRuns(ports);
  const runsHere = runs.some(({ alive, record }) => alive && record.apps.some(({ id }) => id === app || id === asked.caller));
  return runsHere ? explainRunning(context, asked) : explainFiles(context, asked);
}

async function explainRunning(context: CommandContext, asked: Asked): Promise<number> {
  const { output } = context;
  const { caller, app, method, path } = asked;
  const query = new URLSearchParams({ caller, app, method, path: `/${path}` }).toString();
  const answers = await askRuntimes<ExplainedStacks>(context, `/proa/v1/explain?${query}`, [caller, app]);
  const code = tellProblems(answers, context);
  if (code !== exitCodes.ok) return code;
  const stacks = answers.flatMap((answer) => ('value' in answer ? [answer.value] : []));
  const calling = stacks.find((each) => each.caller !== undefined);
  const called = stacks.find((each) => each.callee !== undefined);
  if (output.json) {
    output.value({ caller: calling?.caller ?? [], callee: called?.callee ?? [] });
    return exitCodes.ok;
  }
  output.line(output.style('bold', `${method} /${path} from ${caller} to ${app}`));
  if (calling?.caller !== undefined)
    printLayers(`in the running runtime of ${caller}, policies version ${calling.epoch}`, calling.caller, context);
  else output.say(`${caller} does not run here: its half is not known`);
  if (called?.callee !== undefined)
    printLayers(`in the running runtime of ${app}, policies version ${called.epoch}`, called.callee, context);
  else output.say(`${app} does not run here: its half is not known`);
  return exitCodes.ok;
}

async function explainFiles(context: CommandContext, { caller, app, method, path }: Asked): Promise<number> {
  const { args, output, ports } = context;
  const absolute = (each: string): string => resolve(ports.process.cwd(), each);
  const explained = await explainCall({
    ports,
    paths: (args.values['resources-path'] ?? ['./resources']).map(absolute),
    configPaths: (args.values.config ?? []).map(absolute),
    namespace: ports.process.env('NAMESPACE') ?? '',
    caller,
    app,
    httpMethod: method,
    path,
    headers: [],
  });
  const { problems } = explained;
  if (output.json) output.value({ caller: explained.caller, callee: explained.callee });
  else {
    output.line(output.style('bold', `${method} /${path} from ${caller} to ${app}`));
    printLayers(`in the runtime of ${caller}`, explained.caller, context);
    printLayers(`in the runtime of ${app}`, explained.callee, context);
  }
  for (const problem of problems) output.error(renderProblem(problem));
  return hasErrors(problems) ? exitCodes.unsatisfied : exitCodes.ok;
}
