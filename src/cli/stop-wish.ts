import type { Clock } from '../kernel/ports.ts';

/** How long after the first signal another one is its echo: npm, make and timeout hand Ctrl-C on to a process that the terminal has told already. */
const echoMs = 500;

/** Tells how urgently somebody wants an end: one who asks once gets a drain, one who asks again wants it over. */
export class StopWish {
  readonly #clock: Clock;
  #firstMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True once somebody asked. */
  get asked(): boolean {
    return this.#firstMs !== undefined;
  }

  /** Takes a signal: the first one, its echo, or a further one. */
  hear(): 'first' | 'echo' | 'again' {
    const now = this.#clock.mono();
    if (this.#firstMs === undefined) {
      this.#firstMs = now;
      return 'first';
    }
    return now - this.#firstMs < echoMs ? 'echo' : 'again';
  }
}
