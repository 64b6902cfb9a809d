import type { Random } from '../../kernel/ports.ts';

/** How long to wait before the n-th repetition (from 1), in milliseconds. */
export type Backoff = (repetition: number) => number;

/** Always the same. */
export function constantBackoff(delayMs: number): Backoff {
  return () => delayMs;
}

export interface ExponentialOptions {
  readonly random: Random;
  readonly initialMs: number;
  readonly factor: number;
  readonly maxMs: number;
  /** `around`: half to one and a half of the step (Dapr's); `full`: anything from 0 to the step, which spreads a herd best. */
  readonly jitter: 'around' | 'full';
}

/** Grows by `factor` up to `maxMs`, with jitter. The cap holds for the step; `around` may exceed it by half. */
export function exponentialBackoff(options: ExponentialOptions): Backoff {
  const { random, initialMs, factor, maxMs, jitter } = options;
  return (repetition) => {
    const step = Math.min(maxMs, initialMs * factor ** (repetition - 1));
    const drawn = random.u32() / 2 ** 32;
    return jitter === 'full' ? step * drawn : step * (0.5 + drawn);
  };
}
