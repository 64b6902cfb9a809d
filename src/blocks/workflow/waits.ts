import type { Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Core } from './core.ts';
import type { Header } from './header.ts';
import { storedRecord } from './read-state.ts';
import type { StoredRecord } from './record.ts';

const pollMs = 1_000;
const waitsMax = 100_000;

/** Callers that wait for an instance to change: told at once by turns of this runtime, by hints and polls of what others do. */
export class Waits {
  readonly #core: Core;
  readonly #known: (id: string) => Header | undefined;
  readonly #waiting = new Map<string, Set<(header: Header | undefined) => void>>();
  #count = 0;

  /** `known`: the header of an instance that is in this runtime's memory, as it was committed last. */
  constructor(core: Core, known: (id: string) => Header | undefined) {
    this.#core = core;
    this.#known = known;
  }

  /** The record of the instance was changed here, to `header` when that is known. */
  changed(id: string, header?: Header): void {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) for (const tell of [...waiting]) tell(header);
  }

  /** The first record whose header `test` holds for; undefined stands for an instance that does not exist. Rejects when `cancel` fires, with its reason. */
  async until(id: string, test: (header: Header | undefined) => boolean, cancel: Cancellation): Promise<StoredRecord | undefined> {
    if (this.#count >= waitsMax) throw new ProaError('overloaded', `more than ${waitsMax} callers wait for workflows`);
    this.#count++;
    const foreign = this.#core.owned(this.#core.shardOf(id, this.#core.shards)) === undefined;
    const signal = new Signal();
    const unwatch = foreign ? this.#core.engine.watch(this.#core.keys.record(id), () => signal.fire()) : () => {};
    const unlisten = this.#listen(id, (header) => {
      // Most turns change nothing that is waited for, and reading the record would tell no more than this.
      if (header === undefined || test(header)) signal.fire();
    });
    const uncancel = cancel.onCancel(() => signal.fire());
    // What is in memory says when waiting is worth while, but only the engine says that it is over.
    const known = foreign ? undefined : this.#known(id);
    try {
      for (let read = known === undefined || test(known); ; read = true) {
        signal.arm();
        const record = read ? await storedRecord(this.#core, id) : undefined;
        if (read && test(record?.header)) return record;
        if (cancel.cancelled) throw ProaError.from(cancel.reason, 'cancelled');
        if (this.#core.closed) throw new ProaError('unavailable', 'the runtime is stopping');
        await signal.wait(this.#core);
      }
    } finally {
      this.#count--;
      unwatch();
      unlisten();
      uncancel();
    }
  }

  #listen(id: string, tell: (header: Header | undefined) => void): () => void {
    const waiting = this.#waiting.get(id) ?? new Set();
    waiting.add(tell);
    this.#waiting.set(id, waiting);
    return () => {
      waiting.delete(tell);
      if (waiting.size === 0 && this.#waiting.get(id) === waiting) this.#waiting.delete(id);
    };
  }
}

/** Fires once per arming; what fired before it is waited for is not lost. */
class Signal {
  #fired = false;
  #resume: (() => void) | undefined;

  arm(): void {
    this.#fired = false;
  }

  fire(): void {
    this.#fired = true;
    this.#resume?.();
  }

  wait({ clock }: Core): Promise<void> {
    if (this.#fired) return Promise.resolve();
    return new Promise((resolve) => {
      // Whoever waits keeps the process.
      const timer = clock.timer(pollMs, resolve);
      this.#resume = () => {
        timer.cancel();
        this.#resume = undefined;
        resolve();
      };
    });
  }
}
