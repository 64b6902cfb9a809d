import { askJson, type Refused } from '../ask-json.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { onlyApp } from '../only-app.ts';
import { UsageError } from '../parse-args.ts';
import { jsonBody, requestBody } from '../request-body.ts';
import { readVerb } from '../verbs.ts';
import { printWorkflows } from '../workflow-text.ts';

interface Question {
  readonly method: string;
  readonly path: string;
}

const root = '/proa/v1/workflows';

/** `proa wf`: looks at the workflows of an app, and intervenes. */
export async function run(context: CommandContext): Promise<number> {
  const { command, args, output } = context;
  const { verb, names } = readVerb(command, args);
  if (verb === 'replay') return (await import('../workflow-replay.ts')).replayWorkflows(context, names);
  const question = questionOf(context, verb, names);
  const body = question.method === 'POST' ? await bodyOf(context, verb) : undefined;
  const appId = await onlyApp(context);
  if (typeof appId === 'number') return appId;
  const call = { appId, ...question, ...(body && { body, contentType: 'application/json' }) };
  const answer = await askJson(context, call, { hint: hintOf });
  if (typeof answer === 'number') return answer;
  if (output.json) output.value(answer.value);
  else printWorkflows(verb, answer.value, output);
  return exitCodes.ok;
}

function hintOf({ errorCode }: Refused): string | undefined {
  return errorCode === 'ERR_INSTANCE_ID_NOT_FOUND' ? '`proa wf list` shows those that are there' : undefined;
}

// A reason is a text for people; everything else comes to code, which takes it apart again.
async function bodyOf(context: CommandContext, verb: string): Promise<Uint8Array | undefined> {
  return verb === 'suspend' || verb === 'resume' ? (await requestBody(context))?.bytes : jsonBody(context);
}

function questionOf(context: CommandContext, verb: string, names: readonly string[]): Question {
  const [first = '', second = ''] = names;
  const instance = `${root}/${encodeURIComponent(first)}`;
  switch (verb) {
    case 'list':
      return { method: 'GET', path: root + query(context, ['status', 'name', 'after', 'before', 'attribute', 'size', 'token']) };
    case 'show':
      return { method: 'GET', path: instance };
    case 'history':
      return { method: 'GET', path: `${instance}/history` };
    case 'start':
      return { method: 'POST', path: root + query(context, ['id', 'at', 'unique'], [['name', first]]) };
    case 'raise':
      return { method: 'POST', path: `${instance}/raise/${encodeURIComponent(second)}` };
    case 'terminate':
      return { method: 'POST', path: `${instance}/terminate${query(context, ['recursive'])}` };
    case 'rerun':
      return { method: 'POST', path: `${instance}/rerun${query(context, ['id'], [['event', second]])}` };
    case 'purge':
      return first === '' ? purgeMatching(context) : purgeOne(context, instance);
    default:
      return { method: 'POST', path: `${instance}/${verb}` };
  }
}

const filters = ['status', 'name', 'after', 'before', 'attribute'] as const;

function purgeOne(context: CommandContext, path: string): Question {
  const filter = filters.find((name) => context.args.values[name] !== undefined);
  if (filter !== undefined) throw new UsageError(`an id and --${filter} exclude each other`, 'proa wf purge --status completed');
  return { method: 'DELETE', path: path + query(context, ['recursive', 'force']) };
}

// Nobody purges everything by leaving something out.
function purgeMatching(context: CommandContext): Question {
  const { values } = context.args;
  if (values.force === true) throw new UsageError('--force is for one workflow, named by its id', 'proa wf purge 17 --force');
  if (filters.every((name) => values[name] === undefined)) {
    throw new UsageError(
      'say which workflows to purge: an id, --status, --name, --before or --attribute',
      'proa wf purge --status completed',
    );
  }
  return { method: 'DELETE', path: root + query(context, [...filters, 'recursive']) };
}

type Name = 'status' | 'name' | 'after' | 'before' | 'attribute' | 'size' | 'token' | 'id' | 'at' | 'unique' | 'recursive' | 'force';

function query({ args }: CommandContext, names: readonly Name[], more: readonly (readonly [string, string])[] = []): string {
  const pairs = names.flatMap((name) => {
    const value: unknown = args.values[name];
    return (Array.isArray(value) ? value : value === undefined ? [] : [value]).map((each): [string, string] => [name, String(each)]);
  });
  const text = [...more, ...pairs].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  return text === '' ? '' : `?${text}`;
}
