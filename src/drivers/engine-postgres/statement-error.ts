import type { StatementResult } from '../../clients/postgres/database.ts';
import { ProaError } from '../../kernel/errors.ts';

/** The error that callers see for a statement that did not succeed. */
export function statementError(result: Exclude<StatementResult, { status: 'done' }>, doing: string): ProaError {
  const message = `PostgreSQL: ${doing}: ${result.error.message}${result.sqlState === '' ? '' : ` (${result.sqlState})`}`;
  const readOnly = result.sqlState === '25006' || result.sqlState === '53100';
  const hint = hintOf(result.sqlState, result.error);
  return new ProaError(readOnly ? 'engine.read-only' : 'engine.unavailable', message, {
    cause: result.error,
    ...(hint !== undefined && { hint }),
  });
}

/** What to do about an error of the kind that a setting causes. */
function hintOf(sqlState: string, error: Error): string | undefined {
  const { code } = error as { readonly code?: unknown };
  if (code === 'ECONNREFUSED' || code === 'ENOENT')
    return 'does the server run, and listen there? the URL of --engine or PROA_ENGINE names host and port';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the URL of --engine or PROA_ENGINE names a host that nobody knows';
  if (sqlState === '3D000') return 'make it (`createdb`), or name another one at the end of the URL';
  if (sqlState.startsWith('28'))
    return 'user and password come from the URL of PROA_ENGINE or of an @file, or from PGUSER, PGPASSWORD and ~/.pgpass';
  return sqlState === '42501' ? 'the user needs the right to create a schema in the database, or a schema of its own' : undefined;
}
