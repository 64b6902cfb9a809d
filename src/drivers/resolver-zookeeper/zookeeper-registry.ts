import type { InferOutput } from 'valibot';
import { createAnnouncements } from '../../contracts/announcements.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { createEndpointCache } from '../../contracts/endpoint-cache.ts';
import { decodeEndpoint, encodeEndpoint, meshOf } from '../../contracts/endpoint-record.ts';
import { parseHostPort } from '../../contracts/host-port.ts';
import type { Endpoint, Registry } from '../../contracts/resolver.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { config } from './config.ts';
import { createZooClient, zooErrors, ZooError, type ZooClient } from './zookeeper-client.ts';

type Options = InferOutput<typeof config>;

const source = 'zookeeper';
const childrenMax = 1_000;

/**
 * Endpoints as ephemeral nodes `<path>/<namespace>/<app>/<instance>`: they go with the session that made them. The children of an app are watched; because
 * a watch fires once and is lost with its connection, names in use are also asked about once per session time.
 */
export async function openZookeeper(options: Options, context: DriverContext): Promise<Registry> {
  const { ports, log } = context;
  const { path: root, ttl } = options;
  const servers = options.servers.split(',').map((text) => parseHostPort(text, 2_181));
  if (servers.includes(undefined))
    throw new ProaError('component.init-failed', `name resolution proa.zookeeper: "${options.servers}" is no list of host:port`);
  const shared = { clock: ports.clock, log, source };
  const client = createZooClient({
    clock: ports.clock,
    network: ports.network,
    log,
    servers: servers.filter((server) => server !== undefined),
    sessionMs: ttl,
    ...(options.digest !== undefined && { digest: options.digest }),
    changed(path) {
      const [namespace, appId] = path.slice(root.length + 1).split('/');
      if (namespace !== undefined && appId !== undefined) cache.hint(unpart(appId), unpart(namespace));
    },
    connected: () => cache.hint(),
  });
  const cache = createEndpointCache({
    ...shared,
    lookup: async (appId, namespace) => {
      const endpoints = await below(client, `${root}/${part(namespace)}/${part(appId)}`, true);
      return { endpoints: endpoints.filter((endpoint) => endpoint.appId === appId && endpoint.namespace === namespace), validForMs: ttl };
    },
  });
  // Which session made a node: another session means that the node is gone, or is about to be.
  const made = new Map<string, bigint>();
  const pathOf = ({ namespace, appId, instance }: Endpoint): string => `${root}/${part(namespace)}/${part(appId)}/${part(instance)}`;
  const announcements = createAnnouncements({
    ...shared,
    intervalMs: ttl / 3,
    async write(endpoint) {
      const path = pathOf(endpoint);
      if (made.get(path) === client.session) return;
      const data = Buffer.from(encodeEndpoint({ ...endpoint, mesh: meshOf(endpoint) }));
      await makeParents(client, path);
      await unless(zooErrors.noNode, client.remove(path));
      await client.create(path, data, true);
      made.set(path, client.session);
    },
    async remove(endpoint) {
      made.delete(pathOf(endpoint));
      await unless(zooErrors.noNode, client.remove(pathOf(endpoint)));
    },
  });
  return {
    resolve: (appId, namespace) => cache.resolve(appId, namespace),
    onChange: (changed) => cache.onChange(changed),
    announce: (endpoint) => announcements.announce(endpoint),
    list: () => listAll(client, root),
    async close() {
      announcements.close();
      cache.close();
      await client.close();
    },
  };
}

async function listAll(client: ZooClient, root: string): Promise<Endpoint[]> {
  const all: Endpoint[] = [];
  for (const namespace of await childrenOf(client, root, false))
    for (const app of await childrenOf(client, `${root}/${namespace}`, false))
      all.push(...(await below(client, `${root}/${namespace}/${app}`, false)));
  return all;
}

async function below(client: ZooClient, path: string, watch: boolean): Promise<Endpoint[]> {
  const names = (await childrenOf(client, path, watch)).toSorted().slice(0, childrenMax);
  const read = await Promise.all(names.map((name) => unless(zooErrors.noNode, client.getData(`${path}/${name}`))));
  return read
    .map((data) => (data === undefined ? undefined : decodeEndpoint(Buffer.from(data).toString('utf8'))))
    .filter((endpoint) => endpoint !== undefined);
}

async function childrenOf(client: ZooClient, path: string, watch: boolean): Promise<string[]> {
  return (await unless(zooErrors.noNode, client.children(path, watch))) ?? [];
}

async function makeParents(client: ZooClient, path: string): Promise<void> {
  const parts = path.split('/').slice(1, -1);
  for (let depth = 1; depth <= parts.length; depth++)
    await unless(zooErrors.nodeExists, client.create(`/${parts.slice(0, depth).join('/')}`, new Uint8Array(0), false));
}

/** Undefined when the server answered with that code. */
async function unless<T>(code: number, asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ZooError && error.code === code) return undefined;
    throw error;
  }
}

// A name must be one level of a path: no slash, and not the relative names, which ZooKeeper refuses.
function part(name: string): string {
  return encodeURIComponent(name).replace(/^\.+$/, (dots) => dots.replaceAll('.', '%2E'));
}

function unpart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
