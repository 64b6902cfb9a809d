import type { HistoryEvent } from '../../contracts/workflow.ts';

/** Times of one instance's history: they rise strictly, so that (name, time) tells two equal events apart. */
export function risingClock(nowMs: number, lastMs: number): () => number {
  let last = Math.max(nowMs - 0.001, lastMs);
  return () => {
    // Wall milliseconds of this century have about four decimals in a double.
    last = Math.round((last + 0.001) * 1000) / 1000;
    return last;
  };
}

/** The event with the time of this history: those of the senders' clocks do not rise. */
export function restamped(event: HistoryEvent, stamp: () => number): HistoryEvent {
  return { ...event, timeMs: stamp() };
}
