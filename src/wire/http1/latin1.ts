import { latin1Text } from '../../kernel/bytes.ts';
// The global one is a property with a getter, which no compiler sees through.
const NodeBuffer = Buffer;

/** The chunk as a Buffer over the same memory. */
export function asBuffer(chunk: Uint8Array): Buffer {
  return chunk instanceof NodeBuffer ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** The bytes as a string of the same length: each becomes the code point of its value. */
export function latin1(chunk: Uint8Array): string {
  return latin1Text(chunk, 0, chunk.length);
}
