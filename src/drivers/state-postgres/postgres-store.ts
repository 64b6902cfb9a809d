import { asBuffer } from '../../kernel/bytes.ts';
import type { Database, RunInTransaction, StatementResult } from '../../clients/postgres/database.ts';
import { componentError } from '../../clients/postgres/open-component.ts';
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
import type { Clock } from '../../kernel/ports.ts';
import type { Layout } from './layout.ts';
import { type Statements, statementsOf } from './statements.ts';

/** What both versions can do. */
export const postgresCapabilities: readonly StateCapability[] = [
  'ETAG',
  'TRANSACTIONAL',
  'TTL',
  'DELETE_WITH_PREFIX',
  'KEYS_LIKE',
  'ACTOR',
];

export interface PostgresStoreOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly layout: Layout;
  /** The component's type, for messages. */
  readonly what: string;
  /** Called before the database is closed. */
  readonly closing: () => Promise<void>;
}

const operationsMax = 1_000;
/** Serialisation failure and deadlock: the server undid the transaction and asks to repeat it. */
const repeatable = new Set(['40001', '40P01']);
const repeatsMax = 5;
const readRetryMs = 50;

/** State in a table of Dapr's format. Content types are not kept: the format has no place for them. */
export function createPostgresStore(options: PostgresStoreOptions): StateStore {
  const { layout, database, closing } = options;
  const sql = statementsOf(layout);
  const { read, write, transact } = accessOf(options, sql);
  const getMany = async (keys: readonly string[]): Promise<Map<string, StateValue>> =>
    new Map((await read(sql.read, [[...new Set(keys)]])).map((row) => [row[0] as string, valueOf(row)]));
  const one = async (operation: StateOperation): Promise<void> => {
    const plan = planOf([operation], layout.etagForm);
    if (operation.etag === undefined) return inOneStatement(write, sql, plan);
    const { key, etag } = operation;
    const rows =
      operation.kind === 'delete'
        ? await write(sql.removeGuarded, [key, etag])
        : await write(sql.replace, [key, operation.data, operation.ttlSeconds ?? null, etag]);
    if (rows.length === 0) throw new EtagError('mismatch');
  };
  const bulk = async (operations: readonly StateOperation[]): Promise<BulkOutcome<void>[]> => {
    if (operations.length > 0 && operations.every(isUnconditional)) {
      const plan = planOf(operations, layout.etagForm);
      const failure = await inOneStatement(write, sql, plan).catch((error: unknown) => error);
      if (failure === undefined) return operations.map(({ key }) => ({ key }));
    }
    return eachByKey(operations, one);
  };
  return {
    capabilities: postgresCapabilities,
    transactionOperationsMax: operationsMax,
    ...keyed({ getMany, one, bulk }),
    transact: (operations) => transact(planOf(operations, layout.etagForm)),
    async deleteWithPrefix(prefix) {
      if (prefix === '') throw new ProaError('bad-request', 'a prefix is required to delete by prefix');
      return (await write(sql.removePrefix, [prefix]))[0]?.[0] as number;
    },
    async keys(prefix, { token, limit }) {
      const rows = await read(sql.keys, [prefix, token ?? '', limit + 1]);
      const keys = rows.slice(0, limit).map(([key]) => key as string);
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

type Write = (text: string, values: readonly unknown[]) => Promise<unknown[][]>;

function accessOf({ database, clock, what }: PostgresStoreOptions, sql: Statements) {
  const repeated = async (run: () => Promise<StatementResult>): Promise<StatementResult> => {
    let result = await run();
    for (let tries = 0; tries < repeatsMax && result.status === 'refused' && repeatable.has(result.sqlState); tries++) result = await run();
    return result;
  };
  const write: Write = async (text, values) => {
    const result = await repeated(() => database.run(text, values));
    if (result.status !== 'done') throw componentError(result, what, 'write');
    return result.rows;
  };
  const read: Write = async (text, values) => {
    let result = await database.run(text, values);
    if (result.status === 'lost') {
      // A server that restarts takes all idle connections with it; the next one is new.
      await new Promise<void>((resolve) => void clock.timer(readRetryMs, resolve));
      result = await database.run(text, values);
    }
    if (result.status !== 'done') throw componentError(result, what, 'read');
    return result.rows;
  };
  const transact = async (plan: StatePlan): Promise<void> => {
    if (plan.etags.size + plan.absent.length === 0 && parts(plan) <= 1) return inOneStatement(write, sql, plan);
    const result = await repeated(() => database.transaction((run) => apply(run, sql, plan)));
    if (result.status !== 'done') throw componentError(result, what, 'write');
  };
  return { read, write, transact };
}

const parts = ({ sets, creates, deletes }: StatePlan): number => [sets, creates, deletes].filter((part) => part.length > 0).length;

/** A plan with one part and no etags: atomic by itself. */
async function inOneStatement(write: Write, sql: Statements, plan: StatePlan): Promise<void> {
  if (parts(plan) > 0) await apply(write, sql, plan);
}

/** Rows that must be there as they were are locked first, in the order of their keys, like everything that is written. */
async function apply(run: Write | RunInTransaction, sql: Statements, { sets, creates, deletes, absent, etags }: StatePlan): Promise<void> {
  const watched = [...etags.keys(), ...absent];
  if (watched.length > 0) {
    const stored = new Map((await run(sql.lock, [watched])) as [string, string][]);
    if (watched.some((key) => stored.get(key) !== etags.get(key))) throw new EtagError('mismatch');
  }
  for (const [part, first] of [
    [sets, false],
    [creates, true],
  ] as const) {
    if (part.length === 0) continue;
    const written = await run(sql.upsert, [...columnsOf(part), first]);
    if (written.length < part.length) throw new EtagError('mismatch');
  }
  if (deletes.length > 0) await run(sql.remove, [deletes]);
}

// `pg` knows Buffers only, inside of arrays.
function columnsOf(sets: readonly StateSet[]): unknown[] {
  return [sets.map(({ key }) => key), sets.map(({ data }) => asBuffer(data)), sets.map(({ ttlSeconds }) => ttlSeconds ?? null)];
}

function valueOf([, data, etag, expiry]: unknown[]): StateValue {
  return {
    data: data as Buffer,
    etag: etag as string,
    ...(expiry !== null && { metadata: expiryMetadata(Number(expiry)) }),
  };
}
