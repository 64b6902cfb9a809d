import { latin1Text, partOf } from '../../kernel/bytes.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Connection, ConnectionHandlers } from '../../kernel/ports.ts';
import { Inflow } from '../http1/inflow.ts';
import type { Sweep, Timed } from '../http1/sweep.ts';
import { ConnectionFrames, type FramesContext } from './connection-frames.ts';
import { Deadlines } from './deadlines.ts';
import { http2Faults as faults, type Http2Fault } from './fault.ts';
import { FrameReader, type Bytes } from './frame-reader.ts';
import { clientPreface, settingIds, streamIdMax } from './frames.ts';
import { http2Codes, type HeaderList, type Http2Limits, type Http2StreamHandlers, type KeepAlive } from './http2.ts';
import type { Slabs } from '../mux/slabs.ts';
import { Outflow } from './outflow.ts';
import { PeerGuard } from './peer-guard.ts';
import { ReceiveFlow } from './receive-flow.ts';
import { SendFlow, type SendBudget } from './send-flow.ts';
import type { OwnStream } from './stream.ts';
import { Streams } from './streams.ts';

/** What the connections of one server or client share. */
export interface ConnectionShared {
  readonly clock: Clock;
  readonly sweep: Sweep;
  readonly slabs: Slabs;
  readonly limits: Http2Limits;
  readonly keepAlive: KeepAlive;
  /** What waits for peers that do not read, on all connections that share it. */
  readonly budget: SendBudget;
}

/** Whom a connection belongs to: a server takes streams, a client opens them. */
export interface ConnectionUser {
  readonly role: 'server' | 'client';
  /** A request came (servers); the handlers get the stream's events. */
  stream(stream: OwnStream, headers: HeaderList): Http2StreamHandlers;
  streamOpened(): void;
  streamClosed(): void;
  /** The peer has shown that it speaks HTTP/2. */
  settled(): void;
  /** Something that handlers threw. */
  failed(error: unknown): void;
  /** The last event; `error` says why when it was no orderly end. */
  closed(error: Error | undefined): void;
}

/**
 * open: streams come and go. draining: the first GOAWAY was sent, streams are still taken. leaving: none are taken or opened any more. closing: everything was
 * sent, the peer has to close. closed: the connection is gone.
 */
type State = 'open' | 'draining' | 'leaving' | 'closing' | 'closed';

// While at most so many streams are open an answer leaves at once; those of more are gathered for the turn, the last few of them too.
const fewStreams = 2;
// So much of ours may wait for a peer that sends without reading.
const backlogBytesMax = 256 * 1024;
const lingerMs = 1_000;
const drainMs = 1_000;
const lingerBytesMax = 1024 * 1024;
const livePing = Buffer.from('proalive');
const drainPing = Buffer.from('proadone');

