import { follow } from '../contracts/follow.ts';
import type { Endpoint, EndpointSet, Registry } from '../contracts/resolver.ts';
import type { Logger } from '../kernel/log.ts';
import type { Clock } from '../kernel/ports.ts';

export interface LayeredRegistryOptions {
  /** The registry of this machine: asked first, and enough when the other one is slow. */
  readonly local: Registry;
  /** The registry of more machines than this one; closed together with the layers, the local one is not. */
  readonly wide: Registry;
  /** Its name, for messages. */
  readonly wideName: string;
  /** The Configuration names it: a runtime that cannot be reached through it is warned. */
  readonly asked: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

const namesMax = 10_000;

/**
 * Two registries as one. An app that this machine knows is answered at once, with what the wide registry has said so far; others wait for the wide one.
 * An endpoint that both know counts once, with its sockets. The wide registry being away never keeps an app from starting: it is told when it is back.
 */
export function createLayeredRegistry(options: LayeredRegistryOptions): Registry {
  const { local, wide } = options;
  const listeners = new Set<(appId: string, namespace: string) => void>();
  const known = new Map<string, EndpointSet>();
  const asking = new Set<string>();
  const tell = (appId: string, namespace: string): void => {
    for (const listener of listeners) listener(appId, namespace);
  };
  const learn = (appId: string, namespace: string): Promise<EndpointSet> =>
    wide.resolve(appId, namespace).then((set) => {
      const key = `${namespace}\0${appId}`;
      known.delete(key);
      known.set(key, set);
      if (known.size > namesMax) known.delete(known.keys().next().value as string);
      return set;
    });
  const learnAside = (appId: string, namespace: string): void => {
    const key = `${namespace}\0${appId}`;
    if (asking.has(key)) return;
    asking.add(key);
    learn(appId, namespace)
      .then(
        () => tell(appId, namespace),
        // The wide registry logs that it fails; what this machine knows goes on.
        () => known.delete(key) && tell(appId, namespace),
      )
      .finally(() => asking.delete(key));
  };
  const unlisten = [
    local.onChange(tell),
    wide.onChange((appId, namespace) => {
      if (known.has(`${namespace}\0${appId}`)) learnAside(appId, namespace);
    }),
  ];
  return {
    async resolve(appId, namespace) {
      const near = await local.resolve(appId, namespace);
      const far = known.get(`${namespace}\0${appId}`);
      if (far !== undefined) return merged(near, far);
      if (near.endpoints.length === 0) return merged(near, await learn(appId, namespace));
      learnAside(appId, namespace);
      return near;
    },
    onChange(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    announce: (endpoint) => announceBoth(endpoint, options),
    async list() {
      const [near, far] = await Promise.all([local.list(), wide.list().catch((): readonly Endpoint[] => [])]);
      return union(near, far);
    },
    async close() {
      for (const stop of unlisten) stop();
      listeners.clear();
      await wide.close();
    },
  };
}

async function announceBoth(endpoint: Endpoint, { local, wide, ...rest }: LayeredRegistryOptions): Promise<() => Promise<void>> {
  const leave = await local.announce(endpoint);
  if (endpoint.mesh === undefined) {
    rest.log[rest.asked ? 'warn' : 'debug'](`not announced to ${rest.wideName}: this runtime takes no calls from other machines`, {
      app: endpoint.appId,
    });
    return leave;
  }
  const leaveWide = announceUntilItWorks(wide, reachable(endpoint), rest);
  return async () => {
    await leaveWide();
    await leave();
  };
}

interface Announcing {
  readonly clock: Clock;
  readonly log: Logger;
  readonly wideName: string;
}

function announceUntilItWorks(wide: Registry, endpoint: Endpoint, { clock, log, wideName }: Announcing): () => Promise<void> {
  const following = follow({
    clock,
    log,
    what: `the announcement of app "${endpoint.appId}" to ${wideName}`,
    async attempt(cancel, going) {
      const leave = await wide.announce(endpoint);
      going();
      await new Promise<void>((resolve) => cancel.onCancel(() => resolve()));
      await leave();
    },
  });
  return () => following.close();
}

function merged(near: EndpointSet, far: EndpointSet): EndpointSet {
  if (near.endpoints.length === 0) return far;
  const source = far.endpoints.length === 0 ? near.source : `${near.source}, ${far.source}`;
  const stale = Math.min(near.staleSinceMs ?? Number.POSITIVE_INFINITY, far.staleSinceMs ?? Number.POSITIVE_INFINITY);
  return { endpoints: union(near.endpoints, far.endpoints), source, ...(Number.isFinite(stale) && { staleSinceMs: stale }) };
}

// One runtime hosts many apps at one address: an endpoint is the same when instance, or address and app, are.
function union(near: readonly Endpoint[], far: readonly Endpoint[]): readonly Endpoint[] {
  const placeOf = ({ appId, namespace, mesh }: Endpoint): string | undefined =>
    mesh === undefined ? undefined : JSON.stringify([appId, namespace, mesh]);
  const instances = new Set(near.map(({ instance }) => instance));
  const places = new Set(near.map(placeOf));
  const more = far.filter((endpoint) => !instances.has(endpoint.instance) && !places.has(placeOf(endpoint) ?? ''));
  return more.length === 0 ? near : [...near, ...more];
}

/** The socket of this machine is nothing to others. */
function reachable({ local: _socket, ...others }: Endpoint): Endpoint {
  return others;
}
