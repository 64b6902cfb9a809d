import type { Database, RunInTransaction } from '../../clients/postgres/database.ts';
import { componentError } from '../../clients/postgres/open-component.ts';
import { quotedTable } from '../../clients/postgres/table-name.ts';
import { type LockStore, type UnlockStatus, unlockStatus } from '../../contracts/lock.ts';
import { ProaError } from '../../kernel/errors.ts';

export interface PostgresLocksOptions {
  readonly database: Database;
  /** A checked name, with or without its schema. */
  readonly table: string;
  readonly what: string;
}

/** Rows of locks that ended by themselves and nobody asked for again go with later grants, some at a time. */
const sweptAtOnce = 20;

/** Makes table and sequence where they are missing; those who open at the same time wait for each other. Fails with `component.init-failed`. */
export async function createLockTable({ database, table, what }: PostgresLocksOptions): Promise<void> {
  const result = await database.transaction(async (run) => {
    await run('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`proa ${table}`]);
    await run(`create sequence if not exists ${quotedTable(`${table}_token`)}`);
    await run(
      `create table if not exists ${quotedTable(table)} (resource text not null primary key, owner text not null, token bigint not null, expires timestamptz not null)`,
    );
  });
  if (result.status !== 'done')
    throw new ProaError('component.init-failed', `${what}: table ${table} cannot be made: ${result.error.message}`, {
      cause: result.error,
    });
}

/**
 * Locks as rows of a table, by the clock of the database. Whoever works on a resource holds its advisory lock until the transaction ends, so that the tokens of a resource, which come
 * from one sequence, rise with its grants; nothing is kept in sessions, so that a transaction pooler may stand between.
 */
export function createPostgresLocks({ database, table, what }: PostgresLocksOptions): LockStore {
  const quoted = quotedTable(table);
  const alone = async (resource: string, work: (run: RunInTransaction) => Promise<void>): Promise<void> => {
    const result = await database.transaction(async (run) => {
      await run('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`${table} ${resource}`]);
      await work(run);
    });
    if (result.status !== 'done') throw componentError(result, what, 'write');
  };
  return {
    async tryLock(resource, owner, expirySeconds) {
      let token: unknown;
      await alone(resource, async (run) => {
        const [row] = await run(
          `insert into ${quoted} as held (resource, owner, token, expires)
           values ($1, $2, nextval('${quotedTable(`${table}_token`)}'), clock_timestamp() + $3::float8 * interval '1 second')
           on conflict (resource) do update set owner = excluded.owner, token = excluded.token, expires = excluded.expires
           where held.expires <= clock_timestamp() returning token`,
          [resource, owner, expirySeconds],
        );
        token = row?.[0];
        if (token === undefined) return;
        await run(
          `delete from ${quoted} where resource in (select resource from ${quoted} where expires < clock_timestamp() - interval '1 minute' limit ${sweptAtOnce} for update skip locked)`,
        );
      });
      return token === undefined ? { success: false } : { success: true, fencingToken: Number(token) };
    },
    async unlock(resource, owner) {
      let status: UnlockStatus = unlockStatus.success;
      await alone(resource, async (run) => {
        const [gone] = await run(`delete from ${quoted} where resource = $1 and owner = $2 and expires > clock_timestamp() returning 1`, [
          resource,
          owner,
        ]);
        if (gone !== undefined) return;
        const [held] = await run(`select 1 from ${quoted} where resource = $1 and expires > clock_timestamp()`, [resource]);
        status = held === undefined ? unlockStatus.doesNotExist : unlockStatus.belongsToOthers;
      });
      return status;
    },
    close: () => database.close(),
  };
}
