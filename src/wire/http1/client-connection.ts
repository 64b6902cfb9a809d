import { latin1Text } from '../../kernel/bytes.ts';
import { emptyBody, latin1Body, type Body } from '../../kernel/body.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Connection, ConnectionHandlers } from '../../kernel/ports.ts';
import { emptyFraming, Http1ClientResponse, type CallCarrier, type ClientCall } from './client-call.ts';
import type { Http1ClientLimits } from './client-limits.ts';
import { faults } from './fault.ts';
import { hasBareLineFeed, headEnd } from './head-end.ts';
import type { HeadMemo } from './head-memo.ts';
import { IncomingBody, type BodyOwner, type Framing } from './incoming-body.ts';
import { Inflow } from './inflow.ts';
import { OutgoingBody, type OutgoingOwner } from './outgoing-body.ts';
import type { RequestHeads } from './request-heads.ts';
import { blankResponseHead, parseResponseFields, parseStatusLine, type ResponseHead } from './response-head.ts';
import type { Sweep, Timed } from './sweep.ts';
import { chunkedEnd, lengthEnd } from './write-head.ts';

/** What the connections of one pool share. */
export interface PoolShared {
  readonly limits: Http1ClientLimits & { readonly guardedNames: ReadonlySet<string>; readonly bodyBytesMax: number };
  readonly sweep: Sweep;
  /** The server as errors name it. */
  readonly authority: string;
  readonly heads: RequestHeads;
  readonly memo: HeadMemo<ResponseHead>;
  /** The connection can carry the next call. */
  free(connection: ClientConnection): void;
  /** The connection is gone. `retry` is a call that got no byte of an answer from a kept connection and may be sent again. */
  gone(connection: ClientConnection, retry: ClientCall | undefined): void;
}

/** Answers up to this size are copied when all of them has arrived with the head. */
const copiedBytesMax = 16 * 1024;
/** So long before the server said that it closes an idle connection, or half of that time before, no call is sent on it any more. */
const farewellMs = 1_000;

type State = 'idle' | 'head' | 'body' | 'closed';

/** A connection to a server; it carries one call at a time. */
export class ClientConnection implements ConnectionHandlers, BodyOwner, OutgoingOwner, CallCarrier, Timed {
  readonly #connection: Connection;
  readonly #shared: PoolShared;
  readonly #inflow = new Inflow();
  #state: State = 'idle';
  #call: ClientCall | undefined = undefined;
  #outgoing: OutgoingBody | undefined = undefined;
  #body: IncomingBody | undefined = undefined;
  #sent = true;
  #opened = false;
  #used = false;
  #answered = false;
  #persistent = true;
  #interim = 0;
  #pumping = false;
  #paused = false;
  #peerEnded = false;
  #dropped = 0;
  #error: ProaError | undefined = undefined;
  #readDueMs = Infinity;
  #writeDueMs = Infinity;
  /** How long it may be idle. */
  #idleMs: number;
  slot = -1;

  constructor(connection: Connection, shared: PoolShared) {
    this.#connection = connection;
    this.#shared = shared;
    connection.handlers = this;
    this.#writeDueMs = shared.sweep.nowMs + shared.limits.connectTimeoutMs;
    this.#idleMs = shared.limits.idleTimeoutMs;
    this.#readDueMs = shared.sweep.nowMs + this.#idleMs;
  }

