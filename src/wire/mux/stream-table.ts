import type { MuxStream } from './stream.ts';

const slotsMin = 64;
const slotsMax = 65_536;

/**
 * The open streams of a connection by id. Not a `Map`: one that is filled and emptied all the time leaves a chain of dead tables in the old
 * generation, which keeps every stream alive until the next full collection (a fifth of the CPU time, as measured). Ids rise by one, so that
 * their lower bits are a slot that is nearly always free.
 */
export class StreamTable {
  #slots: (MuxStream | undefined)[] = emptySlots(slotsMin);
  /** Streams so old that their slot was wanted again although the table is at its largest. */
  #old: MuxStream[] = [];
  size = 0;

  get(id: number): MuxStream | undefined {
    const found = this.#slots[id & (this.#slots.length - 1)];
    if (found !== undefined && found.id === id) return found;
    return this.#old.length === 0 ? undefined : this.#old.find((stream) => stream.id === id);
  }

  add(stream: MuxStream): void {
    let at = stream.id & (this.#slots.length - 1);
    while (this.#slots[at] !== undefined && this.#slots.length < slotsMax) {
      this.#grow();
      at = stream.id & (this.#slots.length - 1);
    }
    const before = this.#slots[at];
    if (before !== undefined) this.#old.push(before);
    this.#slots[at] = stream;
    this.size++;
  }

  delete(stream: MuxStream): void {
    const at = stream.id & (this.#slots.length - 1);
    if (this.#slots[at] === stream) this.#slots[at] = undefined;
    else {
      const found = this.#old.indexOf(stream);
      if (found === -1) return;
      this.#old.splice(found, 1);
    }
    this.size--;
  }

  /** All of them, oldest first. */
  all(): MuxStream[] {
    const found = [...this.#old];
    if (this.size > found.length) for (const stream of this.#slots) if (stream !== undefined) found.push(stream);
    return found.toSorted((a, b) => a.id - b.id);
  }

  #grow(): void {
    const before = this.#slots;
    const slots = emptySlots(before.length * 2);
    for (const stream of before) if (stream !== undefined) slots[stream.id & (slots.length - 1)] = stream;
    this.#slots = slots;
  }
}

function emptySlots(count: number): (MuxStream | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}
