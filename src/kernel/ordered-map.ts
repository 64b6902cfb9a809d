import { ArrayLeaf, insertAt, type KeyRange, type Leaf, leafWeightMax } from './ordered-leaf.ts';
import type { Key } from './tuple.ts';

const childrenMax = 64;
/** A node not heavier than the first is put together with a neighbour when both have no more than the second. */
const smallNode = 16;
const mergedMax = 48;

/** Between each two children lies a key: not above the keys of the right one, above those of the left one. */
interface Inner<Value> {
  readonly keys: Key[];
  readonly children: Node<Value>[];
}

type Node<Value> = Inner<Value> | Leaf<Value>;

/** Keys in byte order, a B+ tree. Nothing may change while it is iterated, but for the steady walks. */
export class OrderedMap<Value, L extends Leaf<Value> = Leaf<Value>> {
  readonly #newLeaf: () => Leaf<Value>;
  #root: Node<Value>;
  size = 0;
  /** Of the change under way: what it displaced, and the key between a node that was split and its new neighbour. */
  #displaced: Value | undefined = undefined;
  #separator: Key = '';

  /** `newLeaf` makes an empty leaf; absent: of arrays. */
  constructor(newLeaf: () => Leaf<Value> = () => new ArrayLeaf()) {
    this.#newLeaf = newLeaf;
    this.#root = newLeaf();
  }

  /** Undefined: it is not there; undefined is no value. */
  get(key: Key): Value | undefined {
    let node = this.#root;
    while (node.children !== undefined) node = node.children[childAt(node.keys, key)] as Node<Value>;
    return node.get(key);
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined;
  }

  /** The first key that is not below `from`. */
  nextKey(from: Key): Key | undefined {
    return nextKeyIn(this.#root, from);
  }

  /** True when a key lies between `from` and `to`, without the latter; makes no text of it. */
  holdsBetween(from: Key, to: Key): boolean {
    let node = this.#root;
    while (node.children !== undefined) node = node.children[childAt(node.keys, from)] as Node<Value>;
    const at = node.lowerBound(from);
    if (at < node.size) return at < node.lowerBound(to);
    const next = this.nextKey(from);
    return next !== undefined && next < to;
  }

  /** Returns the value that was there. */
  set(key: Key, value: Value): Value | undefined {
    const right = this.#insert(this.#root, key, value);
    if (right !== undefined) this.#root = { keys: [this.#separator], children: [this.#root, right] };
    return this.#taken();
  }

  /** Returns the value that was there. */
  delete(key: Key): Value | undefined {
    if (!this.has(key)) return undefined;
    this.#remove(this.#root, key);
    this.#lower();
    return this.#taken();
  }

  /** Deletes the keys from `from` up to, but without, `to`, and tells of each; whoever is told leaves the map alone. */
  deleteRange(from: Key, to: Key, gone: (key: Key, value: Value) => void = () => {}): void {
    if (from >= to) return;
    this.#removeRange(this.#root, { from, to, gone });
    this.#lower();
  }

  /** From `from` (absent: the first key) on, ascending. */
  *entries(from?: Key): Generator<[Key, Value]> {
    for (const leaf of leavesFrom(this.#root, from)) {
      let at = from === undefined ? 0 : leaf.lowerBound(from);
      for (; at < leaf.size; at++) yield [leaf.keyAt(at), leaf.valueAt(at)];
    }
  }

  /**
   * All, ascending, for whoever lets the map change between two of them: a key that is there all the time comes once, with a value that it has at some moment
   * of that time; one that comes or goes meanwhile may come or not.
   */
  *steadyEntries(): Generator<[Key, Value]> {
    for (const { leaf, first } of this.steadyLeaves()) {
      // Taken at once: its place may be another's when the next is asked for.
      const some: [Key, Value][] = [];
      for (let at = first; at < leaf.size; at++) some.push([leaf.keyAt(at), leaf.valueAt(at)]);
      yield* some;
    }
  }

  /** The same leaf by leaf, each from index `first` on. Whoever lets the map change asks for another leaf before going on. */
  *steadyLeaves(): Generator<{ readonly leaf: L; readonly first: number }> {
    let from: Key | undefined = '';
    while ((from = this.nextKey(from)) !== undefined) {
      const leaf = this.leaves(from).next().value as L;
      const first = leaf.lowerBound(from);
      from = `${leaf.keyAt(leaf.size - 1)}\0`;
      yield { leaf, first };
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
    for (const leaf of leavesBefore(this.#root, before)) {
      for (let at = (before === undefined ? leaf.size : leaf.lowerBound(before)) - 1; at >= 0; at--) {
        yield [leaf.keyAt(at), leaf.valueAt(at)];
      }
    }
  }

  /** The leaves from the one on in which `from` would lie (absent: the first), as they are: whoever gets them changes nothing. */
  leaves(from?: Key): Generator<L> {
    return leavesFrom(this.#root, from) as Generator<L>;
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

  /** Puts a value below a node; the new node to its right when it had to be split. */
  #insert(node: Node<Value>, key: Key, value: Value): Node<Value> | undefined {
    if (node.children === undefined) {
      const displaced = node.set(key, value);
      if (displaced === undefined) this.size++;
      this.#displaced = displaced;
      return node.weight > leafWeightMax && node.size > 1 ? this.#splitLeaf(node) : undefined;
    }
    const { keys, children } = node;
    const at = childAt(keys, key);
    const right = this.#insert(children[at] as Node<Value>, key, value);
    if (right === undefined) return undefined;
    insertAt(keys, at, this.#separator);
    insertAt(children, at + 1, right);
    return children.length > childrenMax ? this.#splitInner(keys, children) : undefined;
  }

  #splitLeaf(leaf: Leaf<Value>): Leaf<Value> {
    const { right, separator } = leaf.split();
    this.#separator = separator;
    return right;
  }

  #splitInner(keys: Key[], children: Node<Value>[]): Inner<Value> {
    const kept = children.length >> 1;
    const right = { keys: keys.splice(kept), children: children.splice(kept) };
    this.#separator = keys.pop() as Key;
    return right;
  }

  /** Removes a key that is there below a node. */
  #remove(node: Node<Value>, key: Key): void {
    if (node.children === undefined) {
      this.#displaced = node.delete(key);
      this.size--;
      return;
    }
    const at = childAt(node.keys, key);
    this.#remove(node.children[at] as Node<Value>, key);
    this.#mend(node, at);
  }

  #removeRange(node: Node<Value>, range: KeyRange<Value>): void {
    if (node.children === undefined) {
      this.size -= node.deleteRange(range);
      return;
    }
    // From the right, so that what is mended moves nothing that is still to come.
    const first = childAt(node.keys, range.from);
    for (let at = childAt(node.keys, range.to); at >= first; at--) {
      this.#removeRange(node.children[at] as Node<Value>, range);
      this.#mend(node, at);
    }
  }

  /** After something was removed below the child at `at`: takes it out when it is empty, and puts it together with a neighbour when it is small. */
  #mend({ keys, children }: Inner<Value>, at: number): void {
    const child = children[at] as Node<Value>;
    const weight = weightOf(child);
    if (weight === 0) {
      children.splice(at, 1);
      keys.splice(Math.max(0, at - 1), 1);
      if (child.children === undefined) child.dropped();
    } else if (weight < smallNode) {
      for (const left of [at - 1, at]) {
        const [one, other] = [children[left], children[left + 1]];
        if (one === undefined || other === undefined || weightOf(one) + weightOf(other) > mergedMax) continue;
        append(one, keys[left] as Key, other);
        keys.splice(left, 1);
        children.splice(left + 1, 1);
        return;
      }
    }
  }

  /** A root with one child is not needed, one without any is an empty leaf. */
  #lower(): void {
    for (let { children } = this.#root; children !== undefined && children.length < 2; { children } = this.#root) {
      this.#root = children[0] ?? this.#newLeaf();
    }
  }
}

