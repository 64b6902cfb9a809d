import { metricNames } from '../../kernel/names.ts';
import type { Clock } from '../../kernel/ports.ts';

/** Gauges whose values of several processes add up; of others the first process's value counts. */
export type Additive = ReadonlySet<string>;

/** What each process has for itself: memory, and the actors that it took over. Of all else (the engine, endpoints, breakers, rollouts) every process knows the same. */
export const additiveGauges: Additive = new Set<string>([
  metricNames.residentMemory,
  metricNames.actorsActive,
  metricNames.actorPendingCalls,
  metricNames.actorTimers,
  metricNames.actorReminders,
]);

/** So many lines are read or written in one turn of the event loop: a page of all series that may be has 300,000. */
const linesPerTurn = 1_000;

interface Family {
  readonly kind: string;
  readonly samples: Map<string, number>;
}

/**
 * One exposition out of those of several processes: counters and histograms are added up, series that only one has are kept. All texts must have
 * the same format. Other work of the process goes on meanwhile.
 */
export async function mergeExpositions(texts: readonly string[], additive: Additive, clock: Pick<Clock, 'soon'>): Promise<string> {
  const families = new Map<string, Family>();
  const turn = (): Promise<void> => new Promise((resolve) => clock.soon(resolve));
  let ends = false;
  for (const text of texts) ends = (await addText(families, text, { additive, turn })) || ends;
  return printed(families, ends, turn);
}

interface Adding {
  readonly additive: Additive;
  readonly turn: () => Promise<void>;
}

/** True when the text says that it is at its end. */
async function addText(families: Map<string, Family>, text: string, { additive, turn }: Adding): Promise<boolean> {
  let family: Family | undefined;
  let adds = true;
  let lines = 0;
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf('\n', at);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(at, end);
    at = end + 1;
    if (line === '# EOF') return true;
    if (line.startsWith('# TYPE ')) {
      const [, , name = '', kind = ''] = line.split(' ');
      family = families.get(name) ?? { kind, samples: new Map() };
      families.set(name, family);
      adds = kind !== 'gauge' || additive.has(name);
    } else if (line !== '' && family !== undefined) addSample(family.samples, line, adds);
    if (++lines % linesPerTurn === 0) await turn();
  }
  return false;
}

async function printed(families: ReadonlyMap<string, Family>, ends: boolean, turn: Adding['turn']): Promise<string> {
  const lines: string[] = [];
  for (const [name, { kind, samples }] of families) {
    lines.push(`# TYPE ${name} ${kind}`);
    for (const [series, value] of samples) {
      lines.push(`${series} ${value}`);
      if (lines.length % linesPerTurn === 0) await turn();
    }
  }
  if (ends) lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

function addSample(samples: Map<string, number>, line: string, adds: boolean): void {
  const space = line.lastIndexOf(' ');
  const series = line.slice(0, space);
  const before = samples.get(series);
  if (before === undefined) samples.set(series, Number(line.slice(space + 1)));
  else if (adds) samples.set(series, before + Number(line.slice(space + 1)));
}