  get dueMs(): number {
    return Math.min(this.#readDueMs, this.#writeDueMs);
  }

  /** Sends a call. The connection must be idle, or new. What must not be sent fails the call and leaves the connection as it is. */
  start(call: ClientCall): void {
    const { request } = call;
    const body = request.body ?? emptyBody;
    let head: string;
    try {
      head = this.#shared.heads.write(request);
    } catch (error) {
      call.fail(ProaError.from(error, 'bad-request'));
      this.#shared.free(this);
      return;
    }
    this.#call = call;
    call.carrier = this;
    this.#state = 'head';
    this.#answered = false;
    this.#interim = 0;
    this.#readDueMs = call.dueMs;
    if (body.length === 0) {
      this.#sent = true;
      if (!this.#connection.write(head + emptyFraming(request.method))) this.bodyBlocked();
    } else if (body.latin1 !== undefined) {
      this.#sent = true;
      if (!this.#connection.write(head + lengthEnd(body.latin1.length) + body.latin1)) this.bodyBlocked();
    } else this.#sendBody(head, body);
  }

  #sendBody(head: string, body: Body): void {
    const framing = body.length ?? 'chunked';
    this.#sent = false;
    const end = framing === 'chunked' ? chunkedEnd : lengthEnd(framing);
    const outgoing = new OutgoingBody(this.#connection, this, head + end, framing);
    this.#outgoing = outgoing;
    outgoing.start(body);
  }

  /** Cuts the connection off; the pool knows before this returns. */
  destroy(): void {
    this.#connection.destroy();
    this.close(undefined);
  }

  // ConnectionHandlers

  open(): void {
    this.#opened = true;
    this.#writeDueMs = Infinity;
    if (this.#outgoing?.blocked === true) this.bodyBlocked();
  }

  data(chunk: Uint8Array): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'idle') {
      // Nobody asked: whatever it is must not become the answer to the next call.
      this.destroy();
      return;
    }
    this.#answered = true;
    this.#opened = true;
    this.#inflow.push(chunk);
    this.#run();
    this.#inflow.keep();
    this.#hold();
  }

  end(): void {
    this.#opened = true;
    this.#peerEnded = true;
    if (this.#state === 'body') this.#pump();
    else this.destroy();
  }

  drain(): void {
    if (this.#opened) this.#writeDueMs = Infinity;
    this.#outgoing?.drain();
  }

  close(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    const wasHead = this.#state === 'head';
    const call = this.#call;
    this.#shared.sweep.remove(this);
    const failure = this.#error ?? this.#diagnose(error);
    this.#outgoing?.cancel(failure);
    let retry: ClientCall | undefined;
    if (call !== undefined && wasHead) {
      if (this.#canRetry(call)) retry = call;
      this.#call = undefined;
    }
    this.#error = failure;
    this.#state = 'closed';
    this.#closeBody();
    this.#shared.gone(this, retry);
    if (call !== undefined && wasHead && retry === undefined) call.fail(failure);
  }

  // BodyOwner

  bodyWanted(): void {
    if (this.#pumping) return;
    this.#pump();
    if (this.#paused && this.#inflow.waiting === 0) this.#resume();
  }

  // OutgoingOwner

  bodyBlocked(): void {
    if (this.#opened) this.#writeDueMs = this.#shared.sweep.nowMs + this.#shared.limits.writeTimeoutMs;
  }

  bodySent(): void {
    this.#sent = true;
    if (this.#state === 'body' && this.#body === undefined) this.#finish();
  }

  bodyBroke(error: unknown): void {
    this.#abort(ProaError.from(error, 'body-read'));
  }

  // CallCarrier

  cancelled(_call: ClientCall, error: ProaError): void {
    this.#abort(error);
  }

  // Timed

  expire(nowMs: number): void {
    const { authority } = this.#shared;
    if (this.#state === 'idle') this.destroy();
    else if (!this.#opened) this.#abort(new ProaError('unavailable', `${authority} did not accept a connection in time`));
    else if (this.#writeDueMs <= nowMs) this.#abort(new ProaError('http.broken', `${authority} does not read the request`));
    else if (this.#state === 'head') this.#abort(new ProaError('deadline-exceeded', `${authority} did not answer in time`));
    else this.#abort(new ProaError('http.broken', `the answer of ${authority} stopped in the middle`));
  }

  #run(): void {
    while (this.#state === 'head') if (!this.#takeHead()) return;
    if (this.#state === 'body') this.#pump();
  }

  /** Parses one head; true when there may be another one behind it. */
  #takeHead(): boolean {
    const inflow = this.#inflow;
    const { limits, authority } = this.#shared;
    if (inflow.waiting === 0) return false;
    const head = this.#readHead();
    if (typeof head === 'string') {
      this.#refuse(head);
      return false;
    }
    if (head === undefined) return false;
    if (head.status >= 200) {
      this.#answer(head);
      return false;
    }
    if (head.status === 101) this.#refuse('the protocol was switched unasked');
    else if (++this.#interim > limits.interimMax) this.#refuse(`${authority} sends interim answers without end`);
    return true;
  }

  /** The head that begins the inflow, and moves behind it: undefined when not all of it is there yet, or what is wrong. */
  #readHead(): ResponseHead | string | undefined {
    const inflow = this.#inflow;
    const { bytes, at, end } = inflow;
    const { limits, memo } = this.#shared;
    const known = memo.match(bytes, at, end);
    if (known !== undefined) {
      inflow.at = at + known.length;
      return known.said;
    }
    const head = blankResponseHead();
    const line = parseStatusLine(bytes, { start: at, end }, head);
    const stop = headEnd(bytes, at, end);
    if (stop === -1 || stop - at > limits.headerBytesMax) {
      if (hasBareLineFeed(bytes, at, end)) return faults.bareLineFeed.reason;
      return end - at > limits.headerBytesMax ? 'the head is too large' : undefined;
    }
    if (line === -1) return faults.statusLine.reason;
    const fault = parseResponseFields(bytes, { start: line, end: stop }, limits, head);
    if (fault !== undefined) return fault.reason;
    memo.keep(bytes, { at, stop, end }, head);
    inflow.at = stop;
    return head;
  }

  #answer(head: ResponseHead): void {
    const call = this.#call as ClientCall;
    const { sweep, limits } = this.#shared;
    const framing = framingOf(head, call.request.method);
    this.#persistent = framing !== 'until-close' && !head.close && (head.version === 11 || head.keepAlive);
    // Let go of before the server does it: a call that crosses its farewell on the way is lost, and not every call may be sent again.
    this.#idleMs = Math.min(limits.idleTimeoutMs, Math.max(head.keptMs - farewellMs, head.keptMs / 2));
    this.#state = 'body';
    this.#readDueMs = Infinity;
    if (framing === undefined) {
      // The connection is free before the caller learns of it: its next call finds it.
      if (this.#sent) this.#finish();
      call.head(new Http1ClientResponse(head, emptyBody));
      if (this.#state === 'body' && !this.#sent && this.#call === call) this.#early();
      return;
    }
    if (this.#sent && typeof framing === 'object' && this.#whole(framing.length)) {
      // A small answer that is there already is copied once: stopping and starting to read costs far more than its bytes.
      const { bytes, at } = this.#inflow;
      const body = latin1Body(latin1Text(bytes, at, at + framing.length));
      this.#inflow.at = at + framing.length;
      this.#finish();
      call.head(new Http1ClientResponse(head, body));
      return;
    }
    this.#body = new IncomingBody(this, framing, limits);
    this.#dropped = 0;
    this.#readDueMs = sweep.nowMs + limits.heldTimeoutMs;
    call.head(new Http1ClientResponse(head, this.#body));
  }

  #whole(length: number): boolean {
    return length <= copiedBytesMax && this.#inflow.end - this.#inflow.at >= length;
  }

  /** The whole answer came before the whole request was sent: the rest is not worth sending. */
  #early(): void {
    const error = new ProaError('cancelled', 'the peer answered before it had the whole request');
    this.#outgoing?.cancel(error);
    this.#persistent = false;
    this.#sent = true;
    this.#finish();
  }

  #pump(): void {
    const body = this.#body;
    const inflow = this.#inflow;
    if (body === undefined || this.#pumping) return;
    this.#pumping = true;
    const result = body.take(inflow.bytes, inflow.at, inflow.end);
    this.#pumping = false;
    if (typeof result !== 'number') {
      this.#refuse(result.reason);
      return;
    }
    const count = result - inflow.at;
    inflow.at = result;
    if (body.dropped && !body.complete && this.#tooMuchToDrop(body, count)) {
      this.#abort(new ProaError('cancelled', 'the rest of the answer is not wanted'));
      return;
    }
    if (!body.complete && inflow.waiting === 0) {
      if (this.#state === 'closed') this.#closeBody();
      else if (this.#peerEnded)
        body.ended(new ProaError('http.broken', `${this.#shared.authority} closed the connection in the middle of its answer`));
    }
    if (body.complete) this.#bodyDone();
    else if (body.failed) this.destroy();
    else
      this.#readDueMs = this.#shared.sweep.nowMs + (body.wanting ? this.#shared.limits.bodyTimeoutMs : this.#shared.limits.heldTimeoutMs);
  }

  /** A body that nobody wants is read to its end when that is near; else its connection is worth less than the bytes. */
  #tooMuchToDrop(body: IncomingBody, count: number): boolean {
    this.#dropped += count;
    const max = this.#shared.limits.unreadBytesMax;
    return this.#dropped > max || body.remaining === undefined || body.remaining > max;
  }

  #bodyDone(): void {
    this.#body = undefined;
    if (this.#state === 'closed') return;
    if (this.#sent) this.#finish();
    else this.#early();
  }

  /** The exchange is over: the connection is kept, or closed when it cannot be trusted with another call. */
  #finish(): void {
    const call = this.#call;
    this.#call = undefined;
    this.#outgoing = undefined;
    call?.done();
    if (this.#state === 'closed') return;
    this.#state = 'idle';
    this.#used = true;
    this.#readDueMs = this.#shared.sweep.nowMs + this.#idleMs;
    if (!this.#persistent || this.#peerEnded || this.#inflow.waiting > 0) {
      this.#inflow.clear();
      this.destroy();
      return;
    }
    if (this.#paused) this.#resume();
    this.#shared.free(this);
  }

  /** What the connection still holds can be read after it has closed; then the body ends as the connection did. */
  #closeBody(): void {
    const body = this.#body;
    if (body === undefined || (this.#inflow.waiting > 0 && !body.wanting)) return;
    this.#body = undefined;
    this.#call?.done();
    this.#call = undefined;
    if (this.#peerEnded) body.ended(this.#error);
    else body.fail(this.#error);
  }

  #hold(): void {
    const body = this.#body;
    const full = this.#state === 'body' && body !== undefined && !body.wanting && this.#inflow.waiting > 0;
    if (full && !this.#paused) {
      this.#paused = true;
      this.#connection.pause();
    }
  }

  #resume(): void {
    this.#paused = false;
    this.#connection.resume();
  }

  #refuse(reason: string): void {
    this.#abort(new ProaError('http.protocol', `${this.#shared.authority} sent an answer that is not valid: ${reason}`));
  }

  /** Gives the connection and its call up. */
  #abort(error: ProaError): void {
    if (this.#state === 'closed') return;
    this.#error ??= error;
    this.#peerEnded = false;
    this.#inflow.clear();
    this.destroy();
  }

  #diagnose(error: Error | undefined): ProaError {
    const { authority } = this.#shared;
    const why = (error as { code?: string } | undefined)?.code ?? error?.message ?? 'closed by the peer';
    if (!this.#opened) return new ProaError('unavailable', `cannot connect to ${authority}: ${why}`, { cause: error });
    return new ProaError('http.broken', `the connection to ${authority} broke before the answer was complete: ${why}`, { cause: error });
  }

  /** A kept connection that the server closed while our request was on its way: once more, if that can do no harm. */
  #canRetry(call: ClientCall): boolean {
    if (!this.#used || this.#answered || this.#error !== undefined || call.retried || !call.idempotent) return false;
    const { body } = call.request;
    return body === undefined || (body.replayable === true && (body.length ?? Infinity) <= this.#shared.limits.replayBytesMax);
  }
}

function framingOf(head: ResponseHead, method: string): Framing | undefined {
  if (method === 'HEAD' || head.status === 204 || head.status === 304 || head.contentLength === 0) return undefined;
  if (head.chunked) return 'chunked';
  return head.contentLength === -1 ? 'until-close' : { length: head.contentLength };
}
