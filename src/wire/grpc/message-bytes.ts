const prefixBytes = 5;

/** Counts the bytes of the messages in a stream that is passed on in pieces, without the five bytes before each message. */
export class MessageBytes {
  /** So far. */
  bytes = 0;
  #prefixSeen = 0;
  #length = 0;
  #left = 0;

  /** Takes the next piece, which may begin and end anywhere. */
  add(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.bytes += taken;
        this.#left -= taken;
        at += taken;
        continue;
      }
      // The first byte says whether the message is compressed; the others are its length.
      if (this.#prefixSeen > 0) this.#length = this.#length * 256 + (chunk[at] as number);
      at++;
      if (++this.#prefixSeen < prefixBytes) continue;
      this.#left = this.#length;
      this.#length = 0;
      this.#prefixSeen = 0;
    }
  }
}
