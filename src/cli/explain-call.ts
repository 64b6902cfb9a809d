import { resolve } from 'node:path';
import { renderProblem, hasErrors } from '../host/config/problem.ts';
import { useEngine } from '../host/engine-tools.ts';
import { explainCall, type ExplainedLayer } from '../host/explain.ts';
import { canonicalMethod } from '../kernel/method-path.ts';
import type { Rollout } from '../mesh/rollout/rollout.ts';
import { listRollouts } from '../mesh/rollout/rollout-store.ts';
import { exitCodes, type CommandContext } from './context.ts';
import { dataDirectory } from './directories.ts';
import { databaseSetting } from './engine-setting.ts';
import { UsageError } from './parse-args.ts';

/** Prints the layers of a call to `app`: those in its caller's runtime, then those in its own. Exit code 3 when the resources have errors. */
export async function explainCallOf(context: CommandContext, app: string, rest: readonly string[]): Promise<number> {
  const { args, output, ports } = context;
  const [method, target] = rest.length > 1 ? [(rest[0] as string).toUpperCase(), rest[1] as string] : ['GET', rest[0] as string];
  const path = canonicalMethod(target.split('?', 1)[0] ?? '');
  if (rest.length > 2 || !/^[A-Z]+$/.test(method) || 'error' in path)
    throw new UsageError('which call?', 'proa explain orders POST /orders/17');
  const absolute = (each: string): string => resolve(ports.process.cwd(), each);
  const caller = args.values['app-id'] ?? 'caller';
  const explained = await explainCall({
    ports,
    paths: (args.values['resources-path'] ?? ['./resources']).map(absolute),
    configPaths: (args.values.config ?? []).map(absolute),
    namespace: ports.process.env('NAMESPACE') ?? '',
    caller,
    app,
    httpMethod: method,
    path: path.path,
    headers: [],
    rollouts: await rolloutsOf(context),
  });
  const { problems } = explained;
  if (output.json) output.value({ caller: explained.caller, callee: explained.callee });
  else {
    output.line(output.style('bold', `${method} /${path.path} from ${caller} to ${app}`));
    print(`in the runtime of ${caller}`, explained.caller, context);
    print(`in the runtime of ${app}`, explained.callee, context);
  }
  for (const problem of problems) output.error(renderProblem(problem));
  return hasErrors(problems) ? exitCodes.unsatisfied : exitCodes.ok;
}

/** What the engine of --data-dir knows of rollouts; without the flag only files are looked at. */
async function rolloutsOf({ ports, args }: CommandContext): Promise<readonly Rollout[]> {
  const { values } = args;
  if (values['data-dir'] === undefined) return [];
  const database = await databaseSetting(ports, values.engine);
  const directory = dataDirectory(ports.process, values['data-dir'], undefined);
  const namespace = ports.process.env('NAMESPACE') || 'default';
  const stored = await useEngine(ports, { directory, ...(database !== undefined && { database }) }, (engine) =>
    listRollouts(engine, namespace),
  );
  return stored.map(({ rollout }) => rollout);
}

function print(title: string, layers: readonly ExplainedLayer[], { output }: CommandContext): void {
  output.line();
  output.line(`${title}, outermost first`);
  for (const { role, why, parameters } of layers) {
    output.line(`  ${output.style('bold', role.padEnd(12))} ${output.style('dim', why)}`);
    for (const [name, value] of Object.entries(parameters)) output.line(`  ${''.padEnd(12)} ${name}: ${String(value)}`);
  }
}
