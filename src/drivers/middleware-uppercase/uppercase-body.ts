import type { Body } from '../../kernel/body.ts';

/**
 * A body whose text, in UTF-8, is in capitals, chunk by chunk. Letters are mapped one to one, as Go maps them: what would become several (ß) stays. Its
 * length is not known beforehand, as capitals can have more or fewer bytes; invalid UTF-8 becomes U+FFFD.
 */
export function uppercaseBody(body: Body): Body {
  return {
    length: body.length === 0 ? 0 : undefined,
    discard: (reason) => body.discard(reason),
    pipe(sink) {
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      const write = (text: string): void => {
        if (text !== '') sink.chunk(Buffer.from(capitals(text)));
      };
      body.pipe({
        // An empty result (half a character) consumes credit without delivering: a chunk is far larger than a character, so this cannot starve the sink for long.
        open: (flow) =>
          sink.open({
            credit: (bytes) => flow.credit(bytes + characterBytesMax),
            cancel: (reason) => flow.cancel(reason),
          }),
        chunk: (chunk) => write(decoder.decode(chunk, { stream: true })),
        end(trailers) {
          write(decoder.decode());
          sink.end(trailers);
        },
        fail: (error) => sink.fail(error),
      });
    },
  };
}

const characterBytesMax = 4;

function capitals(text: string): string {
  const upper = text.toUpperCase();
  if (upper.length === text.length) return upper;
  let result = '';
  for (const character of text) {
    const mapped = character.toUpperCase();
    result += mapped.length === character.length ? mapped : character;
  }
  return result;
}
