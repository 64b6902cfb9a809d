import { dataDirectory } from '../directories.ts';
import { settingsFromFlags } from '../app-spec.ts';
import type { CommandContext } from '../context.ts';
import { databaseSetting } from '../engine-setting.ts';
import { UsageError } from '../parse-args.ts';
import { RunConsole } from '../run/console.ts';
import { withFreePorts } from '../run/free-ports.ts';
import { planRun } from '../run/plan.ts';
import { RunSession } from '../run/session.ts';

/** `proa run`: serves and supervises apps until they end or a signal comes. */
export async function run(context: CommandContext): Promise<number> {
  const { args } = context;
  if (args.values.kubernetes === true) throw new UsageError('`proa run -k` is not offered', 'deploy `proa sidecar` beside the application');
  return withFreePorts(() => runOnce(context));
}

async function runOnce(context: CommandContext): Promise<number> {
  const { ports, args, output } = context;
  const plan = await planRun(context);
  const console = new RunConsole(
    output,
    ports.clock,
    plan.apps.map(({ name }) => name),
  );
  const database = await databaseSetting(ports, args.values.engine);
  const settings = settingsFromFlags(args.values, {
    mode: 'run',
    ...(database !== undefined && { database }),
    dataDirectory: dataDirectory(ports.process, args.values['data-dir'], plan.fromFile ? plan.project : undefined),
    logFormat: args.values['log-as-json'] === true || output.json ? 'json' : 'human',
  });
  const startHost = await context.loadHost();
  return new RunSession({ ports, startHost, plan, settings, console }).run();
}
