/** The chunk as a Buffer over the same memory. */
export function asBuffer(chunk: Uint8Array): Buffer {
  return chunk instanceof Buffer ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** The bytes as a string of the same length: each becomes the code point of its value. */
export function latin1(chunk: Uint8Array): string {
  return asBuffer(chunk).toString('latin1');
}
