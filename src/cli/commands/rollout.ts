import { workOnRollouts, type RolloutAction, type ShownRollout } from '../../host/rollout-tools.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { dataDirectory } from '../directories.ts';
import { databaseSetting } from '../engine-setting.ts';
import { UsageError, valueOrDefault } from '../parse-args.ts';
import { readPlan } from '../rollout-plan.ts';

/** `proa rollout start|status|promote|abort`: a new version of an app takes over step by step. */
export async function run(context: CommandContext): Promise<number> {
  const { ports, args, output } = context;
  const action = actionOf(context);
  const directory = dataDirectory(ports.process, args.values['data-dir'], undefined);
  const database = await databaseSetting(ports, args.values.engine);
  const shown = await workOnRollouts(ports, { directory, ...(database !== undefined && { database }) }, action);
  if (shown.length === 0 && action.kind === 'show' && action.app !== undefined) {
    output.error(`there is no rollout of ${action.app}`, 'begin one with proa rollout start');
    return exitCodes.notFound;
  }
  if (output.json) output.value(shown);
  else for (const rollout of shown) output.line(lineOf(rollout));
  return exitCodes.ok;
}

function actionOf({ ports, args }: CommandContext): RolloutAction {
  const namespace = ports.process.env('NAMESPACE') || 'default';
  const [kind, app, from, to, ...more] = args.positionals;
  if (kind === 'status' && from === undefined) return { kind: 'show', namespace, ...(app !== undefined && { app }) };
  if ((kind === 'promote' || kind === 'abort') && app !== undefined && from === undefined) return { kind, namespace, app };
  if (kind !== 'start' || app === undefined || from === undefined || to === undefined || more.length > 0)
    throw new UsageError(
      'start, status, promote or abort?',
      'proa rollout start orders v1 v2, proa rollout status, promote orders or abort orders',
    );
  const { values } = args;
  const plan = readPlan({
    app,
    from,
    to,
    namespace,
    steps: valueOrDefault(values, 'steps') ?? '',
    success: valueOrDefault(values, 'success') ?? '',
    latency: values.latency,
    errorsAbove: values['errors-above'],
    latencyFactor: values['latency-factor'],
    minRequests: valueOrDefault(values, 'min-requests') ?? 0,
    sticky: values.sticky,
  });
  return { kind: 'start', plan };
}

function lineOf({ app, from, to, state, step, steps, why, percent, calls }: ShownRollout): string {
  const where = state === 'running' ? `step ${step + 1} of ${steps.length}` : state;
  const counted = (version: string, { good, bad, text }: ShownRollout['calls']['from']) => `  ${version}: ${good + bad} calls, ${text}`;
  return `${app}  ${where}, ${percent} % for ${to} (${why})\n${counted(from, calls.from)}\n${counted(to, calls.to)}`;
}
