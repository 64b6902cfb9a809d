import type { CommandContext } from './context.ts';
import { UsageError } from './parse-args.ts';
import { findRuns } from './run-registry.ts';

/** The app of --app-id, else the only one that runs on this machine. Fails with a UsageError when that does not tell. */
export async function onlyApp({ ports, command, args }: CommandContext): Promise<string> {
  const named = args.values['app-id'];
  if (named !== undefined) return named;
  const runs = (await findRuns(ports)).filter(({ alive }) => alive);
  const ids = [...new Set(runs.flatMap(({ record }) => record.apps.map(({ id }) => id)))];
  const [only] = ids;
  if (only !== undefined && ids.length === 1) return only;
  if (only === undefined) throw new UsageError('no runtime runs on this machine', 'proa list');
  throw new UsageError(`--app-id is needed: ${ids.length} apps run on this machine (${ids.slice(0, 8).join(', ')})`, command.examples[0]);
}
