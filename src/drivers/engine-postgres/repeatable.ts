import type { Database, StatementResult } from '../../clients/postgres/database.ts';
import type { Clock } from '../../kernel/ports.ts';
import { statementError } from './statement-error.ts';

const delaysMs = [20, 100, 400];
/** A connection that broke says so at once. A server that was silent for this long has enough to do already. */
const brokenWithinMs = 1_000;

export interface RepeatableStatement {
  readonly text: string;
  readonly values: readonly unknown[];
  /** What it is for; the beginning of the error's text. */
  readonly doing: string;
}

/** The rows of a statement that may run twice without harm: one that a broken connection took with it is sent again. Fails with the last answer, and at once when the server refuses or is silent. */
export async function runRepeatable(database: Database, clock: Clock, statement: RepeatableStatement): Promise<unknown[][]> {
  const { text, values, doing } = statement;
  const startedMono = clock.mono();
  let result: StatementResult = await database.run(text, values);
  for (const delayMs of delaysMs) {
    if (result.status === 'done' || result.status === 'refused' || clock.mono() - startedMono > brokenWithinMs) break;
    await new Promise<void>((resolve) => void clock.timer(delayMs, resolve));
    result = await database.run(text, values);
  }
  if (result.status !== 'done') throw statementError(result, doing);
  return result.rows;
}
