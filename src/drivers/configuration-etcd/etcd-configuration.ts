import { base64, rangeOf, textOf } from '../../clients/etcd/encoding.ts';
import type { EtcdClient } from '../../clients/etcd/etcd-client.ts';
import type { ConfigurationItem, ConfigurationItems, ConfigurationStore } from '../../contracts/configuration.ts';
import { watchConfiguration } from '../../contracts/configuration-watch.ts';
import { follow } from '../../contracts/follow.ts';
import type { Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock } from '../../kernel/ports.ts';

export interface EtcdConfigurationOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** What all keys begin with, its slash included. */
  readonly prefix: string;
}

const pollMs = 30_000;
const settleMs = 20;
/** Reading all items holds them in memory. */
const itemsMax = 10_000;
const pageItems = 500;
/** etcd takes 128 operations in a transaction unless it is told otherwise. */
const keysPerRead = 100;

interface Pair {
  readonly key: string;
  readonly value?: string;
  readonly mod_revision: string;
}

interface Answer {
  readonly header?: { readonly revision?: string };
  readonly kvs?: readonly Pair[];
  readonly more?: boolean;
}

interface Subscriber {
  readonly wants: (key: string) => boolean;
  readonly hint: () => void;
}

/**
 * Configuration as keys below a prefix; the revision that wrote a key last is the item's version. One watch for all subscribers says where to look. It begins again
 * behind what etcd has when it broke or what it asked for was compacted, and everybody looks then: what came meanwhile is seen, and never only the events of it.
 */
export function createEtcdConfiguration(options: EtcdConfigurationOptions): ConfigurationStore {
  const { client, clock, log, prefix } = options;
  const subscribers = new Set<Subscriber>();
  const stops = new Set<() => Promise<void>>();
  const read = (keys: readonly string[]) => (keys.length === 0 ? readAll(client, prefix) : readSome(client, prefix, keys));
  const tell = (keys?: readonly string[]): void => {
    for (const { wants, hint } of subscribers) if (keys === undefined || keys.some(wants)) hint();
  };
  let watch: { close(): Promise<void> } | undefined;
  return {
    get: (keys) => read(keys),
    async subscribe(keys, _metadata, changed) {
      const picture = await watchConfiguration({ clock, log, pollMs, settleMs, read: () => read(keys), changed });
      const wanted = new Set(keys);
      const subscriber = { wants: (key: string) => wanted.size === 0 || wanted.has(key), hint: picture.hint };
      subscribers.add(subscriber);
      const attempt = (cancel: Cancellation, going: () => void) => watchOnce(options, { cancel, going, tell });
      watch ??= follow({ clock, log, what: 'the watch of etcd', attempt });
      // What changed between the first picture and the watch must not wait for the poll.
      picture.hint();
      const stop = async (): Promise<void> => {
        stops.delete(stop);
        subscribers.delete(subscriber);
        await picture.close();
      };
      stops.add(stop);
      return stop;
    },
    async close() {
      await Promise.all([...stops].map((stop) => stop()));
      await watch?.close();
    },
  };
}

interface Watching {
  readonly cancel: Cancellation;
  going(): void;
  tell(keys?: readonly string[]): void;
}

/** Watches until it breaks. Asks for the revision first: a member that is gone is noticed by that, and the next one is watched. */
async function watchOnce({ client, prefix }: EtcdConfigurationOptions, { cancel, going, tell }: Watching): Promise<void> {
  const range = rangeOf(prefix);
  const { header } = (await client.call('kv/range', { ...range, limit: 1, keys_only: true })) as Answer;
  const start_revision = String(Number(header?.revision ?? 0) + 1);
  await client.stream(
    'watch',
    { create_request: { ...range, start_revision } },
    {
      cancel,
      document(document) {
        const { result, error } = document as WatchDocument;
        // Its revision was compacted, or etcd gives it up for another reason.
        if (error !== undefined || result?.canceled === true)
          throw new Error(error?.message ?? result?.cancel_reason ?? 'etcd ended the watch');
        if (result?.created === true) {
          going();
          tell();
        }
        const keys = (result?.events ?? []).flatMap(({ kv }) => (kv?.key === undefined ? [] : [textOf(kv.key).slice(prefix.length)]));
        if (keys.length > 0) tell(keys);
      },
    },
  );
}

interface WatchDocument {
  readonly result?: {
    readonly created?: boolean;
    readonly canceled?: boolean;
    readonly cancel_reason?: string;
    readonly events?: readonly { readonly kv?: { readonly key?: string } }[];
  };
  readonly error?: { readonly message?: string };
}

/** All items, as they were at one revision. */
async function readAll(client: EtcdClient, prefix: string): Promise<ConfigurationItems> {
  const items = Object.create(null) as Record<string, ConfigurationItem>;
  const range = rangeOf(prefix);
  let [from, revision, count] = [range.key, '0', 0];
  for (;;) {
    const page = (await client.call('kv/range', { ...range, key: from, revision, limit: pageItems })) as Answer;
    const pairs = page.kvs ?? [];
    count += pairs.length;
    if (count > itemsMax) throw new ProaError('overloaded', `there are more than ${itemsMax} items: ask for keys`);
    for (const pair of pairs) items[textOf(pair.key).slice(prefix.length)] = itemOf(pair);
    const last = pairs.at(-1);
    if (page.more !== true || last === undefined) return items;
    from = base64(`${textOf(last.key)}\x00`);
    revision = page.header?.revision ?? revision;
  }
}

async function readSome(client: EtcdClient, prefix: string, keys: readonly string[]): Promise<ConfigurationItems> {
  const items = Object.create(null) as Record<string, ConfigurationItem>;
  for (let at = 0; at < keys.length; at += keysPerRead) {
    const success = keys.slice(at, at + keysPerRead).map((key) => ({ request_range: { key: base64(prefix + key) } }));
    const { responses = [] } = (await client.call('kv/txn', { success })) as { responses?: readonly { response_range?: Answer }[] };
    for (const { response_range } of responses)
      for (const pair of response_range?.kvs ?? []) items[textOf(pair.key).slice(prefix.length)] = itemOf(pair);
  }
  return items;
}

function itemOf({ value, mod_revision }: Pair): ConfigurationItem {
  return { value: textOf(value ?? ''), version: mod_revision, metadata: {} };
}
