import type { Random } from '../../kernel/ports.ts';

/** How many calls may be under way, learnt from how long they take. */
export interface ConcurrencyLimit {
  readonly current: number;
  /** A call took `rttMs` while `inFlight` were under way; `dropped`: it was lost to overload. */
  sample(rttMs: number, inFlight: number, dropped: boolean): void;
}

export interface LimitBounds {
  readonly initial: number;
  readonly min: number;
  readonly max: number;
}

const longWindow = 600;
const warmUpSamples = 10;
const tolerance = 1.5;
const queueSize = 4;
const smoothing = 0.2;

/**
 * Gradient2 of Netflix's concurrency-limits: the limit follows the ratio of the long average to the present time of a call. It never squeezes the limit to
 * measure a minimum. Under an overload that lasts for thousands of calls the long average follows, and with it the limit: `max` is what holds then.
 */
export function createGradient2({ initial, min, max }: LimitBounds): ConcurrencyLimit {
  let limit = initial;
  let long = 0;
  let count = 0;
  return {
    get current() {
      return Math.floor(limit);
    },
    sample(rttMs, inFlight, dropped) {
      const short = Math.max(0.001, rttMs);
      count++;
      long = count <= warmUpSamples ? (long * (count - 1) + short) / count : long + (short - long) * (2 / (longWindow + 1));
      // The long average must be able to come down again after a bad time.
      if (long / short > 2) long *= 0.95;
      if (inFlight < limit / 2) return;
      const gradient = dropped ? 0.5 : Math.max(0.5, Math.min(1, (tolerance * long) / short));
      limit = Math.min(max, Math.max(min, limit * (1 - smoothing) + (limit * gradient + queueSize) * smoothing));
    },
  };
}

/**
 * Vegas of the same library: the queue is what is under way beyond what the best time needs. The best time is measured anew now and then by forgetting it,
 * not by squeezing the limit.
 */
export function createVegas({ initial, min, max }: LimitBounds, random: Random): ConcurrencyLimit {
  let limit = initial;
  let best = Infinity;
  let samples = 0;
  let jitter = 1;
  return {
    get current() {
      return Math.floor(limit);
    },
    sample(rttMs, inFlight, dropped) {
      const rtt = Math.max(0.001, rttMs);
      if (++samples > 30 * limit * jitter) {
        samples = 0;
        jitter = 0.5 + random.u32() / 2 ** 33;
        best = rtt;
        return;
      }
      if (rtt < best) best = rtt;
      if (inFlight < limit / 2) return;
      const step = Math.max(1, Math.log10(limit));
      const queue = Math.ceil(limit * (1 - best / rtt));
      const wanted =
        dropped || queue > 6 * step ? limit - step : queue <= step ? limit + 6 * step : queue < 3 * step ? limit + step : limit;
      limit = Math.min(max, Math.max(min, wanted));
    },
  };
}
