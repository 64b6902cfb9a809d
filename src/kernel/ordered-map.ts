import sortedBtree from 'sorted-btree';
import type { Key } from './tuple.ts';

type Module = typeof sortedBtree;

// The package is CommonJS marked as an ES module: Node gives its whole `module.exports` as the default import, test runners and
// bundlers may give the class itself.
const BTree = typeof sortedBtree === 'function' ? (sortedBtree as unknown as Module['default']) : sortedBtree.default;

/** A B-tree with keys in byte order. `clone` costs nothing: both copies share nodes until one of them changes. */
export type OrderedMap<Value> = InstanceType<typeof sortedBtree.default<Key, Value>>;

/** An empty ordered map. */
export function createOrderedMap<Value>(): OrderedMap<Value> {
  return new BTree<Key, Value>(undefined, (a, b) => (a < b ? -1 : a > b ? 1 : 0), 64);
}
