import { asBuffer } from '../../kernel/bytes.ts';

/**
 * The bytes that a connection has received and not yet used: the chunk that is being delivered (in the shared buffer, valid
 * only now), or a copy of what had to wait. Whoever reads moves `at`.
 */
export class Inflow {
  #owned = false;
  bytes: Buffer = nothing;
  at = 0;
  end = 0;

  /** Adds a delivered chunk behind what waits. The caller must call `keep` before the delivery returns. */
  push(chunk: Uint8Array): void {
    if (this.at === this.end) {
      this.bytes = asBuffer(chunk);
      this.#owned = false;
      this.at = 0;
      this.end = chunk.length;
      return;
    }
    this.bytes = Buffer.concat([this.bytes.subarray(this.at, this.end), chunk]);
    this.#owned = true;
    this.at = 0;
    this.end = this.bytes.length;
  }

  /** Copies what is left out of the shared buffer. */
  keep(): void {
    if (this.at === this.end) {
      this.clear();
      return;
    }
    if (this.#owned) return;
    this.bytes = Buffer.from(this.bytes.subarray(this.at, this.end));
    this.#owned = true;
    this.at = 0;
    this.end = this.bytes.length;
  }

  clear(): void {
    this.bytes = nothing;
    this.#owned = false;
    this.at = 0;
    this.end = 0;
  }

  get waiting(): number {
    return this.end - this.at;
  }
}

const nothing = Buffer.alloc(0);
