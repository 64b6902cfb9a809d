import type { Clock, Timer } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { Database } from '../../clients/postgres/database.ts';
import { keyBytes } from './group.ts';

export interface HousekeepingOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly schema: string;
  readonly answered: (nowMs: number, sentMono: number) => void;
}

const intervalMs = 5_000;
const rowsMax = 1_000;
const logsPerRound = 20;

/** Removes what is expired, forgotten or trimmed, in small transactions that skip what others hold; keeps the clock learnt and sizes known. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #trimmed = new Set<Key>();
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #closed = false;
  /** As of the last round; the planner's estimates. */
  sizes = { keys: 0, logs: 0, diskBytes: 0 };

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  /** The first round; later ones follow by themselves until `close`. */
  begin(): Promise<void> {
    return this.#run();
  }

  /** A log was trimmed here: free its entries without waiting for the next round. */
  free(log: Key): void {
    this.#trimmed.add(log);
    if (!this.#closed) this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#timer?.cancel();
    await this.#purge();
    await this.#freeTrimmed();
    await this.#measure();
    this.#running = undefined;
    if (this.#closed) return;
    this.#timer = this.#options.clock.timer(intervalMs, () => void (this.#running ??= this.#run()), true);
  }

  async #purge(): Promise<void> {
    const { database, clock, schema, answered } = this.#options;
    for (let more = true; more && !this.#closed;) {
      const sentMono = clock.mono();
      const result = await database.run(`select now_ms, removed from ${schema}.purge_1(${rowsMax})`);
      if (result.status !== 'done') return;
      const [nowMs, removed] = result.rows[0] as [string, string];
      answered(Number(nowMs), sentMono);
      more = Number(removed) >= rowsMax;
    }
  }

  async #freeTrimmed(): Promise<void> {
    const { database, schema } = this.#options;
    const known = await database.run(`select log from ${schema}.logs where freed < first limit ${logsPerRound}`);
    const logs = known.status === 'done' ? known.rows.map((row) => row[0] as Buffer) : [];
    for (const log of this.#trimmed) logs.push(keyBytes(log));
    this.#trimmed.clear();
    for (const log of logs) await this.#freeLog(log);
  }

  async #freeLog(log: Buffer): Promise<void> {
    for (let more = true; more && !this.#closed;) {
      const result = await this.#options.database.run(`select ${this.#options.schema}.free_1($1, ${rowsMax})`, [log]);
      more = result.status === 'done' && (result.rows[0] as [boolean])[0];
    }
  }

  async #measure(): Promise<void> {
    const { database, schema } = this.#options;
    const result = await database.run(`
      select
        (select greatest(reltuples, 0)::bigint from pg_class where oid = '${schema}.keys'::regclass),
        (select greatest(reltuples, 0)::bigint from pg_class where oid = '${schema}.logs'::regclass),
        (select sum(pg_total_relation_size(oid)) from pg_class where relnamespace = '${schema}'::regnamespace and relkind = 'r')`);
    if (result.status !== 'done') return;
    const [keys, logs, diskBytes] = (result.rows[0] as string[]).map(Number) as [number, number, number];
    this.sizes = { keys, logs, diskBytes };
  }
}
