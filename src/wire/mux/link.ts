import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Connection } from '../../kernel/ports.ts';
import { Sweep, type Timed } from '../http1/sweep.ts';
import { ackFlag, closeCodes, endFlag, everyStream, frameType } from './frame.ts';
import { FieldsReader } from './fields-reader.ts';
import { FieldsWriter } from './fields-writer.ts';
import { FrameReader, type FrameHeader, type FrameSink } from './frame-reader.ts';
import { FrameWriter, type WriterLink } from './frame-writer.ts';
import { readHead } from './head.ts';
import { decodeHello, encodeHello, type Hello, type Sharing } from './hello.ts';
import type { MuxLimits } from './limits.ts';
import { Outbox } from './outbox.ts';
import { errorOfGoaway, errorOfReset } from './reasons.ts';
import { Slabs } from './slabs.ts';
import { MuxStream, type StreamLink } from './stream.ts';
import { StreamTable } from '../stream-table.ts';
import { Vitals } from './vitals.ts';

/** What the connections of one client or server share. */
export interface LinkShared {
  readonly clock: Clock;
  readonly limits: MuxLimits;
  readonly sharing: Sharing | undefined;
  readonly sweep: Sweep;
  readonly slabs: Slabs;
  readonly fieldsIn: FieldsReader;
  readonly fieldsOut: FieldsWriter;
}

/** What the connections of one more client or server share. */
export function linkShared(clock: Clock, limits: MuxLimits, sharing?: Sharing): LinkShared {
  const [fieldsIn, fieldsOut] = [new FieldsReader(limits), new FieldsWriter()];
  return { clock, limits, sharing, sweep: new Sweep(clock), slabs: new Slabs(), fieldsIn, fieldsOut };
}

/** Who uses a connection: the client that opened it, or the server that took it. */
export interface LinkUser {
  /** The peer said hello: streams may be opened. */
  ready(link: Link): void;
  /** The peer opened a stream; its handlers are to be set before this returns. A client has none and lets no peer open any. */
  readonly opened?: (stream: MuxStream, link: Link) => void;
  /** A stream ended. */
  room(link: Link): void;
  /** No more streams: the peer said so, or we did. */
  leaving(link: Link): void;
  /** The connection is gone, and every stream on it was told. */
  closed(link: Link, error: ProaError): void;
}

interface Range {
  readonly at: number;
  readonly end: number;
}

const pingPayload = Buffer.alloc(8);
const drainPayload = Buffer.from('drain\0\0\0', 'latin1');
const lingerMs = 1_000;

/** One connection: its streams, their frames, and everything that ends it. Nothing that a peer sends throws out of here. */
export class Link implements FrameSink, StreamLink, WriterLink, Timed {
  readonly connection: Connection;
  readonly remote: string;
  readonly streams = new StreamTable<MuxStream>(0);
  readonly out: FrameWriter;
  readonly #outbox: Outbox;
  readonly #shared: LinkShared;
  readonly #user: LinkUser;
  readonly #dialled: boolean;
  readonly #reader: FrameReader;
  readonly #vitals: Vitals;
  #peer: Hello | undefined = undefined;
  #lastStream = 0;
  #paused = false;
  #growthLeft: number;
  #turn = 0;
  #ending = false;
  /** `asked`: we told the peer, which may not have heard of it yet. `last`: no stream will be opened any more. */
  #leaving: 'no' | 'asked' | 'last' = 'no';
  closed = false;
  slot = -1;

