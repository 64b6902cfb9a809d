import { ownText } from '../../kernel/flat-text.ts';

/** One limiter per key, at most `keysMax`; the one used longest ago gives way, so that an attacker's keys cost no memory. */
export interface KeyedLimiter<Answer = number> {
  take(key: string, nowMs: number): Answer;
}

export function createKeyedLimiter<Answer = number>(
  keysMax: number,
  make: (key: string) => { take(nowMs: number): Answer },
): KeyedLimiter<Answer> {
  const limiters = new Map<string, { take(nowMs: number): Answer }>();
  let last = '';
  return {
    take(key, nowMs) {
      let limiter = limiters.get(key);
      if (limiter === undefined) {
        if (limiters.size >= keysMax) limiters.delete(limiters.keys().next().value as string);
        // A piece of a head would keep all of it in memory.
        const own = ownText(key);
        limiters.set(own, (limiter = make(own)));
      } else if (key !== last) {
        limiters.delete(key);
        limiters.set(key, limiter);
      }
      last = key;
      return limiter.take(nowMs);
    },
  };
}
