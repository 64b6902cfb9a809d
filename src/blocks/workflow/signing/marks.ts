/** What stands between the events of a signed history, in lines of its own: the history is read, moved and deleted with it as one. */
export type Mark =
  /** A signature over the events since the one before: its message. */
  | { readonly kind: 'signature'; readonly bytes: Buffer }
  /** The next entry of the table of own certificates. */
  | { readonly kind: 'certificate'; readonly bytes: Buffer }
  /** The next entry of the table of others' certificates. */
  | { readonly kind: 'foreign'; readonly bytes: Buffer };

const begins = { signature: '{"signature":"', certificate: '{"certificate":"', foreign: '{"foreign":"' } as const;
const ends = '"}';

/** The line of a mark. */
export function markLine({ kind, bytes }: Mark): string {
  return `${begins[kind]}${bytes.toString('base64')}${ends}`;
}

/** The mark of a line; undefined for a line of an event. */
export function markOf(line: string): Mark | undefined {
  for (const kind of ['signature', 'certificate', 'foreign'] as const) {
    const begin = begins[kind];
    if (line.startsWith(begin)) return { kind, bytes: Buffer.from(line.slice(begin.length, -ends.length), 'base64') };
  }
  return undefined;
}

/** The lines of a history without its marks. */
export function eventLines({ signed }: { readonly signed?: true }, lines: readonly string[]): readonly string[] {
  return signed === true ? lines.filter((line) => !isMark(line)) : lines;
}

function isMark(line: string): boolean {
  return line.startsWith(begins.signature) || line.startsWith(begins.certificate) || line.startsWith(begins.foreign);
}
