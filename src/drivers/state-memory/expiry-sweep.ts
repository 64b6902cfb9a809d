import type { Clock, Timer } from '../../kernel/ports.ts';

/** Visits keys that can expire, again and again, so that those which nobody reads leave memory too. */
export interface ExpirySweep {
  remember(key: string): void;
  forget(key: string): void;
  close(): void;
}

const everyMs = 1_000;
/** Visits per turn: well below a millisecond. */
const visitsMax = 2_000;

/** A timer runs only while there are keys to visit. `visit` may call `forget`. */
export function createExpirySweep(clock: Clock, visit: (key: string) => void): ExpirySweep {
  const keys = new Set<string>();
  let timer: Timer | undefined;
  let round: Iterator<string> | undefined;

  const turn = (): void => {
    round ??= keys.values();
    for (let visits = 0; visits < visitsMax; visits++) {
      const next = round.next();
      if (next.done === true) {
        round = undefined;
        break;
      }
      visit(next.value);
    }
    timer = keys.size > 0 ? clock.timer(round === undefined ? everyMs : 10, turn, true) : undefined;
  };
  return {
    remember(key) {
      keys.add(key);
      timer ??= clock.timer(everyMs, turn, true);
    },
    forget: (key) => void keys.delete(key),
    close() {
      timer?.cancel();
      timer = undefined;
      keys.clear();
    },
  };
}
