import { emptyBody, type Body } from '../../kernel/body.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { TraceContext } from '../../kernel/trace-context.ts';
import type { Clock } from '../../kernel/ports.ts';
import { faults, type Fault } from '../http1/fault.ts';
import type { Http1Request } from '../http1/request.ts';
import type { AnswerEnd, HttpAnswer } from '../http1/response.ts';
import type { Sweep, Timed } from '../http1/sweep.ts';
import { encodeHeaders } from './header-encoder.ts';
import { http2Codes, type HeaderList, type Http2Stream, type Http2StreamHandlers } from './http2.ts';
import { StreamBody, type StreamBodyOwner } from './stream-body.ts';
import { StreamSink } from './stream-sink.ts';

/** What the requests of one server share. */
export interface RequestsShared {
  readonly clock: Clock;
  readonly sweep: Sweep;
  readonly bodyTimeoutMs: number;
  readonly handler: (request: Http1Request, answer: HttpAnswer) => void;
  /** Something that the handler threw. */
  readonly onError: (error: unknown) => void;
}

/** One request over HTTP/2 and its answer, in the shape that handlers of HTTP/1.1 know. */
export class RequestStream implements Http2StreamHandlers, HttpAnswer, StreamBodyOwner, Timed {
  readonly #stream: Http2Stream;
  readonly #request: Http1Request;
  readonly #shared: RequestsShared;
  #body: StreamBody | undefined = undefined;
  #sink: StreamSink | undefined = undefined;
  #dispatched = false;
  #ended: AnswerEnd | undefined = undefined;
  #also: string[] = [];
  #begun = false;
  #expecting: boolean;
  #closed: { readonly reason: unknown } | undefined = undefined;
  #progressMs = 0;
  slot = -1;

