import { engineLimits } from '../../contracts/engine.ts';
import { OrderedMap } from '../../kernel/ordered-map.ts';
import type { Key } from '../../kernel/tuple.ts';
import { LeafMemory, packedKeyMax } from './leaf-memory.ts';
import { LogState } from './log-state.ts';
import type { KeptResult, KeyEntry, LeaseRow, Operation } from './operations.ts';
import { PackedLeaf } from './packed-leaf.ts';
import type { Group } from './pending.ts';
import { RecentBytes } from './recent-bytes.ts';
import type { Segment, Segments } from './segment.ts';
import { ValueCache } from './value-cache.ts';

/** Memory of index entries other than keys, measured once with a heap of a million each and rounded up. */
const cost = { log: 400, run: 140, block: 48, id: 220, lease: 200 } as const;

/** So many keys at least wait: fewer are entered before anybody could notice. */
const lateMin = 16;

/** A durable group whose keys are not in the index yet. */
interface Late {
  readonly group: Group;
  readonly segment: Segment;
  readonly base: number;
}

/** Everything durable, in memory but for values and log entries. Changed only by `apply`, in the order of the journal. */
export class JournalState {
  readonly #keys: OrderedMap<KeyEntry, PackedLeaf>;
  #late: Late | undefined;
  readonly #leaves: LeafMemory;
  readonly logs = new Map<Key, LogState>();
  readonly leases = new Map<Key, LeaseRow>();
  readonly ids = new Map<string, { readonly result: KeptResult; readonly timeMs: number }>();
  /** Values that were read. */
  readonly cache: ValueCache;
  /** What was written. */
  readonly recent: RecentBytes;
  /** Where the search for expired keys goes on; undefined: from the first key. */
  #purgeFrom: Key | undefined;
  /** Memory of everything but keys. */
  #otherBytes = 0;
  lastVersion = 0;
  sequence = 0;
  /** Of the last record of format 1: only recovery looks at it. */
  group = 0;
  /** No lease that was removed had a higher epoch: new ones begin above it, so that no name gets an epoch twice. */
  leaseEpochsGone = 0;
  timeMs = 0;
  quarantined = 0;

  /** `segments` knows every segment that a key may lie in. */
  constructor(cacheBytesMax: number, segments: Segments) {
    this.#leaves = new LeafMemory((number) => segments.get(number));
    this.#keys = new OrderedMap(() => new PackedLeaf(this.#leaves));
    this.cache = new ValueCache(cacheBytesMax);
    this.recent = new RecentBytes(cacheBytesMax);
  }

  /** Packed: an entry is made for whoever asks for it. */
  get keys(): OrderedMap<KeyEntry, PackedLeaf> {
    if (this.#late !== undefined) this.enterLate();
    return this.#keys;
  }

  /** False when no key lies in the range. */
  mayHold(from: Key, to: Key): boolean {
    if (this.#late?.group.overlay.mayHold(from, to) === true) return true;
    return this.#keys.holdsBetween(from, to);
  }

  /** Memory of the index. */
  get indexBytes(): number {
    return this.#leaves.bytes + this.#otherBytes;
  }

  /**
   * Applies what became durable together, `base` bytes into the segment. A group that only puts keys may wait until somebody asks for a key or `enterLate`
   * is called, whatever comes first: true when it does.
   */
  applyGroup(group: Group, segment: Segment, base: number): boolean {
    this.enterLate();
    const { operations, nowMs, onlyPuts } = group;
    if (onlyPuts && operations.length >= lateMin) {
      this.#late = { group, segment, base };
      return true;
    }
    for (const operation of operations) this.apply(operation, segment, base, nowMs);
    return false;
  }

  /** Enters the keys that still wait. */
  enterLate(): void {
    const late = this.#late;
    if (late === undefined) return;
    this.#late = undefined;
    for (const operation of late.group.operations) this.apply(operation, late.segment, late.base, late.group.nowMs);
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
        this.#otherBytes += cost.block + (began ? cost.run : 0);
        return;
      }
      case 'trim': {
        const log = this.log(operation.log);
        const before = log.runs.length;
        log.trim(Math.min(operation.first, log.head + 1));
        this.#otherBytes -= (before - log.runs.length) * cost.run;
        return;
      }
      case 'lease':
        if (!this.leases.has(operation.name)) this.#otherBytes += cost.lease + operation.name.length;
        return void this.leases.set(operation.name, operation.row);
      case 'leaseGone':
        if (this.leases.delete(operation.name)) this.#otherBytes -= cost.lease + operation.name.length;
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
      this.#otherBytes += cost.log + name.length;
    }
    return log;
  }

