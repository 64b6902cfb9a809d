import type { Database } from '../../clients/postgres/database.ts';
import { componentError } from '../../clients/postgres/open-component.ts';
import { quotedTable } from '../../clients/postgres/table-name.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Layout } from './layout.ts';

export interface MigrateOptions {
  readonly database: Database;
  readonly layout: Layout;
  readonly metadataTable: string;
  readonly what: string;
}

/** Brings the tables to the layout, as Dapr does and with its counter. Concurrent openers wait for each other. Fails with `component.init-failed`, also for tables of a newer Dapr. */
export async function migrate({ database, layout, metadataTable, what }: MigrateOptions): Promise<void> {
  const { migrations, migrationsKey, table } = layout;
  const metadata = quotedTable(metadataTable);
  const refuse = (why: string, cause?: unknown): ProaError => new ProaError('component.init-failed', `${what}: ${why}`, { cause });
  const result = await database.transaction(async (run) => {
    await run(`select pg_advisory_xact_lock(hashtext($1))`, [`proa ${metadataTable} ${table}`]);
    await run(`create table if not exists ${metadata} (key text not null primary key, value text not null)`);
    const [row] = await run(`select value from ${metadata} where key = $1`, [migrationsKey]);
    const level = row === undefined ? 0 : Number(row[0]);
    if (!Number.isInteger(level) || level > migrations.length)
      throw refuse(`table ${table} has format ${String(row?.[0])}, which is newer than the ${migrations.length} that this version knows`);
    if (level === migrations.length) return;
    for (const script of migrations.slice(level)) for (const statement of script.split(';')) await run(statement);
    await run(`insert into ${metadata} (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value`, [
      migrationsKey,
      String(migrations.length),
    ]);
  });
  if (result.status !== 'done')
    throw refuse(`table ${table} cannot be made: ${result.error.message}`, componentError(result, what, 'write'));
}
