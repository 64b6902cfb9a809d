import type { StatementResult } from '../../clients/postgres/database.ts';
import { ProaError } from '../../kernel/errors.ts';

/** The error that callers see for a statement that did not succeed. */
export function statementError(result: Exclude<StatementResult, { status: 'done' }>, doing: string): ProaError {
  const message = `PostgreSQL: ${doing}: ${result.error.message}${result.sqlState === '' ? '' : ` (${result.sqlState})`}`;
  const readOnly = result.sqlState === '25006' || result.sqlState === '53100';
  return new ProaError(readOnly ? 'engine.read-only' : 'engine.unavailable', message, { cause: result.error });
}
