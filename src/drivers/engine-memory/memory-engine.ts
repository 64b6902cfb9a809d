import { checkCommit } from '../../contracts/engine-checks.ts';
import { HintBoard } from '../../contracts/engine-hints.ts';
import {
  type Commit,
  type CommitResult,
  type Condition,
  type Engine,
  engineLimits,
  type Entry,
  type Lease,
  type LeaseHeld,
  type LogEntry,
  type LogPage,
  type NewLogEntry,
  type RangePage,
  type RangeQuery,
} from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import { OrderedMap } from '../../kernel/ordered-map.ts';
import type { Key } from '../../kernel/tuple.ts';

const pageBytes = 1024 * 1024;
const nextTurn = Promise.resolve();

interface Log {
  first: number;
  head: number;
  /** The entries from `first` to `head`. */
  entries: LogEntry[];
}

interface LeaseRow {
  owner: string;
  epoch: number;
  expiresAtMs: number;
}

/** What outlives an engine object: hand the same contents to a second engine to play a restart or a crash. */
export interface MemoryContents {
  readonly keys: OrderedMap<Entry>;
  readonly logs: Map<Key, Log>;
  readonly leases: Map<Key, LeaseRow>;
  readonly ids: Map<string, { readonly timeMs: number; readonly result: CommitResult }>;
  lastVersion: number;
  lastMs: number;
}

/** Contents of an empty engine. */
export function createMemoryContents(): MemoryContents {
  const keys = new OrderedMap<Entry>();
  return { keys, logs: new Map(), leases: new Map(), ids: new Map(), lastVersion: 0, lastMs: 0 };
}

export interface MemoryEngineOptions {
  readonly clock: Clock;
  /** Default: empty contents of its own. */
  readonly contents?: MemoryContents;
}

/** A memory engine, and how it crashes: what was queued and not committed is answered `unknown` and lost. */
export interface MemoryEngine extends Engine {
  crash(): void;
}

/**
 * The executable specification of the contract. Commits are judged one by one, in the order in which they came, in a turn of their own;
 * "durable" means: in `contents`.
 */
export function createMemoryEngine(options: MemoryEngineOptions): MemoryEngine {
  return new SpecifiedEngine(options.clock, options.contents ?? createMemoryContents());
}

class SpecifiedEngine implements MemoryEngine {
  readonly kind = 'memory';
  readonly #clock: Clock;
  readonly #contents: MemoryContents;
  readonly #board = new HintBoard();
  #commits = 0;
  #ended = false;

  constructor(clock: Clock, contents: MemoryContents) {
    this.#clock = clock;
    this.#contents = contents;
  }

