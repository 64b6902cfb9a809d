import type { MysqlDatabase, MysqlResult, MysqlValue, RunMysql } from '../../clients/mysql/database.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import {
  type BulkOutcome,
  EtagError,
  expiryMetadata,
  type StateCapability,
  type StateOperation,
  type StateSet,
  type StateStore,
  type StateValue,
} from '../../contracts/state.ts';
import { eachByKey, keyed } from '../../contracts/state-bulk.ts';
import { isUnconditional, planOf, type StatePlan } from '../../contracts/state-plan.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Random } from '../../kernel/ports.ts';
import { type Statements, statementsOf } from './statements.ts';

/** What this store can do. */
export const mysqlCapabilities: readonly StateCapability[] = ['ETAG', 'TRANSACTIONAL', 'TTL', 'DELETE_WITH_PREFIX', 'KEYS_LIKE', 'ACTOR'];

/** For messages. */
export const what = 'state.mysql';

export interface MysqlStoreOptions {
  readonly database: MysqlDatabase;
  readonly clock: Clock;
  readonly random: Random;
  /** Quoted. */
  readonly table: string;
  /** Called before the database is closed. */
  readonly closing: () => Promise<void>;
}

const operationsMax = 1_000;
const repeatsMax = 5;
/** Deadlock, and a wait for a lock that the server gave up: the transaction was undone. */
const repeatable = new Set([1213, 1205]);
/** Too many connections, shutdown, read-only: nothing happened, and it may work later. */
const passing = new Set([1040, 1053, 1203, 1205, 1213, 1290, 1792, 1836]);
const readRetryMs = 50;
/** Dapr's etags are UUIDs, but any text can be compared. */
const etagForm = /^.{1,36}$/s;

/** State in a table of MySQL or MariaDB in Dapr's format. Values are kept as bytes in base64, so that they come back as they were; JSON that Dapr wrote is read too. */
export function createMysqlStore(options: MysqlStoreOptions): StateStore {
  const { database, closing } = options;
  const sql = statementsOf(options.table);
  const { read, transact, write } = accessOf(options, sql);
  const getMany = async (keys: readonly string[]): Promise<Map<string, StateValue>> => {
    const wanted = [...new Set(keys)];
    const rows = wanted.length === 0 ? [] : await read(sql.read(wanted.length), [...wanted, ...wanted]);
    return new Map(rows.map((row) => [String(row[0]), valueOf(row)]));
  };
  const one = (operation: StateOperation): Promise<void> => transact(planOf([operation], etagForm));
  const bulk = async (operations: readonly StateOperation[]): Promise<BulkOutcome<void>[]> => {
    if (operations.length > 0 && operations.every(isUnconditional)) {
      const failure = await transact(planOf(operations, etagForm)).catch((error: unknown) => error);
      if (failure === undefined) return operations.map(({ key }) => ({ key }));
    }
    return eachByKey(operations, one);
  };
  return {
    capabilities: mysqlCapabilities,
    transactionOperationsMax: operationsMax,
    ...keyed({ getMany, one, bulk }),
    transact: (operations) => transact(planOf(operations, etagForm)),
    async deleteWithPrefix(prefix) {
      if (prefix === '') throw new ProaError('bad-request', 'a prefix is required to delete by prefix');
      return (await write(sql.removePrefix, [prefix, prefix])).changed;
    },
    async keys(prefix, { token, limit }) {
      const rows = await read(sql.keys, [prefix, prefix, token ?? '', limit + 1]);
      const keys = rows.slice(0, limit).map(([key]) => String(key));
      const last = keys.at(-1);
      return { keys, ...(rows.length > limit && last !== undefined && { token: last }) };
    },
    async ping() {
      await read('select 1', []);
    },
    async close() {
      await closing();
      await database.close();
    },
  };
}

type Done = Extract<MysqlResult, { status: 'done' }>;

