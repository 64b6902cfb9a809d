import type { Key } from './tuple.ts';

const nodeMax = 64;
/** A node below the first is put together with a neighbour when both have no more than the second. */
const smallNode = 16;
const mergedMax = 48;

/** Leaves hold values; other nodes children, and between each two of them a key: not above the keys of the right one, above those of the left one. */
interface Node<Value> {
  /** The map that may change this node; others copy it first. */
  owner: object;
  keys: Key[];
  values: Value[];
  children: Node<Value>[] | undefined;
}

/**
 * Keys in byte order, a B+ tree. `clone` costs nothing: both maps share nodes until one of them changes. Nothing may change while it is iterated: iterate
 * over a clone where that may happen.
 */
export class OrderedMap<Value> {
  #owner: object = {};
  #root: Node<Value> = leafOf(this.#owner, [], []);
  size = 0;
  /** Of the change under way: what it displaced, and the key between a node that was split and its new neighbour. */
  #displaced: Value | undefined = undefined;
  #separator: Key = '';

  /** A map of the same content. */
  clone(): OrderedMap<Value> {
    const copy = new OrderedMap<Value>();
    copy.#root = this.#root;
    copy.size = this.size;
    // Neither owns the nodes any more.
    this.#owner = {};
    return copy;
  }

  /** Undefined: it is not there; undefined is no value. */
  get(key: Key): Value | undefined {
    let node = this.#root;
    while (node.children !== undefined) node = node.children[childAt(node.keys, key)] as Node<Value>;
    const at = lowerBound(node.keys, key);
    return node.keys[at] === key ? node.values[at] : undefined;
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined;
  }

