import type { Clock, Timer } from '../../kernel/ports.ts';

/** The system's clocks and timers. */
export const nodeClock: Clock = {
  now: () => Date.now(),
  mono: () => performance.now(),
  timer(delayMs: number, callback: () => void, background = false): Timer {
    const timeout = setTimeout(callback, Math.min(delayMs, 2_147_483_647));
    if (background) timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
  soon(callback: () => void): void {
    setImmediate(callback);
  },
};