function accessOf({ database, clock, random }: MysqlStoreOptions, sql: Statements) {
  const repeated = async (run: () => Promise<MysqlResult>): Promise<MysqlResult> => {
    let result = await run();
    for (let tries = 0; tries < repeatsMax && result.status === 'refused' && repeatable.has(result.errno); tries++) result = await run();
    return result;
  };
  const write = async (text: string, values: readonly MysqlValue[]): Promise<Done> => {
    const result = await repeated(() => database.run(text, values));
    if (result.status !== 'done') throw errorOf(result, 'write');
    return result;
  };
  const read = async (text: string, values: readonly MysqlValue[]): Promise<unknown[][]> => {
    let result = await database.run(text, values);
    if (result.status === 'lost') {
      // A server that restarts takes all idle connections with it; the next one is new.
      await new Promise<void>((resolve) => void clock.timer(readRetryMs, resolve));
      result = await database.run(text, values);
    }
    if (result.status !== 'done') throw errorOf(result, 'read');
    return result.rows;
  };
  const transact = async (plan: StatePlan): Promise<void> => {
    const steps = stepsOf(plan, sql, () => random.uuid());
    if (steps.length === 1) {
      const [step] = steps as [Step];
      if (!step.holds(await write(step.text, step.values))) throw new EtagError('mismatch');
    } else if (steps.length > 1) {
      const result = await repeated(() => database.transaction((run) => apply(run, steps)));
      if (result.status !== 'done') throw errorOf(result, 'write');
    }
  };
  return { read, write, transact };
}

interface Step {
  readonly text: string;
  readonly values: readonly MysqlValue[];
  /** Whether the conditions of this step were met. */
  holds(answer: { readonly rows: unknown[][]; readonly changed: number }): boolean;
}

/** Rows that must be there, or must not, are locked first, in the order of their keys. A plan for one key is one statement. */
function stepsOf({ sets, creates, deletes, absent, etags }: StatePlan, sql: Statements, etag: () => string): Step[] {
  const always = (): boolean => true;
  const changes = ({ changed }: { readonly changed: number }): boolean => changed > 0;
  const [onlySet, onlyDelete] = [sets[0], deletes[0]];
  if (etags.size === 1 && sets.length + creates.length + deletes.length + absent.length === 1) {
    const [[key, wanted]] = [...etags] as [[string, string]];
    if (onlySet !== undefined) {
      const { value, ttl } = storedOf(onlySet);
      return [{ text: sql.replace, values: [value, etag(), ttl, ttl, key, wanted], holds: changes }];
    }
    if (onlyDelete !== undefined) return [{ text: sql.removeGuarded, values: [key, wanted], holds: changes }];
  }
  const steps: Step[] = [];
  const watched = [...etags.keys(), ...absent].toSorted();
  if (watched.length > 0)
    steps.push({
      text: sql.lock(watched.length),
      values: watched,
      holds: ({ rows }) => {
        const stored = new Map(rows.map(([key, found]) => [String(key), String(found)]));
        return watched.every((key) => stored.get(key) === etags.get(key));
      },
    });
  const rowOf = (set: StateSet): readonly MysqlValue[] => {
    const { value, ttl } = storedOf(set);
    return [set.key, value, etag(), ttl, ttl];
  };
  for (const set of creates.toSorted(byKey)) steps.push({ text: sql.create, values: rowOf(set), holds: changes });
  if (sets.length > 0) steps.push({ text: sql.upsert(sets.length), values: sets.toSorted(byKey).flatMap(rowOf), holds: always });
  if (deletes.length > 0) steps.push({ text: sql.remove(deletes.length), values: deletes, holds: always });
  return steps;
}

async function apply(run: RunMysql, steps: readonly Step[]): Promise<void> {
  for (const { text, values, holds } of steps) if (!holds(await run(text, values))) throw new EtagError('mismatch');
}

const byKey = (a: { readonly key: string }, b: { readonly key: string }): number => (a.key < b.key ? -1 : 1);

function storedOf({ data, ttlSeconds }: StateSet): { readonly value: string; readonly ttl: number | null } {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { value: `"${bytes.toString('base64')}"`, ttl: ttlSeconds ?? null };
}

function valueOf([, value, isBinary, etag, expires]: unknown[]): StateValue {
  const text = String(value);
  return {
    data: Number(isBinary) === 1 ? Buffer.from(JSON.parse(text) as string, 'base64') : Buffer.from(text),
    etag: String(etag),
    ...(expires !== null && { metadata: expiryMetadata(Number(expires) * 1_000) }),
  };
}

function errorOf({ status, error, errno, uncommitted }: Exclude<MysqlResult, { status: 'done' }>, effect: 'read' | 'write'): Error {
  if (status === 'refused' && !passing.has(errno)) return new Error(`MySQL: ${error.message} (${errno})`, { cause: error });
  if (status === 'lost' && effect === 'write' && uncommitted !== true)
    return outcomeUnknown(`${what}: the write may or may not have happened`, error);
  return new ProaError('unavailable', `${what}: MySQL: ${error.message}`, { cause: error });
}
