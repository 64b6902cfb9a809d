import { createAnnouncements } from '../../contracts/announcements.ts';
import { createEndpointCache } from '../../contracts/endpoint-cache.ts';
import type { Endpoint, Registry } from '../../contracts/resolver.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock } from '../../kernel/ports.ts';

/** What several registries share, as processes share a server. */
export interface MemoryRegistryContents {
  /** True: whoever asks or writes gets an error. */
  failing: boolean;
  readonly entries: Map<string, { readonly endpoint: Endpoint; readonly untilMono: number }>;
  readonly watchers: Set<() => void>;
}

/** A server without entries. */
export function createMemoryRegistryContents(): MemoryRegistryContents {
  return { failing: false, entries: new Map(), watchers: new Set() };
}

export interface MemoryRegistryOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly contents: MemoryRegistryContents;
  readonly ttlMs?: number;
}

/** The contract of registries in its shortest form: for tests of what stands above it. */
export function createMemoryRegistry({ clock, log, contents, ttlMs = 9_000 }: MemoryRegistryOptions): Registry {
  const { entries, watchers } = contents;
  const source = 'memory';
  const reachable = (): void => {
    if (contents.failing) throw new Error('the memory registry was told to fail');
  };
  const living = (): Endpoint[] => {
    reachable();
    return [...entries.values()].filter(({ untilMono }) => untilMono > clock.mono()).map(({ endpoint }) => endpoint);
  };
  const changed = (): void => {
    for (const watcher of watchers) watcher();
  };
  const cache = createEndpointCache({
    clock,
    log,
    source,
    lookup: async (appId, namespace) => ({
      endpoints: living().filter((endpoint) => endpoint.appId === appId && endpoint.namespace === namespace),
      validForMs: ttlMs / 3,
    }),
  });
  const announcements = createAnnouncements({
    clock,
    log,
    source,
    intervalMs: ttlMs / 3,
    async write(endpoint) {
      reachable();
      const fresh = !entries.has(endpoint.instance);
      entries.set(endpoint.instance, { endpoint, untilMono: clock.mono() + ttlMs });
      if (fresh) changed();
    },
    async remove({ instance }) {
      reachable();
      entries.delete(instance);
      changed();
    },
  });
  const watcher = (): void => cache.hint();
  watchers.add(watcher);
  return {
    resolve: (appId, namespace) => cache.resolve(appId, namespace),
    onChange: (listener) => cache.onChange(listener),
    announce: (endpoint) => announcements.announce(endpoint),
    list: async () => living(),
    async close() {
      watchers.delete(watcher);
      announcements.close();
      cache.close();
    },
  };
}
