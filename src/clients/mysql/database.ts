import type { Pool, PoolConnection, PoolOptions, ResultSetHeader } from 'mysql2/promise';
import { ProaError } from '../../kernel/errors.ts';

/**
 * How a statement ended. `unsent`: there was no connection. `refused`: the server answered with an error, so nothing of it happened. `lost`: the connection went
 * away or fell silent meanwhile, so it may have happened; not with `uncommitted`, where a transaction never came to its commit.
 */
export type MysqlResult =
  | { readonly status: 'done'; readonly rows: unknown[][]; readonly changed: number }
  | { readonly status: 'unsent' | 'refused' | 'lost'; readonly error: Error; readonly errno: number; readonly uncommitted?: true };

/** A parameter of a statement. */
export type MysqlValue = string | number | null | Uint8Array;

/** Runs one statement of a transaction; what does not succeed throws, and must not be caught. */
export type RunMysql = (text: string, values?: readonly MysqlValue[]) => Promise<{ readonly rows: unknown[][]; readonly changed: number }>;

/** A pool of connections. Every statement is prepared by nobody and stands alone: a proxy may stand between. */
export interface MysqlDatabase {
  run(text: string, values?: readonly MysqlValue[]): Promise<MysqlResult>;
  /** Statements that belong together, each seeing what was committed before it. What `work` throws itself undoes all and is thrown on. */
  transaction(work: (run: RunMysql) => Promise<void>): Promise<MysqlResult>;
  /** May be called twice. */
  close(): Promise<void>;
}

export interface MysqlOptions {
  /** Where and who, for the SDK. */
  readonly connection: PoolOptions;
  readonly connectionsMax: number;
  readonly statementTimeoutMs: number;
}

/** Opens no connection yet. Fails with `driver.missing-package` when `mysql2` is not installed. */
export async function openMysql({ connection, connectionsMax, statementTimeoutMs }: MysqlOptions): Promise<MysqlDatabase> {
  const mysql = await importMysql();
  const pool = mysql.createPool({
    ...connection,
    connectionLimit: connectionsMax,
    connectTimeout: Math.min(5_000, statementTimeoutMs),
    enableKeepAlive: true,
    // Rows that an update leaves as they were must not count.
    flags: ['-FOUND_ROWS'],
    supportBigNumbers: true,
    jsonStrings: true,
  });
  let closing: Promise<void> | undefined;
  return {
    run: (text, values = []) => withConnection(pool, (client) => runStatement(client, { text, values, timeoutMs: statementTimeoutMs })),
    transaction: (work) => withConnection(pool, (client) => runTransaction(client, work, statementTimeoutMs)),
    close: () => (closing ??= pool.end()),
  };
}

async function importMysql() {
  try {
    return await import('mysql2/promise');
  } catch (cause) {
    throw new ProaError('driver.missing-package', 'MySQL components need the package "mysql2", which is not installed', {
      cause,
      hint: 'run: npm install mysql2',
    });
  }
}

async function withConnection(pool: Pool, work: (client: PoolConnection) => Promise<MysqlResult>): Promise<MysqlResult> {
  let client: PoolConnection;
  try {
    client = await pool.getConnection();
  } catch (error) {
    return { status: 'unsent', error: error as Error, errno: errnoOf(error) };
  }
  let result: MysqlResult | undefined;
  try {
    result = await work(client);
    return result;
  } finally {
    if (result === undefined || result.status === 'lost') client.destroy();
    else client.release();
  }
}

interface Statement {
  readonly text: string;
  readonly values: readonly MysqlValue[];
  readonly timeoutMs: number;
}

async function runStatement(client: PoolConnection, { text, values, timeoutMs }: Statement): Promise<MysqlResult> {
  try {
    const parameters = values.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value));
    const [answer] = await client.query({ sql: text, values: parameters, timeout: timeoutMs, rowsAsArray: true });
    if (Array.isArray(answer)) return { status: 'done', rows: answer as unknown[][], changed: 0 };
    return { status: 'done', rows: [], changed: (answer as ResultSetHeader).affectedRows };
  } catch (error) {
    const { sqlState, fatal } = error as { sqlState?: unknown; fatal?: unknown };
    const refused = typeof sqlState === 'string' && fatal !== true && !sqlState.startsWith('08');
    return { status: refused ? 'refused' : 'lost', error: error as Error, errno: errnoOf(error) };
  }
}

async function runTransaction(client: PoolConnection, work: (run: RunMysql) => Promise<void>, timeoutMs: number): Promise<MysqlResult> {
  let failure: Exclude<MysqlResult, { status: 'done' }> | undefined;
  const run: RunMysql = async (text, values = []) => {
    const result = await runStatement(client, { text, values, timeoutMs });
    if (result.status === 'done') return result;
    failure = result;
    throw result.error;
  };
  try {
    await run('set transaction isolation level read committed');
    await run('begin');
    await work(run);
    return await runStatement(client, { text: 'commit', values: [], timeoutMs });
  } catch (error) {
    // Nothing was committed, whatever became of the connection.
    if (failure?.status === 'lost') return { ...failure, uncommitted: true };
    await runStatement(client, { text: 'rollback', values: [], timeoutMs });
    if (failure !== undefined) return failure;
    throw error;
  }
}

function errnoOf(error: unknown): number {
  const { errno } = error as { errno?: unknown };
  return typeof errno === 'number' && errno > 0 ? errno : 0;
}
