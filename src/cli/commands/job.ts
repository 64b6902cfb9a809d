import { type RuntimeCall, sendToRuntime } from '../call-runtime.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { harmless } from '../output.ts';
import { UsageError } from '../parse-args.ts';
import { requestBody } from '../request-body.ts';

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

/** `proa job list|get|schedule|delete|run`: the jobs of a running app. */
export async function run(context: CommandContext): Promise<number> {
  const [verb, appId, name, ...more] = context.args.positionals;
  if (verb === undefined || appId === undefined || more.length > 0) throw usage();
  if (verb === 'list' && name === undefined) return list(context, appId);
  if (verb === 'get' && name !== undefined) return get(context, appId, name);
  if (verb === 'schedule' && name !== undefined) return schedule(context, appId, name);
  if (verb === 'run' && name !== undefined) return change(context, { appId, method: 'POST', path: `${pathOf(name)}/run` });
  if (verb === 'delete') return remove(context, appId, name);
  throw usage();
}

function usage(): UsageError {
  return new UsageError('list, get, schedule, delete or run, and whose job?', 'proa job list orders, proa job run orders nightly');
}

function pathOf(name: string): string {
  return `/proa/v1/jobs/${encodeURIComponent(name)}`;
}

async function list(context: CommandContext, appId: string): Promise<number> {
  const answer = await asked(context, { appId, method: 'GET', path: '/proa/v1/jobs' });
  if (typeof answer === 'number') return answer;
  const { jobs } = answer as { readonly jobs: readonly JobRow[] };
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
  if (output.json) output.value(answer);
  else for (const line of JSON.stringify(answer, undefined, 2).split('\n')) output.line(harmless(line));
  return exitCodes.ok;
}

async function schedule(context: CommandContext, appId: string, name: string): Promise<number> {
  const { values } = context.args;
  const body = await requestBody(context);
  if (body !== undefined && body.contentType !== 'application/json') throw new UsageError('the data of a job must be JSON');
  const job = {
    schedule: values.schedule,
    dueTime: values['due-time'],
    repeats: values.repeats,
    ttl: values.ttl,
    missedRuns: values['missed-runs'],
    overwrite: values.overwrite,
    ...(body !== undefined && { data: JSON.parse(Buffer.from(body.bytes).toString('utf8')) as unknown }),
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

/** What the runtime answered, or the exit code of a failure that was told. */
async function asked(context: CommandContext, call: RuntimeCall): Promise<unknown> {
  const answer = await sendToRuntime(context, call);
  if (typeof answer === 'number') return answer;
  const text = new TextDecoder().decode(answer.body);
  if (answer.status >= 200 && answer.status < 300) return text === '' ? undefined : (JSON.parse(text) as unknown);
  const { errorCode = String(answer.status), message = text } = read(text);
  context.output.error(`${harmless(errorCode)}: ${harmless(message)}`);
  return /job not found/.test(message) ? exitCodes.notFound : exitCodes.failed;
}

function read(text: string): { readonly errorCode?: string; readonly message?: string } {
  try {
    return JSON.parse(text) as { errorCode?: string; message?: string };
  } catch {
    return {};
  }
}
