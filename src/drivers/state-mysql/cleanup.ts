import type { MysqlDatabase } from '../../clients/mysql/database.ts';
import { scheduleSweep, type ScheduledSweepOptions } from '../../contracts/scheduled-sweep.ts';

export interface CleanupOptions extends ScheduledSweepOptions {
  readonly database: MysqlDatabase;
  readonly table: string;
  readonly metadata: string;
}

const rowsMax = 1_000;

/** Removes expired rows in small statements. Of all sidecars that share the database, Dapr's included, one does it per interval: they agree over a row of the metadata table. */
export function scheduleCleanup(options: CleanupOptions): { close(): Promise<void> } {
  return scheduleSweep(options, (ended) => cleanUp(options, ended));
}

async function cleanUp({ database, table, metadata, intervalMs }: CleanupOptions, ended: () => boolean): Promise<void> {
  const changed = async (text: string, values: readonly number[] = []): Promise<number> => {
    const result = await database.run(text, values);
    if (result.status !== 'done') throw result.error;
    return result.changed;
  };
  // A little less than the interval, so that whoever waits for a whole one is not told that it is too early.
  const mine = await changed(
    `insert into ${metadata} (id, value) values ('last-cleanup', current_timestamp) on duplicate key update
     value = if(current_timestamp > date_add(value, interval ? microsecond), current_timestamp, value)`,
    [Math.max(0, intervalMs - 1_000) * 1_000],
  );
  for (let more = mine > 0; more && !ended();)
    more =
      (await changed(`delete from ${table} where expiredate is not null and expiredate <= current_timestamp limit ${rowsMax}`)) === rowsMax;
}
