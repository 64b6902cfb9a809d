import type { ConfigurationItem, ConfigurationItems, ConfigurationStore } from '../../contracts/configuration.ts';
import { watchConfiguration } from '../../contracts/configuration-watch.ts';
import type { Commit, Engine, Entry } from '../../contracts/engine.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import type { Metadata } from '../../contracts/state.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock } from '../../kernel/ports.ts';
import { prefixEnd, tuple, untuple } from '../../kernel/tuple.ts';

export interface EngineConfigurationOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly namespace: string;
  readonly space: string;
}

const pollMs = 5_000;
const settleMs = 5;
/** Reading all items holds them in memory. */
const itemsMax = 10_000;

/** Configuration over the engine, shared by all its processes. `put` writes all its items in one commit; an item's version is that of its key. */
export function createEngineConfiguration({ engine, clock, log, namespace, space }: EngineConfigurationOptions): ConfigurationStore {
  const prefix = tuple('configuration', namespace, space);
  const keyOf = (key: string): string => prefix + tuple(key);

  const readAll = async (): Promise<ConfigurationItems> => {
    const entries: Entry[] = [];
    for (let from = prefix; ;) {
      const page = await engine.range({ from, to: prefixEnd(prefix) });
      entries.push(...page.entries);
      const last = page.entries.at(-1);
      if (!page.more || last === undefined) break;
      if (entries.length > itemsMax) throw new ProaError('overloaded', `there are more than ${itemsMax} items: ask for keys`);
      from = `${last.key}\x00`;
    }
    return dictionary(entries.map((entry) => [String(untuple(entry.key.slice(prefix.length))[0]), itemOf(entry)]));
  };
  const read = async (keys: readonly string[]): Promise<ConfigurationItems> => {
    if (keys.length === 0) return readAll();
    const entries = await engine.getMany(keys.map(keyOf));
    const found: [string, ConfigurationItem][] = [];
    for (const [index, entry] of entries.entries()) if (entry !== undefined) found.push([keys[index] as string, itemOf(entry)]);
    return dictionary(found);
  };
  const commit = async (request: Commit): Promise<void> => {
    const result = await engine.commit(request);
    if (result.status === 'unknown') {
      throw outcomeUnknown('the configuration may or may not have been written', result.cause);
    }
  };
  const stops = new Set<() => Promise<void>>();
  return {
    get: (keys) => read(keys),
    async subscribe(keys, _metadata, changed) {
      const watch = await watchConfiguration({ clock, log, pollMs, settleMs, read: () => read(keys), changed });
      const unwatch = engine.watch(prefix, watch.hint);
      // What changed between the first picture and the watch must not wait for the poll.
      watch.hint();
      const stop = (): Promise<void> => {
        stops.delete(stop);
        unwatch();
        return watch.close();
      };
      stops.add(stop);
      return stop;
    },
    put: (items) =>
      commit({
        put: Object.entries(items).map(([key, { value, metadata }]) => ({
          key: keyOf(key),
          value: Buffer.from(JSON.stringify({ value, metadata: metadata ?? {} })),
        })),
      }),
    remove: (keys) => commit({ delete: keys.map(keyOf) }),
    async close() {
      await Promise.all([...stops].map((stop) => stop()));
    },
  };
}

function itemOf({ value, version }: Entry): ConfigurationItem {
  const stored = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')) as {
    value: string;
    metadata: Metadata;
  };
  return { ...stored, version: String(version) };
}

function dictionary(items: readonly (readonly [string, ConfigurationItem])[]): ConfigurationItems {
  const made = Object.create(null) as Record<string, ConfigurationItem>;
  for (const [key, item] of items) made[key] = item;
  return made;
}
