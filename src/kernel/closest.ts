/** Edits (insert, delete, exchange, swap of neighbours) from `a` to `b`, without regard to case; stops counting above `max`. */
function distance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, (last[j - 1] as number) + cost);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) best = Math.min(best, (beforeLast[j - 2] as number) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] as number;
}

/** The longest candidate of which `word` has most as its beginning: `retries` for `retry`. */
function sameBeginning(wanted: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  for (const candidate of candidates) {
    const letters = candidate.toLowerCase();
    let shared = 0;
    while (shared < letters.length && letters[shared] === wanted[shared]) shared++;
    if (shared >= 4 && shared >= 0.8 * letters.length && letters.length > (best?.length ?? 0)) best = candidate;
  }
  return best;
}

/** The candidate that a person most likely meant by `word`; undefined when none is near (more than a third of the letters differ, and the beginning is another). */
export function closest(word: string, among: Iterable<string>): string | undefined {
  const candidates = [...among];
  const wanted = word.slice(0, 64).toLowerCase();
  let best: string | undefined;
  // Of one letter every other one is one edit away.
  let bestDistance = (wanted.length === 1 ? 0 : Math.max(1, Math.floor(wanted.length / 3))) + 1;
  for (const candidate of candidates) {
    const found = distance(wanted, candidate.toLowerCase(), bestDistance);
    if (found < bestDistance) {
      best = candidate;
      bestDistance = found;
    }
  }
  return best ?? sameBeginning(wanted, candidates);
}

const namesShown = 8;

/**
 * The hint of an error about a name that is not there, as the options of a ProaError: what was probably meant, else what there is. Empty when there is nothing.
 */
export function meant(word: string, candidates: Iterable<string>): { readonly hint?: string } {
  const names = [...candidates];
  if (names.length === 0) return {};
  const guess = closest(word, names);
  if (guess !== undefined) return { hint: `did you mean ${guess}?` };
  const shown = names.slice(0, namesShown).join(', ');
  return { hint: `there is ${shown}${names.length > namesShown ? ` and ${names.length - namesShown} more` : ''}` };
}
