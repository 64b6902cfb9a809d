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
  /** The same as an `AbortSignal`, made on first use. */
  signal(): AbortSignal;
}

/** The writable side of a cancellation; whoever starts the work owns it. */
export class CancelScope implements Cancellation {
  #listeners: Set<(reason: unknown) => void> | undefined;
  #controller: AbortController | undefined;
  cancelled = false;
  reason: unknown = undefined;

  /** Cancels once; later calls change nothing. Listeners run synchronously, in the order in which they came. */
  cancel(reason: unknown): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.reason = reason;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener(reason);
    this.#controller?.abort(reason);
  }

  onCancel(listener: (reason: unknown) => void): () => void {
    if (this.cancelled) {
      listener(this.reason);
      return noop;
    }
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => this.#listeners?.delete(listener);
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
  signal: () => new AbortController().signal,
};
