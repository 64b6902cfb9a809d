import type { CommandContext } from './context.ts';
import { UsageError } from './parse-args.ts';
import { findRuns } from './run-registry.ts';
import { tellUnknownApp } from './unknown-app.ts';

/** The app of --app-id, else the only one that runs on this machine; the exit code when none runs, which is told. Fails with a UsageError when there are several. */
export async function onlyApp(context: CommandContext): Promise<string | number> {
  const { ports, command, args } = context;
  const named = args.values['app-id'];
  if (named !== undefined) return named;
  const runs = (await findRuns(ports)).filter(({ alive }) => alive);
  const ids = [...new Set(runs.flatMap(({ record }) => record.apps.map(({ id }) => id)))];
  const [only] = ids;
  if (only === undefined) return tellUnknownApp(context, undefined);
  if (ids.length === 1) return only;
  throw new UsageError(`--app-id is needed: ${ids.length} apps run on this machine (${ids.slice(0, 8).join(', ')})`, command.examples[0]);
}
