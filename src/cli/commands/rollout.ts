import type { Engine } from '../../contracts/engine.ts';
import { useEngine } from '../../host/engine-tools.ts';
import { percentOf, textOf, type Rollout, type StepTallies } from '../../mesh/rollout/rollout.ts';
import { beginRollout, endRollout, findRollout, listRollouts, readTallies } from '../../mesh/rollout/rollout-store.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { dataDirectory } from '../directories.ts';
import { databaseSetting } from '../engine-setting.ts';
import { UsageError, valueOrDefault } from '../parse-args.ts';
import { readPlan } from '../rollout-plan.ts';

const usage = 'proa rollout start orders v1 v2, proa rollout status, promote orders or abort orders';

/** `proa rollout start|status|promote|abort`: a new version of an app takes over step by step. */
export async function run(context: CommandContext): Promise<number> {
  const { ports, args, output } = context;
  const [action, app, ...more] = args.positionals;
  const work = workOf(context, { action, app, more });
  const directory = dataDirectory(ports.process, args.values['data-dir'], undefined);
  const database = await databaseSetting(ports, args.values.engine);
  const shown = await useEngine(ports, { directory, ...(database !== undefined && { database }) }, async (engine) => {
    const rollouts = await work(engine);
    return Promise.all(rollouts.map(async (rollout) => ({ rollout, tallies: await readTallies(engine, rollout) })));
  });
  if (shown.length === 0 && app !== undefined) {
    output.error(`there is no rollout of ${app}`, 'begin one with proa rollout start');
    return exitCodes.notFound;
  }
  if (output.json) output.value(shown.map(valueOf));
  else for (const each of shown) output.line(lineOf(each));
  return exitCodes.ok;
}

type Work = (engine: Engine) => Promise<readonly Rollout[]>;

function workOf(
  { ports, args }: CommandContext,
  { action, app, more }: { readonly action: string | undefined; readonly app: string | undefined; readonly more: readonly string[] },
): Work {
  const namespace = ports.process.env('NAMESPACE') || 'default';
  if (action === 'status' && more.length === 0)
    return async (engine) => {
      if (app === undefined) return (await listRollouts(engine, namespace)).map(({ rollout }) => rollout);
      const found = await findRollout(engine, namespace, app);
      return found === undefined ? [] : [found.rollout];
    };
  if ((action === 'promote' || action === 'abort') && app !== undefined && more.length === 0)
    return async (engine) => [await endRollout(engine, { namespace, app }, action === 'abort' ? 'aborted' : 'promoted')];
  const [from, to] = more;
  if (action !== 'start' || app === undefined || from === undefined || to === undefined || more.length > 2)
    throw new UsageError('start, status, promote or abort?', usage);
  const { values } = args;
  const plan = readPlan({
    app,
    from,
    to,
    namespace,
    steps: valueOrDefault(values, 'steps') ?? '',
    success: valueOrDefault(values, 'success') ?? '',
    latency: values.latency,
    minRequests: valueOrDefault(values, 'min-requests') ?? 0,
    sticky: values.sticky,
  });
  return async (engine) => [await beginRollout(engine, plan, ports.random.uuid())];
}

interface Shown {
  readonly rollout: Rollout;
  readonly tallies: StepTallies;
}

function valueOf({ rollout, tallies }: Shown): unknown {
  const calls = ({ good, bad }: { readonly good: number; readonly bad: number }) => ({ good, bad });
  return { ...rollout, percent: percentOf(rollout), calls: { from: calls(tallies.from), to: calls(tallies.to) } };
}

function lineOf({ rollout, tallies }: Shown): string {
  const { app, from, to, state, step, steps, why, gates } = rollout;
  const where = state === 'running' ? `step ${step + 1} of ${steps.length}` : state;
  const counted = (version: string, tally: StepTallies['from']) => `${version}: ${tally.good + tally.bad} calls, ${textOf(tally, gates)}`;
  return `${app}  ${where}, ${percentOf(rollout)} % for ${to} (${why})\n  ${counted(from, tallies.from)}\n  ${counted(to, tallies.to)}`;
}
