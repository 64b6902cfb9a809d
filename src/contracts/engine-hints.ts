import type { Key } from '../kernel/tuple.ts';

/** The watchers of one engine: `watch` by prefix, `onAppend` by log. Callbacks run synchronously and must not throw. */
export class HintBoard {
  readonly #prefixes = new Map<Key, Set<() => void>>();
  readonly #logs = new Map<Key, Set<() => void>>();
  readonly #changed: (kind: 'prefix' | 'log', key: Key, watched: boolean) => void;

  /** `changed` is told when the first watcher of a prefix or log comes and when the last one goes. */
  constructor(changed: (kind: 'prefix' | 'log', key: Key, watched: boolean) => void = () => {}) {
    this.#changed = changed;
  }

  get watching(): boolean {
    return this.#prefixes.size > 0 || this.#logs.size > 0;
  }

  prefixes(): Iterable<Key> {
    return this.#prefixes.keys();
  }

  logs(): Iterable<Key> {
    return this.#logs.keys();
  }

  watch(prefix: Key, callback: () => void): () => void {
    return this.#add('prefix', prefix, callback);
  }

  onAppend(log: Key, callback: () => void): () => void {
    return this.#add('log', log, callback);
  }

  /** Keys were put or deleted, and logs were appended to: each watcher concerned is called once. */
  fire(keys: Iterable<Key>, logs: Iterable<Key>): void {
    for (const log of logs) call(this.#logs.get(log));
    if (this.#prefixes.size === 0) return;
    const hit = new Set<Key>();
    for (const key of keys) for (const prefix of this.#prefixes.keys()) if (key.startsWith(prefix)) hit.add(prefix);
    for (const prefix of hit) call(this.#prefixes.get(prefix));
  }

  firePrefixes(): void {
    Array.from(this.#prefixes.values()).forEach(call);
  }

  /** What changed is not known: everyone is called. */
  fireAll(): void {
    Array.from(this.#logs.values()).forEach(call);
    this.firePrefixes();
  }

  clear(): void {
    this.#prefixes.clear();
    this.#logs.clear();
  }

  #add(kind: 'prefix' | 'log', key: Key, callback: () => void): () => void {
    const table = kind === 'prefix' ? this.#prefixes : this.#logs;
    const wrapped = (): void => callback();
    const callbacks = table.get(key);
    if (callbacks === undefined) {
      table.set(key, new Set([wrapped]));
      this.#changed(kind, key, true);
    } else callbacks.add(wrapped);
    return () => {
      const current = table.get(key);
      if (current?.delete(wrapped) !== true || current.size > 0) return;
      table.delete(key);
      this.#changed(kind, key, false);
    };
  }
}

function call(callbacks: Set<() => void> | undefined): void {
  // A copy: a callback may unwatch or watch.
  if (callbacks !== undefined) Array.from(callbacks).forEach((callback) => callback());
}
