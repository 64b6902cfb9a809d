import type { ClientConfig, Client, Pool, PoolClient } from 'pg';
import { ProaError } from '../../kernel/errors.ts';

/** Where the database is: a URL (`postgres://user:password@host/db`), or the parts that `pg` takes. */
export type PostgresAddress =
  | string
  | {
      readonly host: string;
      readonly port?: number;
      readonly user?: string;
      readonly password?: string;
      readonly database?: string;
      readonly ssl?: NonNullable<ClientConfig['ssl']>;
    };

/**
 * How a statement ended. `unsent`: there was no connection. `refused`: the server answered with an error, so nothing of it happened.
 * `lost`: the connection went away or fell silent meanwhile, so it may have happened.
 */
export type StatementResult =
  | { readonly status: 'done'; readonly rows: unknown[][] }
  | {
      readonly status: 'unsent' | 'refused' | 'lost';
      readonly error: Error;
      readonly sqlState: string;
      /** Of a transaction whose connection was lost before its commit: nothing of it happened. */
      readonly uncommitted?: true;
    };

export interface DatabaseOptions {
  readonly address: PostgresAddress;
  readonly connectionsMax: number;
  readonly statementTimeoutMs: number;
  /** A connection that was idle for longer is closed. Default 30 s. */
  readonly idleMs?: number;
}

/** Runs one statement of a transaction; what does not succeed throws, and must not be caught. */
export type RunInTransaction = (text: string, values?: readonly unknown[]) => Promise<unknown[][]>;

/** A pool whose every statement stands alone: nothing is kept in sessions, so a transaction pooler may stand between. */
export interface Database {
  run(text: string, values?: readonly unknown[]): Promise<StatementResult>;
  /**
   * The same for a statement that comes again and again: the server keeps it under `name`, which must mean this text everywhere. A pooler may lose it or know it already
   * (SQLSTATE 26000, 42P05): then nothing happened, and `run` does the same.
   */
  runNamed(name: string, text: string, values: readonly unknown[]): Promise<StatementResult>;
  /**
   * Statements that belong together. What `work` throws itself undoes all and is thrown on; how a statement or the commit failed is the result.
   */
  transaction(work: (run: RunInTransaction) => Promise<void>): Promise<StatementResult>;
  /** A connection outside the pool, for LISTEN; the caller connects and ends it. */
  session(): Client;
  /** May be called twice. */
  close(): Promise<void>;
}

/** Opens no connection yet. Fails with `driver.missing-package` when `pg` is not installed. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const pg = await importPg();
  const config = clientConfig(options);
  const pool = new pg.Pool({ ...config, max: options.connectionsMax, idleTimeoutMillis: options.idleMs ?? 30_000 });
  // A connection that breaks is replaced on next use; without a listener it would end the process. The pool listens only while one is idle, and the server may
  // end it in the same breath in which it was opened, before whoever asked for it can listen.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  let closing: Promise<void> | undefined;
  return {
    run: (text, values = []) => withClient(pool, (client) => runStatement(client, { text, values })),
    runNamed: (name, text, values) => withClient(pool, (client) => runStatement(client, { name, text, values })),
    transaction: (work) => withClient(pool, (client) => runTransaction(client, work)),
    session: () => new pg.Client(config),
    close: () => (closing ??= pool.end()),
  };
}

async function importPg() {
  try {
    return (await import('pg')).default;
  } catch (error) {
    throw new ProaError('driver.missing-package', 'PostgreSQL needs the package "pg", which is not installed', {
      cause: error,
      hint: 'run: npm install pg',
    });
  }
}

function clientConfig(options: DatabaseOptions): ClientConfig {
  const where = typeof options.address === 'string' ? { connectionString: options.address } : options.address;
  return {
    ...where,
    application_name: 'proa',
    connectionTimeoutMillis: 5_000,
    query_timeout: options.statementTimeoutMs,
    keepAlive: true,
  };
}

async function withClient(pool: Pool, work: (client: PoolClient) => Promise<StatementResult>): Promise<StatementResult> {
  let client: PoolClient;
  try {
    client = await pool.connect();
  } catch (error) {
    return { status: 'unsent', error: asError(error), sqlState: sqlStateOf(error) };
  }
  let lost: Error | undefined;
  try {
    const result = await work(client);
    if (result.status === 'lost') lost = result.error;
    return result;
  } finally {
    // One that broke otherwise is known to the pool.
    client.release(lost);
  }
}

interface Statement {
  readonly name?: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

async function runStatement(client: PoolClient, { values, ...statement }: Statement): Promise<StatementResult> {
  try {
    const { rows } = await client.query({ ...statement, values: [...values], rowMode: 'array' });
    return { status: 'done', rows: rows as unknown[][] };
  } catch (error) {
    const sqlState = sqlStateOf(error);
    const refused = sqlState !== '' && !sqlState.startsWith('08') && !sqlState.startsWith('57P');
    return { status: refused ? 'refused' : 'lost', error: asError(error), sqlState };
  }
}

async function runTransaction(client: PoolClient, work: (run: RunInTransaction) => Promise<void>): Promise<StatementResult> {
  let failure: Exclude<StatementResult, { status: 'done' }> | undefined;
  const run: RunInTransaction = async (text, values = []) => {
    const result = await runStatement(client, { text, values });
    if (result.status === 'done') return result.rows;
    failure = result;
    throw result.error;
  };
  try {
    await run('begin');
    await work(run);
    return await runStatement(client, { text: 'commit', values: [] });
  } catch (error) {
    // Nothing was committed, whatever became of the connection.
    if (failure?.status === 'lost') return { ...failure, uncommitted: true };
    await runStatement(client, { text: 'rollback', values: [] });
    if (failure !== undefined) return failure;
    throw error;
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** The five characters of the server's error code; empty for errors that did not come from the server. */
function sqlStateOf(thrown: unknown): string {
  const { code, severity } = thrown as { code?: unknown; severity?: unknown };
  return typeof code === 'string' && typeof severity === 'string' ? code : '';
}
