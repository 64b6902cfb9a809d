import type { InferOutput } from 'valibot';
import { createAnnouncements } from '../../contracts/announcements.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { createEndpointCache } from '../../contracts/endpoint-cache.ts';
import { decodeEndpoint, encodeEndpoint, meshOf } from '../../contracts/endpoint-record.ts';
import { httpTarget } from '../../contracts/fetch-bytes.ts';
import { follow } from '../../contracts/follow.ts';
import type { Endpoint, Registry } from '../../contracts/resolver.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { config } from './config.ts';
import { createEtcdClient, type EtcdClient } from '../../clients/etcd/etcd-client.ts';
import { base64, etcdUrls, rangeOf, textOf } from '../../clients/etcd/encoding.ts';

type Options = InferOutput<typeof config>;

const source = 'etcd';
const pageMax = 1_000;

/**
 * Endpoints as keys `<prefix>/<namespace>/<app>/<instance>` under one lease per process, kept alive in thirds of its time. A watch of the prefix tells of
 * changes; because it can break, names in use are also asked about once per lease.
 */
export async function openEtcd(options: Options, context: DriverContext): Promise<Registry> {
  const { clock } = context.ports;
  const { log } = context;
  const client = clientOf(options, context);
  const prefix = options.prefix.replace(/\/+$/, '');
  const shared = { clock, log, source };
  const below = (path: string) => endpointsBelow(client, `${prefix}/${path}`);
  const cache = createEndpointCache({
    ...shared,
    lookup: async (appId, namespace) => ({
      endpoints: (await below(`${part(namespace)}/${part(appId)}/`)).filter(
        (endpoint) => endpoint.appId === appId && endpoint.namespace === namespace,
      ),
      validForMs: options.ttl,
    }),
  });
  const lease = leaseOf(client, Math.ceil(options.ttl / 1_000));
  const keyOf = ({ namespace, appId, instance }: Endpoint): string => `${prefix}/${part(namespace)}/${part(appId)}/${part(instance)}`;
  const announcements = createAnnouncements({
    ...shared,
    intervalMs: options.ttl / 3,
    write: (endpoint) => lease.put(keyOf(endpoint), encodeEndpoint({ ...endpoint, mesh: meshOf(endpoint) })),
    remove: (endpoint) => lease.remove(keyOf(endpoint)),
  });
  const watch = follow({
    ...shared,
    what: 'the watch of etcd',
    attempt: (cancel, going) =>
      client.stream(
        'watch',
        { create_request: rangeOf(`${prefix}/`) },
        {
          cancel,
          document(document) {
            // The first document says that the watch stands: what changed before it was not told.
            going();
            for (const name of changedNames(document, prefix)) cache.hint(name.appId, name.namespace);
            if (created(document)) cache.hint();
          },
        },
      ),
  });
  return {
    resolve: (appId, namespace) => cache.resolve(appId, namespace),
    onChange: (changed) => cache.onChange(changed),
    announce: (endpoint) => announcements.announce(endpoint),
    list: () => below(''),
    async close() {
      announcements.close();
      cache.close();
      await watch.close();
    },
  };
}

function clientOf(options: Options, context: DriverContext): EtcdClient {
  const { username, password, rootCa, certificate, privateKey } = options;
  const urls = etcdUrls(options.endpoints);
  const wrong = (message: string, cause?: unknown) =>
    new ProaError('component.init-failed', `name resolution proa.etcd: ${message}`, { cause });
  if (urls.length === 0) throw wrong('`endpoints` names no member');
  try {
    for (const url of urls) httpTarget(url);
  } catch (error) {
    throw wrong((error as Error).message, error);
  }
  if ((username === undefined) !== (password === undefined)) throw wrong('`username` and `password` need each other');
  if ((certificate === undefined) !== (privateKey === undefined)) throw wrong('`certificate` and `privateKey` need each other');
  return createEtcdClient({
    urls,
    tls: {
      ...(rootCa !== undefined && { rootCa }),
      ...(certificate !== undefined && { certificate }),
      ...(privateKey !== undefined && { privateKey }),
    },
    ...(username !== undefined && password !== undefined && { user: { name: username, password } }),
    context,
  });
}

/** One lease and the keys that hang on it. When the server has forgotten it, there is a new one and every key is written again. */
function leaseOf(client: EtcdClient, ttlSeconds: number) {
  let id: Promise<string> | undefined;
  let written = new Set<string>();
  const grant = async (): Promise<string> => {
    const granted = await client.call('lease/grant', { TTL: ttlSeconds });
    if (typeof granted['ID'] !== 'string') throw new Error('etcd granted no lease');
    return granted['ID'];
  };
  const current = (): Promise<string> => {
    id ??= grant().catch((error: unknown) => {
      id = undefined;
      throw error;
    });
    return id;
  };
  const alive = async (lease: string): Promise<boolean> => {
    const { result } = (await client.call('lease/keepalive', { ID: lease })) as { result?: { TTL?: string } };
    return Number(result?.TTL ?? 0) > 0;
  };
  return {
    async put(key: string, value: string): Promise<void> {
      const lease = await current();
      if (written.has(key)) {
        if (await alive(lease)) return;
        // Whoever notices first takes the new lease; the others find their keys unwritten.
        if ((await current()) === lease) [id, written] = [undefined, new Set()];
      }
      await client.call('kv/put', { key: base64(key), value: base64(value), lease: await current() });
      written.add(key);
    },
    async remove(key: string): Promise<void> {
      written.delete(key);
      await client.call('kv/deleterange', { key: base64(key) });
    },
  };
}

async function endpointsBelow(client: EtcdClient, prefix: string): Promise<Endpoint[]> {
  const { kvs = [] } = (await client.call('kv/range', { ...rangeOf(prefix), limit: pageMax })) as { kvs?: readonly { value?: string }[] };
  return kvs.map(({ value = '' }) => decodeEndpoint(textOf(value))).filter((endpoint) => endpoint !== undefined);
}

function created(document: unknown): boolean {
  return (document as { result?: { created?: unknown } }).result?.created === true;
}

function changedNames(document: unknown, prefix: string): { readonly namespace: string; readonly appId: string }[] {
  const { result } = document as { result?: { events?: readonly { kv?: { key?: string } }[] } };
  return (result?.events ?? []).flatMap(({ kv }) => {
    const [namespace, appId] = textOf(kv?.key ?? '')
      .slice(prefix.length + 1)
      .split('/');
    return namespace === undefined || appId === undefined ? [] : [{ namespace: unpart(namespace), appId: unpart(appId) }];
  });
}

// Names must not add levels to the key.
function part(name: string): string {
  return encodeURIComponent(name);
}

function unpart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
