import { emptyBody } from '../../kernel/body.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Connection, ConnectionHandlers } from '../../kernel/ports.ts';
import type { AnswerHeads } from './answer-heads.ts';
import { faults, refusal, type Fault } from './fault.ts';
import { takeFields, type Fields } from './fields.ts';
import { hasBareLineFeed, headEnd } from './head-end.ts';
import type { HeadMemo } from './head-memo.ts';
import { IncomingBody, type BodyOwner } from './incoming-body.ts';
import { Inflow } from './inflow.ts';
import { blankRequestHead, judgeRequest, parseRequestFields, parseRequestLine, type RequestHead } from './request-head.ts';
import { Http1Request } from './request.ts';
import { Http1Response, type ResponseOwner } from './response.ts';
import type { Http1ServerLimits } from './server-limits.ts';
import type { Sweep, Timed } from './sweep.ts';

/** What the connections of one server share. */
export interface ServerShared {
  readonly limits: Http1ServerLimits;
  readonly sweep: Sweep;
  readonly answers: AnswerHeads;
  /** Whole heads, and the header sections of requests whose line changes. */
  readonly heads: HeadMemo<RequestHead>;
  readonly sections: HeadMemo<Fields>;
  readonly handler: (request: Http1Request, response: Http1Response) => void;
  readonly onHttp2Preface: ((connection: Connection, firstBytes: Uint8Array) => void) | undefined;
  /** Something that the handler threw. */
  readonly onError: (error: unknown) => void;
  /** No more requests are taken: answers say `connection: close`. */
  draining: boolean;
  closed(): void;
}

/**
 * head: between requests or inside a head. exchange: one request is being answered. flushing: answered, the client has to read
 * before the next. closing: we have sent everything and wait for the client to close. taken: another protocol has the connection.
 */
type State = 'head' | 'exchange' | 'flushing' | 'closing' | 'closed' | 'taken';

const preface = 'PRI * HTTP/2.0\r\n\r\n';

/** One accepted connection: reads requests one after the other, however their bytes were split. */
export class ServerConnection implements ConnectionHandlers, BodyOwner, ResponseOwner, Timed {
  readonly connection: Connection;
  readonly #shared: ServerShared;
  readonly #inflow = new Inflow();
  #state: State = 'head';
  #request: Http1Request | undefined = undefined;
  #response: Http1Response | undefined = undefined;
  #body: IncomingBody | undefined = undefined;
  #persistent = true;
  #first = true;
  #headStarted = false;
  #emptyLine = false;
  #running = false;
  #pumping = false;
  #paused = false;
  #peerEnded = false;
  #corked = false;
  #lingered = 0;
  #readDueMs: number;
  #writeDueMs = Infinity;
  slot = -1;

  constructor(connection: Connection, shared: ServerShared) {
    this.connection = connection;
    this.#shared = shared;
    this.#readDueMs = shared.sweep.nowMs + shared.limits.headTimeoutMs;
  }

