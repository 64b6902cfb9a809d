import { latin1Text, moveBytes, putBytes } from '../../kernel/bytes.ts';
import { flatText } from '../../kernel/flat-text.ts';
import { type KeyRange, type Leaf, leafWeightMax } from '../../kernel/ordered-leaf.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { LeafMemory } from './leaf-memory.ts';
import type { KeyEntry } from './operations.ts';
import { expiryAt, packedBytes, packedEnd, packEntry, unpackEntry } from './packed-entry.ts';

/** What a leaf holds at most before it is split: places are kept in two bytes. */
const leafBytesMax = 8 * 1024;
/** A longer one would make a leaf that has to give it up too large for such places. */
const prefixMax = 64;
/** So much that is not needed any more, and half of all, is a reason to let go of it. */
const compactBytes = 2 * 1024;

/**
 * Some hundred keys with their entries in one piece of memory: what the keys begin with alike is kept once, the rest and the entry of each as bytes, in the order in which they came;
 * at the end of the piece lies where each one is, in the order of the keys, from the back. A key takes some 20 bytes and what it has alone.
 */
export class PackedLeaf implements Leaf<KeyEntry> {
  readonly children = undefined;
  size = 0;
  readonly #memory: LeafMemory;
  #bytes: Buffer;
  #prefix: Key = '';
  /** Bytes from the front that were given out, and those of them that are not needed any more. */
  #used = 0;
  #dead = 0;
  /** No key expires before; it is not raised when one goes. */
  #soonestMs = Infinity;
  #insertedAt = 0;
  /** The newest key came right behind the one before it: ids that count up do, and the next one will. */
  #follows = false;

  constructor(memory: LeafMemory, bytes = 0) {
    this.#memory = memory;
    this.#bytes = memory.take(bytes);
  }

