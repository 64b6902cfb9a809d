import type { Clock } from '../kernel/ports.ts';

/**
 * The clock of an engine that lives elsewhere, estimated from its answers. It stays behind the remote clock by at most the shortest
 * round trip seen (never ahead: what is expired here is expired there), and never runs backwards.
 */
export interface RemoteClock {
  /** In the remote clock's wall milliseconds; before the first answer the local wall clock. */
  now(): number;
  /** `remoteMs` was read by the remote side after `sentMono` and before this call. */
  learn(remoteMs: number, sentMono: number): void;
}

/** A clock that has learnt nothing yet. */
export function createRemoteClock(clock: Clock): RemoteClock {
  let offset: number | undefined;
  let last = 0;
  return {
    now() {
      const estimate = offset === undefined ? clock.now() : clock.mono() + offset;
      last = Math.max(last, Math.floor(estimate));
      return last;
    },
    learn(remoteMs, sentMono) {
      const lowest = remoteMs - clock.mono();
      const highest = remoteMs - sentMono;
      if (offset === undefined) {
        offset = lowest;
        last = 0;
      } else offset = Math.min(Math.max(offset, lowest), highest);
    },
  };
}
