import type { Clock, Timer } from '../../kernel/ports.ts';

// Not `performance.now()`: it takes as long, and the first use of `performance` loads half a megabyte of Node's own modules.
function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1e6;
}

/** The system's clocks and timers. */
export const nodeClock: Clock = {
  now: () => Date.now(),
  mono: monotonicMs,
  timer(delayMs: number, callback: () => void, background = false): Timer {
    const timeout = setTimeout(callback, Math.min(delayMs, 2_147_483_647));
    if (background) timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
  soon(callback: () => void): void {
    setImmediate(callback);
  },
};
