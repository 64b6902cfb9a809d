const places = 4;

/**
 * What was made of the lists that came last, found by identity: the parser gives messages with the same bytes the same list, which nobody may change. A few
 * places, looked at one after the other; nothing grows.
 */
export class ListMemo<T> {
  readonly #make: (list: readonly string[]) => T;
  readonly #lists: (readonly string[] | undefined)[] = Array.from({ length: places }, () => undefined);
  readonly #values: (T | undefined)[] = Array.from({ length: places }, () => undefined);
  #next = 0;

  /** `make` must depend on the list alone, and what it answers must not be changed either. What it throws is not remembered. */
  constructor(make: (list: readonly string[]) => T) {
    this.#make = make;
  }

  /** `make(list)`, or what it answered before. */
  of(list: readonly string[]): T {
    const lists = this.#lists;
    for (let i = 0; i < places; i++) if (lists[i] === list) return this.#values[i] as T;
    const value = this.#make(list);
    const at = this.#next;
    this.#next = at + 1 === places ? 0 : at + 1;
    lists[at] = list;
    this.#values[at] = value;
    return value;
  }
}
