import type { Clock, Timer } from '../kernel/ports.ts';

/** A clock that moves only by `advance`; timers fire in order of their due time, `soon` at the end of the turn. */
export interface FakeClock extends Clock {
  /** Moves wall and monotonic time together and fires every timer that comes due, each at its own time. */
  readonly advance: (ms: number) => void;
  /** Moves the wall clock alone; negative values set it back. */
  readonly jump: (ms: number) => void;
  /** Timers that wait, for tests that look for leaks. */
  readonly waiting: number;
}

/** `startMs` is the wall time at the beginning; the monotonic clock starts at 0. */
export function createFakeClock(startMs = 1_700_000_000_000): FakeClock {
  let mono = 0;
  let wallOffset = startMs;
  let order = 0;
  const timers = new Map<number, { readonly dueMs: number; readonly callback: () => void }>();
  const next = (untilMs: number): number | undefined => {
    let found: number | undefined;
    let due = untilMs;
    for (const [id, timer] of timers) {
      if (timer.dueMs < due || (timer.dueMs === due && found === undefined)) [found, due] = [id, timer.dueMs];
    }
    return found;
  };
  return {
    now: () => wallOffset + mono,
    mono: () => mono,
    turn: () => mono,
    timer(delayMs, callback): Timer {
      const id = order++;
      timers.set(id, { dueMs: mono + Math.max(0, delayMs), callback });
      return { cancel: () => void timers.delete(id) };
    },
    soon: (callback) => void setImmediate(callback),
    arriving: () => false,
    advance(ms) {
      const until = mono + ms;
      for (let id = next(until); id !== undefined; id = next(until)) {
        const timer = timers.get(id);
        timers.delete(id);
        mono = Math.max(mono, timer?.dueMs ?? mono);
        timer?.callback();
      }
      mono = until;
    },
    jump(ms) {
      wallOffset += ms;
    },
    get waiting() {
      return timers.size;
    },
  };
}
