import type { Body, Flow, Sink } from '../../kernel/body.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Connection } from '../../kernel/ports.ts';
import { latin1 } from './latin1.ts';
import { headerLines } from './write-head.ts';

/** How the body is delimited: by its length, by chunks, or by closing the connection. */
export type OutgoingFraming = number | 'chunked' | 'until-close';

export interface OutgoingOwner {
  /** The peer has to read before more is written. */
  bodyBlocked(): void;
  /** The last byte was handed to the connection. */
  bodySent(): void;
  /** The body broke off or has another length than was promised; the message cannot be completed. */
  bodyBroke(error: unknown): void;
}

// Up to this size head and chunk leave as one latin1 string in one write; above, a copy of the bytes is cheaper.
const joinBytesMax = 16 * 1024;
const windowBytes = 64 * 1024;

/**
 * Writes head and body of one message. Chunks are copied (they lie in a shared buffer, and the kernel may take them later);
 * while the peer reads slower than we write the source gets no credit.
 */
export class OutgoingBody implements Sink {
  readonly #connection: Connection;
  readonly #owner: OutgoingOwner;
  readonly #framing: OutgoingFraming;
  #head: string;
  #remaining: number;
  #flow: Flow | undefined = undefined;
  #owed = 0;
  #finished = false;
  /** The peer has to read before more can be written. */
  blocked = false;

  constructor(connection: Connection, owner: OutgoingOwner, head: string, framing: OutgoingFraming) {
    this.#connection = connection;
    this.#owner = owner;
    this.#head = head;
    this.#framing = framing;
    this.#remaining = typeof framing === 'number' ? framing : Number.MAX_SAFE_INTEGER;
  }

  /** Bytes that are there already leave together with the head. */
  start(body: Body): void {
    const connection = this.#connection;
    const corked = this.#framing === 'chunked';
    if (corked) connection.cork();
    body.pipe(this);
    if (!this.#finished && this.#head !== '') this.#write('');
    if (corked) connection.uncork();
  }

  open(flow: Flow): void {
    this.#flow = flow;
    flow.credit(windowBytes);
  }

  chunk(chunk: Uint8Array): void {
    if (this.#finished) return;
    const { length } = chunk;
    if (length === 0) return;
    if (length > this.#remaining) {
      this.#break(new ProaError('body-read', `the body is longer than the ${String(this.#framing)} bytes that were announced`));
      return;
    }
    this.#remaining -= length;
    const ok = this.#framing === 'chunked' ? this.#writeChunk(chunk) : this.#writePlain(chunk);
    if (ok) this.#flow?.credit(length);
    else {
      this.#owed += length;
      this.#block();
    }
  }

  end(trailers?: readonly string[]): void {
    if (this.#finished) return;
    if (typeof this.#framing === 'number' && this.#remaining > 0) {
      this.#break(new ProaError('body-read', `the body ended ${this.#remaining} bytes before its announced length`));
      return;
    }
    if (this.#framing === 'chunked') {
      let lines: string;
      try {
        lines = trailers === undefined ? '' : headerLines(trailers);
      } catch (error) {
        this.#break(error);
        return;
      }
      if (!this.#write('0\r\n' + lines + '\r\n')) this.#block();
    } else if (this.#head !== '' && !this.#write('')) this.#block();
    this.#finished = true;
    this.#owner.bodySent();
  }

  fail(error: unknown): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#owner.bodyBroke(error);
  }

  /** The connection takes bytes again. */
  drain(): void {
    this.blocked = false;
    const owed = this.#owed;
    this.#owed = 0;
    if (owed > 0 && !this.#finished) this.#flow?.credit(owed);
  }

  /** The connection is gone, or nobody wants the rest: the source is told to stop. */
  cancel(reason: unknown): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#flow?.cancel(reason);
  }

  #block(): void {
    this.blocked = true;
    this.#owner.bodyBlocked();
  }

  #break(error: unknown): void {
    this.cancel(error);
    this.#owner.bodyBroke(error);
  }

  #write(text: string): boolean {
    const all = this.#head + text;
    this.#head = '';
    return this.#connection.write(all);
  }

  #writePlain(chunk: Uint8Array): boolean {
    if (chunk.length <= joinBytesMax) return this.#write(latin1(chunk));
    const connection = this.#connection;
    if (this.#head === '') return connection.write(Buffer.from(chunk));
    connection.cork();
    this.#write('');
    const ok = connection.write(Buffer.from(chunk));
    connection.uncork();
    return ok;
  }

  #writeChunk(chunk: Uint8Array): boolean {
    const size = chunk.length.toString(16) + '\r\n';
    if (chunk.length <= joinBytesMax) return this.#write(size + latin1(chunk) + '\r\n');
    const connection = this.#connection;
    connection.cork();
    this.#write(size);
    connection.write(Buffer.from(chunk));
    const ok = connection.write('\r\n');
    connection.uncork();
    return ok;
  }
}
