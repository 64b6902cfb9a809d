import type { Clock, Timer } from '../../kernel/ports.ts';

/**
 * Pauses before the looks that follow an outage. The first is for what was done before the engine went away, the others for commits that were still on their way:
 * an engine may execute one for as long as a statement may take (30 s on PostgreSQL) after its caller lost the connection.
 */
const pausesMs = [1_000, 10_000, 40_000];

export interface OutageScansOptions {
  readonly clock: Clock;
  /** Looks at everything that is held. Never rejects; whatever fails in it is an outage of its own and noted. */
  readonly scan: () => Promise<void>;
}

/**
 * Looks for what nobody was woken for, after the engine was away: at once when many things fail together, again and again while they do, and never when nothing fails.
 */
export class OutageScans {
  readonly #options: OutageScansOptions;
  #timer: Timer | undefined;
  /** Which look comes next. */
  #next = pausesMs.length;
  #scanning = false;
  #closed = false;

  constructor(options: OutageScansOptions) {
    this.#options = options;
  }

  /** The engine did not answer, or did not say what became of a commit. */
  noted(): void {
    if (this.#closed || this.#next === 0) return;
    this.#next = 0;
    // A look under way may have passed what this is about; the next one begins when it has ended.
    if (!this.#scanning) this.#arm();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer?.cancel();
    const pauseMs = pausesMs[this.#next];
    if (pauseMs !== undefined && !this.#closed) this.#timer = this.#options.clock.timer(pauseMs, () => void this.#look(), true);
  }

  async #look(): Promise<void> {
    this.#scanning = true;
    this.#next++;
    await this.#options.scan();
    this.#scanning = false;
    this.#arm();
  }
}
