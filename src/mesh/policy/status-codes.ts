/** Parses `429,500-599`: numbers and ranges, separated by commas, each within `min` to `max`. Undefined when it is not one. */
export function parseCodes(text: string, min: number, max: number): ReadonlySet<number> | undefined {
  const codes = new Set<number>();
  for (const item of text.split(',')) {
    const match = /^\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?\s*$/.exec(item);
    if (match === null) return undefined;
    const [low, high] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (low < min || high > max || low > high) return undefined;
    for (let code = low; code <= high; code++) codes.add(code);
  }
  return codes;
}