  async commit(given: Commit): Promise<CommitResult> {
    checkCommit(given);
    this.#mustRun();
    const commit = copyOf(given);
    await nextTurn;
    if (this.#ended) return { status: 'unknown', cause: new ProaError('engine.unavailable', 'the memory engine ended') };
    const now = this.now();
    this.#forgetIds(now);
    const repeated = commit.id === undefined ? undefined : this.#contents.ids.get(commit.id);
    if (repeated !== undefined) return repeated.result;
    const failed = (commit.if ?? []).findIndex((condition) => !this.#holds(condition));
    const result: CommitResult = failed >= 0 ? { status: 'conflict', failed } : this.#apply(commit, now);
    if (commit.id !== undefined) this.#contents.ids.set(commit.id, { timeMs: now, result });
    if (result.status === 'done') this.#tell(commit);
    return result;
  }

  async get(key: Key): Promise<Entry | undefined> {
    this.#mustRun();
    return this.#visible(key);
  }

  peek(key: Key): Entry | undefined {
    return this.#ended ? undefined : this.#visible(key);
  }

  async getMany(keys: readonly Key[]): Promise<(Entry | undefined)[]> {
    this.#mustRun();
    return keys.map((key) => this.#visible(key));
  }

  async range(query: RangeQuery): Promise<RangePage> {
    this.#mustRun();
    const limit = Math.min(query.limit ?? 1_000, 1_000);
    const inside = this.#contents.keys.getRange(query.from, query.to).map(([, entry]) => entry);
    const visible = inside.filter((entry) => this.#visible(entry.key) !== undefined);
    const entries: Entry[] = [];
    let size = 0;
    for (const entry of query.reverse === true ? visible.reverse() : visible) {
      if (entries.length === limit || size >= pageBytes) return { entries, more: true };
      entries.push(query.keysOnly === true ? { ...entry, value: new Uint8Array(0) } : entry);
      size += query.keysOnly === true ? 0 : entry.value.length;
    }
    return { entries, more: false };
  }

  async readLog(name: Key, after: number, limit = 256): Promise<LogPage> {
    this.#mustRun();
    const log = this.#contents.logs.get(name);
    if (log === undefined) return { entries: [], first: 1, head: 0 };
    const entries: LogEntry[] = [];
    let size = 0;
    for (const entry of log.entries) {
      if (entry.sequence <= after) continue;
      if (entries.length === limit || size >= pageBytes) break;
      entries.push(entry);
      size += entry.data.length;
    }
    return { entries, first: log.first, head: log.head };
  }

  async trim(name: Key, upTo: number): Promise<void> {
    this.#mustRun();
    const log = this.#contents.logs.get(name);
    if (log === undefined) return;
    log.first = Math.max(log.first, Math.min(upTo, log.head) + 1);
    log.entries = log.entries.filter((entry) => entry.sequence >= log.first);
  }

  async acquireLease(name: Key, owner: string, ttlMs: number): Promise<Lease | LeaseHeld> {
    this.#mustRun();
    const now = this.now();
    const lease = this.#contents.leases.get(name) ?? { owner: '', epoch: 0, expiresAtMs: 0 };
    const held = lease.expiresAtMs > now;
    if (held && lease.owner !== owner) return { held: false, owner: lease.owner, epoch: lease.epoch };
    const epoch = held ? lease.epoch : lease.epoch + 1;
    this.#contents.leases.set(name, { owner, epoch, expiresAtMs: now + ttlMs });
    return { held: true, name, owner, epoch, ttlMs };
  }

  async renewLease(lease: Lease, ttlMs: number): Promise<Lease | undefined> {
    this.#mustRun();
    if (!this.#leaseHolds(lease.name, lease.epoch)) return undefined;
    this.#contents.leases.set(lease.name, { owner: lease.owner, epoch: lease.epoch, expiresAtMs: this.now() + ttlMs });
    return { ...lease, ttlMs };
  }

  async releaseLease(lease: Lease): Promise<void> {
    this.#mustRun();
    if (!this.#leaseHolds(lease.name, lease.epoch)) return;
    this.#contents.leases.set(lease.name, { owner: lease.owner, epoch: lease.epoch, expiresAtMs: 0 });
  }

  now(): number {
    this.#contents.lastMs = Math.max(this.#contents.lastMs, this.#clock.now());
    return this.#contents.lastMs;
  }

  watch(prefix: Key, changed: () => void): () => void {
    return this.#board.watch(prefix, changed);
  }

  onAppend(log: Key, appended: () => void): () => void {
    return this.#board.onAppend(log, appended);
  }

  stats() {
    const { keys, logs } = this.#contents;
    const counts = { keys: keys.size, logs: logs.size, commits: this.#commits, syncs: 0, quarantined: 0 };
    return { ...counts, indexBytes: 0, indexBytesMax: Infinity, diskBytes: 0, readOnly: false };
  }

  async close(): Promise<void> {
    // Commits that were queued before are judged first.
    await nextTurn;
    this.crash();
  }

  crash(): void {
    this.#ended = true;
    this.#board.clear();
  }

  #mustRun(): void {
    if (this.#ended) throw new ProaError('engine.unavailable', 'the memory engine is closed');
  }

  #visible(key: Key): Entry | undefined {
    const entry = this.#contents.keys.get(key);
    if (entry?.expiresAtMs !== undefined && entry.expiresAtMs <= this.now()) return undefined;
    return entry;
  }

  #leaseHolds(name: Key, epoch: number): boolean {
    const lease = this.#contents.leases.get(name);
    return lease !== undefined && lease.epoch === epoch && lease.expiresAtMs > this.now();
  }

  #holds(condition: Condition): boolean {
    switch (condition.kind) {
      case 'version':
        return (this.#visible(condition.key)?.version ?? 0) === condition.version;
      case 'exists':
        return this.#visible(condition.key) !== undefined;
      case 'head':
        return (this.#contents.logs.get(condition.log)?.head ?? 0) === condition.head;
      case 'lease':
        return this.#leaseHolds(condition.name, condition.epoch);
    }
  }

  #apply(commit: Commit, now: number): CommitResult {
    const { keys } = this.#contents;
    for (const { from, to } of commit.deleteRange ?? []) keys.deleteRange(from, to);
    for (const key of commit.delete ?? []) keys.delete(key);
    const versions = (commit.put ?? []).map((put) => {
      const version = ++this.#contents.lastVersion;
      keys.set(put.key, { ...put, version });
      return version;
    });
    const sequences = (commit.append ?? []).map(({ log, entries }) => this.#append(log, entries, now));
    this.#commits++;
    return { status: 'done', versions, sequences };
  }

  #append(name: Key, entries: readonly NewLogEntry[], now: number): number {
    let log = this.#contents.logs.get(name);
    if (log === undefined) this.#contents.logs.set(name, (log = { first: 1, head: 0, entries: [] }));
    const first = log.head + 1;
    for (const entry of entries) log.entries.push({ ...entry, sequence: ++log.head, timeMs: now });
    return first;
  }

  #tell(commit: Commit): void {
    const keys = [...(commit.delete ?? []), ...(commit.put ?? []).map((put) => put.key)];
    const logs = (commit.append ?? []).map((append) => append.log);
    this.#board.fire(keys, logs);
    if (commit.deleteRange !== undefined) this.#board.firePrefixes();
  }

  #forgetIds(now: number): void {
    for (const [id, { timeMs }] of this.#contents.ids) {
      if (timeMs > now - engineLimits.commitIdKeptMs) return;
      this.#contents.ids.delete(id);
    }
  }
}

/** The caller may reuse its buffers as soon as `commit` was called. */
function copyOf(commit: Commit): Commit {
  return {
    ...commit,
    ...(commit.put && { put: commit.put.map((put) => ({ ...put, value: new Uint8Array(put.value) })) }),
    ...(commit.append && {
      append: commit.append.map(({ log, entries }) => ({
        log,
        entries: entries.map((entry) => ({ ...entry, data: new Uint8Array(entry.data) })),
      })),
    }),
  };
}
