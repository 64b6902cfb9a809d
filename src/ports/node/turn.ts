import { putBytes } from '../../kernel/bytes.ts';
/** Somebody who reads what arrived on one socket. */
export interface TurnReader {
  /** Takes what `Turn.arrived` put aside for it. */
  deliverHeld(): void;
}

/** Somebody who has text to send. */
export interface TurnWriter {
  flush(): void;
}

/** Larger reads are delivered at once: copying them would cost more than it saves. */
const heldBytesMax = 2048;
const keptBuffersMax = 512;
/** After so many turns with one reader each, turns are taken to be quiet. */
const quietTurnsMin = 16;
/** Of the reads of quiet turns, one in so many is put aside all the same, which tells how many come in a turn. */
const countedEvery = 16;

/** Turns, of all networks of this thread, for which something was read that was not handled yet. */
let held = 0;

/** True while something was read in this turn of the event loop, and put aside, that was not handled yet. */
export function arriving(): boolean {
  return held > 0;
}

/**
 * Orders the work of one turn of the event loop: every socket is read, then what arrived is handled, then what was written leaves.
 *
 * Handling each message between two reads means that the code of the kernel and ours push each other out of the processor's caches at every step. And
 * answering each request before the next one is read wakes the peer once per message when it is faster than we are; waking it costs more than the message.
 *
 * While turns bring one message each there is nothing to put in order, and the two callbacks at the end of a turn are only late: such turns are quiet.
 */
export class Turn {
  #readers: TurnReader[] = [];
  #writers: TurnWriter[] = [];
  #armed = false;
  /** Buffers by their length, because a new view of one costs more than copying a small message. */
  readonly #free: (Buffer[] | undefined)[] = Array.from({ length: heldBytesMax + 1 }, () => undefined);
  #kept = 0;
  /** Turns in a row that had one reader. */
  #single = 0;
  #uncounted = 0;

  /** Turns have brought one message each for a while: what is written may leave at once. */
  get quiet(): boolean {
    return this.#single >= quietTurnsMin;
  }

  /** True when what is read now may be handled at once. */
  handlesAtOnce(): boolean {
    if (this.#single < quietTurnsMin || ++this.#uncounted === countedEvery) {
      this.#uncounted = 0;
      return false;
    }
    return true;
  }

  /** A copy of a small chunk, to be given back by `release`; undefined for one that has to be delivered at once. */
  hold(chunk: Buffer): Buffer | undefined {
    const { length } = chunk;
    if (length > heldBytesMax) return undefined;
    const free = this.#free[length]?.pop();
    if (free !== undefined) this.#kept--;
    const held = free ?? Buffer.allocUnsafeSlow(length);
    putBytes(held, chunk, 0);
    return held;
  }

  /** Nobody looks at these bytes any more. */
  release(held: Buffer): void {
    if (this.#kept === keptBuffersMax) return;
    this.#kept++;
    (this.#free[held.length] ??= []).push(held);
  }

  /** `reader` holds something: it is asked to take it when every socket was read. */
  arrived(reader: TurnReader): void {
    // Both are set now, so that the second runs in the turn of the first, behind the promises that it settled.
    if (this.#readers.push(reader) === 1) {
      held++;
      setImmediate(this.#deliver);
    }
    this.#arm();
  }

  /** `writer` has text: it is flushed at the end of the turn. */
  wrote(writer: TurnWriter): void {
    this.#writers.push(writer);
    this.#arm();
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    setImmediate(this.#flush);
  }

  readonly #deliver = (): void => {
    const readers = this.#readers;
    this.#readers = [];
    held--;
    this.#single = readers.length === 1 ? this.#single + 1 : 0;
    let next = 0;
    try {
      while (next < readers.length) (readers[next++] as TurnReader).deliverHeld();
    } finally {
      // One that throws must not cost the others what arrived for them.
      if (next < readers.length) for (const reader of readers.slice(next)) this.arrived(reader);
    }
  };

  readonly #flush = (): void => {
    this.#armed = false;
    const writers = this.#writers;
    this.#writers = [];
    for (const writer of writers) writer.flush();
  };
}
