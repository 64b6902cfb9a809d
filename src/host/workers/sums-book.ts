import type { News, Sums } from '../../contracts/news.ts';
import type { Clock } from '../../kernel/ports.ts';

interface Told {
  readonly name: string;
  /** Which process. */
  readonly from: string;
  readonly values: readonly number[];
}

export interface SumsOptions {
  readonly clock: Clock;
  readonly news: News;
  /** Names this process among the others. */
  readonly self: string;
}

const topic = 'sums';
const intervalMs = 100;
const silenceMs = 1_000;
// Limits per target make a name for each.
const namesMax = 10_000;

/** The sums of one process by name: while it counts something, it tells the others ten times a second; while it does not, nothing runs. */
export function createSumsBook({ clock, news, self }: SumsOptions): (name: string, own: () => readonly number[]) => Sums {
  const heard = new Map<string, Map<string, { readonly values: readonly number[]; readonly atMs: number }>>();
  news.listen(topic, (message) => {
    const { name, from, values } = message as Told;
    const processes = heard.get(name) ?? new Map();
    if (heard.size >= namesMax && !heard.has(name)) heard.delete(heard.keys().next().value as string);
    heard.set(name, processes.set(from, { values, atMs: clock.mono() }));
  });
  const othersOf = (name: string): readonly number[] => {
    const nowMs = clock.mono();
    let sums: number[] = [];
    const processes = heard.get(name);
    for (const [from, { values, atMs }] of processes ?? []) {
      if (nowMs - atMs < silenceMs) sums = values.map((value, i) => value + (sums[i] ?? 0));
      else processes?.delete(from);
    }
    return sums;
  };
  return (name, own) => {
    let ticking = false;
    let others: readonly number[] = [];
    let readMs = -Infinity;
    const tick = (): void => {
      const values = own();
      news.tell(topic, { name, from: self, values } satisfies Told);
      ticking = values.some((value) => value !== 0);
      if (ticking) clock.timer(intervalMs, tick, true);
    };
    return {
      touched() {
        if (ticking) return;
        ticking = true;
        clock.timer(intervalMs / 2, tick, true);
      },
      get others() {
        const nowMs = clock.mono();
        // Read at most once a millisecond: it is asked for with every call.
        if (nowMs - readMs >= 1) [others, readMs] = [othersOf(name), nowMs];
        return others;
      },
    };
  };
}
