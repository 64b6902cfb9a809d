import type { Breaker } from './breaker.ts';

/** Two breakers as one: a call passes both, and tells both how it ended. A call that only the second refuses says nothing to the first. */
export function jointBreaker(first: Breaker, second: Breaker): Breaker {
  const tokens = new Map<number, readonly [number, number]>();
  let last = 0;
  return {
    slowMs: Math.min(first.slowMs, second.slowMs),
    enter(nowMs) {
      const one = first.enter(nowMs);
      if (one < 0) return -1;
      const two = second.enter(nowMs);
      if (two < 0) {
        first.leave(one, 'ignored', nowMs);
        return -1;
      }
      tokens.set(++last, [one, two]);
      return last;
    },
    leave(token, verdict, nowMs) {
      const [one, two] = tokens.get(token) ?? [-1, -1];
      tokens.delete(token);
      if (one < 0 || two < 0) return;
      first.leave(one, verdict, nowMs);
      second.leave(two, verdict, nowMs);
    },
    state(nowMs) {
      const states = [first.state(nowMs), second.state(nowMs)];
      if (states.includes('open')) return 'open';
      return states.includes('half-open') ? 'half-open' : 'closed';
    },
  };
}
