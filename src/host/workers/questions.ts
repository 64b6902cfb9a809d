import type { Blocks, RuntimeMetadata } from '../../blocks/runtime/index.ts';
import type { ActorTypeView, AdminSource } from '../../contracts/admin.ts';
import type { CallRecord } from '../../contracts/decisions.ts';
import { createCall, type Call } from '../../kernel/call.ts';
import { ProaError, type ErrorOptions } from '../../kernel/errors.ts';
import type { ErrorCode } from '../../kernel/catalogue.ts';

/** What is known of a runtime in one process. */
export interface ProcessView {
  readonly blocks: Pick<Blocks, 'configuration' | 'actors' | 'runtime'>;
  readonly admin: Pick<AdminSource, 'why' | 'actors'>;
}

/** Operations of actors that need the process in which the actor is in memory. */
export const actorOperations = [
  'getState',
  'transact',
  'registerTimer',
  'unregisterTimer',
  'registerReminder',
  'unregisterReminder',
  'getReminder',
  'listReminders',
  'unregisterReminders',
  'deactivate',
] as const;

/** One operation of an actor, for whichever process has it. */
export interface ActorQuestion {
  readonly operation: (typeof actorOperations)[number];
  readonly input: unknown;
}

/** What each process of a runtime contributes to the report about all of it. */
export type ReportPart = Pick<RuntimeMetadata, 'workflowWorkers' | 'actors'>;

/** Questions that any process of a runtime can ask the others, with what is asked and answered; all of it is plain data. */
export interface Questions {
  /** Ends a configuration subscription; false when it was not made in that process. */
  unsubscribe: { readonly input: { readonly store: string; readonly id: string }; readonly answer: boolean };
  actor: { readonly input: ActorQuestion; readonly answer: unknown };
  actorTypes: { readonly input: undefined; readonly answer: readonly ActorTypeView[] };
  report: { readonly input: undefined; readonly answer: ReportPart };
  why: { readonly input: string; readonly answer: readonly CallRecord[] };
}

/** An answer or a failure of one process. */
export type Answered<Q extends keyof Questions = keyof Questions> =
  | { readonly answer: Questions[Q]['answer'] }
  | { readonly failure: Failure };

/** An error as it travels from process to process. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: ErrorOptions['details'];
  readonly hint?: string | undefined;
}

/** The error to send. */
export function failureOf(thrown: unknown): Failure {
  const { code, message, details, hint } = ProaError.from(thrown);
  return { code, message, hint, ...(details !== undefined && { details }) };
}

/** The error that was sent. */
export function errorOf({ code, message, details, hint }: Failure): ProaError {
  return new ProaError(code, message, { ...(details !== undefined && { details }), ...(hint !== undefined && { hint }) });
}

/** Answers a question for this process alone; fails as what is asked does. */
export async function answerHere<Q extends keyof Questions>(
  view: ProcessView,
  question: Q,
  input: Questions[Q]['input'],
): Promise<Answered> {
  const answers: { readonly [Each in keyof Questions]: (asked: never) => Promise<Questions[Each]['answer']> } = {
    unsubscribe: async (asked: Questions['unsubscribe']['input']) =>
      (await once('configuration.unsubscribe', view.blocks.configuration.unsubscribe, asked)).ok,
    actor: ({ operation, input: asked }: ActorQuestion) => once(`actors.${operation}`, view.blocks.actors[operation] as Ask, asked),
    actorTypes: () => Promise.resolve(view.admin.actors.types()),
    report: () => {
      const { workflowWorkers, actors } = view.blocks.runtime.metadata();
      return Promise.resolve({ workflowWorkers, ...(actors !== undefined && { actors }) });
    },
    why: (traceId: string) => Promise.resolve(view.admin.why(traceId)),
  };
  try {
    return { answer: await answers[question](input as never) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

type Ask = (call: Call<unknown>) => Promise<unknown>;

async function once<In, Out>(name: `${string}.${string}`, service: (call: Call<In>) => Promise<Out>, input: In): Promise<Out> {
  const [block = '', operation = ''] = name.split('.');
  const call = createCall({ block, name: operation, idempotent: false }, input);
  try {
    const output = await service(call);
    call.end.fire({ ok: true });
    return output;
  } catch (error) {
    call.end.fire({ ok: false, error });
    throw error;
  }
}
