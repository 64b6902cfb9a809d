import type { Engine } from '../../contracts/engine.ts';
import type { Endpoint, Registry } from '../../contracts/resolver.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { prefixEnd, tuple, untuple, type Key } from '../../kernel/tuple.ts';

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
  return new EngineRegistry(options);
}

class EngineRegistry implements Registry {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #ttlMs: number;
  readonly #known = new Map<Key, readonly Endpoint[]>();
  readonly #listeners = new Set<(appId: string, namespace: string) => void>();
  readonly #announced = new Map<string, Endpoint>();
  readonly #unwatch: () => void;
  #timer: Timer | undefined;
  #closed = false;

  constructor({ engine, clock, log, ttlMs = 15_000 }: EngineRegistryOptions) {
    this.#engine = engine;
    this.#clock = clock;
    this.#log = log;
    this.#ttlMs = ttlMs;
    this.#unwatch = engine.watch(tuple(space), () => this.#quietly(this.#refreshAll()));
    this.#schedule();
  }

  resolve(appId: string, namespace: string): Promise<readonly Endpoint[]> {
    const endpoints = this.#known.get(tuple(namespace, appId));
    return endpoints === undefined ? this.#refresh(appId, namespace) : Promise.resolve(endpoints);
  }

  onChange(changed: (appId: string, namespace: string) => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  async announce(endpoint: Endpoint): Promise<() => Promise<void>> {
    this.#announced.set(endpoint.instance, endpoint);
    await this.#write(endpoint);
    return async () => {
      this.#announced.delete(endpoint.instance);
      await this.#engine.commit({ delete: [keyOf(endpoint)] });
    };
  }

  list(): Promise<readonly Endpoint[]> {
    return this.#below(tuple(space));
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#unwatch();
    return Promise.resolve();
  }

  async #below(prefix: Key): Promise<Endpoint[]> {
    const page = await this.#engine.range({ from: prefix, to: prefixEnd(prefix), limit: pageMax });
    return page.entries.map((entry) => JSON.parse(Buffer.from(entry.value).toString('utf8')) as Endpoint);
  }

  async #refresh(appId: string, namespace: string): Promise<readonly Endpoint[]> {
    const endpoints = await this.#below(tuple(space, namespace, appId));
    const id = tuple(namespace, appId);
    const before = this.#known.get(id);
    // Nothing is remembered about apps that do not run: the next question must see one that starts.
    if (endpoints.length === 0) this.#known.delete(id);
    else this.#known.set(id, endpoints);
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(endpoints)) {
      for (const listener of this.#listeners) listener(appId, namespace);
    }
    return endpoints;
  }

  async #refreshAll(): Promise<void> {
    for (const id of this.#known.keys()) {
      const [namespace, appId] = untuple(id) as [string, string];
      await this.#refresh(appId, namespace);
    }
  }

  async #write(endpoint: Endpoint): Promise<void> {
    const put = { key: keyOf(endpoint), value: Buffer.from(JSON.stringify(endpoint)), expiresAtMs: this.#engine.now() + this.#ttlMs };
    const result = await this.#engine.commit({ put: [put] });
    if (result.status !== 'done') throw new ProaError('engine.unavailable', `app "${endpoint.appId}" cannot be announced`);
  }

  #schedule(): void {
    this.#timer = this.#clock.timer(
      this.#ttlMs / 3,
      () => {
        const renewals = [...this.#announced.values()].map((endpoint) => this.#write(endpoint));
        this.#quietly(Promise.all([...renewals, this.#refreshAll()]), () => {
          if (!this.#closed) this.#schedule();
        });
      },
      true,
    );
  }

  #quietly(work: Promise<unknown>, then: () => void = () => {}): void {
    work
      .catch((error: unknown) => {
        if (!this.#closed)
          this.#log.warn('the registry cannot be refreshed', { error: error instanceof Error ? error.message : String(error) });
      })
      .finally(then);
  }
}

function keyOf(endpoint: Endpoint): Key {
  return tuple(space, endpoint.namespace, endpoint.appId, endpoint.instance);
}
