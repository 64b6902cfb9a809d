import { createAnnouncements } from '../../contracts/announcements.ts';
import { createEndpointCache } from '../../contracts/endpoint-cache.ts';
import type { Engine } from '../../contracts/engine.ts';
import type { Endpoint, Registry } from '../../contracts/resolver.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock } from '../../kernel/ports.ts';
import { prefixEnd, tuple, type Key } from '../../kernel/tuple.ts';

export interface EngineRegistryOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long an instance that no longer renews stays listed. */
  readonly ttlMs?: number;
}

const space = 'registry';
const source = 'engine';
const pageMax = 1_000;

/**
 * The registry of the machine: an instance is a key that expires unless it is renewed, so a killed process leaves by itself. Answers
 * come from memory after the first question; watches refresh it, and every renewal interval does so too, because watches are only hints.
 */
export function createEngineRegistry({ engine, clock, log, ttlMs = 15_000 }: EngineRegistryOptions): Registry {
  const intervalMs = ttlMs / 3;
  const below = async (prefix: Key): Promise<Endpoint[]> => {
    const page = await engine.range({ from: prefix, to: prefixEnd(prefix), limit: pageMax });
    return page.entries.map((entry) => JSON.parse(Buffer.from(entry.value).toString('utf8')) as Endpoint);
  };
  const cache = createEndpointCache({
    clock,
    log,
    source,
    lookup: async (appId, namespace) => ({ endpoints: await below(tuple(space, namespace, appId)), validForMs: intervalMs }),
  });
  const announcements = createAnnouncements({
    clock,
    log,
    source,
    intervalMs,
    async write(endpoint) {
      const put = { key: keyOf(endpoint), value: Buffer.from(JSON.stringify(endpoint)), expiresAtMs: engine.now() + ttlMs };
      const result = await engine.commit({ put: [put] });
      if (result.status !== 'done') throw new ProaError('engine.unavailable', `app "${endpoint.appId}" cannot be announced`);
    },
    async remove(endpoint) {
      await engine.commit({ delete: [keyOf(endpoint)] });
    },
  });
  const unwatch = engine.watch(tuple(space), () => cache.hint());
  return {
    resolve: (appId, namespace) => cache.resolve(appId, namespace),
    onChange: (changed) => cache.onChange(changed),
    announce: (endpoint) => announcements.announce(endpoint),
    list: () => below(tuple(space)),
    close() {
      unwatch();
      announcements.close();
      cache.close();
      return Promise.resolve();
    },
  };
}

function keyOf(endpoint: Endpoint): Key {
  return tuple(space, endpoint.namespace, endpoint.appId, endpoint.instance);
}
