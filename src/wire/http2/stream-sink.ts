import type { Flow, Sink } from '../../kernel/body.ts';
import { ProaError } from '../../kernel/errors.ts';
import { http2Codes, type Http2Stream } from './http2.ts';

const windowBytes = 64 * 1024;

/**
 * Sends a body on a stream and ends our side with it. While the peer reads slower than we write the source gets no credit. A body that breaks off or has
 * another length than was announced resets the stream, so that the peer cannot take the message for complete.
 */
export class StreamSink implements Sink {
  readonly #stream: Http2Stream;
  readonly #length: number | undefined;
  readonly #broke: (error: unknown) => void;
  #remaining: number;
  #flow: Flow | undefined = undefined;
  #owed = 0;
  #finished = false;

  constructor(stream: Http2Stream, length: number | undefined, broke: (error: unknown) => void) {
    this.#stream = stream;
    this.#length = length;
    this.#broke = broke;
    this.#remaining = length ?? Number.MAX_SAFE_INTEGER;
  }

  open(flow: Flow): void {
    this.#flow = flow;
    flow.credit(windowBytes);
  }

  chunk(chunk: Uint8Array): void {
    if (this.#finished) return;
    const { length } = chunk;
    if (length > this.#remaining) {
      this.#break(new ProaError('body-read', `the body is longer than the ${this.#length} bytes that were announced`));
      return;
    }
    this.#remaining -= length;
    if (this.#stream.write(chunk)) this.#flow?.credit(length);
    else this.#owed += length;
  }

  end(trailers?: readonly string[]): void {
    if (this.#finished) return;
    if (this.#length !== undefined && this.#remaining > 0) {
      this.#break(new ProaError('body-read', `the body ended ${this.#remaining} bytes before its announced length`));
      return;
    }
    this.#finished = true;
    this.#stream.end(trailers);
  }

  fail(error: unknown): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#stream.reset(http2Codes.internalError);
    this.#broke(error);
  }

  /** The stream takes bytes again. */
  drain(): void {
    const owed = this.#owed;
    this.#owed = 0;
    if (owed > 0 && !this.#finished) this.#flow?.credit(owed);
  }

  /** The stream is gone: the source is told to stop. */
  cancel(reason: unknown): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#flow?.cancel(reason);
  }

  #break(error: unknown): void {
    this.#finished = true;
    this.#flow?.cancel(error);
    this.#stream.reset(http2Codes.internalError);
    this.#broke(error);
  }
}
