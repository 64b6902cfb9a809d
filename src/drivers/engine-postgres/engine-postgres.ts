import type { Commit, CommitResult, EngineStats, Entry, Lease, LeaseHeld, LogPage, RangePage, RangeQuery } from '../../contracts/engine.ts';
import type { CopySource } from '../../contracts/engine-copy.ts';
import { createRemoteClock } from '../../contracts/engine-clock.ts';
import { HintBoard } from '../../contracts/engine-hints.ts';
import { checkCommit } from '../../contracts/engine-checks.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Ports } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import { type Database, openDatabase, type PostgresAddress } from '../../clients/postgres/database.ts';
import { statementError } from './statement-error.ts';
import { createReadBatcher } from './read-batcher.ts';
import { encodeCommit, keyBytes, stripeOf } from './group.ts';
import { PostgresHints } from './hints.ts';
import { Housekeeping } from './housekeeping.ts';
import { createReads } from './reads.ts';
import { runRepeatable } from './repeatable.ts';
import { migrateBack, migrateForward } from './migrate.ts';
import { quotedSchema } from './schema-name.ts';
import { GroupWriter } from './writer.ts';

export interface PostgresEngineOptions {
  readonly ports: Pick<Ports, 'clock' | 'random'>;
  readonly address: PostgresAddress;
  /** The schema that holds everything, made when missing: letters, digits, `_` and `-`, at most 40. Default `proa`. */
  readonly schema?: string;
  /** Connections of the pool, at most; LISTEN takes one more. Default 4. */
  readonly connectionsMax?: number;
  /** A statement that is silent for longer counts as lost. Default 30 s. */
  readonly statementTimeoutMs?: number;
  /** How often to look for others' changes while notices do not arrive. Default 250 ms. */
  readonly pollMs?: number;
  /** Commits that may wait for their group. Default 10,000. */
  readonly waitingMax?: number;
}

/**
 * The engine on PostgreSQL 13 or newer, shared by any number of machines. Creates its schema on first use. Fails with
 * `driver.missing-package`, `engine.unavailable` (no connection, no right to create) or `engine.format` (a newer Proa wrote it).
 */
