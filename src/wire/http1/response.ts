import type { Body } from '../../kernel/body.ts';
import type { Connection } from '../../kernel/ports.ts';
import type { TraceContext } from '../../kernel/trace-context.ts';
import { framingEnd, type AnswerFraming, type AnswerHeads } from './answer-heads.ts';
import { latin1 } from './latin1.ts';
import { OutgoingBody, type OutgoingFraming } from './outgoing-body.ts';
import { traceLine, utf8AsLatin1 } from './write-head.ts';

/** What a response needs to know of its connection. */
export interface ResponseOwner {
  readonly connection: Connection;
  readonly answers: AnswerHeads;
  /** True when the connection can stay open after this answer; asked once, when the head is written. `closes`: its end is the body's. */
  keepsAlive(closes: boolean): boolean;
  /** The client has to read before more of the answer is written. */
  responseBlocked(): void;
  /** The last byte of the answer was handed to the connection. */
  responseSent(): void;
  responseBroke(error: unknown): void;
}

/** Told once, when the last byte of the answer was handed over (undefined), or when it was cut off. */
export interface AnswerEnd {
  answered(error: unknown): void;
}

/** How a request is answered, whatever protocol it came over: once, by `send` or `sendBody`. */
export interface HttpAnswer {
  /** A whole answer. `headers` are flat name, value pairs; length and date are added. An invalid header is a `bad-request` error and nothing is sent. */
  send(status: number, headers: readonly string[], body?: string | Uint8Array): void;
  /** Streams an answer. A body that breaks off is not taken for complete by the client. */
  sendBody(status: number, headers: readonly string[], body: Body): void;
  /** There is one listener. */
  onEnd(listener: AnswerEnd): void;
  /** A header of whatever is sent, behind those that are given with it. */
  also(name: string, value: string): void;
  /** The same for the traceparent of a trace, which was checked, or made, where the trace began: nobody looks at it again. */
  traced(trace: TraceContext): void;
}

const joinBytesMax = 16 * 1024;
const continueLine = 'HTTP/1.1 100 Continue\r\n\r\n';

/** The answer to one request. After the client has gone every method does nothing; answering twice is an error of the caller. */
export class Http1Response implements HttpAnswer {
  readonly #owner: ResponseOwner;
  readonly #version: number;
  readonly #headOnly: boolean;
  #expecting: boolean;
  #outgoing: OutgoingBody | undefined = undefined;
  #ended: AnswerEnd | undefined = undefined;
  #also = '';
  #gone = false;
  /** An answer has been started. */
  begun = false;

  constructor(owner: ResponseOwner, request: { readonly version: number; readonly method: string; readonly expect: string | undefined }) {
    this.#owner = owner;
    this.#version = request.version;
    this.#headOnly = request.method === 'HEAD';
    this.#expecting = request.expect !== undefined && request.version === 11;
  }

