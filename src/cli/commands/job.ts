import { askJson } from '../ask-json.ts';
import type { RuntimeCall } from '../call-runtime.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { harmless } from '../output.ts';
import { UsageError } from '../parse-args.ts';
import { jsonBody } from '../request-body.ts';
import { readVerb } from '../verbs.ts';

/** One job of `proa job list --json`; the shape is stable. */
interface JobRow {
  readonly name: string;
  readonly schedule?: string;
  readonly dueTime?: string;
  readonly repeats?: number;
  readonly ttl?: string;
  readonly missedRuns: string;
  readonly nextRun: string;
  readonly runs: number;
}

/** `proa job list|get|schedule|delete|run`: the jobs of a running app. `--app-id` may stand for the app in front. */
export async function run(context: CommandContext): Promise<number> {
  const [written, ...rest] = context.args.positionals;
  const named = context.args.values['app-id'];
  const positionals = written === undefined || named === undefined ? context.args.positionals : [written, named, ...rest];
  const { verb, names } = readVerb(context.command, { ...context.args, positionals });
  const [appId = '', name] = names;
  if (verb === 'list') return list(context, appId);
  if (verb === 'delete') return remove(context, appId, name);
  if (verb === 'get') return get(context, appId, name ?? '');
  if (verb === 'schedule') return schedule(context, appId, name ?? '');
  return change(context, { appId, method: 'POST', path: `${pathOf(name ?? '')}/run` });
}

function pathOf(name: string): string {
  return `/proa/v1/jobs/${encodeURIComponent(name)}`;
}

async function list(context: CommandContext, appId: string): Promise<number> {
  const answer = await asked(context, { appId, method: 'GET', path: '/proa/v1/jobs' });
  if (typeof answer === 'number') return answer;
  const { jobs } = answer.value as { readonly jobs: readonly JobRow[] };
  const { output } = context;
  if (output.json) output.value(jobs);
  else if (jobs.length === 0) output.say(`${appId} has no jobs`);
  else output.table([['NAME', 'SCHEDULE', 'NEXT RUN', 'RUNS', 'OF'], ...jobs.map(cells)]);
  return exitCodes.ok;
}

function cells({ name, schedule, nextRun, runs, repeats }: JobRow): string[] {
  return [harmless(name), harmless(schedule ?? 'once'), nextRun, String(runs), repeats === undefined ? '-' : String(repeats)];
}

async function get(context: CommandContext, appId: string, name: string): Promise<number> {
  const answer = await asked(context, { appId, method: 'GET', path: pathOf(name) });
  if (typeof answer === 'number') return answer;
  const { output } = context;
  if (output.json) output.value(answer.value);
  else for (const line of JSON.stringify(answer.value, undefined, 2).split('\n')) output.line(harmless(line));
  return exitCodes.ok;
}

async function schedule(context: CommandContext, appId: string, name: string): Promise<number> {
  const { values } = context.args;
  const body = await jsonBody(context);
  const job = {
    schedule: values.schedule,
    dueTime: values['due-time'],
    repeats: values.repeats,
    ttl: values.ttl,
    missedRuns: values['missed-runs'],
    overwrite: values.overwrite,
    ...(body !== undefined && { data: JSON.parse(new TextDecoder().decode(body)) as unknown }),
  };
  if (job.schedule === undefined && job.dueTime === undefined)
    throw new UsageError('--schedule or --due-time is needed', context.command.examples[1]);
  const path = `/v1.0/jobs/${encodeURIComponent(name)}`;
  return change(context, { appId, method: 'POST', path, contentType: 'application/json', body: Buffer.from(JSON.stringify(job)) });
}

async function remove(context: CommandContext, appId: string, name: string | undefined): Promise<number> {
  const { prefix } = context.args.values;
  if ((name === undefined) === (prefix === undefined))
    throw new UsageError('give the name of a job, or --prefix', 'proa job delete orders --prefix report-');
  const path = name === undefined ? `/proa/v1/jobs?prefix=${encodeURIComponent(prefix ?? '')}` : `/v1.0/jobs/${encodeURIComponent(name)}`;
  return change(context, { appId, method: 'DELETE', path });
}

async function change(context: CommandContext, call: RuntimeCall): Promise<number> {
  const answer = await asked(context, call);
  if (typeof answer === 'number') return answer;
  if (context.output.json) context.output.value({ ok: true });
  else context.output.say('done');
  return exitCodes.ok;
}

// The jobs API answers with one code per operation: what is wrong stands in its words.
function asked(context: CommandContext, call: RuntimeCall): Promise<{ readonly value: unknown } | number> {
  return askJson(context, call, {
    notFound: ({ message }) => message.includes('job not found'),
    hint: ({ message }) =>
      message.includes('job already exists')
        ? '--overwrite replaces it'
        : message.includes('job not found')
          ? `\`proa job list ${call.appId}\` shows those that are there`
          : undefined,
  });
}
