import { checkCommit, checkKey } from '../../contracts/engine-checks.ts';
import type { CopySource } from '../../contracts/engine-copy.ts';
import type { HintBoard } from '../../contracts/engine-hints.ts';
import {
  type Append,
  type Commit,
  type CommitResult,
  type Condition,
  engineLimits,
  type EngineStats,
  type Entry,
  type Lease,
  type LeaseHeld,
  type LogPage,
  type Put,
  type RangePage,
  type RangeQuery,
} from '../../contracts/engine.ts';
import { partOf } from '../../kernel/bytes.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import { crc32 } from './crc32.ts';
import type { GroupWriter } from './group-writer.ts';
import type { HighWater } from './high-water.ts';
import type { Housekeeping } from './housekeeping.ts';
import { blockBound, encodeBlock } from './log-block.ts';
import { doneResult, KeyEntry, type KeptResult, resultOf } from './operations.ts';
import type { Ownership } from './ownership.ts';
import type { Group, Pending } from './pending.ts';
import type { JournalReads } from './reads.ts';
import type { Recorder } from './recorder.ts';
import type { Segments } from './segment.ts';
import type { SegmentWriter } from './segment-writer.ts';
import type { JournalState } from './state.ts';

/** The parts that `openJournalEngine` put together. */
export interface JournalParts {
  readonly clock: Clock;
  readonly directory: string;
  readonly indexBytesMax: number;
  readonly state: JournalState;
  readonly pending: Pending;
  readonly segments: Segments;
  readonly writer: SegmentWriter;
  readonly groups: GroupWriter;
  readonly recorder: Recorder;
  readonly reads: JournalReads;
  readonly ownership: Ownership;
  readonly highWater: HighWater;
  readonly housekeeping: Housekeeping;
  readonly board: HintBoard;
  now(): number;
}

/** The engine on a journal that this process owns. */
export interface JournalEngine extends CopySource {
  readonly directory: string;
  /** The epoch of ownership: later owners have higher ones. */
  readonly epoch: number;
  /** False once another process has taken over; nothing is acknowledged or read any more. */
  readonly owned: boolean;
  /** Writes a snapshot of the index now, so that the next start is quick. */
  snapshot(): Promise<void>;
  /** Ends without finishing anything, as a crash does: queued commits are answered `unknown` or fail. */
  abandon(): Promise<void>;
  /** For `backupJournal`: the parts, with nothing removed while `use` runs. */
  inspect<Result>(use: (parts: JournalParts) => Promise<Result>): Promise<Result>;
}

export function createJournalEngine(parts: JournalParts): JournalEngine {
  return new OwnedJournal(parts);
}

class OwnedJournal implements JournalEngine {
  readonly kind = 'journal';
  readonly #parts: JournalParts;
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(parts: JournalParts) {
    this.#parts = parts;
  }

  get directory(): string {
    return this.#parts.directory;
  }

  get epoch(): number {
    return this.#parts.ownership.epoch;
  }

  get owned(): boolean {
    return !this.#parts.ownership.lost;
  }

