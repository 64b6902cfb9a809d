import { ProaError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import type { Clock, Timer } from '../kernel/ports.ts';
import type { Endpoint, EndpointSet } from './resolver.ts';

/** What a registry answered. It is asked again after `validForMs`: the rest of a lease, a TTL, an interval. */
export interface FoundEndpoints {
  readonly endpoints: readonly Endpoint[];
  readonly validForMs: number;
}

export interface EndpointCacheOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** The resolver's name in answers and messages. */
  readonly source: string;
  /** Asks the registry. An unknown app is an empty list; a failure to ask is an error. */
  lookup(appId: string, namespace: string): Promise<FoundEndpoints>;
  /** How old the last good answer may become while the registry fails (default 10 minutes). */
  readonly staleMaxMs?: number;
  /** Names that are kept up to date; beyond it the one resolved longest ago is forgotten (default 1,000). */
  readonly namesMax?: number;
}

/** The memory of a resolver: one question at a time per name, refreshed before its answer expires, stale rather than empty. */
export interface EndpointCache {
  resolve(appId: string, namespace: string): Promise<EndpointSet>;
  onChange(changed: (appId: string, namespace: string) => void): () => void;
  /** Something may have changed: asks again about this name, or about all of them. Names that nobody resolved are not asked about. */
  hint(appId?: string, namespace?: string): void;
  /** Everything that is known now. */
  known(): readonly Endpoint[];
  close(): void;
}

interface Entry {
  readonly appId: string;
  readonly namespace: string;
  endpoints: readonly Endpoint[];
  text: string;
  staleSinceMs: number | undefined;
  staleSinceMono: number;
  failures: number;
  timer: Timer | undefined;
}

const validMinMs = 200;
const validMaxMs = 300_000;
const retryMinMs = 1_000;
const retryMaxMs = 30_000;

/** Makes the memory; nothing is asked before the first `resolve`. */
export function createEndpointCache(options: EndpointCacheOptions): EndpointCache {
  return new Cache(options);
}

class Cache implements EndpointCache {
  readonly #options: EndpointCacheOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #asking = new Map<string, Promise<EndpointSet>>();
  readonly #again = new Set<string>();
  readonly #listeners = new Set<(appId: string, namespace: string) => void>();
  #closed = false;

  constructor(options: EndpointCacheOptions) {
    this.#options = options;
  }

  resolve(appId: string, namespace: string): Promise<EndpointSet> {
    const entry = this.#entries.get(keyOf(appId, namespace));
    return entry === undefined ? this.#ask(appId, namespace) : Promise.resolve(this.#setOf(entry));
  }

  onChange(changed: (appId: string, namespace: string) => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  hint(appId?: string, namespace?: string): void {
    for (const [key, entry] of this.#entries) {
      if (appId !== undefined && key !== keyOf(appId, namespace ?? '')) continue;
      if (this.#asking.has(key)) this.#again.add(key);
      else this.#refresh(entry);
    }
  }

  known(): readonly Endpoint[] {
    return [...this.#entries.values()].flatMap((entry) => entry.endpoints);
  }

  close(): void {
    this.#closed = true;
    for (const entry of this.#entries.values()) entry.timer?.cancel();
    this.#entries.clear();
    this.#listeners.clear();
  }

  #ask(appId: string, namespace: string): Promise<EndpointSet> {
    const key = keyOf(appId, namespace);
    const running = this.#asking.get(key);
    if (running !== undefined) return running;
    const asked = this.#options
      .lookup(appId, namespace)
      .then(
        (found) => this.#found(appId, namespace, found),
        (error: unknown) => this.#failed(appId, namespace, error),
      )
      .finally(() => {
        this.#asking.delete(key);
        const entry = this.#entries.get(key);
        if (this.#again.delete(key) && entry !== undefined) this.#refresh(entry);
      });
    this.#asking.set(key, asked);
    return asked;
  }

  #refresh(entry: Entry): void {
    entry.timer?.cancel();
    entry.timer = undefined;
    // A failure was logged where it was noticed; callers that wait for the same answer get it themselves.
    if (!this.#closed) this.#ask(entry.appId, entry.namespace).catch(() => undefined);
  }

  #found(appId: string, namespace: string, { endpoints, validForMs }: FoundEndpoints): EndpointSet {
    const key = keyOf(appId, namespace);
    const before = this.#entries.get(key);
    const { source, log } = this.#options;
    if (before?.staleSinceMs !== undefined) log.info(`${source} answers again`, { app: appId });
    const text = JSON.stringify(endpoints);
    const changed = before !== undefined && (before.text !== text || before.staleSinceMs !== undefined);
    // Nothing is remembered about apps that do not run: the next question must see one that starts.
    if (endpoints.length === 0) this.#forget(key);
    else {
      const kept = { appId, namespace, endpoints, text, staleSinceMs: undefined, staleSinceMono: 0, failures: 0, timer: undefined };
      this.#keep(key, kept, Math.min(Math.max(validForMs, validMinMs), validMaxMs));
    }
    if (changed) this.#tell(appId, namespace);
    return { endpoints, source };
  }

  #failed(appId: string, namespace: string, error: unknown): EndpointSet {
    const key = keyOf(appId, namespace);
    const entry = this.#entries.get(key);
    const { clock, log, source, staleMaxMs = 600_000 } = this.#options;
    const reason = error instanceof Error ? error.message : String(error);
    const unavailable = (what: string) => new ProaError('unavailable', `${source} cannot be asked about app "${appId}"${what}: ${reason}`);
    if (entry === undefined || this.#closed) throw unavailable('');
    entry.failures++;
    const first = entry.staleSinceMs === undefined;
    if (first) {
      [entry.staleSinceMs, entry.staleSinceMono] = [clock.now(), clock.mono()];
      log.warn(`${source} cannot be asked; its last answer is used`, { app: appId, error: reason, staleMaxMs });
    }
    if (clock.mono() - entry.staleSinceMono >= staleMaxMs) {
      this.#forget(key);
      log.error(`the last answer of ${source} is too old to be used`, { app: appId, error: reason, staleMaxMs });
      this.#tell(appId, namespace);
      throw unavailable(`, and its last answer is older than ${staleMaxMs} ms`);
    }
    this.#arm(entry, Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(entry.failures - 1, 10)));
    if (first) this.#tell(appId, namespace);
    return this.#setOf(entry);
  }

  #keep(key: string, entry: Entry, validForMs: number): void {
    this.#forget(key);
    if (this.#closed) return;
    this.#entries.set(key, entry);
    this.#arm(entry, validForMs);
    const [oldest] = this.#entries;
    if (this.#entries.size <= (this.#options.namesMax ?? 1_000) || oldest === undefined) return;
    this.#forget(oldest[0]);
    this.#tell(oldest[1].appId, oldest[1].namespace);
  }

  #arm(entry: Entry, delayMs: number): void {
    entry.timer?.cancel();
    entry.timer = this.#options.clock.timer(delayMs, () => this.#refresh(entry), true);
  }

  #forget(key: string): void {
    this.#entries.get(key)?.timer?.cancel();
    this.#entries.delete(key);
  }

  #tell(appId: string, namespace: string): void {
    for (const listener of this.#listeners) listener(appId, namespace);
  }

  #setOf({ endpoints, staleSinceMs }: Entry): EndpointSet {
    const { source } = this.#options;
    return staleSinceMs === undefined ? { endpoints, source } : { endpoints, source, staleSinceMs };
  }
}

function keyOf(appId: string, namespace: string): string {
  return `${namespace}\0${appId}`;
}
