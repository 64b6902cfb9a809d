import { asJson, sendToRuntime } from '../call-runtime.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import type { HttpAnswer } from '../http-call.ts';
import { harmless } from '../output.ts';
import { UsageError } from '../parse-args.ts';
import { requestBody } from '../request-body.ts';
import { findRuns } from '../run-registry.ts';
import { printWorkflows } from '../workflow-text.ts';

interface Question {
  readonly method: string;
  readonly path: string;
}

const root = '/proa/v1/workflows';

/** `proa wf`: looks at the workflows of an app, and intervenes. */
export async function run(context: CommandContext): Promise<number> {
  const [verb = '', ...names] = context.args.positionals;
  const question = questionOf(context, verb, names);
  if (question === undefined) throw new UsageError('say what to do with which workflow', context.command.examples[0]);
  const appId = context.args.values['app-id'] ?? (await onlyApp(context));
  const body = question.method === 'POST' ? await requestBody(context) : undefined;
  const answer = await sendToRuntime(context, { appId, ...question, ...(body && { body: body.bytes, contentType: body.contentType }) });
  return typeof answer === 'number' ? answer : tell(context, verb, answer);
}

function tell({ output }: CommandContext, verb: string, { status, body: bytes }: HttpAnswer): number {
  const text = new TextDecoder().decode(bytes);
  const body = asJson(text);
  if (status >= 400) {
    const { message = text } = (typeof body === 'object' && body !== null ? body : {}) as { readonly message?: string };
    output.error(message.split('\n').map(harmless).join('\n'));
    return status === 404 ? exitCodes.notFound : exitCodes.failed;
  }
  if (output.json) output.value(body);
  else printWorkflows(verb, body, output);
  return exitCodes.ok;
}

function questionOf(context: CommandContext, verb: string, names: readonly string[]): Question | undefined {
  const [first = '', second = ''] = names;
  const instance = `${root}/${encodeURIComponent(first)}`;
  switch (`${verb} ${names.length}`) {
    case 'list 0':
      return { method: 'GET', path: root + query(context, ['status', 'name', 'after', 'before', 'attribute', 'size', 'token']) };
    case 'show 1':
      return { method: 'GET', path: instance };
    case 'history 1':
      return { method: 'GET', path: `${instance}/history` };
    case 'start 1':
      return { method: 'POST', path: root + query(context, ['id', 'at', 'unique'], [['name', first]]) };
    case 'raise 2':
      return { method: 'POST', path: `${instance}/raise/${encodeURIComponent(second)}` };
    case 'suspend 1':
    case 'resume 1':
      return { method: 'POST', path: `${instance}/${verb}` };
    case 'terminate 1':
      return { method: 'POST', path: `${instance}/terminate${query(context, ['recursive'])}` };
    case 'rerun 2':
      return { method: 'POST', path: `${instance}/rerun${query(context, ['id'], [['event', second]])}` };
    case 'purge 1':
      return { method: 'DELETE', path: instance + query(context, ['recursive', 'force']) };
    case 'purge 0':
      return purgeMatching(context);
    default:
      return undefined;
  }
}

// Nobody purges everything by leaving something out.
function purgeMatching(context: CommandContext): Question {
  const { values } = context.args;
  const named = ['status', 'name', 'after', 'before', 'attribute'] as const;
  if (named.every((name) => values[name] === undefined)) {
    throw new UsageError(
      'say which workflows to purge: an id, --status, --name, --before or --attribute',
      'proa wf purge --status completed',
    );
  }
  return { method: 'DELETE', path: root + query(context, [...named, 'recursive']) };
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

async function onlyApp({ ports, command }: CommandContext): Promise<string> {
  const runs = (await findRuns(ports)).filter(({ alive }) => alive);
  const ids = runs.flatMap(({ record }) => record.apps.map(({ id }) => id));
  const [only] = ids;
  if (only === undefined || ids.length > 1) {
    const why = only === undefined ? 'no runtime runs on this machine' : `--app-id is needed: ${ids.length} apps run on this machine`;
    throw new UsageError(why, only === undefined ? 'proa list' : command.examples[0]);
  }
  return only;
}
