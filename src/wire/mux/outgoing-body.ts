import type { Flow, Sink } from '../../kernel/body.ts';

/** The stream that a body leaves on. */
export interface OutgoingOwner {
  /** The connection takes bytes now. */
  readonly writable: boolean;
  /** Sends bytes that fit the window. */
  sendData(bytes: Uint8Array): void;
  /** The last byte was sent. */
  sendEnd(trailers: readonly string[] | undefined): void;
  /** The body broke off at its source. */
  bodyBroke(error: unknown): void;
}

/** A source gets credit for this much at a time. */
const creditBytesMax = 64 * 1024;
const windowMax = 0x7fff_ffff;

/** Sends a body as far as the peer's window goes and the connection takes it. What a source pushes beyond that is copied and waits. */
export class OutgoingBody implements Sink {
  readonly #owner: OutgoingOwner;
  #window: number;
  #credited = 0;
  #flow: Flow | undefined = undefined;
  #waiting: Uint8Array[] = [];
  #ended = false;
  #trailers: readonly string[] | undefined = undefined;
  #pumping = false;
  /** Sent, broken or cancelled: nothing more happens. */
  finished = false;

  constructor(owner: OutgoingOwner, windowBytes: number) {
    this.#owner = owner;
    this.#window = windowBytes;
  }

  open(flow: Flow): void {
    this.#flow = flow;
    this.pump();
  }

  chunk(chunk: Uint8Array): void {
    if (this.finished || chunk.length === 0) return;
    // Below zero when the source pushed more than it had credit for: it has to get that much more before it goes on.
    this.#credited -= chunk.length;
    if (this.#waiting.length === 0 && chunk.length <= this.#window && this.#owner.writable) {
      this.#window -= chunk.length;
      this.#owner.sendData(chunk);
    } else this.#waiting.push(Uint8Array.prototype.slice.call(chunk));
    this.pump();
  }

  end(trailers?: readonly string[]): void {
    if (this.finished || this.#ended) return;
    this.#ended = true;
    this.#trailers = trailers;
    this.pump();
  }

  fail(error: unknown): void {
    if (this.finished) return;
    this.finished = true;
    this.#waiting = [];
    this.#owner.bodyBroke(error);
  }

  /** Nobody wants the rest: the source is told to stop. */
  cancel(reason: unknown): void {
    if (this.finished) return;
    this.finished = true;
    this.#waiting = [];
    if (!this.#ended) this.#flow?.cancel(reason);
  }

  /** The peer grants more; false when it grants more than the protocol allows. */
  grant(bytes: number): boolean {
    this.#window += bytes;
    if (this.#window > windowMax) return false;
    this.pump();
    return true;
  }

  /** Sends what can be sent, and asks the source for more. */
  pump(): void {
    if (this.#pumping || this.finished) return;
    this.#pumping = true;
    this.#sendWaiting();
    this.#pumping = false;
    if (this.finished || this.#waiting.length > 0) return;
    if (this.#ended) {
      this.finished = true;
      this.#owner.sendEnd(this.#trailers);
      return;
    }
    if (!this.#owner.writable) return;
    const wanted = Math.min(this.#window, creditBytesMax) - this.#credited;
    if (wanted <= 0) return;
    this.#credited += wanted;
    this.#flow?.credit(wanted);
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0 && this.#window > 0 && this.#owner.writable) {
      const first = this.#waiting[0] as Uint8Array;
      const part = first.length <= this.#window ? first : first.subarray(0, this.#window);
      this.#window -= part.length;
      if (part === first) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(part.length);
      this.#owner.sendData(part);
    }
  }
}
