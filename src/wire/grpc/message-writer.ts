import { ProaError } from '../../kernel/errors.ts';
import { frame } from './framing.ts';
import type { Http2Stream } from '../http2/http2.ts';

/** Where a handler or caller of a streaming method puts its messages. */
export interface MessageWriter<T> {
  /**
   * Sends a message. The promise is fulfilled when the peer has room for the next one; whoever does not wait for it fails with
   * `overloaded` once too much is queued. Rejected with the reason when the call has ended.
   */
  write(message: T): Promise<void>;
}

/** Why a write after a proper end fails. One object for all calls: an error's stack costs more than a call. */
export const callEnded = new ProaError('cancelled', 'the call has ended');

/** Why an answer is not kept for a connection, or a server, that has too many of them waiting. */
export function peersDoNotRead(): ProaError {
  return new ProaError('overloaded', 'too many bytes wait for peers that do not read', { hint: 'read answers, or ask for fewer at once' });
}

const ready = Promise.resolve();
// One large message is always accepted; beyond it, so much may wait for a slow peer.
const queueBytesMax = 4 * 1024 * 1024;

/** The sending half of a call: frames messages and waits for room. */
export class SendQueue {
  #stream: Http2Stream | undefined;
  #room: Promise<void> | undefined;
  #granted: (() => void) | undefined;
  #refused: ((error: unknown) => void) | undefined;
  #failure: { readonly error: unknown } | undefined;

  open(stream: Http2Stream): void {
    this.#stream = stream;
  }

  write(message: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    const stream = this.#stream as Http2Stream;
    if (stream.crowded === true) return Promise.reject(peersDoNotRead());
    if (stream.queuedBytes > queueBytesMax)
      return Promise.reject(new ProaError('overloaded', `the peer does not read: ${stream.queuedBytes} bytes wait to be sent`));
    if (stream.write(frame(message))) return ready;
    if (this.#room === undefined) {
      this.#room = new Promise((resolve, reject) => {
        this.#granted = resolve;
        this.#refused = reject;
      });
      // Not everybody waits; a rejection that nobody looks at is not an error of the process.
      this.#room.catch(() => {});
    }
    return this.#room;
  }

  drained(): void {
    const granted = this.#granted;
    this.#room = undefined;
    this.#granted = undefined;
    this.#refused = undefined;
    granted?.();
  }

  /** The call has ended: everything that waits or comes later is rejected with `error`. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#refused?.(error);
  }
}
