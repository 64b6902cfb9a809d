import type { Clock } from './ports.ts';

interface Owned {
  readonly name: string;
  readonly close: () => Promise<void> | void;
  readonly deadlineMs: number;
}

/** What did not close properly; `error` is undefined when the step took longer than its deadline. */
export interface CloseFailure {
  readonly name: string;
  readonly error: unknown;
}

/** Why a step failed, in words. */
export function closeFailureText({ error }: CloseFailure): string {
  if (error === undefined) return 'it took longer than its time limit';
  return error instanceof Error ? error.message : JSON.stringify(error);
}

/**
 * Owns started things and closes them in reverse order, each within its own deadline. A step that fails or hangs is reported
 * and does not keep the others from closing. Closing twice is closing once.
 */
export class Owner {
  readonly #clock: Clock;
  readonly #owned: Owned[] = [];
  #closing: Promise<readonly CloseFailure[]> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** Takes responsibility. `deadlineMs` bounds this step alone (default 5 s). */
  own(name: string, close: () => Promise<void> | void, deadlineMs = 5_000): void {
    this.#owned.push({ name, close, deadlineMs });
  }

  close(): Promise<readonly CloseFailure[]> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<readonly CloseFailure[]> {
    const failures: CloseFailure[] = [];
    for (let owned = this.#owned.pop(); owned !== undefined; owned = this.#owned.pop()) {
      const { name } = owned;
      try {
        if (!(await this.#within(owned))) failures.push({ name, error: undefined });
      } catch (error) {
        failures.push({ name, error });
      }
    }
    return failures;
  }

  #within(owned: Owned): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.timer(owned.deadlineMs, () => resolve(false));
      Promise.resolve()
        .then(owned.close)
        .then(() => resolve(true), reject)
        .finally(() => timer.cancel());
    });
  }
}
