import { asJson, type RuntimeCall, sendToRuntime } from './call-runtime.ts';
import { exitCodes, type CommandContext } from './context.ts';
import type { HttpAnswer } from './http-call.ts';
import { harmless } from './output.ts';

/** A refusal of a runtime, as its error document tells it. */
export interface Refusal {
  readonly status: number;
  readonly errorCode: string | undefined;
  readonly message: string;
}

/** What the command knows about a refusal that the runtime does not. */
export interface Knowledge {
  hint?(refusal: Refusal): string | undefined;
  /** Where it is more than a status of 404. */
  notFound?(refusal: Refusal): boolean;
}

/** What the runtime of an app answers, as JSON; an exit code when it refuses or cannot be asked, which is told. */
export async function askJson(
  context: CommandContext,
  call: RuntimeCall,
  knowledge: Knowledge = {},
): Promise<{ readonly value: unknown } | number> {
  const answer = await sendToRuntime(context, call);
  return typeof answer === 'number' ? answer : readJson(context, answer, knowledge);
}

/** The JSON of an answer; an exit code when it is a refusal, which is told. */
export function readJson(context: CommandContext, answer: HttpAnswer, knowledge: Knowledge = {}): { readonly value: unknown } | number {
  const text = new TextDecoder().decode(answer.body);
  if (answer.status < 400) return { value: text === '' ? {} : asJson(text) };
  const refusal = { status: answer.status, ...read(text) };
  const lines = refusal.message.split('\n').map(harmless).join('\n');
  context.output.error(refusal.errorCode === undefined ? lines : `${lines} [${harmless(refusal.errorCode)}]`, knowledge.hint?.(refusal));
  const missing = refusal.status === 404 || knowledge.notFound?.(refusal) === true;
  return missing ? exitCodes.notFound : exitCodes.failed;
}

function read(text: string): { readonly errorCode: string | undefined; readonly message: string } {
  const body = asJson(text);
  const { errorCode, message } = (typeof body === 'object' && body !== null ? body : {}) as Readonly<Record<string, unknown>>;
  return {
    errorCode: typeof errorCode === 'string' ? errorCode : undefined,
    message: typeof message === 'string' ? message : text.trim() || 'no reason was given',
  };
}
