import { latin1Text } from '../../kernel/bytes.ts';

/** The bytes as a string of the same length: each becomes the code point of its value. */
export function latin1(chunk: Uint8Array): string {
  return latin1Text(chunk, 0, chunk.length);
}