  constructor(stream: Http2Stream, request: Http1Request, shared: RequestsShared) {
    this.#stream = stream;
    this.#request = request;
    this.#shared = shared;
    this.#expecting = request.expect !== undefined;
    shared.sweep.add(this);
    // Whether there is a body is known when the bytes that came together have been read.
    shared.clock.soon(() => this.#dispatch());
  }

  // Timed

  get dueMs(): number {
    return this.#body?.wanting === true ? this.#progressMs + this.#shared.bodyTimeoutMs : Infinity;
  }

  expire(): void {
    const { reason } = faults.bodySlow;
    if (this.#begun) this.#stream.reset(http2Codes.cancel);
    else this.refuse(faults.bodySlow);
    this.#body?.fail(new ProaError('bad-request', reason));
  }

  // Http2StreamHandlers

  headers(): void {}

  data(chunk: Uint8Array): void {
    this.#progressMs = this.#shared.sweep.nowMs;
    this.#dispatch();
    this.#body?.push(chunk);
  }

  end(trailers: HeaderList): void {
    if (!this.#dispatched) this.#dispatch(true);
    else this.#body?.ended(trailers);
  }

  drain(): void {
    this.#sink?.drain();
  }

  close(code: number): void {
    this.#shared.sweep.remove(this);
    const complete = code === http2Codes.noError && this.#begun;
    const reason = complete ? undefined : new ProaError('cancelled', 'the client gave the request up');
    this.#closed = { reason };
    this.#dispatched = true;
    this.#sink?.cancel(reason);
    this.#body?.fail(reason ?? new ProaError('cancelled', 'the request was answered'));
    if (!complete) this.#request.cancel.cancel(reason);
    this.#tellEnd(reason);
  }

  // StreamBodyOwner

  bodyWanted(): void {
    this.#progressMs = this.#shared.sweep.nowMs;
    if (this.#expecting && !this.#begun) this.#stream.sendHeaders([':status', '100']);
    this.#expecting = false;
    this.#stream.resume();
  }

  bodyFull(): void {
    this.#stream.pause();
  }

  // The rest is read to be thrown away, until the answer ends the stream.
  bodyDropped(): void {
    this.#stream.resume();
  }

  // HttpAnswer

  send(status: number, headers: readonly string[], body: string | Uint8Array = ''): void {
    if (!this.#begin()) return;
    const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
    const bodyless = this.#bodyless(status);
    const head = this.#head(status, headers, allowsBody(status) ? bytes.length : undefined);
    this.#begun = true;
    // A peer that asks and does not read: what is whole in memory is not kept for it.
    if (!bodyless && this.#stream.crowded === true) {
      this.#stream.reset(http2Codes.enhanceYourCalm);
      return;
    }
    this.#stream.sendHeaders(head, bodyless || bytes.length === 0);
    if (bodyless || bytes.length === 0) return;
    this.#stream.write(bytes);
    this.#stream.end();
  }

  sendBody(status: number, headers: readonly string[], body: Body): void {
    if (!this.#begin()) {
      body.discard();
      return;
    }
    const bodyless = this.#bodyless(status);
    const length = bodyless ? announced(headers, body.length) : body.length;
    const head = this.#head(status, headers, allowsBody(status) ? length : undefined);
    this.#begun = true;
    this.#stream.sendHeaders(head, bodyless);
    if (bodyless) {
      body.discard();
      return;
    }
    this.#sink = new StreamSink(this.#stream, body.length, () => {});
    body.pipe(this.#sink);
  }

  onEnd(listener: AnswerEnd): void {
    this.#ended = listener;
    if (this.#closed !== undefined) this.#tellEnd(this.#closed.reason);
  }

  also(name: string, value: string): void {
    encodeHeaders([name, value]);
    this.#also.push(name, value);
  }

  traced({ traceparent }: TraceContext): void {
    this.#also.push('traceparent', traceparent);
  }

  /** The answer of the codec itself. */
  refuse({ status, reason }: Fault): void {
    this.#dispatched = true;
    this.send(status, ['content-type', 'text/plain'], `${reason}\n`);
  }

  #dispatch(ended = false): void {
    if (this.#dispatched) return;
    this.#dispatched = true;
    const request = this.#request;
    if (ended || request.contentLength === 0) request.body = emptyBody;
    else {
      this.#body = new StreamBody(this, request.contentLength === -1 ? undefined : request.contentLength);
      request.body = this.#body;
    }
    try {
      this.#shared.handler(request, this);
    } catch (error) {
      this.#shared.onError(error);
      if (this.#begun) this.#stream.reset(http2Codes.internalError);
      else this.refuse({ status: 500, reason: 'internal error' });
    }
  }

  #begin(): boolean {
    if (this.#closed !== undefined) return false;
    if (this.#begun) throw new Error('the request was answered already');
    return true;
  }

  #bodyless(status: number): boolean {
    return this.#request.method === 'HEAD' || !allowsBody(status);
  }

  #head(status: number, headers: readonly string[], length: number | undefined): HeaderList {
    const list = [':status', String(status)];
    let dated = false;
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const name = (headers[i] as string).toLowerCase();
      if (leftOut.has(name)) continue;
      dated ||= name === 'date';
      list.push(name, headers[i + 1] as string);
    }
    list.push(...this.#also);
    if (!dated) list.push('date', this.#shared.sweep.date);
    if (length !== undefined) list.push('content-length', String(length));
    // Throws for what cannot be sent, before anything was.
    encodeHeaders(list);
    return list;
  }

  #tellEnd(reason: unknown): void {
    const listener = this.#ended;
    this.#ended = undefined;
    listener?.answered(reason);
  }
}

// What frames a message of HTTP/1.1 has no place here (RFC 9113, section 8.2.2); the length is ours to say.
const leftOut = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'content-length']);

function allowsBody(status: number): boolean {
  return status !== 204 && status !== 304;
}

/** The length that an answer without body announces: what the handler says, else what the body knows. */
function announced(headers: readonly string[], known: number | undefined): number | undefined {
  for (let i = 0; i + 1 < headers.length; i += 2)
    if (headers[i]?.toLowerCase() === 'content-length' && /^\d{1,15}$/.test(headers[i + 1] as string)) return Number(headers[i + 1]);
  return known;
}
