import { exitCodes, type CommandContext } from './context.ts';
import { callHttp, type HttpAnswer } from './http-call.ts';
import { harmless } from './output.ts';
import { valueOrDefault } from './parse-args.ts';
import { findApp } from './run-registry.ts';

export interface RuntimeCall {
  /** Whose runtime is asked. */
  readonly appId: string;
  /** Of the runtime that is meant, where several serve the app; absent: the first one. */
  readonly httpPort?: number;
  readonly method: string;
  readonly path: string;
  readonly contentType?: string;
  readonly body?: Uint8Array;
}

/** Sends one request to the runtime of a running app and prints the answer. The exit code tells what happened. */
export async function callRuntime(context: CommandContext, call: RuntimeCall): Promise<number> {
  const answer = await sendToRuntime(context, call);
  return typeof answer === 'number' ? answer : printAnswer(answer, context);
}

/** What the runtime of a running app answers; an exit code when it cannot be asked, which is told. */
export async function sendToRuntime(context: CommandContext, call: RuntimeCall): Promise<HttpAnswer | number> {
  const { ports, args, output } = context;
  const runs = await findApp(ports, call.appId);
  const found = call.httpPort === undefined ? runs[0] : runs.find(({ app }) => app.httpPort === call.httpPort);
  if (found === undefined) {
    output.error(`no app "${call.appId}" runs on this machine`, 'proa list');
    return exitCodes.notFound;
  }
  const timeoutMs = valueOrDefault(args.values, 'timeout') as number;
  const token = ports.process.env('DAPR_API_TOKEN');
  const headers = [...(call.contentType ? ['content-type', call.contentType] : []), ...(token ? ['dapr-api-token', token] : [])];
  try {
    return await callHttp(ports, {
      port: found.app.httpPort,
      method: call.method,
      path: call.path,
      headers,
      timeoutMs,
      ...(call.body && { body: call.body }),
    });
  } catch (thrown) {
    const code = (thrown as { code?: string }).code;
    output.error(thrown instanceof Error ? thrown.message : String(thrown), `is the runtime on port ${found.app.httpPort} well?`);
    return code === 'deadline-exceeded' ? exitCodes.timeout : exitCodes.unreachable;
  }
}

function printAnswer(answer: HttpAnswer, { output }: CommandContext): number {
  const text = new TextDecoder().decode(answer.body);
  const fine = answer.status >= 200 && answer.status < 300;
  if (output.json) output.value({ status: answer.status, body: asJson(text) });
  else if (fine && text !== '') output.line(text.split('\n').map(harmless).join('\n'));
  if (!fine && !output.json) output.error(`${answer.status}: ${harmless(text)}`);
  return fine ? exitCodes.ok : exitCodes.failed;
}

/** The JSON of a text, or the text when it is none. */
export function asJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
