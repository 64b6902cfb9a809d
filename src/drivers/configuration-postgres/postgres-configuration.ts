import type { Database } from '../../clients/postgres/database.ts';
import { componentError } from '../../clients/postgres/open-component.ts';
import { quotedTable } from '../../clients/postgres/table-name.ts';
import type { ConfigurationItem, ConfigurationItems, ConfigurationStore } from '../../contracts/configuration.ts';
import { watchConfiguration } from '../../contracts/configuration-watch.ts';
import { follow } from '../../contracts/follow.ts';
import type { Metadata } from '../../contracts/state.ts';
import type { Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock } from '../../kernel/ports.ts';

export interface PostgresConfigurationOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Logger;
  /** Checked to be an identifier. */
  readonly table: string;
  readonly what: string;
  readonly channel?: string;
}

const pollMs = 5_000;
const settleMs = 20;
/** Reading all items holds them in memory. */
const itemsMax = 10_000;

/**
 * Configuration in a table as Dapr reads it. A notice on the channel is a hint only: what it says is read again from the table, and the table is compared every 5 s in any
 * case. One LISTEN session per channel, whatever the number of subscribers.
 */
export function createPostgresConfiguration(options: PostgresConfigurationOptions): ConfigurationStore {
  const { database, clock, log, what } = options;
  const channels = createChannels(options);
  const stops = new Set<() => Promise<void>>();
  return {
    get: (keys) => readItems(options, keys),
    async subscribe(keys, metadata, changed) {
      const channel = channelOf(metadata) ?? options.channel;
      if (channel !== undefined && !/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(channel))
        throw new ProaError('bad-request', `${what}: pgNotifyChannel must be a plain identifier`);
      const watch = await watchConfiguration({ clock, log, pollMs, settleMs, read: () => readItems(options, keys), changed });
      const unlisten = channel === undefined ? undefined : channels.listen(channel.toLowerCase(), watch.hint);
      // What changed between the first picture and the session must not wait for the poll.
      watch.hint();
      const stop = async (): Promise<void> => {
        stops.delete(stop);
        await unlisten?.();
        await watch.close();
      };
      stops.add(stop);
      return stop;
    },
    async close() {
      await Promise.all([...stops].map((stop) => stop()));
      await database.close();
    },
  };
}

async function readItems({ database, table, what }: PostgresConfigurationOptions, keys: readonly string[]): Promise<ConfigurationItems> {
  const columns = `key::text, value::text, version::text, to_json(metadata)::text`;
  const result =
    keys.length === 0
      ? await database.run(`select ${columns} from ${quotedTable(table)} order by key limit ${itemsMax + 1}`)
      : await database.run(`select ${columns} from ${quotedTable(table)} where key::text = any($1)`, [keys]);
  if (result.status !== 'done') throw componentError(result, what, 'read');
  if (result.rows.length > itemsMax) throw new ProaError('overloaded', `there are more than ${itemsMax} items: ask for keys`);
  const items = Object.create(null) as Record<string, ConfigurationItem>;
  for (const [key, value, version, metadata] of result.rows as (string | null)[][])
    if (key !== null && key !== undefined) items[key] = { value: value ?? '', version: version ?? '', metadata: metadataOf(metadata) };
  return items;
}

/** A JSON object, in a column of type json or text. */
function metadataOf(json: string | null | undefined): Metadata {
  try {
    const once: unknown = JSON.parse(json ?? '{}');
    const value: unknown = typeof once === 'string' ? JSON.parse(once) : once;
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, typeof part === 'string' ? part : JSON.stringify(part)]));
  } catch {
    return {};
  }
}

function channelOf(metadata: Metadata): string | undefined {
  return Object.entries(metadata).find(([name]) => name.toLowerCase() === 'pgnotifychannel')?.[1];
}

interface Channel {
  readonly hints: Set<() => void>;
  close(): Promise<void>;
}

function createChannels({ database, clock, log }: PostgresConfigurationOptions) {
  const open = new Map<string, Channel>();
  return {
    listen(name: string, hint: () => void): () => Promise<void> {
      const known = open.get(name);
      const hints = known?.hints ?? new Set([hint]);
      hints.add(hint);
      if (known === undefined) {
        const tell = (): void => hints.forEach((one) => one());
        const attempt = (cancel: Cancellation, going: () => void) => session(database, { name, cancel, going, tell });
        open.set(name, { hints, ...follow({ clock, log, what: `LISTEN ${name}`, attempt }) });
      }
      return async () => {
        hints.delete(hint);
        if (hints.size > 0) return;
        const channel = open.get(name);
        open.delete(name);
        await channel?.close();
      };
    },
  };
}

interface Session {
  readonly name: string;
  readonly cancel: Cancellation;
  going(): void;
  tell(): void;
}

/** Lasts until the connection breaks or nobody listens any more. */
async function session(database: Database, { name, cancel, going, tell }: Session): Promise<void> {
  const client = database.session();
  const ended = new Promise<void>((resolve, reject) => {
    client.on('error', reject);
    client.on('end', resolve);
  });
  ended.catch(() => {});
  client.on('notification', tell);
  const unlink = cancel.onCancel(() => void client.end().catch(() => {}));
  try {
    await client.connect();
    await client.query(`listen ${name}`);
    going();
    // Nobody knows what happened while there was no session.
    tell();
    await ended;
  } finally {
    unlink();
    await client.end().catch(() => {});
  }
}
