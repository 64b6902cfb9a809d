import { closest } from '../kernel/closest.ts';
import { exitCodes, type CommandContext } from './context.ts';
import { findRuns } from './run-registry.ts';

/** Says that no such app runs here, with a guess at which one was meant; the exit code. Without an id: that nothing runs. */
export async function tellUnknownApp(
  { ports, output }: Pick<CommandContext, 'ports' | 'output'>,
  appId: string | undefined,
): Promise<number> {
  if (appId === undefined) {
    output.error('no runtime runs on this machine', 'proa list');
    return exitCodes.notFound;
  }
  const runs = await findRuns(ports);
  const guess = closest(
    appId,
    runs.flatMap(({ record }) => record.apps.map(({ id }) => id)),
  );
  output.error(`no app "${appId}" runs on this machine`, guess === undefined ? 'proa list' : `did you mean ${guess}?`);
  return exitCodes.notFound;
}
