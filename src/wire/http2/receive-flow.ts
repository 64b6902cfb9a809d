import { defaultWindowBytes } from './frames.ts';

/**
 * The window of a connection for what we receive (RFC 9113, section 5.2). Bytes are given back when they were delivered. Bytes that a paused stream holds are
 * given back too, up to a window's worth: a few slow readers must not stop the others of their connection, and memory stays below two windows.
 */
export class ReceiveFlow {
  readonly #windowBytes: number;
  #received = 0;
  #returned = 0;
  #held = 0;

  constructor(windowBytes: number) {
    this.#windowBytes = Math.max(windowBytes, defaultWindowBytes);
  }

  /** By how much the window is raised when the connection begins. */
  get firstIncrement(): number {
    return this.#windowBytes - defaultWindowBytes;
  }

  /** Data came, padding included; false when it is more than the window allowed. */
  arrived(bytes: number): boolean {
    this.#received += bytes;
    return this.#received - this.#returned <= this.#windowBytes;
  }

  hold(bytes: number): void {
    this.#held += bytes;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }

  /** The increment to send now; 0 while less than half of the window could be given back. */
  due(): number {
    const due = this.#received - this.#returned - Math.max(0, this.#held - this.#windowBytes);
    if (due * 2 < this.#windowBytes) return 0;
    this.#returned += due;
    return due;
  }
}
