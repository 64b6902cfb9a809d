import { latin1Text, partOf } from '../../kernel/bytes.ts';
import { emptyBody, latin1Body, type Body } from '../../kernel/body.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Timed } from '../http1/sweep.ts';
import { closeCodes } from './frame.ts';
import type { HeadForm } from './fields-reader.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Head, ReadHead } from './head.ts';
import type { Hello } from './hello.ts';
import { IncomingBody, type IncomingOwner } from './incoming-body.ts';
import { OutgoingBody, type OutgoingOwner } from './outgoing-body.ts';
import { codeOf } from './reasons.ts';

// One for all: it is handed over with every answer, and hardly ever anybody looks at it.
const answeredEarly = new ProaError('cancelled', 'the peer answered before it had the whole request');

/** What a stream needs of its connection. */
export interface StreamLink {
  readonly out: FrameWriter;
  /** Bytes that the peer may send on a new stream, and what it lets us send. */
  readonly windowBytes: number;
  readonly peer: Hello;
  /** How much a window of this size may grow now; the stream gives it back at its end. */
  grow(windowBytes: number): number;
  shrink(bytes: number): void;
  /** Gives the stream's place to others. */
  release(stream: MuxStream): void;
  /** The stream is over: it uses nothing of the connection any more. */
  forget(stream: MuxStream): void;
  /** The peer broke the protocol. */
  breach(reason: string): void;
}

/** What the peer sent: a request, or an answer. Piped inside the callback its body is delivered without being copied. */
export interface Incoming {
  /** Shared with other messages that say the same. */
  readonly fields: readonly string[];
  /** The same for messages whose fields differ in a few known places only; undefined for one that is not kept. */
  readonly form: HeadForm | undefined;
  readonly timeoutMs: number | undefined;
  readonly body: Body;
}

export interface StreamHandlers {
  /** Called at most once. */
  head(message: Incoming): void;
  /** The stream was given up by either side, or the connection broke: instead of the head, or (on servers) before the answer was complete. */
  fail(error: ProaError): void;
  /** The stream is over, whichever way; nothing can be cancelled any more. */
  done?(): void;
}

/** A body that has arrived as a whole and is not larger is copied once; more would be held in a queue anyway. */
const wholeBytesMax = 16 * 1024;
const silent: StreamHandlers = { head() {}, fail() {} };

/**
 * One call on a connection: a message each way, each a head, a body and perhaps trailers. The end of the answer is the end of the stream: what
 * is then left of the request is not sent any more.
 */
export class MuxStream implements IncomingOwner, OutgoingOwner, Timed {
  readonly id: number;
  readonly #link: StreamLink;
  readonly #asking: boolean;
  handlers: StreamHandlers = silent;
  #outgoing: OutgoingBody | undefined = undefined;
  #incoming: IncomingBody | undefined = undefined;
  #headCame = false;
  #endCame = false;
  #window: number;
  #granted: number;
  #freed = 0;
  #error: ProaError | undefined = undefined;
  #sent: ((error: ProaError | undefined) => void) | undefined = undefined;
  closed = false;
  dueMs = Infinity;
  slot = -1;

  /** `asking`: we opened it. */
  constructor(id: number, link: StreamLink, asking: boolean) {
    this.id = id;
    this.#link = link;
    this.#asking = asking;
    this.#window = link.windowBytes;
    this.#granted = link.windowBytes;
  }

