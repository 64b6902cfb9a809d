import { resolve } from 'node:path';
import { workOnRollouts, type RolloutAction, type ShownRollout } from '../../host/rollout-tools.ts';
import { closest } from '../../kernel/closest.ts';
import type { Ports } from '../../kernel/ports.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { dataDirectoryHere } from '../directories.ts';
import { databaseSetting } from '../engine-setting.ts';
import { valueOrDefault } from '../parse-args.ts';
import { readPlan } from '../rollout-plan.ts';
import { findRuns } from '../run-registry.ts';
import { readVerb } from '../verbs.ts';

/** `proa rollout start|status|promote|abort`: a new version of an app takes over step by step. */
export async function run(context: CommandContext): Promise<number> {
  const { ports, args, output } = context;
  const action = actionOf(context);
  const directory = args.values['data-dir'] ?? (await dataDirectoryOf(ports, appOf(action))) ?? (await dataDirectoryHere(ports, undefined));
  const database = await databaseSetting(ports, args.values.engine);
  if (action.kind === 'start' && database === undefined) await warnOfUnknown(context, action.plan.app);
  const shown = await workOnRollouts(
    ports,
    { directory: resolve(ports.process.cwd(), directory), ...(database !== undefined && { database }) },
    action,
  );
  if (shown.length === 0 && action.kind === 'show' && action.app !== undefined) {
    output.error(`there is no rollout of ${action.app}`, 'begin one with proa rollout start');
    return exitCodes.notFound;
  }
  if (output.json) output.value(shown);
  else if (shown.length === 0) output.say('no rollouts');
  else for (const rollout of shown) output.line(lineOf(rollout));
  return exitCodes.ok;
}

/** A rollout waits for its app, however long: of one that is misspelt nobody would ever hear. A database may have it run elsewhere. */
async function warnOfUnknown({ ports, output }: CommandContext, app: string): Promise<void> {
  const apps = (await findRuns(ports)).flatMap(({ alive, record }) => (alive ? record.apps.map(({ id }) => id) : []));
  if (apps.length === 0 || apps.includes(app)) return;
  const guess = closest(app, apps);
  output.warn(`no app "${app}" runs on this machine; the rollout waits for it${guess === undefined ? '' : `. Did you mean ${guess}?`}`);
}

function appOf(action: RolloutAction): string | undefined {
  return action.kind === 'start' ? action.plan.app : action.app;
}

/** Where what runs on this machine keeps its data: what serves the app, or without one everything. Undefined: nothing runs, or not all in one place. */
async function dataDirectoryOf(ports: Ports, app: string | undefined): Promise<string | undefined> {
  if (ports.process.env('PROA_DATA_DIR')) return undefined;
  const runs = (await findRuns(ports)).filter(
    ({ alive, record }) => alive && (app === undefined || record.apps.some(({ id }) => id === app)),
  );
  const [only, ...others] = new Set(runs.map(({ record }) => record.dataDirectory));
  return others.length === 0 ? only : undefined;
}

function actionOf({ ports, args, command }: CommandContext): RolloutAction {
  const namespace = ports.process.env('NAMESPACE') || 'default';
  const { verb, names } = readVerb(command, args);
  const [app = '', from = '', to = ''] = names;
  if (verb === 'status') return { kind: 'show', namespace, ...(app !== '' && { app }) };
  if (verb === 'promote' || verb === 'abort') return { kind: verb, namespace, app };
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
  const counted = (version: string, { good, bad, text }: ShownRollout['calls']['from']) =>
    `  ${version}: ${good + bad === 0 ? text : `${good + bad} calls, ${text}`}`;
  return `${app}  ${where}, ${percent} % for ${to} (${why})\n${counted(from, calls.from)}\n${counted(to, calls.to)}`;
}
