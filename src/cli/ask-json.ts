import { asJson } from './as-json.ts';
import { type RuntimeCall, sendToRuntime } from './call-runtime.ts';
import { exitCodes, type CommandContext } from './context.ts';
import type { HttpAnswer } from './http-call.ts';
import { harmless } from './output.ts';
import { readRefusal, type Refusal } from './refusal.ts';

/** A refusal of a runtime, and the status with which it came. */
export interface Refused extends Refusal {
  readonly status: number;
}

/** What the command knows about a refusal that the runtime does not. */
export interface Knowledge {
  hint?(refusal: Refused): string | undefined;
  /** Where it is more than a status of 404. */
  notFound?(refusal: Refused): boolean;
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
  const refusal = { status: answer.status, ...readRefusal(text) };
  const lines = refusal.message.split('\n').map(harmless).join('\n');
  context.output.error(
    refusal.errorCode === undefined ? lines : `${lines} [${harmless(refusal.errorCode)}]`,
    knowledge.hint?.(refusal) ?? refusal.hint,
  );
  const missing = refusal.status === 404 || knowledge.notFound?.(refusal) === true;
  return missing ? exitCodes.notFound : exitCodes.failed;
}
