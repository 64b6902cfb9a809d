import { createMeter } from './meter.ts';

/**
 * Decides about one call: 0: it passes now; above 0: it passes after so many milliseconds; below 0: it is refused, and may come again after as many.
 * A call that passes, now or later, has been counted.
 */
export interface Limiter {
  take(nowMs: number): number;
}

export interface WindowLimit {
  readonly requests: number;
  readonly perMs: number;
}

/** At most so many calls in any window of that length. */
export function createWindowLimiter({ requests, perMs }: WindowLimit): Limiter {
  const meter = createMeter(perMs);
  return {
    take(nowMs) {
      if (meter.sum(nowMs) + 1 > requests) return -Math.max(1, meter.untilNextMs(nowMs));
      meter.add(nowMs);
      return 0;
    },
  };
}

/** Evenly spaced calls: each waits for its turn, or is refused when that is too far away (a leaky bucket as a queue). */
export function createPacer({ requests, perMs, waitMaxMs }: WindowLimit & { readonly waitMaxMs: number }): Limiter {
  const gapMs = perMs / requests;
  let nextMs = -Infinity;
  return {
    take(nowMs) {
      const turnMs = Math.max(nowMs, nextMs);
      if (turnMs - nowMs > waitMaxMs) return -(turnMs - nowMs - waitMaxMs);
      nextMs = turnMs + gapMs;
      return turnMs - nowMs;
    },
  };
}

export interface WarmUp extends WindowLimit {
  readonly periodMs: number;
  /** A cold target gets its rate divided by this. */
  readonly coldFactor: number;
  /** Absent: calls beyond the rate are refused; else they wait for their turn. */
  readonly waitMaxMs?: number;
}

/**
 * A rate that grows from cold to full over a period of use (Guava's warm-up bucket in terms of rates, as Sentinel has it): stored tokens stand for how
 * cold the target is; they grow while it is idle and are spent by calls.
 */
export function createWarmUpLimiter(options: WarmUp): Limiter {
  const { perMs, periodMs, coldFactor, waitMaxMs } = options;
  const rate = (options.requests * 1_000) / perMs;
  const periodS = periodMs / 1_000;
  const warning = (periodS * rate) / (coldFactor - 1);
  const most = warning + (2 * periodS * rate) / (1 + coldFactor);
  const slope = (coldFactor - 1) / rate / (most - warning);
  const passed = createMeter(1_000);
  let stored = most;
  let filledS = -1;
  let lastSecond = 0;
  let nextMs = -Infinity;
  const refill = (nowMs: number): void => {
    const second = Math.floor(nowMs / 1_000);
    if (second <= filledS) return;
    const elapsed = filledS < 0 ? 0 : second - filledS;
    // Above the line tokens grow only while the target is hardly used: else it would cool down at work.
    if (stored < warning || lastSecond < rate / coldFactor) stored = Math.min(most, stored + elapsed * rate);
    stored = Math.max(0, stored - lastSecond);
    filledS = second;
    lastSecond = 0;
  };
  const allowed = (): number => (stored < warning ? rate : 1 / ((stored - warning) * slope + 1 / rate));
  return {
    take(nowMs) {
      refill(nowMs);
      const now = allowed();
      if (waitMaxMs !== undefined) {
        const turnMs = Math.max(nowMs, nextMs);
        if (turnMs - nowMs > waitMaxMs) return -(turnMs - nowMs - waitMaxMs);
        nextMs = turnMs + 1_000 / now;
        lastSecond++;
        return turnMs - nowMs;
      }
      // A rounding error must not cost the last call of a full rate.
      if (passed.sum(nowMs) + 1 > now + 1e-9 && passed.sum(nowMs) > 0) return -Math.max(1, passed.untilNextMs(nowMs));
      passed.add(nowMs);
      lastSecond++;
      return 0;
    },
  };
}
