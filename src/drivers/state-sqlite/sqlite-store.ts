import {
  type BulkOutcome,
  EtagError,
  expiryMetadata,
  type StateCapability,
  type StateDelete,
  type StateGet,
  type StateOperation,
  type StateSet,
  type StateStore,
  type StateValue,
} from '../../contracts/state.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Random, Timer } from '../../kernel/ports.ts';
import type { Database, Statement } from './database.ts';

/** What this store can do. */
export const sqliteCapabilities: readonly StateCapability[] = ['ETAG', 'TRANSACTIONAL', 'TTL', 'DELETE_WITH_PREFIX', 'KEYS_LIKE', 'ACTOR'];

export interface SqliteStoreOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly tableName: string;
  /** Between two removals of expired rows, in milliseconds; 0 for none. */
  readonly cleanupInterval: number;
}

/**
 * The state store in one SQLite file, in the format of Dapr's state.sqlite: text as it is, other bytes in base64, etag = UUID, times to the second. Statements run
 * on the event loop; a write that must reach the disk holds it for that long. Content types are not kept: the format has no place for them.
 */
export class SqliteStore implements StateStore {
  readonly capabilities = sqliteCapabilities;
  readonly #options: SqliteStoreOptions;
  readonly #sql: Statements;
  #timer: Timer | undefined;

  constructor(options: SqliteStoreOptions) {
    this.#options = options;
    this.#sql = prepareStatements(options.database, options.tableName);
    this.#arm();
  }

  async get({ key }: StateGet): Promise<StateValue | undefined> {
    return this.#read(key);
  }

  async set(request: StateSet): Promise<void> {
    this.#set(request);
  }

  async delete(request: StateDelete): Promise<void> {
    this.#delete(request);
  }

  async bulkGet(requests: readonly StateGet[]): Promise<BulkOutcome<StateValue>[]> {
    return requests.map(({ key }) => {
      const value = this.#read(key);
      return value === undefined ? { key } : { key, value };
    });
  }

  async bulkSet(requests: readonly StateSet[]): Promise<BulkOutcome<void>[]> {
    return this.#inTransaction(() => requests.map((request) => outcome(request.key, () => this.#set(request))));
  }

  async bulkDelete(requests: readonly StateDelete[]): Promise<BulkOutcome<void>[]> {
    return this.#inTransaction(() => requests.map((request) => outcome(request.key, () => this.#delete(request))));
  }

  async transact(operations: readonly StateOperation[]): Promise<void> {
    this.#inTransaction(() => {
      for (const operation of operations) {
        if (operation.kind === 'upsert') this.#set(operation);
        else this.#delete(operation);
      }
    });
  }

  async deleteWithPrefix(prefix: string): Promise<number> {
    if (prefix === '') throw new ProaError('bad-request', 'a prefix is required to delete by prefix');
    return this.#inTransaction(() => {
      // Expired rows are gone already as far as anyone can tell.
      this.#sql.cleanUp.run(this.#now());
      return Number(this.#sql.deletePrefix.run(prefix, prefix, prefix).changes);
    });
  }

  async keys(
    prefix: string,
    { token, limit }: { readonly token?: string; readonly limit: number },
  ): Promise<{ keys: string[]; token?: string }> {
    const rows = this.#sql.keys.all(prefix, prefix, prefix, token ?? '', this.#now(), limit + 1);
    const keys = rows.slice(0, limit).map((row) => String(row['key']));
    const last = keys.at(-1);
    return { keys, ...(rows.length > limit && last !== undefined && { token: last }) };
  }

  async ping(): Promise<void> {
    this.#sql.read.get('', this.#now());
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#options.database.close();
  }

  /** UTC to the second, as SQLite writes CURRENT_TIMESTAMP. */
  #now(plusMs = 0): string {
    return new Date(this.#options.clock.now() + plusMs).toISOString().slice(0, 19).replace('T', ' ');
  }

  #read(key: string): StateValue | undefined {
    const row = this.#sql.read.get(key, this.#now());
    if (row === undefined) return undefined;
    const { value, is_binary: isBinary, etag, expiration_time: expires } = row;
    return {
      data: Buffer.from(String(value), Number(isBinary) === 1 ? 'base64' : 'utf8'),
      etag: String(etag),
      ...(typeof expires === 'string' && { metadata: expiryMetadata(Date.parse(`${expires.replace(' ', 'T').replace(/Z$/, '')}Z`)) }),
    };
  }

  #set({ key, data, etag, concurrency, ttlSeconds }: StateSet): void {
    const text = textOf(data);
    const value = text ?? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
    const isBinary = text === undefined ? 1 : 0;
    const fresh = this.#options.random.uuid();
    const [now, expires] = [this.#now(), ttlSeconds === undefined ? null : this.#now(ttlSeconds * 1000)];
    if (etag !== undefined) mustChange(this.#sql.replace.run(value, isBinary, fresh, expires, now, key, etag, now));
    else if (concurrency === 'first-write') mustChange(this.#sql.create.run(key, value, isBinary, fresh, expires, now, now));
    else this.#sql.write.run(key, value, isBinary, fresh, expires, now);
  }

  #delete({ key, etag }: StateDelete): void {
    if (etag === undefined) this.#sql.delete.run(key);
    else mustChange(this.#sql.deleteGuarded.run(key, etag, this.#now()));
  }

  #inTransaction<T>(run: () => T): T {
    const { database } = this.#options;
    database.exec('BEGIN IMMEDIATE');
    try {
      const result = run();
      database.exec('COMMIT');
      return result;
    } catch (error) {
      database.exec('ROLLBACK');
      throw error;
    }
  }

  #arm(): void {
    const { clock, cleanupInterval, log } = this.#options;
    if (cleanupInterval <= 0) return;
    this.#timer = clock.timer(
      cleanupInterval,
      () => {
        try {
          this.#sql.cleanUp.run(this.#now());
        } catch (error) {
          log.warn('expired state was not removed', { error: error instanceof Error ? error.message : String(error) });
        }
        this.#arm();
      },
      true,
    );
  }
}

