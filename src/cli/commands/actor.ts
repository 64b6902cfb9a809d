import { askJson, readJson } from '../ask-json.ts';
import { askRuntimes, tellProblems } from '../ask-runtimes.ts';
import { asJson } from '../as-json.ts';
import { callRuntime, sendToRuntime } from '../call-runtime.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { harmless, type Output } from '../output.ts';
import { requestBody } from '../request-body.ts';
import { findRuns } from '../run-registry.ts';
import { tellUnknownApp } from '../unknown-app.ts';
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
  const { verb, names } = readVerb(context.command, context.args);
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
  if (answers.length === 0) return tellUnknownApp(context, appId);
  const code = tellProblems(answers, context);
  const rows = answers.flatMap((answer) =>
    'value' in answer ? answer.value.types.map((each) => ({ appId: answer.appId, httpPort: answer.httpPort, ...each })) : [],
  );
  if (output.json) output.value(rows);
  else if (rows.length === 0) output.say('no app of this machine hosts actors');
  else
    output.table([
      ['APP ID', 'PORT', 'TYPE', 'ACTIVE', 'HOSTED', 'IDS'],
      ...rows.map((row) => [
        row.appId,
        String(row.httpPort),
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
  if (appId === undefined) return tellUnknownApp(context, appId);
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

/**
 * Asks the runtimes that host the type, of the named app or of any, one after the other: the first one answers what is kept for all of them; whoever does not have the
 * actor in memory leaves the answer to the next.
 */
async function ask(context: CommandContext, { type, id, method, path, print }: Question): Promise<number> {
  const named = context.args.values['app-id'];
  const hosts = await hostsOf(context, { type, id, appId: named });
  for (const [i, { appId, httpPort }] of hosts.entries()) {
    const answer = await sendToRuntime(context, { appId, httpPort, method, path });
    if (typeof answer === 'number') return answer;
    if (id !== undefined && i < hosts.length - 1 && isElsewhere(answer.status, answer.body)) continue;
    return printed(context, readJson(context, answer), print);
  }
  // It says itself what it misses.
  if (named !== undefined) return printed(context, await askJson(context, { appId: named, method, path }), print);
  context.output.error(`no app of this machine hosts actors of type "${harmless(type)}"`, 'proa actor list');
  return exitCodes.notFound;
}

function printed({ output }: CommandContext, answer: { readonly value: unknown } | number, print: Question['print']): number {
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

interface Wanted {
  readonly type: string;
  readonly id: string | undefined;
  readonly appId: string | undefined;
}

/** Runtimes that host the type; those that tell that they have the actor come first, because not all of many ids are told. */
async function hostsOf(context: CommandContext, { type, id, appId }: Wanted): Promise<{ appId: string; httpPort: number }[]> {
  const answers = await askRuntimes<{ readonly types: readonly TypeView[] }>(
    context,
    '/proa/v1/actors',
    appId === undefined ? undefined : [appId],
  );
  const hosts = answers.flatMap((answer) => {
    const view = 'value' in answer ? answer.value.types.find((each) => each.type === type) : undefined;
    return view === undefined ? [] : [{ appId: answer.appId, httpPort: answer.httpPort, has: id !== undefined && view.ids.includes(id) }];
  });
  return hosts.toSorted((a, b) => Number(b.has) - Number(a.has));
}

function isElsewhere(status: number, body: Uint8Array): boolean {
  const told = asJson(new TextDecoder().decode(body)) as { errorCode?: unknown } | null;
  return status === 400 && typeof told === 'object' && told?.errorCode === 'ERR_ACTOR_INSTANCE_MISSING';
}

async function anyApp({ ports }: CommandContext): Promise<string | undefined> {
  const runs = (await findRuns(ports)).filter(({ alive }) => alive);
  return runs.flatMap(({ record }) => record.apps)[0]?.id;
}
