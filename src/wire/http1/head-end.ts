const emptyLine = Buffer.from('\r\n\r\n', 'latin1');

/** The index behind the first CR LF CR LF of `bytes[start, end)`, -1 when there is none. */
export function headEnd(bytes: Buffer, start: number, end: number): number {
  const at = bytes.indexOf(emptyLine, start);
  return at === -1 || at + 4 > end ? -1 : at + 4;
}

/** True when a line feed of `bytes[start, end)` does not follow a carriage return. */
export function hasBareLineFeed(bytes: Buffer, start: number, end: number): boolean {
  for (let at = bytes.indexOf(10, start); at !== -1 && at < end; at = bytes.indexOf(10, at + 1)) {
    if (at === start || bytes[at - 1] !== 13) return true;
  }
  return false;
}
