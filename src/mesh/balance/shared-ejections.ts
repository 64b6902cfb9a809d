import type { News } from '../../contracts/news.ts';

/** An endpoint that a process ejected, for all others of the runtime. */
export interface Ejection {
  readonly instance: string;
  readonly forMs: number;
  /** Which in a row: the next one is longer. */
  readonly count: number;
}

/** The endpoints of one app, as several processes eject them. */
export interface EjectionsOf {
  /** Hears what other processes eject. */
  join(heard: (ejection: Ejection) => void): void;
  tell(ejection: Ejection): void;
}

/** Ejections that the processes of one runtime tell each other. */
export interface SharedEjections {
  /** Those of the app of that name. Who asks for a name later hears in place of who asked before. */
  of(name: string): EjectionsOf;
  close(): void;
}

interface Told extends Ejection {
  readonly of: string;
}

/** As many apps as a runtime remembers the endpoints of. */
const namesMax = 10_000;

/**
 * Each process judges endpoints by the calls that it sees, without a question per call; what one of them ejects, all eject: an endpoint that is down is not found out by
 * each of them with calls of its own. `runtime`: several runtimes share the way that news takes.
 */
export function createSharedEjections(news: News, runtime: string): SharedEjections {
  const joined = new Map<string, (ejection: Ejection) => void>();
  const topic = `ejections of ${runtime}`;
  const close = news.listen(topic, (message) => {
    const told = message as Told;
    joined.get(told.of)?.(told);
  });
  return {
    of: (name) => ({
      join(heard) {
        joined.delete(name);
        if (joined.size >= namesMax) joined.delete(joined.keys().next().value as string);
        joined.set(name, heard);
      },
      tell: (ejection) => news.tell(topic, { ...ejection, of: name } satisfies Told),
    }),
    close,
  };
}