/** One HTTP/2 connection, either side, over any connection of the network port (plain, or TLS with ALPN `h2`). */
export class Http2Connection implements ConnectionHandlers, Timed, FramesContext {
  readonly role: 'server' | 'client';
  readonly limits: Http2Limits;
  readonly remote: string;
  readonly out: Outflow;
  readonly guard: PeerGuard;
  readonly flow: SendFlow;
  readonly receive: ReceiveFlow;
  readonly streams: Streams;
  readonly #connection: Connection;
  readonly #shared: ConnectionShared;
  readonly #user: ConnectionUser;
  readonly #inflow = new Inflow();
  readonly #frames: ConnectionFrames;
  readonly #reader: FrameReader;
  readonly #deadlines = new Deadlines();
  readonly #turn = (): void => this.#endTurn();
  readonly #work = (): void => {
    this.streams.runLater();
    if (this.flow.ready && !this.out.closed) this.flow.pumpAll();
  };
  #state: State = 'open';
  #prefaceLeft: number;
  #settled = false;
  #reading = false;
  #scheduled = false;
  #gathering = false;
  #paused = false;
  #lingered = 0;
  #error: Error | undefined = undefined;
  lastAcceptedId = streamIdMax;
  slot = -1;

  constructor(connection: Connection, shared: ConnectionShared, user: ConnectionUser) {
    const { limits, slabs, sweep, keepAlive } = shared;
    this.#connection = connection;
    this.#shared = shared;
    this.#user = user;
    this.role = user.role;
    this.limits = limits;
    this.remote = connection.remote.startsWith('/') ? '' : connection.remote;
    this.out = new Outflow(connection, slabs);
    this.guard = new PeerGuard(limits.controlFramesMax);
    this.receive = new ReceiveFlow(limits.connectionWindowBytes);
    this.flow = new SendFlow(this.out, this.guard, {
      budget: shared.budget,
      nowMs: () => sweep.nowMs,
      emptied: (stream) => this.streams.finish(stream, stream.trailers),
    });
    this.streams = new Streams(this);
    this.#frames = new ConnectionFrames(this);
    // Texts that are coded badly take up to 30 bits a character: what fits the limit decoded may be four times as large on the wire.
    this.#reader = new FrameReader(this.#frames, { blockBytesMax: limits.headerBytesMax * 4 });
    this.#prefaceLeft = user.role === 'server' ? clientPreface.length : 0;
    this.#deadlines.handshake = sweep.nowMs + limits.handshakeTimeoutMs;
    this.#deadlines.settings = sweep.nowMs + limits.settingsTimeoutMs;
    this.#deadlines.ping = sweep.nowMs + keepAlive.intervalMs;
    sweep.add(this);
  }

  get dueMs(): number {
    return this.#deadlines.next;
  }

  get nowMs(): number {
    return this.#shared.sweep.nowMs;
  }

  /** New streams may be opened. */
  get usable(): boolean {
    return this.#state === 'open' && this.#settled;
  }

  /** Sends our side of the preface (RFC 9113, section 3.4). */
  start(): void {
    const { limits, out } = this;
    // A server waits for the peer's, so that whoever speaks something else can be told in plain text.
    if (this.#prefaceLeft > 0) return;
    if (this.role === 'client') out.raw(clientPreface);
    out.settings([
      ...(this.role === 'client'
        ? ([[settingIds.enablePush, 0]] as const)
        : ([[settingIds.maxConcurrentStreams, limits.streamsMax]] as const)),
      [settingIds.initialWindowSize, limits.streamWindowBytes],
      [settingIds.maxHeaderListSize, limits.headerBytesMax],
    ]);
    if (this.receive.firstIncrement > 0) out.windowUpdate(0, this.receive.firstIncrement);
    this.#flush();
  }

  // ConnectionHandlers

  data(chunk: Uint8Array): void {
    if (this.#state === 'closing' || this.#state === 'closed') {
      this.#lingered += chunk.length;
      if (this.#lingered > lingerBytesMax) this.#connection.destroy();
      return;
    }
    const inflow = this.#inflow;
    inflow.push(chunk);
    if (this.#prefaceLeft > 0 && !this.#takePreface()) return;
    this.#read();
    if (this.#reader.fault !== undefined) {
      this.#fail(this.#reader.fault);
      return;
    }
    inflow.keep();
    if (!this.#reader.inBlock) this.#deadlines.block = Infinity;
    else if (this.#deadlines.block === Infinity) this.#deadlines.block = this.nowMs + this.limits.headersTimeoutMs;
    this.#wroteInRead();
  }

  #read(): void {
    const inflow = this.#inflow;
    this.#reading = true;
    try {
      this.#frames.holdEnds = this.#reader.resetAhead(inflow.bytes, inflow.at, inflow.end);
      inflow.at = this.#reader.read(inflow.bytes, inflow.at, inflow.end);
      this.#frames.readEnds();
    } catch (error) {
      // Half of a frame may have been acted on: what the connection is in is not known any more.
      this.#user.failed(error);
      this.#reader.fault = faults.internal;
    }
    this.#reading = false;
  }

  end(): void {
    // A peer that sends no more has gone: HTTP/2 has no half-open connections.
    if (this.#state === 'closing') this.#connection.destroy();
    else this.destroy(this.streams.count > 0 ? new ProaError('unavailable', 'the peer closed the connection') : undefined);
  }

  drain(): void {
    this.#deadlines.write = Infinity;
    this.out.drained();
    if (this.#paused) {
      this.#paused = false;
      this.#connection.resume();
    }
    this.#guarded(() => this.flow.pumpAll());
    this.#flush();
  }

  close(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#shared.sweep.remove(this);
    this.#deadlines.clear();
    this.#inflow.clear();
    this.streams.lost();
    this.#user.closed(this.#error ?? error);
  }

  // Timed

  expire(nowMs: number): void {
    const due = this.#deadlines;
    const { limits } = this;
    if (due.linger <= nowMs || due.write <= nowMs) this.destroy(new ProaError('unavailable', 'the peer does not read'));
    else if (due.handshake <= nowMs) this.#fail(faults.handshakeTimeout);
    else if (due.settings <= nowMs) this.#fail(faults.settingsTimeout);
    else if (due.block <= nowMs) this.#fail(faults.headersTimeout);
    else if (due.pong <= nowMs) this.#fail(faults.pingTimeout);
    else if (due.drain <= nowMs) this.#leave();
    else if (due.stall <= nowMs) {
      due.stall = this.flow.waiting.size > 0 ? nowMs + limits.writeTimeoutMs : Infinity;
      for (const stream of [...this.flow.waiting]) {
        // A stream that is still open may wait for its reader as long as it likes: its deadline is its user's.
        if (stream.ending && nowMs - stream.progressMs >= limits.writeTimeoutMs) this.streams.fault(stream.id, faults.stalled);
      }
      this.#flush();
    } else if (due.ping <= nowMs) this.#ask(nowMs);
  }

  // FramesContext

  stream(stream: OwnStream, headers: HeaderList): Http2StreamHandlers {
    return this.#user.stream(stream, headers);
  }

  streamOpened(): void {
    this.#user.streamOpened();
  }

  streamClosed(): void {
    this.#user.streamClosed();
  }

  settled(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#deadlines.handshake = Infinity;
    this.#user.settled();
  }

  settingsAcknowledged(): void {
    this.#deadlines.settings = Infinity;
  }

  pingAnswered({ bytes, at, end }: Bytes): boolean {
    const payload = partOf(bytes, at, end);
    if (this.#deadlines.pong !== Infinity && livePing.equals(payload)) {
      this.#deadlines.pong = Infinity;
      this.#deadlines.ping = this.nowMs + this.#shared.keepAlive.intervalMs;
      return true;
    }
    if (this.#deadlines.drain === Infinity || !drainPing.equals(payload)) return false;
    this.#leave();
    return true;
  }

  peerLeaves(lastStreamId: number): void {
    if (this.role === 'server') return;
    if (this.#state === 'open') this.#state = 'leaving';
    this.streams.refuseAbove(lastStreamId);
    if (this.streams.count === 0) this.emptied();
  }

  wrote(answered: boolean): void {
    if (this.flow.waiting.size > 0 && this.#deadlines.stall === Infinity) this.#deadlines.stall = this.nowMs + this.limits.writeTimeoutMs;
    if (this.#reading) return;
    if (answered && !this.#gathers()) this.#flush();
    else this.schedule();
  }

  /** Whether what is written waits for the end of the turn. */
  #gathers(): boolean {
    if (this.streams.open.size > fewStreams) this.#gathering = true;
    return this.#gathering;
  }

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#shared.clock.soon(this.#turn);
  }

  emptied(): void {
    if (this.#state === 'leaving') this.schedule();
  }

  // Life

  /** Two steps (section 6.8): first the peer is told, and what it sent before it knew is still taken; a round trip later nothing new is. */
  beginDrain(): void {
    if (this.#state !== 'open') return;
    if (!this.#settled) {
      this.#leave();
      return;
    }
    this.#state = 'draining';
    this.out.goaway(streamIdMax, http2Codes.noError, '');
    this.out.ping(drainPing, false);
    this.#deadlines.drain = this.nowMs + drainMs;
    this.#flush();
  }

  /** Opens and takes no more streams; closes with the last one. */
  leave(): void {
    if (this.#state === 'open' || this.#state === 'draining') this.#leave();
  }

  /** Cuts the connection off. Its streams end as lost. */
  destroy(error?: Error): void {
    if (this.#state === 'closed') return;
    this.#error ??= error;
    this.#connection.destroy();
  }

  request(headers: HeaderList, handlers: Http2StreamHandlers, end: boolean): OwnStream {
    if (!this.usable) throw new ProaError('unavailable', 'the connection goes away');
    return this.streams.request(headers, handlers, end);
  }

  #leave(): void {
    this.#state = 'leaving';
    this.#deadlines.drain = Infinity;
    this.lastAcceptedId = this.streams.lastPeerId;
    this.out.goaway(this.streams.lastPeerId, http2Codes.noError, '');
    this.#flush();
    if (this.streams.count === 0) this.#finish();
  }

  /** A mistake that the connection does not survive: says so, and lets the peer read it. */
  #fail(fault: Http2Fault): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#error ??= new ProaError('unavailable', `the HTTP/2 connection to ${this.remote || 'the socket'} was ended: ${fault.reason}`);
    this.out.goaway(this.streams.lastPeerId, fault.code, fault.reason);
    this.#finish();
    this.streams.lost();
  }

  #finish(): void {
    this.#flush();
    this.#state = 'closing';
    this.#inflow.clear();
    this.#deadlines.clear();
    this.#deadlines.linger = this.nowMs + lingerMs;
    this.#connection.end();
    if (this.#paused) this.#connection.resume();
  }

  #endTurn(): void {
    this.#scheduled = false;
    this.#gathering = false;
    this.#guarded(this.#work);
    if (this.#state === 'closed') return;
    this.#flush();
    if (this.#state === 'leaving' && this.streams.count === 0) this.#finish();
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#user.failed(error);
      this.#fail(faults.internal);
    }
  }

  #wroteInRead(): void {
    if (this.out.pending) {
      if (this.#gathers()) this.schedule();
      else this.#flush();
    }
    // A peer that asks and does not read what it is answered has to wait.
    if (this.out.backlogBytes <= backlogBytesMax || this.#paused || this.#state !== 'open') return;
    this.#paused = true;
    this.#connection.pause();
  }

  #flush(): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.out.flush();
    // What waited only for this flush goes with the next.
    if (!this.out.closed && this.flow.ready) this.schedule();
    if (this.out.blocked && this.#deadlines.write === Infinity) this.#deadlines.write = this.nowMs + this.limits.writeTimeoutMs;
  }

  #ask(nowMs: number): void {
    const { intervalMs, timeoutMs } = this.#shared.keepAlive;
    this.#deadlines.ping = Infinity;
    // A client without calls disturbs nobody.
    if (this.role === 'client' && this.streams.count === 0) this.#deadlines.ping = nowMs + intervalMs;
    else {
      this.#deadlines.pong = nowMs + timeoutMs;
      this.out.ping(livePing, false);
      this.#flush();
    }
  }

  /** False while the preface is incomplete, and when it is none. */
  #takePreface(): boolean {
    const inflow = this.#inflow;
    const from = clientPreface.length - this.#prefaceLeft;
    const take = Math.min(this.#prefaceLeft, inflow.waiting);
    if (latin1Text(inflow.bytes, inflow.at, inflow.at + take) !== clientPreface.slice(from, from + take)) {
      this.#refusePreface();
      return false;
    }
    inflow.at += take;
    this.#prefaceLeft -= take;
    if (inflow.waiting === 0) inflow.clear();
    if (this.#prefaceLeft > 0) return false;
    this.start();
    return true;
  }

  #refusePreface(): void {
    const { bytes, at, end } = this.#inflow;
    // Somebody tries the port with a browser or curl: an answer that they can read.
    if (this.#prefaceLeft < clientPreface.length || !/^[A-Z]{3,7} \//.test(latin1Text(bytes, at, Math.min(end, at + 9))))
      this.#fail(faults.preface);
    else {
      this.#connection.write(wrongProtocol);
      this.#finish();
    }
  }
}

const wrongProtocol =
  'HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 28\r\nconnection: close\r\n\r\nthis port speaks only HTTP/2';
