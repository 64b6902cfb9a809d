import type { Clock, Timer } from '../kernel/ports.ts';

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Time that moves only when told to. `now` and `mono` advance together. */
export interface FakeClock extends Clock {
  /** Moves time forward, calling back every timer that falls due on the way, in order, each at its own instant. */
  advance(ms: number): void;
  /** Like `advance`, and lets promises that were resolved on the way run before the next timer. */
  run(ms: number): Promise<void>;
  /** Moves the wall clock alone, as an administrator or NTP would. */
  jump(ms: number): void;
  /** Timers that wait. */
  readonly pending: number;
}

export interface FakeClockOptions {
  /** The first value of `now()`; 2026-01-01T00:00:00Z by default. */
  readonly nowMs?: number;
  /** Runs `soon` callbacks by hand through `advance(0)` when true; else in the next microtask. */
  readonly manualSoon?: boolean;
}

/** A clock for tests. Timers due at the same instant fire in the order in which they were set. */
export function createFakeClock(options: FakeClockOptions = {}): FakeClock {
  let mono = 0;
  let wall = options.nowMs ?? Date.UTC(2026, 0, 1);
  let orders = 0;
  let timers: Due[] = [];
  let soon: (() => void)[] = [];

  const flushSoon = (): void => {
    const batch = soon;
    soon = [];
    for (const callback of batch) callback();
  };
  const next = (untilMs: number): Due | undefined => {
    let first: Due | undefined;
    for (const due of timers) {
      if (due.atMs > untilMs) continue;
      if (first === undefined || due.atMs < first.atMs || (due.atMs === first.atMs && due.order < first.order)) first = due;
    }
    return first;
  };
  const moveTo = (atMs: number): void => {
    wall += atMs - mono;
    mono = atMs;
  };
  /** Fires the next timer up to `untilMs`; false when there is none. */
  const step = (untilMs: number): boolean => {
    const due = next(untilMs);
    if (due === undefined) return false;
    timers = timers.filter((other) => other !== due);
    moveTo(Math.max(due.atMs, mono));
    due.callback();
    return true;
  };

  return {
    now: () => wall,
    mono: () => mono,
    timer(delayMs: number, callback: () => void): Timer {
      const due: Due = { atMs: mono + Math.max(0, delayMs), order: orders++, callback };
      timers.push(due);
      return {
        cancel() {
          timers = timers.filter((other) => other !== due);
        },
      };
    },
    soon(callback) {
      if (soon.push(callback) === 1 && options.manualSoon !== true) queueMicrotask(flushSoon);
    },
    advance(ms) {
      const untilMs = mono + ms;
      flushSoon();
      while (step(untilMs)) flushSoon();
      moveTo(untilMs);
    },
    async run(ms) {
      const untilMs = mono + ms;
      await settle();
      flushSoon();
      while (step(untilMs)) {
        flushSoon();
        await settle();
      }
      moveTo(untilMs);
      await settle();
    },
    jump(ms) {
      wall += ms;
    },
    get pending() {
      return timers.length;
    },
  };
}

/** Lets everything run that needs no I/O and no timer. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
