/** Whether a text fits a pattern as a whole: `*` stands for any characters, none included, `?` for one, everything else for itself. Linear but for the number of stars. */
export function globMatches(pattern: string, text: string): boolean {
  let [p, t] = [0, 0];
  let [star, mark] = [-1, 0];
  while (t < text.length) {
    if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t]) && pattern[p] !== '*') {
      p++;
      t++;
    } else if (pattern[p] === '*') {
      star = p++;
      mark = t;
    } else if (star >= 0) {
      // The last star takes one more character: earlier ones never have to.
      p = star + 1;
      t = ++mark;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
