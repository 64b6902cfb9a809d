import type { Key } from './tuple.ts';

/** How heavy a leaf is before it is split. */
export const leafWeightMax = 64;

/** Some neighbouring keys of an ordered map with their values, in order. */
export interface Leaf<Value> {
  /** Tells it from the nodes above. */
  readonly children: undefined;
  /** How many keys it holds. */
  readonly size: number;
  /** 0 when it is empty; above `leafWeightMax` it is split. */
  readonly weight: number;
  /** The first index whose key is not below `key`. */
  lowerBound(key: Key): number;
  /** Of an index that is there. */
  keyAt(index: number): Key;
  valueAt(index: number): Value;
  get(key: Key): Value | undefined;
  /** Returns what was there. */
  set(key: Key, value: Value): Value | undefined;
  /** Removes a key that is there and returns its value. */
  delete(key: Key): Value | undefined;
  /** Removes what lies in the range, tells of each, and returns how many there were. */
  deleteRange(range: KeyRange<Value>): number;
  /** Gives a part of what it holds to a new leaf to its right. `separator` is not above the keys of that one, and above its own. */
  split(): { readonly right: Leaf<Value>; readonly separator: Key };
  /** Takes over what `right` holds, which is let go. */
  append(right: Leaf<Value>): void;
  /** It is empty and let go. */
  dropped(): void;
}

/** From `from` up to, but without, `to`. */
export interface KeyRange<Value> {
  readonly from: Key;
  readonly to: Key;
  readonly gone: (key: Key, value: Value) => void;
}

/** A leaf of two arrays: the quickest, at some 100 bytes for a key, beside key and value. */
export class ArrayLeaf<Value> implements Leaf<Value> {
  readonly children = undefined;
  readonly #keys: Key[];
  readonly #values: Value[];
  /** Where the newest key was put. */
  #insertedAt = 0;

  constructor(keys: Key[] = [], values: Value[] = []) {
    this.#keys = keys;
    this.#values = values;
  }

  get size(): number {
    return this.#keys.length;
  }

  get weight(): number {
    return this.#keys.length;
  }

  lowerBound(key: Key): number {
    return lowerBound(this.#keys, key);
  }

  keyAt(index: number): Key {
    return this.#keys[index] as Key;
  }

  valueAt(index: number): Value {
    return this.#values[index] as Value;
  }

  get(key: Key): Value | undefined {
    const at = lowerBound(this.#keys, key);
    return this.#keys[at] === key ? this.#values[at] : undefined;
  }

  set(key: Key, value: Value): Value | undefined {
    const at = lowerBound(this.#keys, key);
    if (this.#keys[at] === key) {
      const before = this.#values[at];
      this.#values[at] = value;
      return before;
    }
    insertAt(this.#keys, at, key);
    insertAt(this.#values, at, value);
    this.#insertedAt = at;
    return undefined;
  }

  delete(key: Key): Value | undefined {
    const at = lowerBound(this.#keys, key);
    this.#keys.splice(at, 1);
    return this.#values.splice(at, 1)[0];
  }

  deleteRange({ from, to, gone }: KeyRange<Value>): number {
    const [first, end] = [lowerBound(this.#keys, from), lowerBound(this.#keys, to)];
    for (let at = first; at < end; at++) gone(this.#keys[at] as Key, this.#values[at] as Value);
    this.#keys.splice(first, end - first);
    this.#values.splice(first, end - first);
    return end - first;
  }

  split(): { readonly right: ArrayLeaf<Value>; readonly separator: Key } {
    // Keys that come in order fill their leaves.
    const last = this.#keys.length - 1;
    const kept = this.#insertedAt === last ? last : (last + 1) >> 1;
    const right = new ArrayLeaf(this.#keys.splice(kept), this.#values.splice(kept));
    return { right, separator: right.keyAt(0) };
  }

  append(right: ArrayLeaf<Value>): void {
    this.#keys.push(...right.#keys);
    this.#values.push(...right.#values);
  }

  dropped(): void {
    // Nobody counts it.
  }
}

/** The first index whose key is not below `key`. One comparison a step: that is most of what a look-up does. */
function lowerBound(keys: readonly Key[], key: Key): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as Key) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Not `splice`, which makes a list of what it removed. */
export function insertAt<Item>(items: Item[], at: number, item: Item): void {
  items.push(item);
  for (let i = items.length - 1; i > at; i--) items[i] = items[i - 1] as Item;
  items[at] = item;
}
