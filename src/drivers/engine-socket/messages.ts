import {
  type Commit,
  type CommitResult,
  type Condition,
  engineLimits,
  type EngineStats,
  type Entry,
  type Lease,
  type LeaseHeld,
  type LogEntry,
  type LogPage,
  type NewLogEntry,
  type RangePage,
  type RangeQuery,
} from '../../contracts/engine.ts';
import type { BackupSummary } from '../../contracts/engine-backup.ts';
import type { ErrorCode } from '../../kernel/catalogue.ts';
import { catalogue } from '../../kernel/catalogue.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { ByteReader, ByteWriter } from '../../wire/engine/byte-codec.ts';

/** Rises when a message changes its meaning; both sides must have the same. */
export const protocolVersion = 1;

/** What an owner adds to its welcome, after the time: clients may keep what they read (`keep`). Older ones add nothing. */
export const letsKeep = 1;

/** Types of frames from the client. */
export const requestType = {
  hello: 1,
  ping: 2,
  commit: 3,
  getMany: 4,
  range: 5,
  readLog: 6,
  trim: 7,
  acquireLease: 8,
  renewLease: 9,
  releaseLease: 10,
  watch: 11,
  unwatch: 12,
  stats: 13,
  backup: 14,
  /** As `getMany`, of keys that the client would like to keep; the answer says which it may. */
  keep: 15,
  /** Asks for a lease on what is kept, or for a longer one. */
  renewReads: 16,
  /** Answers `forget`, with its id; with 0: nothing is kept any more. Has no answer. */
  forgotten: 17,
} as const;

/** Types of frames from the owner. Each but `hint`, `bye` and `forget` begins with the engine's time and carries the request's id. */
export const answerType = { ok: 64, error: 65, starting: 66, hint: 67, bye: 68, forget: 69 } as const;

/** Keys of one reading request, and of what is to be forgotten at once. */
export const keysMax = 100_000;

/** Items of one list, at most; a page of a log is the longest. */
const itemsMax = 100_000;
const conditionKinds = ['version', 'exists', 'head', 'lease'] as const;
const statuses = ['done', 'conflict', 'unknown'] as const;

export interface Hello {
  readonly version: number;
  /** Printed when the owner reports on its clients. */
  readonly name: string;
  /** Prefixes outside of which this client may neither read nor write; undefined = no bounds. */
  readonly scope: readonly Key[] | undefined;
}

export function writeHello(w: ByteWriter, hello: Hello): void {
  w.u32(hello.version)
    .text(hello.name)
    .optional(hello.scope, (scope) => w.list(scope, (prefix) => w.key(prefix)));
}

export function readHello(r: ByteReader): Hello {
  return { version: r.u32(), name: r.text(), scope: r.optional(() => r.list(64, () => r.key())) };
}

export function writeCommit(w: ByteWriter, commit: Commit): void {
  w.optional(commit.id, (id) => w.text(id));
  w.list(commit.if, (condition) => writeCondition(w, condition));
  w.list(commit.put, (put) => {
    w.key(put.key)
      .bytes(put.value)
      .optional(put.expiresAtMs, (ms) => w.number(ms));
  });
  w.list(commit.delete, (key) => w.key(key));
  w.list(commit.deleteRange, (range) => w.key(range.from).key(range.to));
  w.list(commit.append, (append) => w.key(append.log).list(append.entries, (entry) => writeNewEntry(w, entry)));
}

export function readCommit(r: ByteReader): Commit {
  const most = engineLimits.operationsMax;
  const id = r.optional(() => r.text());
  const conditions = r.list(most, () => readCondition(r));
  const put = r.list(most, () => {
    const one = { key: r.key(), value: r.bytes() };
    const expiresAtMs = r.optional(() => r.number());
    return expiresAtMs === undefined ? one : { ...one, expiresAtMs };
  });
  const deleted = r.list(most, () => r.key());
  const deleteRange = r.list(most, () => ({ from: r.key(), to: r.key() }));
  const append = r.list(most, () => ({ log: r.key(), entries: r.list(most, () => readNewEntry(r)) }));
  // Absent stays absent: an engine may take the mere presence of a part as a reason to do more.
  return {
    ...(id !== undefined && { id }),
    ...(conditions.length > 0 && { if: conditions }),
    ...(put.length > 0 && { put }),
    ...(deleted.length > 0 && { delete: deleted }),
    ...(deleteRange.length > 0 && { deleteRange }),
    ...(append.length > 0 && { append }),
  };
}

function writeCondition(w: ByteWriter, condition: Condition): void {
  w.u8(conditionKinds.indexOf(condition.kind));
  if (condition.kind === 'version') w.key(condition.key).number(condition.version);
  else if (condition.kind === 'exists') w.key(condition.key).number(0);
  else if (condition.kind === 'head') w.key(condition.log).number(condition.head);
  else w.key(condition.name).number(condition.epoch);
}

function readCondition(r: ByteReader): Condition {
  const kind = conditionKinds[r.u8()];
  const key = r.key();
  const number = r.number();
  switch (kind) {
    case 'version':
      return { kind, key, version: number };
    case 'exists':
      return { kind, key };
    case 'head':
      return { kind, log: key, head: number };
    case 'lease':
      return { kind, name: key, epoch: number };
    default:
      throw new ProaError('malformed-request', 'engine protocol: a condition of an unknown kind');
  }
}

