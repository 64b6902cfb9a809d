import { engineLimits } from '../../contracts/engine.ts';
import { OrderedMap } from '../../kernel/ordered-map.ts';
import type { Key } from '../../kernel/tuple.ts';
import { LogState } from './log-state.ts';
import type { KeptResult, KeyEntry, LeaseRow, Operation } from './operations.ts';
import { RecentBytes } from './recent-bytes.ts';
import type { Segment } from './segment.ts';
import { ValueCache } from './value-cache.ts';

/** Memory of index entries, measured once with a heap of a million each and rounded up. */
const cost = { key: 180, log: 400, run: 140, block: 48, id: 220, lease: 200 } as const;
const expiryBucketMs = 10_000;

/** Everything durable, in memory but for values and log entries. Changed only by `apply`, in the order of the journal. */
export class JournalState {
  readonly keys = new OrderedMap<KeyEntry>();
  readonly logs = new Map<Key, LogState>();
  readonly leases = new Map<Key, LeaseRow>();
  readonly ids = new Map<string, { readonly result: KeptResult; readonly timeMs: number }>();
  /** Values that were read. */
  readonly cache: ValueCache;
  /** What was written. */
  readonly recent: RecentBytes;
  /** Keys by the ten seconds in which they expire. */
  readonly #expiries = new Map<number, Key[]>();
  lastVersion = 0;
  sequence = 0;
  /** Of the last record of format 1: only recovery looks at it. */
  group = 0;
  /** No lease that was removed had a higher epoch: new ones begin above it, so that no name gets an epoch twice. */
  leaseEpochsGone = 0;
  timeMs = 0;
  indexBytes = 0;
  quarantined = 0;

  constructor(cacheBytesMax: number) {
    this.cache = new ValueCache(cacheBytesMax);
    this.recent = new RecentBytes(cacheBytesMax);
  }

  /** `base` is added to the operation's offset. */
  apply(operation: Operation, segment: Segment, base: number, timeMs: number): void {
    switch (operation.kind) {
      case 'put':
        return this.#put(operation.key, operation.entry, { segment, base, moved: operation.moved });
      case 'delete':
        return this.#delete(operation.key);
      case 'deleteRange':
        return this.#deleteRange(operation.from, operation.to);
      case 'append': {
        const log = this.log(operation.log);
        const { block } = operation;
        block.offset += base;
        const began = operation.moved ? log.moved(block, segment) : log.append(block, segment);
        this.indexBytes += cost.block + (began ? cost.run : 0);
        return;
      }
      case 'trim': {
        const log = this.log(operation.log);
        const before = log.runs.length;
        log.trim(Math.min(operation.first, log.head + 1));
        this.indexBytes -= (before - log.runs.length) * cost.run;
        return;
      }
      case 'lease':
        if (!this.leases.has(operation.name)) this.indexBytes += cost.lease + operation.name.length;
        return void this.leases.set(operation.name, operation.row);
      case 'leaseGone':
        if (this.leases.delete(operation.name)) this.indexBytes -= cost.lease + operation.name.length;
        this.leaseEpochsGone = Math.max(this.leaseEpochsGone, operation.epoch);
        return;
      case 'id':
        return this.keepId(operation.id, operation.result, timeMs);
    }
  }

  /** The log of that name, made when missing. */
  log(name: Key): LogState {
    let log = this.logs.get(name);
    if (log === undefined) {
      this.logs.set(name, (log = new LogState()));
      this.indexBytes += cost.log + name.length;
    }
    return log;
  }

  /** Adds a key whose entry has its final place (from a snapshot). */
  load(key: Key, entry: KeyEntry, segment: Segment): void {
    entry.segment = segment;
    this.keys.set(key, entry);
    this.#count(key, entry, 1);
    if (entry.expiresAtMs > 0) this.#expires(key, entry.expiresAtMs);
  }

  keepId(id: string, result: KeptResult, timeMs: number): void {
    if (this.ids.delete(id)) this.indexBytes -= cost.id;
    this.ids.set(id, { result, timeMs });
    this.indexBytes += cost.id;
    for (const [old, kept] of this.ids) {
      if (kept.timeMs > timeMs - engineLimits.commitIdKeptMs) break;
      this.ids.delete(old);
      this.indexBytes -= cost.id;
    }
  }

  /** Memory that a commit would add at most. */
  costOf(puts: number, appends: number, keyBytes: number): number {
    return puts * cost.key + appends * (cost.block + cost.run) + keyBytes;
  }

  /** Memory of `blocks` blocks that were written to a log index. */
  forgetBlocks(blocks: number): void {
    this.indexBytes -= blocks * cost.block;
  }

  /** A run of a snapshot, with the numbers of its blocks that are in memory. */
  countRun(numbers: number): void {
    this.indexBytes += cost.run + numbers * 9;
  }

  /** Removes keys that expired before `nowMs`, at most `max` looks; true when more may be there. */
  purge(nowMs: number, max: number): boolean {
    let looks = 0;
    for (const [bucket, keys] of this.#expiries) {
      if ((bucket + 1) * expiryBucketMs > nowMs) continue;
      while (keys.length > 0) {
        if (looks++ >= max) return true;
        const key = keys.pop() as Key;
        const entry = this.keys.get(key);
        if (entry !== undefined && entry.expiresAtMs > 0 && entry.expiresAtMs <= nowMs) this.#delete(key);
      }
      this.#expiries.delete(bucket);
    }
    return false;
  }

  #put(key: Key, entry: KeyEntry, place: { segment: Segment; base: number; moved: boolean }): void {
    if (place.moved && this.keys.get(key)?.version !== entry.version) return;
    entry.segment = place.segment;
    entry.offset += place.base;
    const before = this.keys.set(key, entry);
    if (before !== undefined) {
      this.#count(key, before, -1);
      if (place.moved && before.value !== undefined) this.cache.add(entry, before.value);
      this.cache.drop(before);
    }
    this.#count(key, entry, 1);
    if (entry.version > this.lastVersion) this.lastVersion = entry.version;
    if (entry.expiresAtMs > 0 && !place.moved) this.#expires(key, entry.expiresAtMs);
  }

  #delete(key: Key): void {
    const entry = this.keys.delete(key);
    if (entry !== undefined) this.#gone(key, entry);
  }

  #deleteRange(from: Key, to: Key): void {
    this.keys.deleteRange(from, to, (key, entry) => this.#gone(key, entry));
  }

  #gone(key: Key, entry: KeyEntry): void {
    this.#count(key, entry, -1);
    this.cache.drop(entry);
  }

  #count(key: Key, entry: KeyEntry, sign: 1 | -1): void {
    const segment = entry.segment as Segment;
    segment.refs += sign;
    segment.liveBytes += sign * (entry.length + key.length + 64);
    this.indexBytes += sign * (cost.key + key.length);
  }

  #expires(key: Key, expiresAtMs: number): void {
    const bucket = Math.floor(expiresAtMs / expiryBucketMs);
    const keys = this.#expiries.get(bucket);
    if (keys === undefined) this.#expiries.set(bucket, [key]);
    else keys.push(key);
  }
}
