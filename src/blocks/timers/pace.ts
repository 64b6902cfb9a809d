import type { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';

const pauseMsMin = 100;
const pauseMsMax = 10_000;

/** How long to wait after so many failures in a row: 200 ms, doubling, 10 s at most. */
export function pauseAfter(failures: number): number {
  return Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(failures, 10));
}

/**
 * How the readers of a group ask an engine that is away: one of them tries, the others let that one's time pass. As many attempts reach the engine as one reader would make,
 * however many shards a runtime has.
 */
export class Pace {
  readonly #clock: Clock;
  #failures = 0;
  #untilMono = 0;
  #trying = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long a reader has to wait now. */
  get leftMs(): number {
    return this.#failures === 0 ? 0 : Math.max(0, this.#untilMono - this.#clock.mono());
  }

  /** True when the caller may ask the engine; while that is away, for the one that asks next. */
  enter(): boolean {
    if (this.#failures === 0) return true;
    if (this.leftMs > 0) return false;
    this.#trying = true;
    this.#untilMono = this.#clock.mono() + pauseAfter(this.#failures);
    return true;
  }

  /** Asking failed. What all readers had under way when the engine went away fails together, and counts once; what is wrong with one reader's data is no matter of the others. */
  failed({ code }: ProaError): void {
    if (code !== 'engine.unavailable' && code !== 'engine.outcome-unknown') return;
    if (this.#failures > 0 && !this.#trying) return;
    this.#trying = false;
    this.#failures++;
    this.#untilMono = this.#clock.mono() + pauseAfter(this.#failures);
  }

  /** The engine answered. */
  answered(): void {
    this.#failures = 0;
    this.#trying = false;
  }
}