  constructor(connection: Connection, dialled: boolean, shared: LinkShared, user: LinkUser) {
    const { sweep, limits, clock } = shared;
    this.connection = connection;
    this.remote = connection.remote;
    this.#dialled = dialled;
    this.#shared = shared;
    this.#user = user;
    this.#reader = new FrameReader(this, limits.frameBytesMax);
    this.#outbox = new Outbox(connection, shared.slabs);
    this.out = new FrameWriter(this, { out: this.#outbox, clock, fields: shared.fieldsOut });
    this.#growthLeft = limits.growthBytesMax;
    if (sweep.size === 0) sweep.refresh();
    this.#vitals = new Vitals(limits, dialled, sweep.nowMs);
    sweep.add(this);
    connection.handlers = {
      data: (chunk) => this.#received(chunk),
      end: () => this.#ended(),
      drain: () => this.#drained(),
      close: (error) => this.#gone(error),
      ...(dialled ? { open: () => this.#greet() } : {}),
    };
    if (!dialled) this.#greet();
  }

  /** The peer said hello, and neither side is going away. */
  get usable(): boolean {
    return this.#peer !== undefined && this.#leaving === 'no' && !this.closed;
  }

  /** Another stream fits under the peer's limit. */
  get hasRoom(): boolean {
    return this.usable && this.streams.size < (this.#peer as Hello).streamsMax;
  }

  /** Opens a stream (only while `hasRoom`). */
  openStream(): MuxStream {
    const stream = new MuxStream(++this.#lastStream, this, true);
    this.streams.add(stream);
    this.#vitals.busy();
    return stream;
  }

  /** Lets what is open end, then closes. Servers tell the peer first, and take what it opened before it heard of that. */
  leave(): void {
    if (this.closed || this.#leaving !== 'no') return;
    this.#leaving = this.#dialled ? 'last' : 'asked';
    if (!this.#dialled) {
      this.out.goaway(everyStream, closeCodes.done, '');
      this.out.small(frameType.ping, { payload: drainPayload });
      this.out.flush();
      this.#vitals.asked(this.#shared.sweep.nowMs);
    }
    this.#user.leaving(this);
    this.#closeIfLeft();
  }

  /** Ends the connection with a reason that the peer can read. */
  fail(error: ProaError, code: number): void {
    if (this.closed) return;
    this.out.goaway(this.#dialled ? 0 : this.#lastStream, code, error.message);
    this.out.flush();
    this.connection.end();
    this.#shut(error);
    // Time to read the reason; then the connection is cut off, whatever the peer does.
    this.#shared.clock.timer(lingerMs, () => this.connection.destroy(), true);
  }

  /** Cuts the connection off. */
  destroy(error: ProaError): void {
    this.#shut(error);
    this.connection.destroy();
  }

  // Timed

  get dueMs(): number {
    return this.#vitals.dueMs;
  }

  expire(nowMs: number): void {
    const { remote } = this;
    switch (this.#vitals.due(nowMs)) {
      case 'hello':
        return this.destroy(new ProaError('unavailable', `${remote} did not say hello in time`));
      case 'write':
        return this.destroy(new ProaError('peer.broken', `${remote} does not read what it is sent`));
      case 'dead':
        return this.destroy(new ProaError('peer.broken', `${remote} does not answer any more`));
      case 'idle':
        return this.leave();
      case 'ping':
        this.#vitals.asked(nowMs);
        this.out.small(frameType.ping, { payload: pingPayload });
        this.out.flush();
    }
  }

  // WriterLink

  get inFlight(): number {
    return this.streams.size;
  }

  get gatheredMax(): number {
    return this.#shared.limits.gatheredMax;
  }

  get peer(): Hello {
    return this.#peer as Hello;
  }

  flushed(): void {
    if (!this.#outbox.blocked || this.closed) return;
    this.#vitals.blocked(this.#shared.sweep.nowMs);
    if (this.#outbox.queuedBytes > this.#shared.limits.queuedBytesMax)
      this.destroy(
        new ProaError('peer.broken', `${this.remote} does not read: more than ${this.#shared.limits.queuedBytesMax} bytes wait for it`),
      );
    // Whoever does not take answers may not ask for more. Callers read on: their peer's reading must not depend on theirs.
    else if (!this.#dialled && !this.#paused) {
      this.#paused = true;
      this.connection.pause();
    }
  }

  // StreamLink

  get windowBytes(): number {
    return this.#shared.limits.windowBytes;
  }

  grow(windowBytes: number): number {
    const more = Math.max(0, Math.min(windowBytes, this.#shared.limits.windowBytesMax - windowBytes, this.#growthLeft));
    this.#growthLeft -= more;
    return more;
  }

  shrink(bytes: number): void {
    this.#growthLeft += bytes;
  }

  release(stream: MuxStream): void {
    this.streams.delete(stream);
    this.#shared.sweep.remove(stream);
  }

  forget(stream: MuxStream): void {
    this.release(stream);
    if (this.closed) return;
    if (this.streams.size === 0) this.#vitals.idle(this.#shared.sweep.nowMs);
    this.#user.room(this);
    this.#closeIfLeft();
  }

  breach(reason: string): void {
    this.fail(new ProaError('peer.protocol', `${this.remote} broke the protocol: ${reason}`), closeCodes.protocol);
  }

  // FrameSink

  broken(reason: string): void {
    this.breach(reason);
  }

  data(header: FrameHeader, bytes: Buffer, last: boolean): void {
    if (this.closed) return;
    if (this.#peer === undefined) return this.breach('data before hello');
    const { stream: id, flags } = header;
    const stream = this.#find(id);
    if (stream === undefined) return;
    if (bytes.length > 0) stream.takeData(bytes);
    if (last && (flags & endFlag) !== 0 && !stream.closed) stream.takeEnd(undefined);
  }

  frame(header: FrameHeader, bytes: Buffer, range: Range): void {
    if (this.closed) return;
    const { type } = header;
    if (this.#peer === undefined && type !== frameType.hello && type !== frameType.goaway)
      return this.breach(`a frame of type ${type} before hello`);
    switch (type) {
      case frameType.head:
        return this.#takeHead(header, bytes, range);
      case frameType.trailers:
        return this.#takeTrailers(header, bytes, range);
      case frameType.credit:
        return this.#takeCredit(header, bytes, range);
      case frameType.reset:
        return this.#takeReset(header, bytes, range);
      case frameType.ping:
        return this.#takePing(header, bytes, range);
      case frameType.goaway:
        return this.#takeGoaway(bytes, range);
      default:
        return this.#takeHello(bytes.subarray(range.at, range.end));
    }
  }

  #takeHello(payload: Buffer): void {
    if (this.#peer !== undefined) return this.breach('a second hello');
    const hello = decodeHello(payload);
    if ('error' in hello) return this.breach(hello.error);
    this.#peer = hello;
    this.#vitals.greeted();
    this.#user.ready(this);
  }

  #takeHead(header: FrameHeader, bytes: Buffer, range: Range): void {
    const { stream: id, flags } = header;
    const head = readHead(bytes, range, this.#shared.fieldsIn);
    if (typeof head === 'string') return this.breach(head);
    const stream = this.streams.get(id) ?? this.#accept(id);
    if (stream === undefined) return;
    if (!this.#dialled && head.timeoutMs !== undefined && !stream.closed) {
      // A tick late, as the caller's own deadline may be.
      stream.dueMs = this.#shared.sweep.nowMs + head.timeoutMs + 100;
      this.#shared.sweep.add(stream);
    }
    stream.takeHead(head, bytes, (flags & endFlag) !== 0);
  }

  /** A stream that the peer opens; undefined when it is refused, or the connection was failed. */
  #accept(id: number): MuxStream | undefined {
    if (this.#dialled || this.#user.opened === undefined || id <= this.#lastStream) {
      if (this.#dialled && id > this.#lastStream) this.breach(`a head for the stream ${id}, which was never opened`);
      return undefined;
    }
    if (id !== this.#lastStream + 1) {
      this.breach(`the stream ${id} does not follow ${this.#lastStream}`);
      return undefined;
    }
    this.#lastStream = id;
    if (this.#leaving === 'last') return undefined;
    const stream = new MuxStream(id, this, false);
    if (this.streams.size >= this.#shared.limits.streamsMax) {
      this.out.reset(id, closeCodes.refused, `more than ${this.#shared.limits.streamsMax} calls at once`);
      return undefined;
    }
    this.streams.add(stream);
    this.#user.opened(stream, this);
    return stream;
  }

  #takeTrailers(header: FrameHeader, bytes: Buffer, range: Range): void {
    const { stream: id, flags } = header;
    const { at, end } = range;
    if (end - at < 2 || (flags & endFlag) === 0) return this.breach('trailers that are cut off, or end nothing');
    const read = this.#shared.fieldsIn.read(bytes, { at: at + 2, end }, bytes.readUInt16BE(at));
    if (typeof read === 'string') return this.breach(read);
    if (read.end !== end || read.fields.length % 2 !== 0) return this.breach('trailers that are no pairs');
    this.#find(id)?.takeEnd(read.fields);
  }

  #takeCredit(header: FrameHeader, bytes: Buffer, { at, end }: Range): void {
    if (end - at !== 4) return this.breach('a credit frame of another size than 4 bytes');
    this.#find(header.stream)?.takeCredit(bytes.readUInt32BE(at));
  }

  #takeReset(header: FrameHeader, bytes: Buffer, { at, end }: Range): void {
    if (end - at < 2) return this.breach('a reset without a code');
    if (!this.#dialled && this.#vitals.flood('reset', this.#shared.sweep.nowMs))
      return this.fail(new ProaError('peer.protocol', `${this.remote} resets too many calls`), closeCodes.limit);
    const stream = this.#find(header.stream);
    stream?.close(errorOfReset(bytes.readUInt16BE(at), bytes.toString('utf8', at + 2, end), this.remote));
  }

  #takePing(header: FrameHeader, bytes: Buffer, { at, end }: Range): void {
    if (end - at !== pingPayload.length) return this.breach('a ping of another size than 8 bytes');
    const payload = Buffer.from(bytes.subarray(at, end));
    if ((header.flags & ackFlag) === 0) {
      if (this.#vitals.flood('ping', this.#shared.sweep.nowMs))
        return this.fail(new ProaError('peer.protocol', `${this.remote} pings too often`), closeCodes.limit);
      this.out.small(frameType.ping, { payload, flags: ackFlag });
      return this.out.flush();
    }
    if (this.#leaving !== 'asked' || !payload.equals(drainPayload)) return;
    // The peer knows: what it has opened until now is all.
    this.#leaving = 'last';
    this.out.goaway(this.#lastStream, closeCodes.done, '');
    this.#closeIfLeft();
  }

  #takeGoaway(bytes: Buffer, { at, end }: Range): void {
    if (end - at < 6) return this.breach('a goaway that is cut off');
    const last = bytes.readUInt32BE(at);
    const code = bytes.readUInt16BE(at + 4);
    const reason = bytes.toString('utf8', at + 6, end);
    if (code !== closeCodes.done) {
      const error = errorOfGoaway(code, reason, this.remote);
      return this.destroy(this.#peer === undefined && error.code !== 'peer.identity' ? new ProaError('unavailable', error.message) : error);
    }
    if (!this.#dialled) return;
    const first = this.#leaving === 'no';
    this.#leaving = 'last';
    if (first) this.#user.leaving(this);
    for (const stream of this.streams.all())
      if (stream.id > last) stream.close(new ProaError('unavailable', `${this.remote} stops and did not begin the call`));
    this.#closeIfLeft();
  }

  #find(id: number): MuxStream | undefined {
    const stream = this.streams.get(id);
    // Frames of streams that ended here may still be on their way; those of streams that never were are not.
    if (stream === undefined && id > this.#lastStream) this.breach(`a frame for the stream ${id}, which was never opened`);
    return stream;
  }

  #greet(): void {
    this.out.small(frameType.hello, { payload: encodeHello({ ...this.#shared.limits, ...this.#shared.sharing }) });
    this.out.flush();
  }

  #received(chunk: Uint8Array): void {
    if (this.closed) return;
    this.#vitals.heard(this.#shared.sweep.nowMs);
    this.#reader.read(chunk);
  }

  #ended(): void {
    if (this.closed) return;
    const within = this.#reader.between ? '' : ' in the middle of a frame';
    this.destroy(new ProaError(this.#peer === undefined ? 'unavailable' : 'peer.broken', `${this.remote} closed the connection${within}`));
  }

  #drained(): void {
    if (this.closed) return;
    this.#outbox.drained();
    this.#vitals.drained();
    // In turn: one that fills the connection again must not keep the others from ever sending.
    const streams = this.streams.all();
    for (let i = 0; i < streams.length && !this.#outbox.blocked; i++) streams[(i + this.#turn) % streams.length]?.drain();
    this.#turn++;
    if (this.#paused && !this.#outbox.blocked) {
      this.#paused = false;
      this.connection.resume();
    }
  }

  #gone(error: Error | undefined): void {
    // The network has refused the peer's certificate.
    if ((error as { code?: string } | undefined)?.code === 'EPROOF')
      return this.#shut(new ProaError('peer.identity', `the certificate of ${this.remote} is refused: ${(error as Error).message}`));
    const why = (error as { code?: string } | undefined)?.code ?? error?.message ?? 'closed by the peer';
    this.#shut(
      this.#peer === undefined
        ? new ProaError('unavailable', `cannot connect to ${this.remote}: ${why}`, { cause: error })
        : new ProaError('peer.broken', `the connection to ${this.remote} broke: ${why}`, { cause: error }),
    );
  }

  #closeIfLeft(): void {
    if (this.#leaving !== 'last' || this.streams.size > 0 || this.closed || this.#ending) return;
    this.#ending = true;
    this.out.flush();
    // The peer closes when it has read everything; until then it may take its time.
    this.#vitals.ending(this.#shared.sweep.nowMs);
    this.connection.end();
  }

  #shut(error: ProaError): void {
    if (this.closed) return;
    this.closed = true;
    this.#reader.stop();
    this.#shared.sweep.remove(this);
    this.#outbox.clear();
    for (const stream of this.streams.all()) stream.close(error);
    this.#user.closed(this, error);
  }
}
