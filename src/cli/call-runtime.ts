import { tokensOf } from '../kernel/token-list.ts';
import { asJson } from './as-json.ts';
import { exitCodes, type CommandContext } from './context.ts';
import { callHttp, type HttpAnswer } from './http-call.ts';
import { harmless, type Output } from './output.ts';
import { valueOrDefault } from './parse-args.ts';
import { findApp } from './run-registry.ts';
import { readRefusal } from './refusal.ts';
import { tellUnknownApp } from './unknown-app.ts';

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
  if (found === undefined) return tellUnknownApp(context, call.appId);
  const timeoutMs = valueOrDefault(args.values, 'timeout') as number;
  const [token] = tokensOf(ports.process.env('DAPR_API_TOKEN'));
  const headers = [...(call.contentType ? ['content-type', call.contentType] : []), ...(token ? ['dapr-api-token', token] : [])];
  try {
    return await callHttp(ports, {
      port: found.app.httpPort,
      socket: found.app.httpSocket,
      method: call.method,
      path: call.path,
      headers,
      timeoutMs,
      ...(call.body && { body: call.body }),
    });
  } catch (thrown) {
    const late = (thrown as { code?: string }).code === 'deadline-exceeded';
    const hint = late ? '--timeout gives it longer' : `is the runtime on ${found.app.httpSocket ?? `port ${found.app.httpPort}`} well?`;
    output.error(thrown instanceof Error ? thrown.message : String(thrown), hint);
    return late ? exitCodes.timeout : exitCodes.unreachable;
  }
}

function printAnswer(answer: HttpAnswer, { output }: CommandContext): number {
  const text = new TextDecoder().decode(answer.body);
  const fine = answer.status >= 200 && answer.status < 300;
  if (output.json) output.value({ status: answer.status, body: asJson(text) });
  else if (fine && text !== '') output.line(text.split('\n').map(harmless).join('\n'));
  if (!fine && !output.json) tellFailure(answer.status, text, output);
  return fine ? exitCodes.ok : exitCodes.failed;
}

// The runtime's own refusals are told as its other commands tell them; what an app answers is shown as it is.
function tellFailure(status: number, text: string, output: Output): void {
  const { errorCode, message, hint } = readRefusal(text);
  if (errorCode === undefined) output.error(text === '' ? `status ${status}` : `${status}: ${harmless(text)}`);
  else output.error(`${harmless(message)} [${harmless(errorCode)}]`, hint);
}