  get weight(): number {
    return this.size === 0 ? 0 : Math.ceil((this.#live() * leafWeightMax) / leafBytesMax);
  }

  lowerBound(key: Key): number {
    const at = this.#search(key, 0, this.size);
    return at < 0 ? ~at : at;
  }

  keyAt(index: number): Key {
    const at = this.#placeOf(index);
    const first = this.#bytes[at] as number;
    const from = first < 128 ? at + 1 : at + 2;
    return this.#prefix + latin1Text(this.#bytes, from, from + this.#suffixBytes(at));
  }

  /** Writes the key at `at`, where there is room, a byte per character; answers how many. */
  copyKey(index: number, to: Uint8Array, at: number): number {
    const [bytes, prefix] = [this.#bytes, this.#prefix];
    const place = this.#placeOf(index);
    const suffix = this.#suffixBytes(place);
    const from = suffix < 128 ? place + 1 : place + 2;
    for (let i = 0; i < prefix.length; i++) to[at++] = prefix.charCodeAt(i);
    for (let i = 0; i < suffix; i++) to[at + i] = bytes[from + i] as number;
    return prefix.length + suffix;
  }

  valueAt(index: number): KeyEntry {
    return unpackEntry(this.#bytes, this.#entryAt(this.#placeOf(index)), this.#memory.segmentOf);
  }

  get(key: Key): KeyEntry | undefined {
    const at = this.#search(key, 0, this.size);
    return at < 0 ? undefined : this.valueAt(at);
  }

  set(key: Key, entry: KeyEntry): KeyEntry | undefined {
    const at = this.#follows ? this.#searchBehind(this.#insertedAt, key) : this.#search(key, 0, this.size);
    let before: KeyEntry | undefined;
    if (at >= 0) before = this.#replace(at, key, entry);
    else {
      this.#follows = ~at === this.#insertedAt + 1;
      this.#insert(~at, key, entry);
    }
    // Only now: a leaf whose single key is replaced was empty in between.
    if (entry.expiresAtMs > 0 && entry.expiresAtMs < this.#soonestMs) this.#soonestMs = entry.expiresAtMs;
    return before;
  }

  delete(key: Key): KeyEntry {
    const at = this.#search(key, 0, this.size);
    const entry = this.valueAt(at);
    this.#closeSlots(at, at + 1);
    return entry;
  }

  deleteRange({ from, to, gone }: KeyRange<KeyEntry>): number {
    const [first, end] = [this.lowerBound(from), this.lowerBound(to)];
    for (let at = first; at < end; at++) gone(this.keyAt(at), this.valueAt(at));
    this.#closeSlots(first, end);
    return end - first;
  }

  split(): { readonly right: PackedLeaf; readonly separator: Key } {
    // Keys that come in order, upwards or downwards, fill their leaves; one at an edge may also have cost the others their prefix.
    const last = this.size - 1;
    const kept = this.#insertedAt === last ? last : this.#insertedAt === 0 ? 1 : this.size >> 1;
    const [below, above] = [this.keyAt(kept - 1), this.keyAt(kept)];
    const right = this.#made([{ leaf: this, from: kept, to: this.size }]);
    const place = this.#placeOf(last);
    // What came in order leaves from behind all others: they stay as they are.
    if (kept === last && this.#endOf(place) === this.#used) {
      [this.size, this.#used] = [last, place];
      this.#become(this.#made([this.#all()], this.#prefix));
    } else this.#become(this.#made([{ leaf: this, from: 0, to: kept }]));
    // The shortest key that is between: it is kept for as long as the leaf.
    return { right, separator: flatText(above.slice(0, sameChars(below, above) + 1)) };
  }

  append(right: PackedLeaf): void {
    const parts = [this.#all(), right.#all()].filter(({ to }) => to > 0);
    if (parts.length > 0) this.#become(this.#made(parts));
    right.dropped();
  }

  dropped(): void {
    this.#memory.give(this.#bytes);
  }

  /** Memory that it takes. */
  get bytes(): number {
    return this.#memory.bytesOf(this.#bytes);
  }

  /** No key that it holds expires before. */
  get soonestMs(): number {
    return this.#soonestMs;
  }

  /** The keys that expired by `nowMs`; whoever asks removes them. */
  expired(nowMs: number): Key[] {
    const keys: Key[] = [];
    let soonest = Infinity;
    for (let index = 0; index < this.size; index++) {
      const expiresAtMs = expiryAt(this.#bytes, this.#entryAt(this.#placeOf(index)));
      if (expiresAtMs === 0) continue;
      if (expiresAtMs <= nowMs) keys.push(this.keyAt(index));
      else if (expiresAtMs < soonest) soonest = expiresAtMs;
    }
    // They are still there: the next look raises it.
    this.#soonestMs = keys.length === 0 ? soonest : nowMs;
    return keys;
  }

  #live(): number {
    return this.#used - this.#dead + 2 * this.size;
  }

  /** Where the key lies, or `~` of where it would, among those from index `low` up to, but without, `high`; the others are known to be below and above it. */
  #search(key: Key, low: number, high: number): number {
    const prefix = this.#prefix;
    if (prefix.length > 0 && !key.startsWith(prefix)) return key < prefix ? ~0 : ~this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      const order = this.#compare(this.#placeOf(middle), key);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return ~low;
  }

  /** The same among all, for a key that most likely comes right behind an index: that takes two looks instead of one per bit of the size. */
  #searchBehind(index: number, key: Key): number {
    if (index >= this.size || !key.startsWith(this.#prefix)) return this.#search(key, 0, this.size);
    const order = this.#compare(this.#placeOf(index), key);
    if (order >= 0) return order === 0 ? index : this.#search(key, 0, index);
    const next = index + 1;
    if (next === this.size || this.#compare(this.#placeOf(next), key) > 0) return ~next;
    return this.#search(key, next, this.size);
  }

  /** The order of what lies at a place against a key that begins with the prefix. */
  #compare(place: number, key: Key): number {
    const bytes = this.#bytes;
    let length = bytes[place++] as number;
    if (length > 127) length = (length & 127) | ((bytes[place++] as number) << 7);
    const from = this.#prefix.length;
    const rest = key.length - from;
    const both = length < rest ? length : rest;
    for (let i = 0; i < both; i++) {
      const order = (bytes[place + i] as number) - key.charCodeAt(from + i);
      if (order !== 0) return order;
    }
    return length - rest;
  }

  #placeOf(index: number): number {
    const at = this.#bytes.length - 2 * index - 2;
    return (this.#bytes[at] as number) | ((this.#bytes[at + 1] as number) << 8);
  }

  #setPlace(index: number, place: number): void {
    const at = this.#bytes.length - 2 * index - 2;
    this.#bytes[at] = place;
    this.#bytes[at + 1] = place >>> 8;
  }

  #suffixBytes(place: number): number {
    const length = this.#bytes[place] as number;
    return length < 128 ? length : (length & 127) | ((this.#bytes[place + 1] as number) << 7);
  }

  /** Where what lies at a place ends. */
  #endOf(place: number): number {
    return packedEnd(this.#bytes, this.#entryAt(place));
  }

  /** Where the packed entry of what lies at a place begins. */
  #entryAt(place: number): number {
    const length = this.#suffixBytes(place);
    return place + suffixCost(length);
  }

  #replace(index: number, key: Key, entry: KeyEntry): KeyEntry {
    const at = this.#entryAt(this.#placeOf(index));
    const before = unpackEntry(this.#bytes, at, this.#memory.segmentOf);
    if (packedBytes(before) === packedBytes(entry)) packEntry(this.#bytes, at, entry);
    else {
      this.#closeSlots(index, index + 1);
      this.#insert(index, key, entry);
    }
    return before;
  }

  #insert(index: number, key: Key, entry: KeyEntry): void {
    this.#insertedAt = index;
    if (this.size === 0) this.#prefix = flatText(key.slice(0, prefixMax));
    // Between two others a key begins as they do.
    else if ((index === 0 || index === this.size) && !key.startsWith(this.#prefix)) {
      const prefix = this.#prefix.slice(0, sameChars(this.#prefix, key));
      this.#become(this.#made([this.#all()], flatText(prefix)));
    }
    const bytes = suffixCost(key.length - this.#prefix.length) + packedBytes(entry);
    if (this.#used + bytes + 2 * (this.size + 1) > this.#bytes.length) this.#become(this.#made([this.#all()], this.#prefix, bytes + 2));
    this.#write(this.#used, key, entry);
    this.#openSlot(index, this.#used);
    this.#used += bytes;
  }

  #write(place: number, key: Key, entry: KeyEntry): void {
    const bytes = this.#bytes;
    const from = this.#prefix.length;
    const length = key.length - from;
    const at = writeSuffixLength(bytes, place, length);
    for (let i = 0; i < length; i++) bytes[at + i] = key.charCodeAt(from + i);
    packEntry(bytes, at + length, entry);
  }

  #openSlot(index: number, place: number): void {
    const bytes = this.#bytes;
    const end = bytes.length - 2 * this.size;
    if (index < this.size) moveBytes(bytes, end - 2, end, bytes.length - 2 * index);
    this.size++;
    this.#setPlace(index, place);
  }

  #closeSlots(first: number, end: number): void {
    const bytes = this.#bytes;
    for (let index = first; index < end; index++) {
      const place = this.#placeOf(index);
      this.#dead += this.#endOf(place) - place;
    }
    const lowest = bytes.length - 2 * this.size;
    moveBytes(bytes, lowest + 2 * (end - first), lowest, bytes.length - 2 * end);
    this.size -= end - first;
    if (this.size === 0) [this.#used, this.#dead, this.#soonestMs] = [0, 0, Infinity];
    else if (this.#dead > compactBytes && this.#dead * 2 > this.#used) this.#become(this.#made([this.#all()], this.#prefix));
  }

  #all(): Part {
    return { leaf: this, from: 0, to: this.size };
  }

  /** A leaf that holds the parts, in the order of their keys, with room for some more bytes. */
  #made(parts: readonly Part[], prefix: Key = prefixOf(parts), more = 0): PackedLeaf {
    let bytes = more;
    for (const { leaf, from, to } of parts) bytes += leaf.#bytesWith(prefix.length, { from, to });
    const made = new PackedLeaf(this.#memory, bytes);
    made.#prefix = prefix;
    for (const { leaf, from, to } of parts) {
      if (leaf.#soonestMs < made.#soonestMs) made.#soonestMs = leaf.#soonestMs;
      if (to === leaf.size && made.#fits(leaf) && from === 0) made.#copyAll(leaf);
      else for (let index = from; index < to; index++) made.#adopt(leaf, index);
    }
    return made;
  }

  /** Bytes of some of its keys with a prefix of that length. */
  #bytesWith(prefixLength: number, { from, to }: { readonly from: number; readonly to: number }): number {
    const shorter = this.#prefix.length - prefixLength;
    if (shorter === 0 && from === 0 && to === this.size) return this.#live();
    let bytes = 2 * (to - from);
    for (let index = from; index < to; index++) {
      const place = this.#placeOf(index);
      const entry = this.#entryAt(place);
      bytes += suffixCost(this.#suffixBytes(place) + shorter) + packedEnd(this.#bytes, entry) - entry;
    }
    return bytes;
  }

  #fits(leaf: PackedLeaf): boolean {
    return this.size === 0 && leaf.#dead === 0 && leaf.#prefix === this.#prefix;
  }

  #copyAll(leaf: PackedLeaf): void {
    const [bytes, size] = [this.#bytes, leaf.size];
    const places = leaf.#bytes.length - 2 * size;
    if (leaf.#bytes.length <= bytes.length) {
      // At once with its places, which are then moved to the end: that is quicker than two views.
      putBytes(bytes, leaf.#bytes, 0);
      moveBytes(bytes, bytes.length - 2 * size, places, leaf.#bytes.length);
    } else {
      bytes.set(leaf.#bytes.subarray(0, leaf.#used));
      bytes.set(leaf.#bytes.subarray(places), bytes.length - 2 * size);
    }
    this.size = size;
    this.#used = leaf.#used;
  }

  /** Adds a key of another leaf behind its own. */
  #adopt(leaf: PackedLeaf, index: number): void {
    const [bytes, from] = [this.#bytes, leaf.#placeOf(index)];
    const entry = leaf.#entryAt(from);
    const suffix = leaf.#suffixBytes(from);
    const shorter = leaf.#prefix.length - this.#prefix.length;
    let at = writeSuffixLength(bytes, this.#used, suffix + shorter);
    for (let i = this.#prefix.length; i < leaf.#prefix.length; i++) bytes[at++] = leaf.#prefix.charCodeAt(i);
    const end = packedEnd(leaf.#bytes, entry);
    const begin = entry - suffix + Math.max(0, -shorter);
    for (let i = begin; i < end; i++) bytes[at++] = leaf.#bytes[i] as number;
    this.#setPlace(this.size++, this.#used);
    this.#used = at;
  }

  /** Takes over the memory of another leaf, which is nothing any more. */
  #become(leaf: PackedLeaf): void {
    this.#memory.give(this.#bytes);
    this.#bytes = leaf.#bytes;
    this.#assume(leaf);
  }

  #assume(leaf: PackedLeaf): void {
    this.size = leaf.size;
    this.#prefix = leaf.#prefix;
    this.#used = leaf.#used;
    this.#dead = leaf.#dead;
    this.#soonestMs = leaf.#soonestMs;
  }
}

/** Some keys of a leaf. */
interface Part {
  readonly leaf: PackedLeaf;
  readonly from: number;
  readonly to: number;
}

function prefixOf(parts: readonly Part[]): Key {
  const [first, last] = [parts[0] as Part, parts.at(-1) as Part];
  const key = first.leaf.keyAt(first.from);
  return flatText(key.slice(0, Math.min(prefixMax, sameChars(key, last.leaf.keyAt(last.to - 1)))));
}

function sameChars(one: Key, other: Key): number {
  let same = 0;
  while (same < one.length && one.charCodeAt(same) === other.charCodeAt(same)) same++;
  return same;
}

/** Bytes of what a key has alone, its length included. */
function suffixCost(length: number): number {
  return length > 127 ? length + 2 : length + 1;
}

/** Where the suffix itself goes. */
function writeSuffixLength(bytes: Uint8Array, at: number, length: number): number {
  if (length < 128) {
    bytes[at] = length;
    return at + 1;
  }
  bytes[at] = (length & 127) | 128;
  bytes[at + 1] = length >>> 7;
  return at + 2;
}
