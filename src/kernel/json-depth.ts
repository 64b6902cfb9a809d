/**
 * True when arrays and objects nest at most `depthMax` deep. It reads the text once without parsing it: `JSON.parse` accepts a million levels,
 * what works on the result recursively does not. Texts that are not JSON get some answer; the parser refuses them afterwards.
 */
export function jsonWithinDepth(text: string, depthMax: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfText(text, at);
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > depthMax) return false;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return true;
}

/** The index of the quote that closes the string which opens at `from`; the length of the text when there is none. */
export function endOfText(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5c) at++;
    else if (code === 0x22) return at;
  }
  return text.length;
}
