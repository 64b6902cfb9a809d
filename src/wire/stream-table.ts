const placesFirst = 16;

/** A stream of a connection that carries many. */
export interface Numbered {
  readonly id: number;
}

/**
 * The open streams of a connection by id. Not a `Map`: one that is filled and emptied all the time leaves a chain of dead tables in the old generation, which keeps
 * every stream alive until the next full collection (a fifth of the CPU time of the mux, a tenth of a proxied gRPC call, as measured). Ids rise, so that their
 * lower bits are a place that is nearly always free; whoever finds it taken stands in the next that is.
 */
export class StreamTable<T extends Numbered> {
  /** By how many bits ids are shifted: 1 where those of one side rise by two. */
  readonly #shift: number;
  #places: (T | undefined)[] = places(placesFirst);
  size = 0;

  constructor(shift: 0 | 1) {
    this.#shift = shift;
  }

  get(id: number): T | undefined {
    const all = this.#places;
    const mask = all.length - 1;
    for (let at = (id >>> this.#shift) & mask; ; at = (at + 1) & mask) {
      const stream = all[at];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  /** Adds a stream whose id is not in the table. */
  add(stream: T): void {
    // At most half of the places are taken, so that a search soon meets one that is free.
    if (++this.size * 2 > this.#places.length) this.#grow();
    this.#put(stream);
  }

  /** Does nothing when it is not there. */
  delete(stream: T): void {
    const all = this.#places;
    const mask = all.length - 1;
    let free = (stream.id >>> this.#shift) & mask;
    for (; all[free] !== stream; free = (free + 1) & mask) if (all[free] === undefined) return;
    this.size--;
    // Those behind it that wanted this place, or one before it, move up: no search may end here too early.
    for (let at = (free + 1) & mask; ; at = (at + 1) & mask) {
      const next = all[at];
      if (next === undefined) break;
      const wanted = next.id >>> this.#shift;
      if (((at - wanted) & mask) < ((at - free) & mask)) continue;
      all[free] = next;
      free = at;
    }
    all[free] = undefined;
  }

  /** All of them, oldest first. */
  all(): T[] {
    return this.#places.filter((stream) => stream !== undefined).toSorted((a, b) => a.id - b.id);
  }

  clear(): void {
    this.#places = places(placesFirst);
    this.size = 0;
  }

  #put(stream: T): void {
    const all = this.#places;
    const mask = all.length - 1;
    let at = (stream.id >>> this.#shift) & mask;
    while (all[at] !== undefined) at = (at + 1) & mask;
    all[at] = stream;
  }

  #grow(): void {
    const before = this.#places;
    this.#places = places(before.length * 2);
    for (const stream of before) if (stream !== undefined) this.#put(stream);
  }
}

function places<T>(count: number): (T | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}