  /** Calls once: with undefined when our message was handed over as a whole, with an error when the stream was given up before. One listener. */
  onSent(listener: (error: ProaError | undefined) => void): void {
    if (this.closed) listener(this.#error);
    else this.#sent = listener;
  }

  /** Sends an answer. After the stream was closed it only discards the body. Throws `bad-request` for a head that the peer would not take. */
  send(fields: readonly string[], body: Body): void {
    this.sendMessage({ fields, last: undefined, timeoutMs: undefined, bodyLength: body.length }, body);
  }

  /** As `send`, for a head of any kind. */
  sendMessage(head: Head, body: Body): void {
    if (this.closed) {
      body.discard();
      return;
    }
    const link = this.#link;
    const { out, peer } = link;
    const fieldsBytes = out.check(head);
    const text = body === emptyBody ? '' : body.latin1;
    if (text !== undefined && out.takesWhole(fieldsBytes, text.length) && text.length <= peer.windowBytes) {
      // The place is free before the peer can know that it is.
      if (!this.#asking) link.release(this);
      out.whole(this.id, { head, fieldsBytes, text });
      return this.#handedOver();
    }
    out.head(this.id, head, fieldsBytes);
    const outgoing = new OutgoingBody(this, peer.windowBytes);
    this.#outgoing = outgoing;
    body.pipe(outgoing);
    out.sealHead();
  }

  /** Gives the stream up; the peer learns why. */
  reset(error: ProaError, code = codeOf(error)): void {
    if (this.closed) return;
    this.#link.out.reset(this.id, code, error.message);
    this.close(error);
  }

  // Timed

  expire(): void {
    this.reset(new ProaError('deadline-exceeded', 'the call took longer than its deadline'));
  }

  // OutgoingOwner

  get writable(): boolean {
    return !this.#link.out.blocked;
  }

  sendData(bytes: Uint8Array): void {
    this.#link.out.data(this.id, bytes);
  }

  sendEnd(trailers: readonly string[] | undefined): void {
    if (trailers !== undefined) {
      try {
        this.#link.out.check({ fields: trailers });
      } catch (error) {
        return this.bodyBroke(error);
      }
    }
    if (!this.#asking) this.#link.release(this);
    this.#link.out.end(this.id, trailers);
    this.#handedOver();
  }

  #handedOver(): void {
    this.#tell(undefined);
    if (!this.#asking) this.#end();
  }

  bodyBroke(error: unknown): void {
    this.reset(ProaError.from(error, 'body-read'), closeCodes.body);
  }

  // IncomingOwner

  bodyTook(bytes: number): void {
    this.#freed += bytes;
    if (this.#endCame || this.closed || this.#freed * 2 < this.#window) return;
    const more = this.#link.grow(this.#window);
    const credit = this.#freed + more;
    this.#window += more;
    this.#granted += credit;
    this.#freed = 0;
    this.#link.out.credit(this.id, credit);
  }

  bodyDropped(reason: unknown): void {
    // An answer that nobody reads ends the call; to a request that nobody reads an answer may still come.
    if (!this.#asking) return;
    this.reset(isProaError(reason) ? reason : new ProaError('cancelled', 'the rest of the answer is not wanted', { cause: reason }));
  }

  // For the link

  /** The peer's head, and the bytes of the frame that it came in. */
  takeHead(head: ReadHead, bytes: Buffer, end: boolean): void {
    if (this.#headCame) return this.#link.breach('a message with two heads');
    this.#headCame = true;
    this.#endCame = end;
    const { fields, form, timeoutMs, bodyAt, bodyEnd } = head;
    const firstBytes = bodyEnd - bodyAt;
    if (end && firstBytes <= wholeBytesMax) {
      const body = firstBytes === 0 ? emptyBody : latin1Body(latin1Text(bytes, bodyAt, bodyEnd));
      this.#cameWhole();
      this.handlers.head({ fields, form, timeoutMs, body });
      return;
    }
    const body = new IncomingBody(this, end ? firstBytes : head.bodyLength);
    this.#incoming = body;
    this.handlers.head({ fields, form, timeoutMs, body });
    if (firstBytes > 0) this.#arrive(partOf(bytes, bodyAt, bodyEnd));
    if (end) this.#finish(undefined);
  }

  takeData(bytes: Uint8Array): void {
    if (!this.#headCame || this.#endCame) return this.#link.breach('data outside of a message');
    this.#arrive(bytes);
  }

  takeEnd(trailers: readonly string[] | undefined): void {
    if (!this.#headCame || this.#endCame) return this.#link.breach('an end outside of a message');
    this.#endCame = true;
    this.#finish(trailers);
  }

  takeCredit(bytes: number): void {
    if (this.#outgoing?.grant(bytes) === false) this.#link.breach('a window grew beyond 2^31-1 bytes');
  }

  /** The connection takes bytes again. */
  drain(): void {
    this.#outgoing?.pump();
  }

  /** Ends the stream on this side without a word to the peer. Whoever still waits for something learns why. */
  close(error: ProaError): void {
    if (this.closed) return;
    this.#error = error;
    const { handlers } = this;
    this.#end();
    this.#outgoing?.cancel(error);
    this.#incoming?.fail(error);
    this.#tell(error);
    if (!this.#asking || !this.#headCame) handlers.fail(error);
  }

  #arrive(bytes: Uint8Array): void {
    this.#granted -= bytes.length;
    if (this.#granted < 0) this.#link.breach('more data than was granted');
    else this.#incoming?.arrive(bytes);
  }

  #finish(trailers: readonly string[] | undefined): void {
    this.#cameWhole();
    this.#incoming?.finish(trailers);
  }

  #cameWhole(): void {
    if (!this.#asking || this.closed) return;
    this.#end();
    this.#outgoing?.cancel(answeredEarly);
  }

  #tell(error: ProaError | undefined): void {
    const listener = this.#sent;
    this.#sent = undefined;
    listener?.(error);
  }

  #end(): void {
    if (this.closed) return;
    this.closed = true;
    const link = this.#link;
    link.shrink(this.#window - link.windowBytes);
    link.forget(this);
    this.handlers.done?.();
  }
}