  commit(commit: Commit): Promise<CommitResult> {
    try {
      checkCommit(commit);
      this.#mustRun();
      return (commit.id !== undefined && this.#repeated(commit.id)) || this.#judge(commit);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  get(key: Key): Promise<Entry | undefined> {
    if (this.#canRead()) return this.#parts.reads.get(key);
    return this.#checked(() => this.#parts.reads.get(key));
  }

  peek(key: Key): Entry | undefined {
    return this.#canRead() ? this.#parts.reads.peek(key) : undefined;
  }

  getMany(keys: readonly Key[]): Promise<(Entry | undefined)[]> {
    return this.#checked(() => this.#parts.reads.getMany(keys));
  }

  range(query: RangeQuery): Promise<RangePage> {
    return this.#checked(() => this.#parts.reads.range(query));
  }

  readLog(log: Key, after: number, limit?: number): Promise<LogPage> {
    return this.#checked(() => this.#parts.reads.readLog(log, after, limit));
  }

  async trim(log: Key, upTo: number): Promise<void> {
    checkKey(log);
    this.#mustRun();
    const { pending, recorder } = this.#parts;
    const { value } = pending.log(log);
    const first = Math.min(upTo, value.head) + 1;
    if (first <= value.first) return;
    await recorder.record((group) => {
      group.buffer.trim(log, first);
      pending.queue({ kind: 'trim', log, first }, group);
    });
  }

  async acquireLease(name: Key, owner: string, ttlMs: number): Promise<Lease | LeaseHeld> {
    checkKey(name);
    this.#mustRun();
    const { pending, state } = this.#parts;
    const { value: row, group } = pending.lease(name);
    const held = row !== undefined && row.expiresAtMs > this.now();
    if (held && row.owner !== owner) {
      await settled(group);
      return { held: false, owner: row.owner, epoch: row.epoch };
    }
    const epoch = held ? row.epoch : (row?.epoch ?? state.leaseEpochsGone) + 1;
    await this.#writeLease(name, { owner, epoch }, ttlMs);
    return { held: true, name, owner, epoch, ttlMs };
  }

  async renewLease(lease: Lease, ttlMs: number): Promise<Lease | undefined> {
    this.#mustRun();
    const { value, group } = this.#parts.pending.holds({ kind: 'lease', name: lease.name, epoch: lease.epoch }, this.now());
    if (!value) {
      await settled(group);
      return undefined;
    }
    await this.#writeLease(lease.name, lease, ttlMs);
    return { ...lease, ttlMs };
  }

  async releaseLease(lease: Lease): Promise<void> {
    this.#mustRun();
    const { value } = this.#parts.pending.holds({ kind: 'lease', name: lease.name, epoch: lease.epoch }, this.now());
    if (value) await this.#writeLease(lease.name, lease, 0);
  }

  now(): number {
    return this.#parts.now();
  }

  watch(prefix: Key, changed: () => void): () => void {
    return this.#parts.board.watch(prefix, changed);
  }

  onAppend(log: Key, appended: () => void): () => void {
    return this.#parts.board.onAppend(log, appended);
  }

  stats(): EngineStats {
    const { state, segments, groups, indexBytesMax } = this.#parts;
    return {
      keys: state.keys.size,
      logs: state.logs.size,
      indexBytes: state.indexBytes,
      indexBytesMax,
      diskBytes: segments.all().reduce((sum, segment) => sum + segment.bytes, 0),
      commits: groups.commits,
      syncs: groups.syncs,
      quarantined: state.quarantined,
      readOnly: groups.readOnly,
    };
  }

  logNames(): Promise<readonly Key[]> {
    return Promise.resolve([...this.#parts.state.logs.keys()]);
  }

  snapshot(): Promise<void> {
    return this.#parts.housekeeping.snapshotNow();
  }

  inspect<Result>(use: (parts: JournalParts) => Promise<Result>): Promise<Result> {
    return this.#parts.housekeeping.holding(() => use(this.#parts));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async abandon(): Promise<void> {
    const { groups, housekeeping, highWater, writer, segments, board } = this.#parts;
    this.#closed = true;
    this.#closing ??= Promise.resolve();
    board.clear();
    groups.abandon(new ProaError('engine.unavailable', 'the journal was abandoned'));
    await groups.close();
    await Promise.allSettled([housekeeping.close(), highWater.abandon(), writer.close()]);
    await segments.close();
  }

  async #close(): Promise<void> {
    const { groups, housekeeping, highWater, writer, segments, board, ownership } = this.#parts;
    board.clear();
    if (!ownership.lost) await housekeeping.tidy();
    await groups.close();
    this.#closed = true;
    await housekeeping.close();
    await writer.close();
    if (ownership.lost) await highWater.abandon();
    else await highWater.close();
    await segments.close();
  }

  #canRead(): boolean {
    return !this.#closed && this.#parts.ownership.fresh;
  }

  #mustRun(): void {
    if (this.#closed) throw new ProaError('engine.unavailable', 'the journal is closed');
  }

  async #checked<Result>(read: () => Promise<Result>): Promise<Result> {
    this.#mustRun();
    if (!this.#parts.ownership.fresh) this.#parts.ownership.check();
    return read();
  }

  #writeLease(name: Key, lease: { readonly owner: string; readonly epoch: number }, ttlMs: number): Promise<void> {
    const { pending, recorder } = this.#parts;
    return recorder.record((group) => {
      const row = { owner: lease.owner, epoch: lease.epoch, expiresAtMs: group.nowMs + ttlMs };
      group.buffer.lease(name, row.owner, row);
      pending.queue({ kind: 'lease', name, row }, group);
    });
  }

  /** The first result of a commit id, once it is durable. */
  #repeated(id: string): Promise<CommitResult> | undefined {
    const { pending, state } = this.#parts;
    const queued = pending.id(id);
    if (queued !== undefined) {
      const result = resultOf(queued.value);
      return new Promise((resolve) =>
        queued.group.waiters.push((failure) => resolve(failure === undefined ? result : unknown(failure.error))),
      );
    }
    const kept = state.ids.get(id);
    if (kept === undefined || kept.timeMs <= this.now() - engineLimits.commitIdKeptMs) return undefined;
    return Promise.resolve(resultOf(kept.result));
  }

  #judge(commit: Commit): Promise<CommitResult> {
    const { failed, restsOn } = commit.if === undefined ? unconditional : this.#examine(commit.if);
    if (failed !== undefined) {
      const conflict: KeptResult = { status: 'conflict', failed };
      if (commit.id !== undefined) return this.#write({ id: commit.id }, conflict);
      return this.#after(restsOn, resultOf(conflict));
    }
    const { put = none, append = none } = commit;
    const writes = put.length + append.length + (commit.delete?.length ?? 0) + (commit.deleteRange?.length ?? 0);
    if (writes === 0 && commit.id === undefined) return this.#after(restsOn, { status: 'done', versions: none, sequences: none });
    if (put.length > 0 || append.length > 0) this.#checkIndex(put, append.length);
    return this.#write(commit, undefined);
  }

