import type { Key } from '../../kernel/tuple.ts';
import type { KeptResult, KeyEntry, LeaseRow, Operation } from './operations.ts';

/**
 * What one group changes, by name. Keys are entered only when somebody asks: commits without conditions, which are most, then pay for one
 * comparison with the lowest and the highest key.
 */
export class Overlay {
  readonly logs = new Map<Key, { readonly head: number; readonly first: number }>();
  readonly leases = new Map<Key, LeaseRow>();
  readonly ids = new Map<string, KeptResult>();
  readonly #operations: readonly Operation[];
  readonly #keys = new Map<Key, KeyEntry | 'deleted'>();
  readonly #ranges: { readonly from: Key; readonly to: Key }[] = [];
  /** Operations that were entered. */
  #entered = 0;
  #lowest: Key | undefined;
  #highest: Key | undefined;

  constructor(operations: readonly Operation[]) {
    this.#operations = operations;
  }

  /** A put of a key was added to the operations. */
  noteKey(key: Key): void {
    if (this.#lowest === undefined || key < this.#lowest) this.#lowest = key;
    if (this.#highest === undefined || key > this.#highest) this.#highest = key;
  }

  /** False when nothing was put into the range. */
  mayHold(from: Key, to: Key): boolean {
    return this.#lowest !== undefined && this.#lowest < to && (this.#highest as Key) >= from;
  }

  /** Undefined: this group leaves the key alone. */
  key(key: Key): KeyEntry | 'deleted' | undefined {
    while (this.#entered < this.#operations.length) this.#enter(this.#operations[this.#entered++] as Operation);
    const found = this.#keys.get(key);
    if (found !== undefined) return found;
    return this.#ranges.some(({ from, to }) => from <= key && key < to) ? 'deleted' : undefined;
  }

  #enter(operation: Operation): void {
    if (operation.kind === 'put' && !operation.moved) this.#keys.set(operation.key, operation.entry);
    else if (operation.kind === 'delete') this.#keys.set(operation.key, 'deleted');
    else if (operation.kind === 'deleteRange') {
      const { from, to } = operation;
      for (const key of this.#keys.keys()) if (from <= key && key < to) this.#keys.set(key, 'deleted');
      this.#ranges.push({ from, to });
    }
  }
}
