/** The longest line that is kept in one piece; longer ones are cut, so that a program without newlines cannot fill the memory. */
const lineCharsMax = 64 * 1024;

/** Cuts a stream of UTF-8 chunks into lines. Call `end` for what has no newline. */
export function lineSplitter(line: (text: string) => void): { write(chunk: Uint8Array): void; end(): void } {
  const decoder = new TextDecoder();
  let rest = '';
  const take = (text: string): void => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() as string;
    for (const part of parts) line(part.endsWith('\r') ? part.slice(0, -1) : part);
    while (rest.length > lineCharsMax) {
      line(rest.slice(0, lineCharsMax));
      rest = rest.slice(lineCharsMax);
    }
  };
  return {
    write: (chunk) => take(decoder.decode(chunk, { stream: true })),
    end() {
      take(decoder.decode());
      if (rest !== '') line(rest);
      rest = '';
    },
  };
}
