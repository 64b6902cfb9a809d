import { ownText } from '../../kernel/flat-text.ts';
import type { Breaker } from './breaker.ts';

/** One breaker per key, at most `sizeMax`; the one used longest ago gives way. */
export interface KeyedBreakers {
  of(key: string): Breaker;
  /** Keys and their breakers, for whoever shows them. */
  entries(): Iterable<readonly [string, Breaker]>;
}

/** Makes the breakers at first use. */
export function createKeyedBreakers(sizeMax: number, make: (key: string) => Breaker): KeyedBreakers {
  const breakers = new Map<string, Breaker>();
  let last = '';
  return {
    of(key) {
      const known = breakers.get(key);
      if (known !== undefined) {
        // Moving to the end costs more than the look-up: only when another key was used in between.
        if (key !== last) {
          breakers.delete(key);
          breakers.set(key, known);
          last = key;
        }
        return known;
      }
      if (breakers.size >= sizeMax) breakers.delete(breakers.keys().next().value as string);
      // A piece of a head would keep all of it in memory.
      const own = ownText(key);
      const made = make(own);
      breakers.set(own, made);
      last = key;
      return made;
    },
    entries: () => breakers.entries(),
  };
}