  /**
   * Sends a whole answer in one write. `headers` are flat name, value pairs; length, connection and date are added. A string is
   * sent as UTF-8; bytes are given away. An invalid header is a `bad-request` error and nothing is sent.
   */
  send(status: number, headers: readonly string[], body: string | Uint8Array = ''): void {
    if (!this.#begin()) return;
    const text = typeof body === 'string' ? utf8AsLatin1(body) : undefined;
    const length = text === undefined ? body.length : text.length;
    const head = this.#head(status, headers, allowsBody(status) ? length : undefined);
    const { connection } = this.#owner;
    this.begun = true;
    let ok: boolean;
    if (this.#headOnly || length === 0 || !allowsBody(status)) ok = connection.write(head);
    else if (text !== undefined) ok = connection.write(head + text);
    else if (length <= joinBytesMax) ok = connection.write(head + latin1(body as Uint8Array));
    else {
      connection.cork();
      connection.write(head);
      ok = connection.write(body);
      connection.uncork();
    }
    if (!ok) this.#owner.responseBlocked();
    this.#finish();
  }

  /**
   * Streams an answer, with `content-length` when the body knows its length, else chunked (until close for HTTP/1.0). A body that
   * breaks off closes the connection, so that the client cannot take the answer for complete. Answers to HEAD keep the
   * `content-length` of `headers`.
   */
  sendBody(status: number, headers: readonly string[], body: Body): void {
    if (!this.#begin()) {
      body.discard();
      return;
    }
    const bodyless = this.#headOnly || !allowsBody(status);
    const framing: OutgoingFraming = body.length ?? (this.#version === 11 ? 'chunked' : 'until-close');
    const head = this.#head(status, headers, bodyless ? announced(status, headers, body) : framing);
    this.begun = true;
    if (bodyless) {
      body.discard();
      if (!this.#owner.connection.write(head)) this.#owner.responseBlocked();
      this.#finish();
      return;
    }
    if (body.latin1 !== undefined) {
      if (!this.#owner.connection.write(head + body.latin1)) this.#owner.responseBlocked();
      this.#finish();
      return;
    }
    this.#outgoing = new OutgoingBody(this.#owner.connection, this, head, framing);
    this.#outgoing.start(body);
  }

  /** Tells a client that waits for it to send its body. Piping the body does this by itself. */
  continue100(): void {
    if (!this.#expecting) return;
    this.#expecting = false;
    if (!this.begun && !this.#gone) this.#owner.connection.write(continueLine);
  }

  /** The client still waits for `100 Continue`. */
  get expecting(): boolean {
    return this.#expecting;
  }

  /** Closes the connection at once, whatever was sent. */
  abort(): void {
    if (!this.#gone) this.#owner.connection.destroy();
  }

  /** There is one listener. */
  onEnd(listener: AnswerEnd): void {
    this.#ended = listener;
  }

  /** A header of whatever is sent, behind those that are given with it. Fails as `send` does. */
  also(name: string, value: string): void {
    this.#also += this.#owner.answers.line(name, value);
  }

  traced(trace: TraceContext): void {
    this.#also += traceLine(trace);
  }

  /** For the connection only: the client reads again. */
  drain(): void {
    this.#outgoing?.drain();
  }

  /** For the connection only: the client has gone. */
  gone(reason: unknown): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#outgoing?.cancel(reason);
    this.#end(reason);
  }

  /** For the outgoing body only. */
  bodyBlocked(): void {
    this.#owner.responseBlocked();
  }

  /** For the outgoing body only. */
  bodySent(): void {
    this.#finish();
  }

  /** For the outgoing body only. */
  bodyBroke(error: unknown): void {
    if (this.#gone) return;
    this.#owner.responseBroke(error);
  }

  #begin(): boolean {
    if (this.#gone) return false;
    if (this.begun) throw new Error('the request was answered already');
    return true;
  }

  #head(status: number, headers: readonly string[], framing: AnswerFraming): string {
    const lines = this.#owner.answers.write(status, headers) + this.#also;
    if (!this.#owner.keepsAlive(framing === 'until-close')) return lines + 'connection: close\r\n' + framingEnd(framing);
    return lines + (this.#version === 10 ? 'connection: keep-alive\r\n' : '') + framingEnd(framing);
  }

  #finish(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#end(undefined);
    this.#owner.responseSent();
  }

  #end(error: unknown): void {
    const listener = this.#ended;
    this.#ended = undefined;
    listener?.answered(error);
  }
}

function allowsBody(status: number): boolean {
  return status !== 204 && status !== 304;
}

/** The length that an answer without body announces: what the handler says, else what the body knows. */
function announced(status: number, headers: readonly string[], body: Body): number | undefined {
  if (!allowsBody(status)) return undefined;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === 'content-length' && /^\d{1,15}$/.test(headers[i + 1] as string)) return Number(headers[i + 1]);
  }
  return body.length === 0 ? undefined : body.length;
}