function writeNewEntry(w: ByteWriter, entry: NewLogEntry): void {
  w.optional(entry.key, (key) => w.text(key));
  w.optional(entry.dedupe, (dedupe) => w.text(dedupe));
  w.optional(entry.attributes, (attributes) => w.list(Object.entries(attributes), ([name, value]) => w.text(name).text(value)));
  w.bytes(entry.data);
}

function readNewEntry(r: ByteReader): NewLogEntry {
  const key = r.optional(() => r.text());
  const dedupe = r.optional(() => r.text());
  const pairs = r.optional(() => r.list(itemsMax, (): [string, string] => [r.text(), r.text()]));
  return {
    ...(key === undefined ? {} : { key }),
    ...(dedupe === undefined ? {} : { dedupe }),
    ...(pairs === undefined ? {} : { attributes: Object.fromEntries(pairs) }),
    data: r.bytes(),
  };
}

export function writeCommitResult(w: ByteWriter, result: CommitResult): void {
  w.u8(statuses.indexOf(result.status));
  if (result.status === 'done') w.list(result.versions, (version) => w.number(version)).list(result.sequences, (first) => w.number(first));
  else if (result.status === 'conflict') w.u32(result.failed);
  else w.text(String(result.cause instanceof Error ? result.cause.message : result.cause));
}

export function readCommitResult(r: ByteReader): CommitResult {
  const status = statuses[r.u8()];
  const most = engineLimits.operationsMax;
  if (status === 'done') return { status, versions: r.list(most, () => r.number()), sequences: r.list(most, () => r.number()) };
  if (status === 'conflict') return { status, failed: r.u32() };
  return { status: 'unknown', cause: new Error(r.text()) };
}

export function writeEntry(w: ByteWriter, entry: Entry): void {
  w.key(entry.key)
    .bytes(entry.value)
    .number(entry.version)
    .optional(entry.expiresAtMs, (ms) => w.number(ms));
}

export function readEntry(r: ByteReader): Entry {
  const entry = { key: r.key(), value: r.bytes(), version: r.number() };
  const expiresAtMs = r.optional(() => r.number());
  return expiresAtMs === undefined ? entry : { ...entry, expiresAtMs };
}

export function writeRangeQuery(w: ByteWriter, query: RangeQuery): void {
  w.key(query.from).key(query.to);
  w.optional(query.limit, (limit) => w.number(limit));
  w.u8((query.reverse === true ? 1 : 0) | (query.keysOnly === true ? 2 : 0));
}

export function readRangeQuery(r: ByteReader): RangeQuery {
  const query = { from: r.key(), to: r.key() };
  const limit = r.optional(() => r.number());
  const flags = r.u8();
  return { ...query, ...(limit === undefined ? {} : { limit }), reverse: (flags & 1) !== 0, keysOnly: (flags & 2) !== 0 };
}

export function writeRangePage(w: ByteWriter, page: RangePage): void {
  w.list(page.entries, (entry) => writeEntry(w, entry)).u8(page.more ? 1 : 0);
}

export function readRangePage(r: ByteReader): RangePage {
  return { entries: r.list(itemsMax, () => readEntry(r)), more: r.u8() === 1 };
}

export function writeLogPage(w: ByteWriter, page: LogPage): void {
  w.number(page.first).number(page.head);
  w.list(page.entries, (entry) => {
    w.number(entry.sequence).number(entry.timeMs);
    writeNewEntry(w, entry);
  });
}

export function readLogPage(r: ByteReader): LogPage {
  const first = r.number();
  const head = r.number();
  const entries = r.list(itemsMax, (): LogEntry => {
    const place = { sequence: r.number(), timeMs: r.number() };
    return { ...place, ...readNewEntry(r) };
  });
  return { entries, first, head };
}

/** `held` false is the answer "somebody else has it". */
export function writeLease(w: ByteWriter, lease: Lease | LeaseHeld): void {
  w.u8(lease.held ? 1 : 0)
    .text(lease.owner)
    .number(lease.epoch);
  if (lease.held) w.key(lease.name).number(lease.ttlMs);
}

export function readLease(r: ByteReader): Lease | LeaseHeld {
  const held = r.u8() === 1;
  const who = { owner: r.text(), epoch: r.number() };
  return held ? { held, ...who, name: r.key(), ttlMs: r.number() } : { held, ...who };
}

const statNumbers = ['keys', 'logs', 'indexBytes', 'indexBytesMax', 'diskBytes', 'commits', 'syncs', 'quarantined'] as const;

export function writeStats(w: ByteWriter, stats: EngineStats): void {
  for (const name of statNumbers) w.number(stats[name]);
  w.u8(stats.readOnly ? 1 : 0);
}

export function readStats(r: ByteReader): EngineStats {
  const numbers = Object.fromEntries(statNumbers.map((name) => [name, r.number()])) as Record<(typeof statNumbers)[number], number>;
  return { ...numbers, readOnly: r.u8() === 1 };
}

export function writeBackup(w: ByteWriter, { files, bytes, timeMs }: BackupSummary): void {
  w.number(files).number(bytes).number(timeMs);
}

export function readBackup(r: ByteReader): BackupSummary {
  return { files: r.number(), bytes: r.number(), timeMs: r.number() };
}

export function writeError(w: ByteWriter, error: ProaError): void {
  w.text(error.code)
    .text(error.message)
    .optional(error.hint, (hint) => w.text(hint));
}

/** A code that this version does not know becomes `internal`. */
export function readError(r: ByteReader): ProaError {
  const code = r.text();
  const message = r.text();
  const hint = r.optional(() => r.text());
  return new ProaError(code in catalogue ? (code as ErrorCode) : 'internal', message, hint === undefined ? {} : { hint });
}
