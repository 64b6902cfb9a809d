import type { Clock } from '../kernel/ports.ts';

/** So many equal lines are printed as they come; then one in this time, with how many there were. */
const first = 3;
const quietMs = 10_000;
/** Lines that are known at once; what comes beyond is printed as it comes. */
const linesMax = 256;

interface Known {
  seen: number;
  more: number;
}

/**
 * Keeps an outage from becoming a flood: of events that are equal word for word the first three are printed, and what follows once in ten seconds, with its
 * number. `print` gets that number for a line that stands for several.
 */
export function createRepeatedLines(clock: Clock): (key: string, print: (repeated?: number) => void) => void {
  const lines = new Map<string, Known>();
  const watch = (key: string, known: Known, print: (repeated?: number) => void): void => {
    const end = (): void => {
      const { more } = known;
      if (more === 0) return void lines.delete(key);
      known.more = 0;
      print(more);
      watch(key, known, print);
    };
    clock.timer(quietMs, end, true);
  };
  return (key, print) => {
    let known = lines.get(key);
    if (known === undefined && lines.size < linesMax) {
      known = { seen: 0, more: 0 };
      lines.set(key, known);
      watch(key, known, print);
    }
    if (known !== undefined && ++known.seen > first) known.more++;
    else print();
  };
}