function nodesIn<Value>({ children }: Node<Value>): number {
  return (children ?? []).reduce((sum, child) => sum + nodesIn(child), 1);
}

function weightOf<Value>(node: Node<Value>): number {
  return node.children === undefined ? node.weight : node.children.length;
}

/** Puts what `right` holds behind what `left` holds; they are of the same height. */
function append<Value>(left: Node<Value>, separator: Key, right: Node<Value>): void {
  if (left.children === undefined) return left.append(right as Leaf<Value>);
  const { keys, children } = right as Inner<Value>;
  left.keys.push(separator, ...keys);
  left.children.push(...children);
}

/** The child in which `key` lies. One comparison a step: that is most of what a look-up does. */
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

function nextKeyIn<Value>(node: Node<Value>, from: Key): Key | undefined {
  if (node.children === undefined) {
    const at = node.lowerBound(from);
    return at < node.size ? node.keyAt(at) : undefined;
  }
  // The first child may hold lower keys only.
  for (let at = childAt(node.keys, from); at < node.children.length; at++) {
    const found = nextKeyIn(node.children[at] as Node<Value>, from);
    if (found !== undefined) return found;
  }
  return undefined;
}

function* leavesFrom<Value>(node: Node<Value>, from: Key | undefined): Generator<Leaf<Value>> {
  if (node.children === undefined) return void (yield node);
  const first = from === undefined ? 0 : childAt(node.keys, from);
  for (let at = first; at < node.children.length; at++) yield* leavesFrom(node.children[at] as Node<Value>, from);
}

function* leavesBefore<Value>(node: Node<Value>, before: Key | undefined): Generator<Leaf<Value>> {
  if (node.children === undefined) return void (yield node);
  const last = before === undefined ? node.children.length - 1 : childAt(node.keys, before);
  for (let at = last; at >= 0; at--) yield* leavesBefore(node.children[at] as Node<Value>, before);
}
