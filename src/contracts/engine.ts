import type { Key } from '../kernel/tuple.ts';

/**
 * The engine: an ordered, transactional key-value store with logs. Event log and subscriptions, registry, locks, configuration and the
 * default state store are written once over it. What every driver promises, and `testing/engine-suite` checks:
 *
 * - `commit` is strictly serialisable and atomic, and answers only when durable.
 * - Versions are whole numbers above 0; a key's version rises with each put and is never reused, not even after a delete.
 * - Reads return durable commits only. One `range` page is atomic, successive pages are not.
 * - When entry n of a log is readable, every lower entry is readable or was trimmed: sequences start at 1 and have no gaps.
 * - `watch` and `onAppend` are hints; correctness never depends on one arriving, and one may come without a change.
 * - Expired keys are invisible to reads, and absent to conditions, from the instant `now()` reaches their `expiresAtMs`.
 */
export interface Engine {
  readonly kind: string;
  commit(commit: Commit): Promise<CommitResult>;
  get(key: Key): Promise<Entry | undefined>;
  /** The entry when it can be answered without waiting, because its value is in memory. Undefined says nothing: ask `get`. */
  peek?(key: Key): Entry | undefined;
  /** Many reads of one instant. */
  getMany(keys: readonly Key[]): Promise<(Entry | undefined)[]>;
  range(query: RangeQuery): Promise<RangePage>;
  /** Entries with a sequence above `after`, in order, at most `limit` (default 256) and about 1 MB; `first` is the lowest readable sequence. */
  readLog(log: Key, after: number, limit?: number): Promise<LogPage>;
  /** Makes entries up to and including `upTo` unreadable and frees them in time. Trimming more than there is trims all. */
  trim(log: Key, upTo: number): Promise<void>;
  /** Takes the lease when it is free, expired, or held by the same `owner` (then the epoch stays). */
  acquireLease(name: Key, owner: string, ttlMs: number): Promise<Lease | LeaseHeld>;
  /** Extends the lease; undefined when it was lost. */
  renewLease(lease: Lease, ttlMs: number): Promise<Lease | undefined>;
  /** Gives the lease up; does nothing when it was lost. */
  releaseLease(lease: Lease): Promise<void>;
  /** The engine's clock in wall milliseconds: persisted, never backwards, the same for every client of one engine. */
  now(): number;
  /** Calls back after a commit that changed a key below `prefix`. Returns the function that ends it. */
  watch(prefix: Key, changed: () => void): () => void;
  /** Calls back after a commit that appended to `log`. */
  onAppend(log: Key, appended: () => void): () => void;
  stats(): EngineStats;
  close(): Promise<void>;
}

export interface Commit {
  /** At most 64 characters. Kept for 10 minutes, across restart and takeover: a repeat gets the first result and changes nothing. */
  readonly id?: string;
  /** All must hold, judged against every commit queued before this one. */
  readonly if?: readonly Condition[];
  readonly put?: readonly Put[];
  readonly delete?: readonly Key[];
  /** Half-open ranges; they are applied before `put`. */
  readonly deleteRange?: readonly { readonly from: Key; readonly to: Key }[];
  readonly append?: readonly Append[];
  /** Nobody changes the bytes before the answer: an engine that may have to repeat the commit need not copy them. Without it the caller may reuse its buffers at once. */
  readonly bytesGiven?: true;
}

/** `version` 0 means "absent"; `head` is the sequence of the last entry ever appended, 0 for none. */
export type Condition =
  | { readonly kind: 'version'; readonly key: Key; readonly version: number }
  | { readonly kind: 'exists'; readonly key: Key }
  | { readonly kind: 'head'; readonly log: Key; readonly head: number }
  | { readonly kind: 'lease'; readonly name: Key; readonly epoch: number };

export interface Put {
  readonly key: Key;
  readonly value: Uint8Array;
  /** In `now()` milliseconds; absent = never. */
  readonly expiresAtMs?: number;
}

export interface Append {
  readonly log: Key;
  readonly entries: readonly NewLogEntry[];
}

export interface NewLogEntry {
  /** Orders deliveries: entries with the same key stay in order. */
  readonly key?: string;
  /** An event id for consumers that drop repeats. */
  readonly dedupe?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly data: Uint8Array;
}

export interface LogEntry extends NewLogEntry {
  readonly sequence: number;
  /** `now()` of the commit. */
  readonly timeMs: number;
}

export type CommitResult =
  /** `versions` follow `put`; `sequences` hold, per append, the sequence of its first entry. */
  | { readonly status: 'done'; readonly versions: readonly number[]; readonly sequences: readonly number[] }
  /** `failed` is the index in `if` of the first condition that did not hold. */
  | { readonly status: 'conflict'; readonly failed: number }
  /** The connection or the owner was lost: it may or may not have happened. Repeat with the same id to find out. */
  | { readonly status: 'unknown'; readonly cause: unknown };

export interface Entry {
  readonly key: Key;
  readonly value: Uint8Array;
  readonly version: number;
  readonly expiresAtMs?: number;
}

export interface RangeQuery {
  /** Inclusive. */
  readonly from: Key;
  /** Exclusive. */
  readonly to: Key;
  /** At most 1,000, the default. A page also ends at about 1 MB of values. */
  readonly limit?: number;
  readonly reverse?: boolean;
  /** Leaves `value` empty: for listing and counting. */
  readonly keysOnly?: boolean;
}

export interface RangePage {
  readonly entries: readonly Entry[];
  /** More may follow: continue behind the last key (forwards: `from` = last key + '\x00'; reverse: `to` = last key). */
  readonly more: boolean;
}

export interface LogPage {
  readonly entries: readonly LogEntry[];
  readonly first: number;
  readonly head: number;
}

/** A fencing token: commits test `epoch` with the condition `lease`. Epochs of one name only rise, across restarts too. */
export interface Lease {
  readonly held: true;
  readonly name: Key;
  readonly owner: string;
  readonly epoch: number;
  /** How long it was granted; the holder stops at two thirds of it, counted on its own monotonic clock from before the request. */
  readonly ttlMs: number;
}

export interface LeaseHeld {
  readonly held: false;
  readonly owner: string;
  readonly epoch: number;
}

export interface EngineStats {
  readonly keys: number;
  readonly logs: number;
  /** Memory of the index, estimated by counting, and its configured limit. */
  readonly indexBytes: number;
  readonly indexBytesMax: number;
  readonly diskBytes: number;
  /** Of whoever writes, since it was opened: the owner of a journal, whichever process asks; each process by itself where each has its own way to the data (PostgreSQL). */
  readonly commits: number;
  readonly syncs: number;
  /** Records that failed their checksum and were set aside. */
  readonly quarantined: number;
  readonly readOnly: boolean;
}

/** What is told while there is no engine to ask. */
export const noStats: EngineStats = {
  keys: 0,
  logs: 0,
  indexBytes: 0,
  indexBytesMax: 0,
  diskBytes: 0,
  commits: 0,
  syncs: 0,
  quarantined: 0,
  readOnly: false,
};

/** Limits of the contract; beyond them `commit` fails with `engine.limit`. */
export const engineLimits = {
  keyBytesMax: 1024,
  valueBytesMax: 1024 * 1024,
  operationsMax: 512,
  commitBytesMax: 4 * 1024 * 1024,
  commitIdCharsMax: 64,
  commitIdKeptMs: 10 * 60_000,
} as const;