  get dueMs(): number {
    return Math.min(this.#readDueMs, this.#writeDueMs);
  }

  get answers(): AnswerHeads {
    return this.#shared.answers;
  }

  // ConnectionHandlers

  data(chunk: Uint8Array): void {
    if (this.#state === 'closing' || this.#state === 'closed') {
      this.#lingered += chunk.length;
      if (this.#lingered > this.#shared.limits.lingerBytesMax) this.connection.destroy();
      return;
    }
    this.#inflow.push(chunk);
    this.#run();
    this.#inflow.keep();
    this.#hold();
  }

  end(): void {
    this.#peerEnded = true;
    if (this.#state === 'head' || this.#state === 'flushing') this.#close();
    else if (this.#state === 'exchange') this.#peerLeft();
  }

  drain(): void {
    this.#writeDueMs = Infinity;
    if (this.#state === 'flushing') this.#next();
    else if (this.#state === 'closing') this.#linger();
    else this.#response?.drain();
  }

  close(error: Error | undefined): void {
    if (this.#state === 'taken') return;
    const reason = error ?? new ProaError('cancelled', 'the client closed the connection');
    this.#state = 'closed';
    this.#shared.sweep.remove(this);
    this.#abandon(reason);
    this.#inflow.clear();
    this.#shared.closed();
  }

  // BodyOwner

  bodyWanted(): void {
    if (this.#response?.expecting === true && this.#body?.untouched === false) this.#response.continue100();
    if (this.#pumping) return;
    this.#pump();
    if (this.#paused && this.#inflow.waiting === 0) this.#resume();
    if (this.#body?.complete === true && !this.#running) this.#settle();
  }

  // ResponseOwner

  keepsAlive(closes: boolean): boolean {
    // Who was not told to send its body may send it or not; who was not told that the rest of it is too much would send its next request behind it.
    const guess = this.#response?.expecting === true || (this.#body?.unread ?? 0) > this.#shared.limits.unreadBytesMax;
    if (closes || this.#shared.draining || this.#peerEnded || guess) this.#persistent = false;
    return this.#persistent;
  }

  responseBlocked(): void {
    this.#writeDueMs = this.#shared.sweep.nowMs + this.#shared.limits.writeTimeoutMs;
  }

  responseSent(): void {
    const body = this.#body;
    this.#response = undefined;
    this.#lingered = 0;
    if (!this.#persistent || (body?.complete === false && (body.remaining ?? 0) > this.#shared.limits.unreadBytesMax)) this.#close();
    else {
      // What the handler did not read is dropped, up to a limit.
      body?.discard();
      body?.cancel();
      if (!this.#running) this.#settle();
    }
  }

  responseBroke(error: unknown): void {
    this.connection.destroy(error instanceof Error ? error : undefined);
  }

  // Timed

  expire(nowMs: number): void {
    if (this.#writeDueMs <= nowMs || this.#state === 'closing' || this.#state === 'flushing') this.connection.destroy();
    else if (this.#state === 'exchange') this.#refuse(faults.bodySlow);
    else if (this.#headStarted) this.#refuse(faults.headSlow);
    else this.#close();
  }

  /** Closes when nothing is being answered; else after the answer. */
  drainRequests(): void {
    if (this.#state === 'head' && !this.#headStarted) this.#close();
  }

  /** Refuses the connection before its first request; it stays for the linger time so that the client can read why. */
  turnAway(answer: string): void {
    this.connection.write(answer);
    this.#close();
  }

  /** Handles what has arrived, request after request, until bytes or an answer are missing. */
  #run(): void {
    if (this.#running) return;
    this.#running = true;
    for (let more = true; more;) more = this.#state === 'head' ? this.#takeHead() : this.#state === 'exchange' && this.#takeBody();
    this.#running = false;
    if (this.#corked) {
      this.#corked = false;
      this.connection.uncork();
    }
  }

  /** Parses a head and calls the handler; true when there may be more to do. */
  #takeHead(): boolean {
    const inflow = this.#inflow;
    const { bytes, end } = inflow;
    const { heads } = this.#shared;
    // One empty line before a request is tolerated (RFC 9112, 2.2).
    if (bytes[inflow.at] === 13 && inflow.waiting >= 2 && bytes[inflow.at + 1] === 10 && !this.#emptyLine) {
      this.#emptyLine = true;
      inflow.at += 2;
    }
    const start = inflow.at;
    if (start === end) return false;
    const known = heads.match(bytes, start, end);
    if (known !== undefined) inflow.at = start + known.length;
    const head = known?.said ?? this.#parseHead(start);
    if (head === undefined) return false;
    this.#begin(head);
    return true;
  }

  /** The head at `start`, and moves behind it; undefined when more of it has to come, or when it was refused. */
  #parseHead(start: number): RequestHead | undefined {
    const inflow = this.#inflow;
    const { bytes, end } = inflow;
    const { limits, heads } = this.#shared;
    const head = blankRequestHead();
    const line = parseRequestLine(bytes, { start, end }, limits, head);
    if (typeof line !== 'number') return this.#refuseLine(start, line);
    const stop = this.#takeFields(line, head);
    if (typeof stop !== 'number') return this.#refuse(stop);
    if (stop === -1 || stop - start > limits.headerBytesMax) return this.#headIncomplete(start);
    heads.keep(bytes, { at: start, stop, end }, head);
    inflow.at = stop;
    return head;
  }

  /** The line at `start` is wrong, unless more of it has to come. */
  #refuseLine(start: number, fault: Fault): undefined {
    const { bytes, end } = this.#inflow;
    const stop = headEnd(bytes, start, end);
    if (stop === -1 || stop - start > this.#shared.limits.headerBytesMax) return this.#headIncomplete(start);
    if (this.#first && bytes[start] === 0x50 && bytes[start + 1] === 0x52 && this.#isHttp2(start)) return undefined;
    return this.#refuse(hasBareLineFeed(bytes, start, stop) ? faults.bareLineFeed : fault);
  }

  /** Reads the header section at `at`: where it ends, -1 when that is not there yet, or what is wrong. */
  #takeFields(at: number, head: RequestHead): number | Fault {
    const { bytes, end } = this.#inflow;
    const { limits, sections } = this.#shared;
    const known = sections.match(bytes, at, end);
    if (known !== undefined) {
      takeFields(known.said, head);
      return judgeRequest(head) ?? at + known.length;
    }
    const stop = headEnd(bytes, at - 2, end);
    if (stop === -1 || stop - this.#inflow.at > limits.headerBytesMax) return -1;
    const fault = parseRequestFields(bytes, { start: at, end: stop }, limits, head);
    if (fault !== undefined) return hasBareLineFeed(bytes, at, stop) ? faults.bareLineFeed : fault;
    sections.keep(bytes, { at, stop, end }, head);
    return stop;
  }

  /** Waits for the rest of a head, unless it is wrong or too large already. The verdict does not depend on how bytes were split. */
  #headIncomplete(start: number): undefined {
    const { bytes, end } = this.#inflow;
    const { limits, sweep } = this.#shared;
    const max = limits.headerBytesMax;
    const stop = Math.min(end, start + max);
    if (hasBareLineFeed(bytes, start, stop)) return this.#refuse(faults.bareLineFeed);
    if (end - start > max) {
      const lineEnd = bytes.indexOf(10, start);
      return this.#refuse(
        lineEnd === -1 || lineEnd >= stop || lineEnd - start >= limits.requestLineBytesMax ? faults.requestLineMax : faults.headBytesMax,
      );
    }
    if (!this.#headStarted) {
      this.#headStarted = true;
      if (!this.#first) this.#readDueMs = sweep.nowMs + limits.headTimeoutMs;
    }
    return undefined;
  }

  #isHttp2(start: number): boolean {
    const hook = this.#shared.onHttp2Preface;
    const inflow = this.#inflow;
    if (hook === undefined || inflow.bytes.toString('latin1', start, start + preface.length) !== preface) return false;
    this.#state = 'taken';
    this.#shared.sweep.remove(this);
    this.#shared.closed();
    const first = inflow.bytes.subarray(start, inflow.end);
    inflow.at = inflow.end;
    hook(this.connection, first);
    return true;
  }

  #begin(head: RequestHead): void {
    const { limits, handler } = this.#shared;
    this.#headStarted = false;
    this.#emptyLine = false;
    if (this.#first) this.#first = false;
    else if (this.#inflow.waiting > 0 && !this.#corked) {
      // Answers to pipelined requests leave together.
      this.#corked = true;
      this.connection.cork();
    }
    this.#readDueMs = Infinity;
    this.#persistent = head.version === 11 ? !head.close : head.keepAlive && !head.close;
    const request = new Http1Request(head, this.connection.remote);
    const response = new Http1Response(this, head);
    this.#request = request;
    this.#response = response;
    this.#body = undefined;
    this.#state = 'exchange';
    if (head.chunked || head.contentLength > 0) {
      if (head.contentLength > limits.bodyBytesMax) {
        this.#refuse(faults.bodyMax);
        return;
      }
      this.#body = new IncomingBody(this, head.chunked ? 'chunked' : { length: head.contentLength }, limits);
      request.body = this.#body;
    } else request.body = emptyBody;
    try {
      handler(request, response);
    } catch (error) {
      this.#shared.onError(error);
      if (response.begun) this.connection.destroy();
      else this.#refuse({ status: 500, reason: 'internal error' });
    }
  }

  /** Inside an exchange: moves body bytes on; true when the exchange is over and the next request may begin. */
  #takeBody(): boolean {
    if (this.#body !== undefined && !this.#body.complete) this.#pump();
    return this.#exchangeOver();
  }

  #exchangeOver(): boolean {
    if (this.#state !== 'exchange' || this.#response !== undefined) return false;
    if (this.#body !== undefined && !this.#body.complete) return false;
    this.#request = undefined;
    this.#body = undefined;
    if (this.#writeDueMs !== Infinity) {
      this.#state = 'flushing';
      return false;
    }
    this.#state = 'head';
    this.#readDueMs = this.#shared.sweep.nowMs + this.#shared.limits.idleTimeoutMs;
    if (this.#shared.draining || this.#peerEnded) this.#close();
    return this.#state === 'head';
  }

  #settle(): void {
    if (this.#exchangeOver()) this.#next();
  }

  #next(): void {
    if (this.#state === 'flushing') {
      this.#state = 'head';
      this.#readDueMs = this.#shared.sweep.nowMs + this.#shared.limits.idleTimeoutMs;
      if (this.#shared.draining || this.#peerEnded) {
        this.#close();
        return;
      }
    }
    if (this.#inflow.waiting > 0) {
      if (this.#running) return;
      this.#run();
      this.#inflow.keep();
      this.#hold();
    } else if (this.#paused) this.#resume();
  }

  #pump(): void {
    const body = this.#body;
    const inflow = this.#inflow;
    if (body === undefined || this.#pumping) return;
    this.#pumping = true;
    const result = body.take(inflow.bytes, inflow.at, inflow.end);
    this.#pumping = false;
    if (typeof result !== 'number') {
      this.#refuse(result);
      return;
    }
    if (this.#response === undefined) this.#lingered += result - inflow.at;
    inflow.at = result;
    if (this.#lingered > this.#shared.limits.unreadBytesMax) this.#close();
    else if (body.complete) this.#readDueMs = Infinity;
    else if (this.#peerEnded) this.#peerLeft();
    else this.#readDueMs = body.wanting ? this.#shared.sweep.nowMs + this.#shared.limits.bodyTimeoutMs : Infinity;
  }

  /** Holds the client back while what it sent cannot be used. */
  #hold(): void {
    const waiting = this.#inflow.waiting;
    const body = this.#body;
    if (this.#state !== 'exchange' && this.#state !== 'flushing') {
      if (this.#paused) this.#resume();
      return;
    }
    const full = body !== undefined && !body.complete ? waiting > 0 && !body.wanting : waiting >= this.#shared.limits.pipelineBytesMax;
    if (full && !this.#paused) {
      this.#paused = true;
      this.connection.pause();
    } else if (!full && this.#paused) this.#resume();
  }

  #resume(): void {
    this.#paused = false;
    this.connection.resume();
  }

  /** The client has ended its side in the middle of an exchange. */
  #peerLeft(): void {
    const body = this.#body;
    const reason = new ProaError('cancelled', 'the client ended the connection');
    if (body === undefined || body.complete) this.#request?.cancel.cancel(reason);
    else if (this.#inflow.waiting === 0 || body.wanting) this.connection.destroy();
  }

  /** Answers what cannot be accepted, then closes: there is nothing more to do. */
  #refuse(fault: Fault): undefined {
    const response = this.#response;
    this.#persistent = false;
    this.#response = undefined;
    if (response?.begun === true) this.connection.destroy();
    else {
      const answered = response === undefined && this.#request !== undefined;
      if (!answered) this.connection.write(refusal(fault, this.#shared.sweep.date));
      this.#close();
    }
    const error = new ProaError(fault.status === 413 ? 'body-read' : 'bad-request', fault.reason);
    response?.gone(error);
    this.#abandon(error);
    return undefined;
  }

  #abandon(reason: unknown): void {
    const request = this.#request;
    const response = this.#response;
    const body = this.#body;
    this.#request = undefined;
    this.#response = undefined;
    this.#body = undefined;
    body?.fail(reason);
    response?.gone(reason);
    if (request !== undefined && (response !== undefined || (body !== undefined && !body.complete))) request.cancel.cancel(reason);
  }

  /** The time to leave runs from when the client could have read everything. */
  #linger(): void {
    this.#readDueMs = this.#writeDueMs === Infinity ? this.#shared.sweep.nowMs + this.#shared.limits.lingerTimeoutMs : Infinity;
  }

  /** Sends what is queued, ends our side, and reads on for a while so that the client can read the answer. */
  #close(): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#state = 'closing';
    this.#inflow.clear();
    this.#linger();
    this.connection.end();
    if (this.#paused) this.#resume();
  }
}