export async function openPostgresEngine(options: PostgresEngineOptions): Promise<CopySource> {
  const schema = schemaOf(options);
  const database = await databaseOf(options);
  try {
    await migrateForward(database, schema);
    const engine = new PostgresEngine(options, database, schema);
    await engine.begin();
    return engine;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Takes a schema back to an older format; see `migrateBack`. Fails as `openPostgresEngine` does. */
export async function migratePostgresBack(
  options: Pick<PostgresEngineOptions, 'address' | 'schema'>,
  to: number,
): Promise<{ readonly from: number; readonly to: number }> {
  const schema = schemaOf(options);
  const database = await databaseOf(options);
  try {
    return await migrateBack(database, schema, to);
  } finally {
    await database.close();
  }
}

function schemaOf({ schema: name = 'proa' }: Pick<PostgresEngineOptions, 'schema'>): string {
  const schema = quotedSchema(name);
  if (schema !== undefined) return schema;
  throw new ProaError('config.invalid', `"${name}" cannot be the name of a PostgreSQL schema`, {
    hint: 'use letters, digits, underscores and hyphens, at most 40, beginning with a letter or an underscore',
  });
}

function databaseOf({ address, connectionsMax = 4, statementTimeoutMs = 30_000 }: Omit<PostgresEngineOptions, 'ports'>): Promise<Database> {
  return openDatabase({ address, connectionsMax, statementTimeoutMs });
}

class PostgresEngine implements CopySource {
  readonly kind = 'postgres';
  readonly #options: PostgresEngineOptions;
  readonly #database: Database;
  readonly #schema: string;
  readonly #clock;
  readonly #reads;
  readonly #get;
  readonly #bounds;
  readonly #writer: GroupWriter;
  readonly #board: HintBoard;
  readonly #hints: PostgresHints;
  readonly #housekeeping: Housekeeping;
  #closing: Promise<void> | undefined;

  constructor(options: PostgresEngineOptions, database: Database, schema: string) {
    const { clock, random } = options.ports;
    this.#options = options;
    this.#database = database;
    this.#schema = schema;
    this.#clock = createRemoteClock(clock);
    this.#reads = createReads(database, clock, schema);
    this.#get = createReadBatcher(clock, (keys: readonly Key[]) => this.#reads.getMany(keys));
    this.#bounds = createReadBatcher(clock, (logs: readonly Key[]) => this.#reads.logBounds(logs));
    const answered = (nowMs: number, sentMono: number): void => this.#clock.learn(nowMs, sentMono);
    this.#writer = new GroupWriter({ database, clock, schema, waitingMax: options.waitingMax ?? 10_000, answered });
    this.#board = new HintBoard((_kind, _key, watched) => {
      if (watched) this.#hints.start();
    });
    this.#hints = new PostgresHints({ database, clock, board: this.#board, schema, self: random.uuid(), pollMs: options.pollMs ?? 250 });
    this.#housekeeping = new Housekeeping({ database, clock, schema, answered });
  }

  /** Learns the time before anybody asks for it. */
  begin(): Promise<void> {
    return this.#housekeeping.begin();
  }

  async commit(commit: Commit): Promise<CommitResult> {
    checkCommit(commit);
    const encoded = encodeCommit(commit);
    const result = await this.#writer.commit(encoded);
    if (result.status === 'done') this.#hints.committed(encoded.keys, encoded.logs, encoded.hasRange);
    return result;
  }

  get(key: Key): Promise<Entry | undefined> {
    return this.#get(key);
  }

  getMany(keys: readonly Key[]): Promise<(Entry | undefined)[]> {
    return this.#reads.getMany(keys);
  }

  range(query: RangeQuery): Promise<RangePage> {
    return this.#reads.range(query);
  }

  async readLog(log: Key, after: number, limit?: number): Promise<LogPage> {
    // Whoever begins with a log often finds nothing in it, and often asks for hundreds of them: whether there is something is one statement for all.
    if (after === 0) {
      const bounds = await this.#bounds(log);
      if (bounds.first > bounds.head) return { entries: [], ...bounds };
    }
    return this.#reads.readLog(log, after, limit);
  }

  logNames(): Promise<readonly Key[]> {
    return this.#reads.logNames();
  }

  /** Another text after every put and every append, whoever made it. */
  mark(): Promise<string> {
    return this.#reads.mark();
  }

  async trim(log: Key, upTo: number): Promise<void> {
    const parameters = [keyBytes(log), Math.min(upTo, Number.MAX_SAFE_INTEGER), stripeOf('log', log)];
    const result = await this.#database.run(`select ${this.#schema}.trim_1($1, $2, $3)`, parameters);
    if (result.status !== 'done') throw statementError(result, 'trimming a log');
    this.#housekeeping.free(log);
  }

  async acquireLease(name: Key, owner: string, ttlMs: number): Promise<Lease | LeaseHeld> {
    const row = await this.#lease('acquire', [keyBytes(name), Buffer.from(owner), Math.ceil(ttlMs), stripeOf('lease', name)]);
    const [, held, holder, epoch] = row as [string, boolean, Buffer, string];
    if (held) return { held, name, owner, epoch: Number(epoch), ttlMs };
    return { held, owner: holder.toString(), epoch: Number(epoch) };
  }

  async renewLease(lease: Lease, ttlMs: number): Promise<Lease | undefined> {
    const held = await this.#extend(lease, Math.ceil(ttlMs));
    return held ? { ...lease, ttlMs } : undefined;
  }

  async releaseLease(lease: Lease): Promise<void> {
    await this.#extend(lease, 0);
  }

  now(): number {
    return this.#clock.now();
  }

  watch(prefix: Key, changed: () => void): () => void {
    return this.#board.watch(prefix, changed);
  }

  onAppend(log: Key, appended: () => void): () => void {
    return this.#board.onAppend(log, appended);
  }

  stats(): EngineStats {
    const { keys, logs, diskBytes } = this.#housekeeping.sizes;
    const counts = { keys, logs, diskBytes, commits: this.#writer.commits, syncs: this.#writer.groups };
    return { ...counts, indexBytes: 0, indexBytesMax: Number.MAX_SAFE_INTEGER, quarantined: 0, readOnly: false };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#board.clear();
    await this.#writer.close();
    await this.#housekeeping.close();
    await this.#hints.close();
    await this.#database.close();
  }

  async #extend(lease: Lease, ttlMs: number): Promise<boolean> {
    const parameters = [keyBytes(lease.name), Buffer.from(lease.owner), lease.epoch, ttlMs, stripeOf('lease', lease.name)];
    return (await this.#lease('renew', parameters))[1] === true;
  }

  /** Both functions can be repeated safely by the same owner: a lost answer is found again. */
  async #lease(verb: 'acquire' | 'renew', values: unknown[]): Promise<unknown[]> {
    const { clock } = this.#options.ports;
    const places = values.map((_, i) => `$${i + 1}`).join(', ');
    const text = `select * from ${this.#schema}.${verb}_1(${places})`;
    const sentMono = clock.mono();
    const rows = await runRepeatable(this.#database, clock, { text, values, doing: `${verb} of a lease` });
    const row = rows[0] as unknown[];
    this.#clock.learn(Number(row[0]), sentMono);
    return row;
  }
}
