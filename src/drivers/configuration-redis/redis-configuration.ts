import type { RedisClient, RedisReply } from '../../clients/redis/redis-client.ts';
import type { ConfigurationItem, ConfigurationItems, ConfigurationStore } from '../../contracts/configuration.ts';
import { watchConfiguration } from '../../contracts/configuration-watch.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock } from '../../kernel/ports.ts';

export interface RedisConfigurationOptions {
  readonly redis: RedisClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly database: number;
}

const pollMs = 30_000;
const settleMs = 20;
/** Reading all items holds them in memory. */
const itemsMax = 10_000;
const scanCount = 1_000;

/**
 * Configuration as Dapr keeps it in Redis: a text `<value>||<version>` per key of the database. Changes are told by keyspace notifications, which are switched on
 * when the server allows that; they can be lost, so all that is subscribed to is compared every 30 s as well.
 */
export function createRedisConfiguration({ redis, clock, log, database }: RedisConfigurationOptions): ConfigurationStore {
  const read = async (keys: readonly string[]): Promise<ConfigurationItems> => {
    const wanted = keys.length === 0 ? await allKeys(redis) : keys;
    // A key of another kind is none of ours; MGET answers nothing for it.
    const values = wanted.length === 0 ? [] : ((await redis.read('mget', ...wanted)) as readonly RedisReply[]);
    const items = Object.create(null) as Record<string, ConfigurationItem>;
    for (const [index, value] of values.entries()) if (value !== null) items[wanted[index] as string] = itemOf(value as Uint8Array);
    return items;
  };
  const stops = new Set<() => Promise<void>>();
  let enabled: Promise<void> | undefined;
  return {
    get: (keys) => read(keys),
    async subscribe(keys, _metadata, changed) {
      enabled ??= enableNotifications(redis, log);
      await enabled;
      const watch = await watchConfiguration({ clock, log, pollMs, settleMs, read: () => read(keys), changed });
      const prefix = `__keyspace@${database}__:`;
      const wanted = new Set(keys);
      const message = (channel: string): void => {
        if (wanted.size === 0 || wanted.has(channel.slice(prefix.length))) watch.hint();
      };
      const unlisten = await redis.listen(`${prefix}*`, { message, standing: watch.hint }).catch(async (error: unknown) => {
        await watch.close();
        throw error;
      });
      // What changed between the first picture and the subscription must not wait for the poll.
      watch.hint();
      const stop = async (): Promise<void> => {
        stops.delete(stop);
        await unlisten();
        await watch.close();
      };
      stops.add(stop);
      return stop;
    },
    async close() {
      await Promise.all([...stops].map((stop) => stop()));
      await redis.close();
    },
  };
}

async function allKeys(redis: RedisClient): Promise<readonly string[]> {
  const found = new Set<string>();
  let cursor = '0';
  do {
    const [next, keys] = (await redis.read('scan', cursor, 'COUNT', scanCount, 'TYPE', 'string')) as [Uint8Array, readonly Uint8Array[]];
    for (const key of keys) found.add(Buffer.from(key).toString('utf8'));
    if (found.size > itemsMax) throw new ProaError('overloaded', `there are more than ${itemsMax} items: ask for keys`);
    cursor = Buffer.from(next).toString('latin1');
  } while (cursor !== '0');
  return [...found].toSorted();
}

function itemOf(stored: Uint8Array): ConfigurationItem {
  const text = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).toString('utf8');
  const at = text.lastIndexOf('||');
  return at < 0 ? { value: text, version: '', metadata: {} } : { value: text.slice(0, at), version: text.slice(at + 2), metadata: {} };
}

/** Adds to what is switched on already: others may need theirs. */
async function enableNotifications(redis: RedisClient, log: Logger): Promise<void> {
  try {
    const [, now] = (await redis.read('config', 'get', 'notify-keyspace-events')) as [Uint8Array, Uint8Array];
    const flags = new Set(Buffer.from(now).toString('latin1') + 'KA');
    await redis.write('config', 'set', 'notify-keyspace-events', [...flags].join(''));
  } catch (error) {
    log.warn('Redis does not let its notifications be switched on; unless they are on, changes are noticed every 30 s', {
      error: (error as Error).message,
    });
  }
}