  /** The first key that is not below `from`. */
  nextKey(from: Key): Key | undefined {
    return nextKeyIn(this.#root, from);
  }

  /** Returns the value that was there. */
  set(key: Key, value: Value): Value | undefined {
    const root = this.#ownedRoot();
    const right = this.#insert(root, key, value);
    if (right !== undefined) this.#root = { owner: this.#owner, keys: [this.#separator], values: [], children: [root, right] };
    return this.#taken();
  }

  /** Returns the value that was there. */
  delete(key: Key): Value | undefined {
    if (!this.has(key)) return undefined;
    this.#remove(this.#ownedRoot(), key);
    this.#lower();
    return this.#taken();
  }

  /** Deletes the keys from `from` up to, but without, `to`, and tells of each; whoever is told leaves the map alone. */
  deleteRange(from: Key, to: Key, gone: (key: Key, value: Value) => void = () => {}): void {
    if (from >= to) return;
    this.#removeRange(this.#ownedRoot(), { from, to, gone });
    this.#lower();
  }

  /** From `from` (absent: the first key) on, ascending. */
  *entries(from?: Key): Generator<[Key, Value]> {
    for (const { keys, values } of leavesFrom(this.#root, from)) {
      let at = from === undefined ? 0 : lowerBound(keys, from);
      for (; at < keys.length; at++) yield [keys[at] as Key, values[at] as Value];
    }
  }

  /** What lies between `from` and `to`, without the latter. */
  getRange(from: Key, to: Key): [Key, Value][] {
    const found: [Key, Value][] = [];
    for (const pair of this.entries(from)) {
      if (pair[0] >= to) break;
      found.push(pair);
    }
    return found;
  }

  /** Below `before` (absent: from the last key on), descending. */
  *entriesReversed(before?: Key): Generator<[Key, Value]> {
    for (const { keys, values } of leavesBefore(this.#root, before)) {
      for (let at = (before === undefined ? keys.length : lowerBound(keys, before)) - 1; at >= 0; at--) {
        yield [keys[at] as Key, values[at] as Value];
      }
    }
  }

  /** How many nodes it has: what it weighs beside keys and values. */
  get nodes(): number {
    return nodesIn(this.#root);
  }

  #taken(): Value | undefined {
    const displaced = this.#displaced;
    this.#displaced = undefined;
    return displaced;
  }

  #ownedRoot(): Node<Value> {
    return (this.#root = this.#owned(this.#root));
  }

  #owned(node: Node<Value>): Node<Value> {
    if (node.owner === this.#owner) return node;
    const { keys, values, children } = node;
    return { owner: this.#owner, keys: keys.slice(), values: values.slice(), children: children?.slice() };
  }

  /** Puts a value into an owned node; the new node to its right when it had to be split. */
  #insert(node: Node<Value>, key: Key, value: Value): Node<Value> | undefined {
    const { keys, values, children } = node;
    if (children === undefined) {
      const at = lowerBound(keys, key);
      if (keys[at] === key) {
        this.#displaced = values[at];
        values[at] = value;
        return undefined;
      }
      this.size++;
      insertAt(keys, at, key);
      insertAt(values, at, value);
      return keys.length > nodeMax ? this.#splitLeaf(node, at) : undefined;
    }
    const at = childAt(keys, key);
    const child = this.#ownedChild(children, at);
    const right = this.#insert(child, key, value);
    if (right === undefined) return undefined;
    insertAt(keys, at, this.#separator);
    insertAt(children, at + 1, right);
    return children.length > nodeMax ? this.#splitInner(node, children) : undefined;
  }

  #ownedChild(children: Node<Value>[], at: number): Node<Value> {
    const child = children[at] as Node<Value>;
    return child.owner === this.#owner ? child : (children[at] = this.#owned(child));
  }

  #splitLeaf({ keys, values }: Node<Value>, insertedAt: number): Node<Value> {
    // Keys that come in order fill their leaves.
    const kept = insertedAt === nodeMax ? nodeMax : (nodeMax + 1) >> 1;
    const right = leafOf(this.#owner, keys.splice(kept), values.splice(kept));
    this.#separator = right.keys[0] as Key;
    return right;
  }

  #splitInner({ keys }: Node<Value>, children: Node<Value>[]): Node<Value> {
    const kept = children.length >> 1;
    const right = { owner: this.#owner, keys: keys.splice(kept), values: [], children: children.splice(kept) };
    this.#separator = keys.pop() as Key;
    return right;
  }

  /** Removes a key that is there from an owned node. */
  #remove(node: Node<Value>, key: Key): void {
    const { keys, values, children } = node;
    if (children === undefined) {
      const at = lowerBound(keys, key);
      keys.splice(at, 1);
      [this.#displaced] = values.splice(at, 1);
      this.size--;
      return;
    }
    const at = childAt(keys, key);
    this.#remove(this.#ownedChild(children, at), key);
    this.#mend(node, children, at);
  }

  #removeRange(node: Node<Value>, range: Range<Value>): void {
    const { keys, values, children } = node;
    const { from, to, gone } = range;
    if (children === undefined) {
      const [first, end] = [lowerBound(keys, from), lowerBound(keys, to)];
      for (let at = first; at < end; at++) gone(keys[at] as Key, values[at] as Value);
      keys.splice(first, end - first);
      values.splice(first, end - first);
      this.size -= end - first;
      return;
    }
    // From the right, so that what is mended moves nothing that is still to come.
    const first = childAt(keys, from);
    for (let at = childAt(keys, to); at >= first; at--) {
      this.#removeRange(this.#ownedChild(children, at), range);
      this.#mend(node, children, at);
    }
  }

  /** After something was removed below the child at `at`: takes it out when it is empty, and puts it together with a neighbour when it is small. */
  #mend({ keys }: Node<Value>, children: Node<Value>[], at: number): void {
    const weight = weightOf(children[at] as Node<Value>);
    if (weight === 0) {
      children.splice(at, 1);
      keys.splice(Math.max(0, at - 1), 1);
    } else if (weight < smallNode) {
      for (const left of [at - 1, at]) {
        const [one, other] = [children[left], children[left + 1]];
        if (one === undefined || other === undefined || weightOf(one) + weightOf(other) > mergedMax) continue;
        append(this.#ownedChild(children, left), keys[left] as Key, other);
        keys.splice(left, 1);
        children.splice(left + 1, 1);
        return;
      }
    }
  }

  /** A root with one child is not needed, one without any is an empty leaf. */
  #lower(): void {
    for (let { children } = this.#root; children !== undefined && children.length < 2; { children } = this.#root) {
      this.#root = children[0] ?? leafOf(this.#owner, [], []);
    }
  }
}

interface Range<Value> {
  readonly from: Key;
  readonly to: Key;
  readonly gone: (key: Key, value: Value) => void;
}

function leafOf<Value>(owner: object, keys: Key[], values: Value[]): Node<Value> {
  return { owner, keys, values, children: undefined };
}

function nodesIn<Value>({ children = [] }: Node<Value>): number {
  return children.reduce((sum, child) => sum + nodesIn(child), 1);
}

function weightOf<Value>({ keys, children }: Node<Value>): number {
  return children === undefined ? keys.length : children.length;
}

/** Puts what `right` holds behind what `left` holds. */
function append<Value>(left: Node<Value>, separator: Key, right: Node<Value>): void {
  if (left.children !== undefined) left.keys.push(separator);
  left.keys.push(...right.keys);
  left.values.push(...right.values);
  left.children?.push(...(right.children ?? []));
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

/** The child in which `key` lies. */
function childAt(keys: readonly Key[], key: Key): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key < (keys[middle] as Key)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Not `splice`, which makes a list of what it removed. */
function insertAt<Item>(items: Item[], at: number, item: Item): void {
  items.push(item);
  for (let i = items.length - 1; i > at; i--) items[i] = items[i - 1] as Item;
  items[at] = item;
}

function nextKeyIn<Value>({ keys, children }: Node<Value>, from: Key): Key | undefined {
  if (children === undefined) return keys[lowerBound(keys, from)];
  // The first child may hold lower keys only.
  for (let at = childAt(keys, from); at < children.length; at++) {
    const found = nextKeyIn(children[at] as Node<Value>, from);
    if (found !== undefined) return found;
  }
  return undefined;
}

function* leavesFrom<Value>(node: Node<Value>, from: Key | undefined): Generator<Node<Value>> {
  const { keys, children } = node;
  if (children === undefined) return void (yield node);
  const first = from === undefined ? 0 : childAt(keys, from);
  for (let at = first; at < children.length; at++) yield* leavesFrom(children[at] as Node<Value>, from);
}

function* leavesBefore<Value>(node: Node<Value>, before: Key | undefined): Generator<Node<Value>> {
  const { keys, children } = node;
  if (children === undefined) return void (yield node);
  const last = before === undefined ? children.length - 1 : childAt(keys, before);
  for (let at = last; at >= 0; at--) yield* leavesBefore(children[at] as Node<Value>, before);
}
