import type { Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Core } from './core.ts';
import type { Header } from './header.ts';
import { storedRecord } from './read-state.ts';

const pollMs = 1_000;
const waitsMax = 100_000;

/** Callers that wait for an instance to change: told at once by turns of this runtime, by hints and polls of what others do. */
export class Waits {
  readonly #core: Core;
  readonly #waiting = new Map<string, Set<(header: Header | undefined) => void>>();
  #count = 0;

  constructor(core: Core) {
    this.#core = core;
  }

  /** The record of the instance was changed here, to `header` when that is known. */
  changed(id: string, header?: Header): void {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) for (const tell of [...waiting]) tell(header);
  }

  /** The first header for which `test` holds; undefined stands for an instance that does not exist. Rejects when `cancel` fires, with its reason. */
  async until(id: string, test: (header: Header | undefined) => boolean, cancel: Cancellation): Promise<Header | undefined> {
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
    try {
      for (;;) {
        signal.arm();
        const header = (await storedRecord(this.#core, id))?.header;
        if (test(header)) return header;
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
