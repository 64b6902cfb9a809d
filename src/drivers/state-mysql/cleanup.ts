import type { MysqlDatabase } from '../../clients/mysql/database.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';

export interface CleanupOptions {
  readonly database: MysqlDatabase;
  readonly clock: Clock;
  readonly log: Logger;
  readonly table: string;
  readonly metadata: string;
  /** 0: never. */
  readonly intervalMs: number;
}

const rowsMax = 1_000;

/** Removes expired rows in small statements. Of all sidecars that share the database, Dapr's included, one does it per interval: they agree over a row of the metadata table. */
export function scheduleCleanup(options: CleanupOptions): { close(): Promise<void> } {
  const { clock, log, intervalMs } = options;
  let closed = false;
  let timer: Timer | undefined;
  let running: Promise<void> | undefined;
  const arm = (): void => {
    if (closed || intervalMs <= 0) return;
    timer = clock.timer(
      intervalMs,
      () => {
        running = cleanUp(options, () => closed)
          .catch((error: unknown) => log.warn('expired state was not removed', { error: (error as Error).message }))
          .finally(arm);
      },
      true,
    );
  };
  arm();
  return {
    async close() {
      closed = true;
      timer?.cancel();
      await running;
    },
  };
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
