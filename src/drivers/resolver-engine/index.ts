import type { Engine } from '../../contracts/engine.ts';
import type { Endpoint, Registry } from '../../contracts/resolver.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { prefixEnd, tuple, untuple } from '../../kernel/tuple.ts';

export interface EngineRegistryOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long an instance that no longer renews stays listed. */
  readonly ttlMs?: number;
}

const space = 'registry';
const pageMax = 1_000;

/**
 * The registry of the machine: an instance is a key that expires unless it is renewed, so a killed process leaves by itself. Answers
 * come from memory after the first question; watches refresh it, and every renewal interval does so too, because watches are only hints.
 */
export function createEngineRegistry(options: EngineRegistryOptions): Registry {
  const { engine, clock, log } = options;
  const ttlMs = options.ttlMs ?? 15_000;
  const known = new Map<string, readonly Endpoint[]>();
  const listeners = new Set<(appId: string, namespace: string) => void>();
  const announced = new Map<string, Endpoint>();
  let timer: Timer | undefined;
  let closed = false;

  const refresh = async (appId: string, namespace: string): Promise<readonly Endpoint[]> => {
    const prefix = tuple(space, namespace, appId);
    const page = await engine.range({ from: prefix, to: prefixEnd(prefix), limit: pageMax });
    const endpoints = page.entries.map((entry) => JSON.parse(Buffer.from(entry.value).toString('utf8')) as Endpoint);
    const id = tuple(namespace, appId);
    const before = known.get(id);
    // Nothing is remembered about apps that do not run: the next question must see one that starts.
    if (endpoints.length === 0) known.delete(id);
    else known.set(id, endpoints);
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(endpoints)) {
      for (const listener of listeners) listener(appId, namespace);
    }
    return endpoints;
  };

  const refreshAll = async (): Promise<void> => {
    for (const id of known.keys()) {
      const [namespace, appId] = untuple(id) as [string, string];
      await refresh(appId, namespace);
    }
  };
  const unwatch = engine.watch(
    tuple(space),
    () => void refreshAll().catch((error: unknown) => log.warn('the registry cannot be read', { error: String(error) })),
  );

  const write = async (endpoint: Endpoint): Promise<void> => {
    const put = { key: keyOf(endpoint), value: Buffer.from(JSON.stringify(endpoint)), expiresAtMs: engine.now() + ttlMs };
    const result = await engine.commit({ put: [put] });
    if (result.status !== 'done') throw new ProaError('engine.unavailable', `app "${endpoint.appId}" cannot be announced`);
  };

  const renew = (): void => {
    timer = clock.timer(
      ttlMs / 3,
      () => {
        const work = [...announced.values()].map((endpoint) => write(endpoint));
        void Promise.all([...work, refreshAll()])
          .catch((error: unknown) => log.warn('the registry cannot be renewed', { error: String(error) }))
          .finally(() => {
            if (!closed) renew();
          });
      },
      true,
    );
  };
  renew();

  return {
    resolve(appId, namespace) {
      const endpoints = known.get(tuple(namespace, appId));
      return endpoints === undefined ? refresh(appId, namespace) : Promise.resolve(endpoints);
    },
    onChange(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    async announce(endpoint) {
      announced.set(endpoint.instance, endpoint);
      await write(endpoint);
      return async () => {
        announced.delete(endpoint.instance);
        await engine.commit({ delete: [keyOf(endpoint)] });
      };
    },
    async list() {
      const all = await engine.range({ from: tuple(space), to: prefixEnd(tuple(space)), limit: pageMax });
      return all.entries.map((entry) => JSON.parse(Buffer.from(entry.value).toString('utf8')) as Endpoint);
    },
    close() {
      closed = true;
      timer?.cancel();
      unwatch();
      return Promise.resolve();
    },
  };
}

function keyOf(endpoint: Endpoint): string {
  return tuple(space, endpoint.namespace, endpoint.appId, endpoint.instance);
}
