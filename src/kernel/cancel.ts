/**
 * Cancellation as a callback slot. An `AbortSignal` costs several microseconds to make and is made only for those who ask;
 * listeners are unlinked when the work that they guard ends, so a long-lived scope does not collect dead listeners.
 */
export interface Cancellation {
  readonly cancelled: boolean;
  /** Why the work was given up; undefined while it was not. */
  readonly reason: unknown;
  /** Calls `listener` once when cancelled, at once if that has happened already. Returns the function that unlinks it. */
  onCancel(listener: (reason: unknown) => void): () => void;
  /** The same without an allocation: `work.cancel` is called once, at once if that has happened already. */
  guard(work: Cancellable): void;
  /** The work has ended: it is not called any more. */
  release(work: Cancellable): void;
  /** The same as an `AbortSignal`, made on first use. */
  signal(): AbortSignal;
}

/** Work that can be given up. */
export interface Cancellable {
  cancel(reason: unknown): void;
}

/** The writable side of a cancellation; whoever starts the work owns it. */
export class CancelScope implements Cancellation {
  // Most scopes guard one thing at a time: it needs no set.
  #work: Cancellable | undefined;
  #listeners: Set<Cancellable> | undefined;
  #controller: AbortController | undefined;
  cancelled = false;
  reason: unknown = undefined;

  /** Cancels once; later calls change nothing. Listeners run synchronously, in the order in which they came. */
  cancel(reason: unknown): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.reason = reason;
    const work = this.#work;
    const listeners = this.#listeners;
    this.#work = undefined;
    this.#listeners = undefined;
    work?.cancel(reason);
    if (listeners !== undefined) for (const listener of listeners) listener.cancel(reason);
    this.#controller?.abort(reason);
  }

  onCancel(listener: (reason: unknown) => void): () => void {
    if (this.cancelled) {
      listener(this.reason);
      return noop;
    }
    const work = { cancel: listener };
    this.guard(work);
    return () => this.release(work);
  }

  guard(work: Cancellable): void {
    if (this.cancelled) work.cancel(this.reason);
    // The place is only taken while nothing waits behind it, so that the order is the one in which they came.
    else if (this.#work === undefined && this.#listeners === undefined) this.#work = work;
    else (this.#listeners ??= new Set()).add(work);
  }

  release(work: Cancellable): void {
    if (this.#work === work) this.#work = undefined;
    else if (this.#listeners?.delete(work) === true && this.#listeners.size === 0) this.#listeners = undefined;
  }

  signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.cancelled) this.#controller.abort(this.reason);
    }
    return this.#controller.signal;
  }
}

function noop(): void {}

/** Work that nobody can cancel. */
export const neverCancelled: Cancellation = {
  cancelled: false,
  reason: undefined,
  onCancel: () => noop,
  guard: noop,
  release: noop,
  signal: () => new AbortController().signal,
};
