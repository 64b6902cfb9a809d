import { ProaError } from '../../kernel/errors.ts';

/** The part of `node:sqlite` that is used; the types of Node 20 do not know the module. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

export type SqlValue = string | number | null;

export interface Statement {
  run(...values: SqlValue[]): { readonly changes: number | bigint };
  get(...values: SqlValue[]): Readonly<Record<string, unknown>> | undefined;
  all(...values: SqlValue[]): readonly Readonly<Record<string, unknown>>[];
}

interface SqliteModule {
  readonly DatabaseSync: new (path: string, options?: { readonly readOnly?: boolean }) => Database;
}

export interface DatabaseOptions {
  readonly connectionString: string;
  readonly busyTimeout: number;
  readonly disableWAL: boolean;
  readonly tableName: string;
  readonly metadataTableName: string;
}

export interface DatabaseSurroundings {
  readonly nodeVersion: string;
  /** A path as the process sees it. */
  readonly path: (path: string) => string;
}

/** True when this Node has SQLite built in (22.13 and newer). */
export function hasSqlite(): boolean {
  return sqlite() !== undefined;
}

/** Opens or makes the file with Dapr's table. Fails with `component.init-failed`: on a Node without SQLite, for options that mean nothing here, when the file cannot be opened. */
export function openDatabase(options: DatabaseOptions, { nodeVersion, path }: DatabaseSurroundings): Database {
  const module = sqlite();
  if (module === undefined) {
    const message = `state.sqlite needs the SQLite that is built into Node 22.13 and newer; this is Node ${nodeVersion}`;
    throw new ProaError('component.init-failed', message, { hint: 'use a newer Node, or state.proa, which needs nothing else' });
  }
  const { file, readOnly } = parseConnection(options.connectionString);
  let database: Database | undefined;
  try {
    database = new module.DatabaseSync(file === ':memory:' ? file : path(file), { readOnly });
    database.exec(`PRAGMA busy_timeout = ${Math.max(0, Math.floor(options.busyTimeout))}`);
    if (!readOnly) prepareFile(database, options, file);
    return database;
  } catch (cause) {
    database?.close();
    throw new ProaError('component.init-failed', `the SQLite file ${file} cannot be opened: ${(cause as Error).message}`, { cause });
  }
}

function sqlite(): SqliteModule | undefined {
  return process.getBuiltinModule('node:sqlite') as unknown as SqliteModule | undefined;
}

function prepareFile(database: Database, options: DatabaseOptions, file: string): void {
  if (file !== ':memory:') database.exec(`PRAGMA journal_mode = ${options.disableWAL ? 'DELETE' : 'WAL'}`);
  const { tableName, metadataTableName } = options;
  database.exec('BEGIN EXCLUSIVE');
  // The formats are Dapr's: its sidecars can use the same file.
  database.exec(`CREATE TABLE IF NOT EXISTS ${metadataTableName} (key text NOT NULL PRIMARY KEY, value text NOT NULL)`);
  database.exec(`CREATE TABLE IF NOT EXISTS ${tableName} (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    is_binary BOOLEAN NOT NULL,
    etag TEXT NOT NULL,
    expiration_time TIMESTAMP DEFAULT NULL,
    update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)`);
  database.exec(`INSERT OR IGNORE INTO ${metadataTableName} (key, value) VALUES ('migrations', '1')`);
  database.exec('COMMIT');
}

/** Options of Dapr's driver that change nothing here. */
const meaningless = new Set(['cache', '_txlock']);

function parseConnection(text: string): { readonly file: string; readonly readOnly: boolean } {
  const bare = text.replace(/^file:(\/\/)?/i, '');
  const mark = bare.indexOf('?');
  const file = mark < 0 ? bare : bare.slice(0, mark);
  let readOnly = false;
  for (const [name, value] of new URLSearchParams(mark < 0 ? '' : bare.slice(mark + 1))) {
    if ((name === 'mode' && value === 'ro') || (name === 'immutable' && value === '1')) readOnly = true;
    else if (!(name === 'mode' && value === 'rwc') && !meaningless.has(name)) {
      throw new ProaError(
        'component.init-failed',
        `the connection string of state.sqlite has the option ${name}=${value}, which is not supported`,
      );
    }
  }
  return { file: file.toLowerCase() === ':memory:' ? ':memory:' : file, readOnly };
}