  /** The first condition that does not hold, and the youngest queued group on which the answer rests. */
  #examine(conditions: readonly Condition[]): Examined {
    const { pending } = this.#parts;
    const nowMs = this.now();
    let restsOn: Group | undefined;
    for (let i = 0; i < conditions.length; i++) {
      const { value, group } = pending.holds(conditions[i] as Condition, nowMs);
      if (group !== undefined && (restsOn === undefined || group.number > restsOn.number)) restsOn = group;
      if (!value) return { failed: i, restsOn };
    }
    return { failed: undefined, restsOn };
  }

  /** Answers when the group on which the answer rests is durable. */
  #after(group: Group | undefined, result: CommitResult): Promise<CommitResult> {
    if (group === undefined) return Promise.resolve(result);
    return new Promise((resolve) => group.waiters.push((failure) => resolve(failure === undefined ? result : unknown(failure.error))));
  }

  #checkIndex(puts: readonly Put[], appends: number): void {
    const { state, indexBytesMax } = this.#parts;
    let keyBytes = 0;
    for (const put of puts) keyBytes += put.key.length;
    if (state.indexBytes + state.costOf(puts.length, appends, keyBytes) <= indexBytesMax) return;
    throw new ProaError('engine.limit', `the index has reached its limit of ${indexBytesMax} bytes (${state.keys.size} keys)`, {
      hint: 'delete keys, raise indexBytesMax, or move to the PostgreSQL engine',
    });
  }

  #write(commit: Commit, conflict: KeptResult | undefined): Promise<CommitResult> {
    const { recorder, pending, state } = this.#parts;
    const group = recorder.begin();
    const firstVersion = state.lastVersion + 1;
    const sequences = conflict === undefined ? this.#fill(commit, group) : none;
    const puts = state.lastVersion + 1 - firstVersion;
    let result: CommitResult | undefined;
    if (commit.id !== undefined) {
      const kept: KeptResult = conflict ?? { status: 'done', firstVersion, puts, sequences };
      group.buffer.id(commit.id, kept);
      pending.queue({ kind: 'id', id: commit.id, result: kept }, group);
      result = resultOf(kept);
    }
    recorder.end(group);
    return group.answer(result ?? doneResult(firstVersion, puts, sequences));
  }

  /** Writes what the commit changes into the group; answers the sequences of its appends. */
  #fill(commit: Commit, group: Group): readonly number[] {
    const { put = none, append = none } = commit;
    group.changes++;
    if (commit.deleteRange !== undefined || commit.delete !== undefined) this.#remove(commit, group);
    for (const one of put) this.#put(one, group);
    return append.length === 0 ? none : this.#appendAll(append, group, put.length === 0 && commit.id === undefined);
  }

  #remove(commit: Commit, group: Group): void {
    const { pending } = this.#parts;
    for (const { from, to } of commit.deleteRange ?? none) {
      if (!pending.mayHold(from, to)) continue;
      group.buffer.deleteRange(from, to);
      pending.queue({ kind: 'deleteRange', from, to }, group);
    }
    for (const key of commit.delete ?? none) {
      group.buffer.delete(key);
      pending.queue({ kind: 'delete', key }, group);
    }
  }

  #put({ key, value, expiresAtMs: wanted }: Put, group: Group): void {
    const { pending, state } = this.#parts;
    const expiresAtMs = wanted === undefined ? 0 : Math.max(wanted, 1);
    const version = ++state.lastVersion;
    const entry = new KeyEntry({ version, expiresAtMs, length: value.length, crc: crc32(value), offset: 0 });
    group.buffer.put(key, entry, value);
    pending.queue({ kind: 'put', key, entry, moved: false }, group);
  }

  /** The first sequence of each append. `last`: nothing follows in the record. */
  #appendAll(appends: readonly Append[], group: Group, last: boolean): number[] {
    const [only] = appends;
    if (appends.length === 1 && only !== undefined) return [this.#append(only, group, last)];
    return appends.map((append) => this.#append(append, group, false));
  }

  #append({ log, entries }: Append, group: Group, last: boolean): number {
    const { pending } = this.#parts;
    const { buffer } = group;
    const first = pending.log(log).value.head + 1;
    if (entries.length === 0) return first;
    const bound = blockBound(entries);
    const place = last ? buffer.roomInPlace(log, bound) : buffer.room(bound);
    const data = partOf(place.bytes, place.at, encodeBlock(entries, group.nowMs, place));
    const block = { first, count: entries.length, bytes: data.length, crc: crc32(data), offset: 0 };
    if (last) buffer.appendInPlace(log, block);
    else buffer.append(log, block, data);
    pending.queue({ kind: 'append', log, block, moved: false }, group);
    return first;
  }
}

interface Examined {
  readonly failed: number | undefined;
  readonly restsOn: Group | undefined;
}

const unconditional: Examined = { failed: undefined, restsOn: undefined };

const none: readonly never[] = [];

function unknown(cause: unknown): CommitResult {
  return { status: 'unknown', cause };
}

/** Resolves when the group's fate is known. */
function settled(group: Group | undefined): Promise<void> {
  if (group === undefined) return Promise.resolve();
  return new Promise((resolve) => group.waiters.push(() => resolve()));
}