  /** Adds a key whose entry has its final place (from a snapshot). */
  load(key: Key, entry: KeyEntry, segment: Segment): void {
    entry.segment = segment;
    this.#keys.set(key, entry);
    count(key, entry, 1);
    // Newer than the snapshot's own numbers when it was put while that was written.
    if (entry.version > this.lastVersion) this.lastVersion = entry.version;
  }

  keepId(id: string, result: KeptResult, timeMs: number): void {
    if (this.ids.delete(id)) this.#otherBytes -= cost.id;
    this.ids.set(id, { result, timeMs });
    this.#otherBytes += cost.id;
    for (const [old, kept] of this.ids) {
      if (kept.timeMs > timeMs - engineLimits.commitIdKeptMs) break;
      this.ids.delete(old);
      this.#otherBytes -= cost.id;
    }
  }

  /** Memory that a commit would add at most. */
  costOf(puts: number, appends: number, keyBytes: number): number {
    return puts * packedKeyMax + appends * (cost.block + cost.run) + keyBytes;
  }

  /** Memory of `blocks` blocks that were written to a log index. */
  forgetBlocks(blocks: number): void {
    this.#otherBytes -= blocks * cost.block;
  }

  /** A run of a snapshot, with the numbers of its blocks that are in memory. */
  countRun(numbers: number): void {
    this.#otherBytes += cost.run + numbers * 9;
  }

  /** Removes keys that expired by `nowMs`; at most some `max` keys are looked at, and the next call goes on behind them: true when more may be there. */
  purge(nowMs: number, max: number): boolean {
    const expired: Key[] = [];
    let looks = 0;
    let from: Key | undefined;
    for (const leaf of this.keys.leaves(this.#purgeFrom)) {
      if (looks >= max) {
        from = leaf.keyAt(0);
        break;
      }
      // Most leaves hold nothing that expires by now, which one number says.
      looks++;
      if (leaf.soonestMs > nowMs) continue;
      looks += leaf.size;
      expired.push(...leaf.expired(nowMs));
    }
    this.#purgeFrom = from;
    for (const key of expired) this.#delete(key);
    return from !== undefined;
  }

  #put(key: Key, entry: KeyEntry, place: { segment: Segment; base: number; moved: boolean }): void {
    if (place.moved && this.#keys.get(key)?.version !== entry.version) return;
    entry.segment = place.segment;
    entry.offset += place.base;
    const before = this.#keys.set(key, entry);
    if (before !== undefined) {
      count(key, before, -1);
      if (!place.moved) this.cache.drop(before.version);
    }
    count(key, entry, 1);
    if (entry.version > this.lastVersion) this.lastVersion = entry.version;
  }

  #delete(key: Key): void {
    const entry = this.#keys.delete(key);
    if (entry !== undefined) this.#gone(key, entry);
  }

  #deleteRange(from: Key, to: Key): void {
    this.#keys.deleteRange(from, to, (key, entry) => this.#gone(key, entry));
  }

  #gone(key: Key, entry: KeyEntry): void {
    count(key, entry, -1);
    this.cache.drop(entry.version);
  }
}

function count(key: Key, entry: KeyEntry, sign: 1 | -1): void {
  const segment = entry.segment as Segment;
  segment.refs += sign;
  segment.liveBytes += sign * (entry.length + key.length + 64);
}
