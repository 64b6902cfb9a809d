import type { Entry, LogEntry, LogPage, RangePage, RangeQuery } from '../../contracts/engine.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { Database } from '../../clients/postgres/database.ts';
import { decodeMeta, keyBytes } from './group.ts';
import { runRepeatable } from './repeatable.ts';

const pageBytes = 1024 * 1024;
const rangeLimitMax = 1_000;
const logLimitDefault = 256;
const logLimitMax = 10_000;

/** The contract's reads; each is one statement, so each sees one instant. */
export interface Reads {
  getMany(keys: readonly Key[]): Promise<(Entry | undefined)[]>;
  range(query: RangeQuery): Promise<RangePage>;
  readLog(log: Key, after: number, limit?: number): Promise<LogPage>;
  /** Of each log, in the order given: its first entry that is not trimmed, and its last. */
  logBounds(logs: readonly Key[]): Promise<readonly Pick<LogPage, 'first' | 'head'>[]>;
  logNames(): Promise<Key[]>;
  /** Another text after every put and every append. */
  mark(): Promise<string>;
}

/** Reads over a database. Statements that a broken connection took with it are repeated. */
export function createReads(database: Database, clock: Clock, schema: string): Reads {
  const alive = `(expires_ms is null or expires_ms > (select ${schema}.now_1()))`;
  const read = (text: string, values: readonly unknown[]): Promise<unknown[][]> =>
    runRepeatable(database, clock, { text, values, doing: 'reading' });
  return {
    async getMany(keys) {
      const sql = `select key, value, version, expires_ms from ${schema}.keys where key = any($1) and ${alive}`;
      const rows = await read(sql, [keys.map(keyBytes)]);
      const found = new Map(rows.map((row) => toEntry(row)).map((entry) => [entry.key, entry]));
      return keys.map((key) => found.get(key));
    },
    async range(query) {
      const limit = Math.min(Math.max(query.limit ?? rangeLimitMax, 1), rangeLimitMax);
      const direction = query.reverse === true ? 'desc' : 'asc';
      const value = query.keysOnly === true ? `''::bytea` : 'value';
      const sql = `
        select key, ${value}, version, expires_ms, total from (
          select *, sum(length(value)) over (order by key ${direction}) - length(value) as bytes_before, count(*) over () as total from (
            select key, value, version, expires_ms from ${schema}.keys
            where key >= $1 and key < $2 and ${alive} order by key ${direction} limit ${limit + 1}
          ) wanted
        ) page where bytes_before < $3 order by key ${direction}`;
      const bytesMax = query.keysOnly === true ? Number.MAX_SAFE_INTEGER : pageBytes;
      const rows = await read(sql, [keyBytes(query.from), keyBytes(query.to), bytesMax]);
      const entries = rows.slice(0, limit).map(toEntry);
      return { entries, more: Number(rows[0]?.[4] ?? 0) > entries.length };
    },
    async readLog(log, after, limit = logLimitDefault) {
      const sql = `
        select l.first, l.head, e.sequence, e.time_ms, e.meta, e.data from ${schema}.logs l left join lateral (
          select * from (
            select *, sum(length(data)) over (order by sequence) - length(data) as bytes_before from (
              select sequence, time_ms, meta, data from ${schema}.entries
              where log = l.log and sequence > $2 and sequence >= l.first order by sequence limit $3
            ) wanted
          ) page where bytes_before < ${pageBytes}
        ) e on true where l.log = $1 order by e.sequence`;
      const rows = await read(sql, [keyBytes(log), after, Math.min(Math.max(limit, 1), logLimitMax)]);
      const entries = rows.filter((row) => row[2] !== null).map(toLogEntry);
      return { entries, first: Number(rows[0]?.[0] ?? 1), head: Number(rows[0]?.[1] ?? 0) };
    },
    async logBounds(logs) {
      const rows = await read(`select log, first, head from ${schema}.logs where log = any($1)`, [logs.map(keyBytes)]);
      const known = new Map(
        rows.map(([log, first, head]) => [(log as Buffer).toString('latin1'), { first: Number(first), head: Number(head) }]),
      );
      return logs.map((log) => known.get(log) ?? { first: 1, head: 0 });
    },
    async logNames() {
      const rows = await read(`select log from ${schema}.logs where head > 0 order by log`, []);
      return rows.map(([log]) => (log as Buffer).toString('latin1'));
    },
    async mark() {
      const sql = `select (select last_value from ${schema}.versions), (select coalesce(sum(head), 0) from ${schema}.logs)`;
      return String((await read(sql, []))[0]);
    },
  };
}

function toEntry(row: unknown[]): Entry {
  const [key, value, version, expires] = row as [Buffer, Buffer, string, string | null];
  const entry = { key: key.toString('latin1'), value, version: Number(version) };
  return expires === null ? entry : { ...entry, expiresAtMs: Number(expires) };
}

function toLogEntry(row: unknown[]): LogEntry {
  const [, , sequence, timeMs, meta, data] = row as [string, string, string, string, string | null, Buffer];
  return { ...decodeMeta(meta), sequence: Number(sequence), timeMs: Number(timeMs), data };
}
