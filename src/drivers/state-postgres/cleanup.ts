import { quotedTable } from '../../clients/postgres/table-name.ts';
import type { Database } from '../../clients/postgres/database.ts';
import { scheduleSweep, type ScheduledSweepOptions } from '../../contracts/scheduled-sweep.ts';
import type { Layout } from './layout.ts';

export interface CleanupOptions extends ScheduledSweepOptions {
  readonly database: Database;
  readonly layout: Layout;
  readonly metadataTable: string;
}

const rowsMax = 1_000;

/** Removes expired rows in small transactions. Of all sidecars that share the database, Dapr's included, one does it per interval: they agree over a row of the metadata table. */
export function scheduleCleanup(options: CleanupOptions): { close(): Promise<void> } {
  return scheduleSweep(options, (ended) => cleanUp(options, ended));
}

async function cleanUp({ database, layout, metadataTable, intervalMs }: CleanupOptions, ended: () => boolean): Promise<void> {
  const { table, expiry } = layout;
  const run = async (text: string, values: readonly unknown[]): Promise<unknown[][]> => {
    const result = await database.run(text, values);
    if (result.status !== 'done') throw result.error;
    return result.rows;
  };
  // A little less than the interval, so that whoever waits for a whole one is not told that it is too early.
  const mine = await run(
    `insert into ${quotedTable(metadataTable)} as m (key, value) values ($1, now()::text) on conflict (key) do update set value = now()::text
     where (extract('epoch' from now() - m.value::timestamp with time zone) * 1000)::bigint > $2 returning 1`,
    [layout.cleanupKey(metadataTable), Math.max(0, intervalMs - 100)],
  );
  for (let more = mine.length > 0; more && !ended();) {
    const gone = await run(
      `delete from ${table} where key in (select key from ${table} where ${expiry} < now() limit $1 for update skip locked) returning 1`,
      [rowsMax],
    );
    more = gone.length === rowsMax;
  }
}
