import type { Commit, Condition } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import { type Key, prefixEnd } from '../../kernel/tuple.ts';

/** What a client may touch: everything below some prefixes, or everything. */
export interface Scope {
  /** Throws `engine.denied` unless `key` (of an entry, a log or a lease) lies below one of the prefixes. */
  key(key: Key): void;
  /** The same for everything from `from` up to, not including, `to`. */
  range(from: Key, to: Key): void;
  commit(commit: Commit): void;
  /** Throws `engine.denied` for a client with bounds. */
  everything(): void;
}

/** The scope of a hello; no prefixes given means no bounds. */
export function createScope(client: string, prefixes: readonly Key[] | undefined): Scope {
  const deny = (key: Key): never => {
    throw new ProaError('engine.denied', `"${client}" may not touch ${JSON.stringify(key.slice(0, 64))}: it lies outside of its scope`);
  };
  const scope: Scope = {
    key(key) {
      if (prefixes !== undefined && !prefixes.some((prefix) => key.startsWith(prefix))) deny(key);
    },
    range(from, to) {
      if (prefixes !== undefined && !prefixes.some((prefix) => from >= prefix && to <= prefixEnd(prefix))) deny(from);
    },
    everything() {
      if (prefixes !== undefined) throw new ProaError('engine.denied', `"${client}" may not copy what lies outside of its scope`);
    },
    commit(commit) {
      if (prefixes === undefined) return;
      for (const condition of commit.if ?? []) scope.key(keyOf(condition));
      for (const put of commit.put ?? []) scope.key(put.key);
      for (const key of commit.delete ?? []) scope.key(key);
      for (const range of commit.deleteRange ?? []) scope.range(range.from, range.to);
      for (const append of commit.append ?? []) scope.key(append.log);
    },
  };
  return scope;
}

function keyOf(condition: Condition): Key {
  if (condition.kind === 'head') return condition.log;
  return condition.kind === 'lease' ? condition.name : condition.key;
}
