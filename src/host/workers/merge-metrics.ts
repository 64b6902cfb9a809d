/** Gauges whose values of several processes add up; of others the first process's value counts. */
export type Additive = ReadonlySet<string>;

/**
 * One exposition out of those of several processes: counters and histograms are added up, series that only one has are kept. All texts must have
 * the same format.
 */
export function mergeExpositions(texts: readonly string[], additive: Additive): string {
  const families = new Map<string, { readonly kind: string; readonly samples: Map<string, number> }>();
  let ends = false;
  for (const text of texts) {
    let family: { readonly kind: string; readonly samples: Map<string, number> } | undefined;
    let adds = true;
    for (const line of text.split('\n')) {
      if (line === '# EOF') ends = true;
      else if (line.startsWith('# TYPE ')) {
        const [, , name = '', kind = ''] = line.split(' ');
        family = families.get(name) ?? { kind, samples: new Map() };
        families.set(name, family);
        adds = kind !== 'gauge' || additive.has(name);
      } else if (line !== '' && family !== undefined) addSample(family.samples, line, adds);
    }
  }
  const lines: string[] = [];
  for (const [name, { kind, samples }] of families) {
    lines.push(`# TYPE ${name} ${kind}`);
    for (const [series, value] of samples) lines.push(`${series} ${value}`);
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
