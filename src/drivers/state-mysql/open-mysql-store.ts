import type { PoolOptions } from 'mysql2/promise';
import type { InferOutput } from 'valibot';
import { parseConnectionString } from '../../clients/mysql/connection-string.ts';
import { openMysql, type MysqlDatabase } from '../../clients/mysql/database.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import type { StateStore } from '../../contracts/state.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { scheduleCleanup } from './cleanup.ts';
import type { config } from './config.ts';
import { createMysqlStore, what } from './mysql-store.ts';

type Options = InferOutput<typeof config>;

const timeoutDefaultMs = 20_000;

/** Connects, makes database and tables when they are missing. Fails with `component.init-failed` and what the server said. */
export async function openMysqlStore(options: Options, context: DriverContext): Promise<StateStore> {
  const { clock, random } = context.ports;
  const { schemaName, tableName, metadataTableName, maxConns } = options;
  let database: MysqlDatabase | undefined;
  try {
    const seconds = options.timeoutInSeconds;
    database = await openMysql({
      connection: await connectionOf(options, context),
      connectionsMax: maxConns,
      statementTimeoutMs: seconds === undefined ? (options.timeout ?? timeoutDefaultMs) : seconds * 1_000,
    });
    const tables = {
      schema: `\`${schemaName}\``,
      table: `\`${schemaName}\`.\`${tableName}\``,
      metadata: `\`${schemaName}\`.\`${metadataTableName}\``,
    };
    await makeTables(database, tables, context.log);
    const cleanup = scheduleCleanup({ database, clock, log: context.log, ...tables, intervalMs: options.cleanupInterval });
    return createMysqlStore({ database, clock, random, table: tables.table, closing: () => cleanup.close() });
  } catch (error) {
    await database?.close();
    if (error instanceof ProaError) throw error;
    throw new ProaError('component.init-failed', `${what}: ${(error as Error).message}`, { cause: error });
  }
}

async function connectionOf({ connectionString, pemPath }: Options, { ports }: DriverContext): Promise<PoolOptions> {
  const { tls, database, ...place } = parseConnectionString(connectionString);
  // The database of the connection string may not exist yet; every statement names its own.
  void database;
  if ((tls === 'custom') !== (pemPath !== undefined && pemPath !== '')) throw new Error('`pemPath` and tls=custom need each other');
  if (tls === 'none') return place;
  const ca = tls === 'custom' ? Buffer.from(await ports.disk.readFile(pemPath as string)).toString('utf8') : undefined;
  return { ...place, ssl: { rejectUnauthorized: tls !== 'unverified', ...(ca !== undefined && { ca }) } };
}

async function makeTables(
  database: MysqlDatabase,
  { schema, table, metadata }: { readonly schema: string; readonly table: string; readonly metadata: string },
  log: Logger,
): Promise<void> {
  const run = async (text: string): Promise<unknown[][]> => {
    const result = await database.run(text);
    if (result.status !== 'done') throw result.error;
    return result.rows;
  };
  const [found] = await run(`select count(*) from information_schema.schemata where schema_name = '${schema.slice(1, -1)}'`);
  // Who may not create databases can still use one that is there.
  if (Number(found?.[0]) === 0) await run(`create database if not exists ${schema}`);
  // Dapr's columns. Its keys are texts, which MySQL compares without regard to case and spaces at the end; bytes are compared as they are.
  await run(`create table if not exists ${table} (
    id varbinary(1020) not null primary key,
    value json not null,
    isbinary boolean not null,
    insertDate timestamp not null default current_timestamp,
    updateDate timestamp not null default current_timestamp on update current_timestamp,
    eTag varchar(36) not null,
    expiredate timestamp null,
    index expiredate_idx (expiredate))`);
  await run(`create table if not exists ${metadata} (id varchar(255) not null primary key, value text not null)`);
  const columns = new Map(
    (await run(`show full columns from ${table}`)).map((row) => [String(row[0]).toLowerCase(), row[2] as string | null]),
  );
  if (!columns.has('expiredate')) {
    await run(`alter table ${table} add column expiredate timestamp null`);
    await run(`create index expiredate_idx on ${table} (expiredate)`);
  }
  const collation = columns.get('id');
  if (typeof collation === 'string' && !/_nopad_bin$|_0900_bin$/.test(collation))
    log.warn(
      `${what}: table ${table} was made by Dapr: keys that differ only in what collation ${collation} ignores (case, spaces at the end) are one key`,
    );
}
