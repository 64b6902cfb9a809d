import type { Clock, Timer } from '../../kernel/ports.ts';
import { arriving } from './turn.ts';

// `process` is looked up by an accessor each time.
const { hrtime } = process;

// Not `performance.now()`: it takes as long, and the first use of `performance` loads half a megabyte of Node's own modules.
function monotonicMs(): number {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1_000 + nanoseconds / 1e6;
}

let turnMs: number | undefined;
const forgetTurn = (): void => {
  turnMs = undefined;
};
const settled = Promise.resolve();

/** Forgotten behind the promises of this turn that wait already: what they go on to ask is later, and read anew. */
function turnStartMs(): number {
  if (turnMs === undefined) {
    turnMs = monotonicMs();
    void settled.then(forgetTurn);
  }
  return turnMs;
}

/** The system's clocks and timers. */
export const nodeClock: Clock = {
  now: () => Date.now(),
  mono: monotonicMs,
  turn: turnStartMs,
  timer(delayMs: number, callback: () => void, background = false): Timer {
    const timeout = setTimeout(callback, Math.min(delayMs, 2_147_483_647));
    if (background) timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
  soon(callback: () => void): void {
    setImmediate(callback);
  },
  arriving,
};
