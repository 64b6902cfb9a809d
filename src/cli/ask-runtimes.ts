import { tokensOf } from '../kernel/token-list.ts';
import { exitCodes, type CommandContext } from './context.ts';
import { callHttp } from './http-call.ts';
import { readRefusal } from './refusal.ts';
import { findRuns, type RegisteredApp } from './run-registry.ts';

/** What one runtime answered, or why it did not. */
export type RuntimeAnswer<T> = { readonly appId: string; readonly httpPort: number } & Told<T>;

type Told<T> = { readonly value: T } | { readonly problem: string; readonly status?: number; readonly hint?: string };

/** Asks the admin API of every runtime of this machine, or of those that serve the given apps. Runtimes that do not answer say why. */
export async function askRuntimes<T>(context: CommandContext, path: string, appIds?: readonly string[]): Promise<RuntimeAnswer<T>[]> {
  const runs = (await findRuns(context.ports)).filter(({ alive }) => alive);
  const apps = runs.flatMap(({ record }) => record.apps).filter(({ id }) => appIds === undefined || appIds.includes(id));
  return Promise.all(apps.map(async (app) => ({ appId: app.id, httpPort: app.httpPort, ...(await ask<T>(context, app, path)) })));
}

async function ask<T>({ ports }: CommandContext, { httpPort, httpSocket }: RegisteredApp, path: string): Promise<Told<T>> {
  const [token] = tokensOf(ports.process.env('DAPR_API_TOKEN'));
  try {
    const answer = await callHttp(ports, {
      port: httpPort,
      socket: httpSocket,
      method: 'GET',
      path,
      headers: ['host', httpSocket === undefined ? `127.0.0.1:${httpPort}` : 'localhost', ...(token ? ['dapr-api-token', token] : [])],
      timeoutMs: 5_000,
    });
    const text = new TextDecoder().decode(answer.body);
    if (answer.status === 200) return { value: JSON.parse(text) as T };
    if (answer.status === 401) return { problem: 'it asks for a token: set DAPR_API_TOKEN' };
    const { message, hint } = readRefusal(text);
    return {
      problem: `it answered ${answer.status}: ${message.slice(0, 200)}`,
      status: answer.status,
      ...(hint !== undefined && { hint }),
    };
  } catch (thrown) {
    return { problem: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

/** Says on stderr which runtimes did not answer; the exit code when none did. */
export function tellProblems(answers: readonly RuntimeAnswer<unknown>[], { output }: CommandContext): number {
  for (const answer of answers) if ('problem' in answer) output.error(`the runtime of ${answer.appId} tells nothing: ${answer.problem}`);
  return answers.some((answer) => 'value' in answer) ? exitCodes.ok : exitCodes.unreachable;
}
