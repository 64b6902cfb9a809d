import { askJson } from '../ask-json.ts';
import { askRuntimes, tellProblems } from '../ask-runtimes.ts';
import { callRuntime } from '../call-runtime.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { harmless, type Output } from '../output.ts';
import { requestBody } from '../request-body.ts';
import { findRuns } from '../run-registry.ts';
import { readVerb } from '../verbs.ts';

interface TypeView {
  readonly type: string;
  readonly count: number;
  readonly ready: boolean;
  readonly ids: readonly string[];
}

/** One reminder of `proa actor reminders --json`; the shape is stable. */
interface ReminderRow {
  readonly id: string;
  readonly name: string;
  readonly next: string;
  readonly dueTime?: string;
  readonly period?: string;
  readonly ttl?: string;
}

/** `proa actor`: looks at the actors of the runtimes of this machine, and calls them. */
export async function run(context: CommandContext): Promise<number> {
  const { verb, names } = readVerb(context.command, context.args.positionals);
  const [type = '', id, method = ''] = names;
  const path = `/proa/v1/actors/${encodeURIComponent(type)}`;
  const actor = `${path}/${encodeURIComponent(id ?? '')}`;
  switch (verb) {
    case 'list':
      return list(context);
    case 'invoke':
      return invoke(context, `/v1.0/actors/${encodeURIComponent(type)}/${encodeURIComponent(id ?? '')}/method/${method}`);
    case 'state':
      return ask(context, { type, method: 'GET', path: `${actor}/state`, print: printState });
    case 'reminders':
      return ask(context, {
        type,
        method: 'GET',
        path: `${path}/reminders${id === undefined ? '' : `?id=${encodeURIComponent(id)}`}`,
        print: printReminders,
      });
    default:
      return ask(context, { type, ...(id !== undefined && { id }), method: 'POST', path: `${actor}/deactivate`, print: printDone });
  }
}

async function list(context: CommandContext): Promise<number> {
  const { args, output } = context;
  const { 'app-id': appId } = args.values;
  const answers = await askRuntimes<{ readonly types: readonly TypeView[] }>(
    context,
    '/proa/v1/actors',
    appId === undefined ? undefined : [appId],
  );
  if (answers.length === 0) {
    output.error(appId === undefined ? 'no runtime runs on this machine' : `no app "${appId}" runs on this machine`, 'proa list');
    return exitCodes.notFound;
  }
  const code = tellProblems(answers, context);
  const rows = answers.flatMap((answer) => ('value' in answer ? answer.value.types.map((each) => ({ appId: answer.appId, ...each })) : []));
  if (output.json) output.value(rows);
  else if (rows.length === 0) output.say('no app of this machine hosts actors');
  else
    output.table([
      ['APP ID', 'TYPE', 'ACTIVE', 'HOSTED', 'IDS'],
      ...rows.map((row) => [
        row.appId,
        row.type,
        String(row.count),
        row.ready ? 'yes' : 'not yet',
        harmless(row.ids.slice(0, 5).join(' ') + (row.count > 5 ? ' …' : '')),
      ]),
    ]);
  return code;
}

async function invoke(context: CommandContext, path: string): Promise<number> {
  const body = await requestBody(context);
  const appId = context.args.values['app-id'] ?? (await anyApp(context));
  if (appId === undefined) return nothingRuns(context);
  return callRuntime(context, { appId, method: 'POST', path, ...(body && { body: body.bytes, contentType: body.contentType }) });
}

interface Question {
  readonly type: string;
  /** The runtime is meant that has this actor in memory. */
  readonly id?: string;
  readonly method: string;
  readonly path: string;
  /** For people; with --json the answer is printed as it is. */
  print(answer: unknown, output: Output): void;
}

/** Asks the runtime of the named app, else that of the first one that hosts the type. */
async function ask(context: CommandContext, { type, id, method, path, print }: Question): Promise<number> {
  const { output } = context;
  const named = context.args.values['app-id'];
  const appId = named ?? (await hostOf(context, type, id));
  if (appId === undefined) {
    const what =
      id === undefined ? `hosts actors of type "${harmless(type)}"` : `has the actor ${harmless(type)}/${harmless(id)} in memory`;
    output.error(`no app of this machine ${what}`, 'proa actor list');
    return exitCodes.notFound;
  }
  const answer = await askJson(context, { appId, method, path });
  if (typeof answer === 'number') return answer;
  if (output.json) output.value(answer.value);
  else print(answer.value, output);
  return exitCodes.ok;
}

function printState(answer: unknown, output: Output): void {
  const { type, id, state } = answer as { readonly type: string; readonly id: string; readonly state: Readonly<Record<string, unknown>> };
  const rows = Object.entries(state);
  if (rows.length === 0) output.say(`${harmless(type)}/${harmless(id)} has no state`);
  else output.table([['KEY', 'VALUE'], ...rows.map(([key, value]) => [harmless(key), harmless(JSON.stringify(value))])]);
}

function printReminders(answer: unknown, output: Output): void {
  const { type, reminders } = answer as { readonly type: string; readonly reminders: readonly ReminderRow[] };
  if (reminders.length === 0) output.say(`no reminders of ${harmless(type)}`);
  else
    output.table([
      ['ID', 'NAME', 'NEXT', 'PERIOD', 'UNTIL'],
      ...reminders.map(({ id, name, next, period = 'once', ttl = '-' }) => [id, name, next, period, ttl].map(harmless)),
    ]);
}

function printDone(_answer: unknown, output: Output): void {
  output.say('done');
}

async function hostOf(context: CommandContext, type: string, id: string | undefined): Promise<string | undefined> {
  const answers = await askRuntimes<{ readonly types: readonly TypeView[] }>(context, '/proa/v1/actors');
  const hosts = (answer: (typeof answers)[number]): boolean =>
    'value' in answer && answer.value.types.some((each) => each.type === type && (id === undefined || each.ids.includes(id)));
  return answers.find(hosts)?.appId;
}

async function anyApp({ ports }: CommandContext): Promise<string | undefined> {
  const runs = (await findRuns(ports)).filter(({ alive }) => alive);
  return runs.flatMap(({ record }) => record.apps)[0]?.id;
}

function nothingRuns({ output }: CommandContext): number {
  output.error('no runtime runs on this machine', 'proa list');
  return exitCodes.notFound;
}