interface Statements {
  readonly read: Statement;
  readonly write: Statement;
  readonly create: Statement;
  readonly replace: Statement;
  readonly delete: Statement;
  readonly deleteGuarded: Statement;
  readonly deletePrefix: Statement;
  readonly keys: Statement;
  readonly cleanUp: Statement;
}

/** `table` was checked to be an identifier. */
function prepareStatements(database: Database, table: string): Statements {
  const live = '(expiration_time IS NULL OR expiration_time > ?)';
  const columns = '(key, value, is_binary, etag, expiration_time, update_time)';
  const update =
    'value = excluded.value, is_binary = excluded.is_binary, etag = excluded.etag, expiration_time = excluded.expiration_time, update_time = excluded.update_time';
  // The first condition lets the index find where to begin; LIKE would fold case and read % and _.
  const prefixed = 'key >= ? AND substr(key, 1, length(?)) = ?';
  const insert = `INSERT INTO ${table} ${columns} VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET ${update}`;
  return {
    read: database.prepare(`SELECT value, is_binary, etag, expiration_time FROM ${table} WHERE key = ? AND ${live}`),
    write: database.prepare(insert),
    create: database.prepare(`${insert} WHERE expiration_time IS NOT NULL AND expiration_time <= ?`),
    replace: database.prepare(
      `UPDATE ${table} SET value = ?, is_binary = ?, etag = ?, expiration_time = ?, update_time = ? WHERE key = ? AND etag = ? AND ${live}`,
    ),
    delete: database.prepare(`DELETE FROM ${table} WHERE key = ?`),
    deleteGuarded: database.prepare(`DELETE FROM ${table} WHERE key = ? AND etag = ? AND ${live}`),
    deletePrefix: database.prepare(`DELETE FROM ${table} WHERE ${prefixed}`),
    keys: database.prepare(`SELECT key FROM ${table} WHERE ${prefixed} AND key > ? AND ${live} ORDER BY key LIMIT ?`),
    cleanUp: database.prepare(`DELETE FROM ${table} WHERE expiration_time IS NOT NULL AND expiration_time <= ?`),
  };
}

function mustChange({ changes }: { readonly changes: number | bigint }): void {
  if (Number(changes) === 0) throw new EtagError('mismatch');
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text that these bytes are, when they are text that SQLite keeps as it is. */
function textOf(data: Uint8Array): string | undefined {
  if (data.includes(0)) return undefined;
  try {
    return strict.decode(data);
  } catch {
    return undefined;
  }
}

function outcome(key: string, run: () => void): BulkOutcome<void> {
  try {
    run();
    return { key };
  } catch (error) {
    return { key, error: error as Error };
  }
}
