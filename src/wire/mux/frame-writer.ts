import { writeLatin1 } from '../../kernel/bytes.ts';
import { doubleZero } from '../../kernel/double-zero.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import { codePayload, endFlag, frameType, headFixedBytes } from './frame.ts';
import { notLatin1, type Fields, type FieldsWriter } from './fields-writer.ts';
import { writeHead, type Head } from './head.ts';
import type { Hello } from './hello.ts';
import { copy, type Outbox } from './outbox.ts';

/**
 * A turn brings only some of what is under way, and a write costs far more than a frame: while several calls are in flight frames wait for so many more turns as
 * long as messages arrive in each. A turn in which nothing waits takes microseconds; where turns take long, because handlers of the application run in them,
 * nobody's answer waits for the work of others.
 */
const lingerTurnsMax = 5;
const lingerMsMax = 2;
/** Data of one stream is cut into pieces of this size, so that others get their turn. */
const dataBytesMax = 32 * 1024;
/** Below any peer's `frameBytesMax`, so that a head and the body behind it never exceed it. */
const headAndBodyBytesMax = 16 * 1024;

const settled = Promise.resolve();

/** What a writer asks its connection. */
export interface WriterLink {
  readonly inFlight: number;
  /** Frames that wait together at most. */
  readonly gatheredMax: number;
  readonly peer: Hello;
  /** Frames were handed to the connection; it may be blocked now. */
  flushed(): void;
}

/** A message that is there as a whole. */
export interface WholeMessage {
  readonly head: Head;
  readonly fieldsBytes: number;
  readonly text: string;
}

/** Writes the frames of one connection and decides when they leave. */
export class FrameWriter {
  readonly #out: Outbox;
  readonly #clock: Clock;
  readonly #link: WriterLink;
  readonly #fields: FieldsWriter;
  #openHead = -1;
  #scheduled = false;
  #turns = 0;
  /** When the turn began that wrote the first of the frames that wait. */
  #sinceMs = doubleZero;
  /** Frames since the last flush. */
  #gathered = 0;

  constructor(link: WriterLink, { out, clock, fields }: { readonly out: Outbox; readonly clock: Clock; readonly fields: FieldsWriter }) {
    this.#out = out;
    this.#clock = clock;
    this.#link = link;
    this.#fields = fields;
  }

  get blocked(): boolean {
    return this.#out.blocked;
  }

  /** The bytes that the fields take. Throws `bad-request` for fields that the peer would not take. */
  check(message: Fields): number {
    const { fieldsMax, headBytesMax } = this.#link.peer;
    const bytes = this.#fields.measure(message);
    const count = message.last === undefined ? message.fields.length : message.fields.length + 1;
    if (count > fieldsMax || bytes > headBytesMax)
      throw new ProaError('bad-request', `the head is larger than the peer takes (${headBytesMax} bytes, ${fieldsMax} fields)`);
    if (bytes === notLatin1) throw new ProaError('bad-request', 'a header holds a character that is not allowed');
    return bytes;
  }

  /** Begins a head to which `data` of the same stream is appended until `end` or `sealHead`. `fieldsBytes` is what `check` answered just now. */
  head(stream: number, head: Head, fieldsBytes: number): void {
    const length = headFixedBytes + fieldsBytes;
    const at = this.#out.frame(length, { type: frameType.head, flags: 0, stream });
    writeHead(this.#out.bytes, at, head, this.#fields);
    this.#out.open(length);
    this.#openHead = stream;
  }

  /** A head and a body of these lengths can leave by `whole` now. */
  takesWhole(fieldsBytes: number, textLength: number): boolean {
    return textLength === 0 || (!this.#out.blocked && headFixedBytes + fieldsBytes + textLength <= headAndBodyBytesMax);
  }

  /** A message in one frame, its body a character per byte. `fieldsBytes` is what `check` answered just now. */
  whole(stream: number, { head, fieldsBytes, text }: WholeMessage): void {
    const at = this.#out.frame(headFixedBytes + fieldsBytes + text.length, { type: frameType.head, flags: endFlag, stream });
    const { bytes } = this.#out;
    const bodyAt = writeHead(bytes, at, head, this.#fields);
    if (text !== '') writeLatin1(bytes, text, bodyAt, text.length);
    this.#openHead = -1;
    this.#flushSoon();
  }

  sealHead(): void {
    if (this.#openHead === -1) return;
    this.#openHead = -1;
    this.#out.seal(false);
    this.#flushSoon();
  }

  data(stream: number, bytes: Uint8Array): void {
    if (this.#openHead === stream && this.#out.append(bytes, headAndBodyBytesMax)) return;
    this.#openHead = -1;
    for (let at = 0; at < bytes.length; at += dataBytesMax) {
      const part = bytes.length <= dataBytesMax ? bytes : bytes.subarray(at, at + dataBytesMax);
      const payloadAt = this.#out.frame(part.length, { type: frameType.data, flags: 0, stream });
      copy(part, this.#out.bytes, payloadAt);
    }
    this.#flushSoon();
  }

  /** Ends our direction of the stream. Trailers must have been checked. */
  end(stream: number, trailers: readonly string[] | undefined): void {
    if (trailers !== undefined && trailers.length > 0) {
      const message = { fields: trailers };
      const length = 2 + this.#fields.measure(message);
      const at = this.#out.frame(length, { type: frameType.trailers, flags: endFlag, stream });
      this.#out.bytes.writeUInt16BE(trailers.length, at);
      this.#fields.write(this.#out.bytes, at + 2, message);
    } else if (this.#openHead === stream && this.#out.isOpen) this.#out.seal(true);
    else this.#out.frame(0, { type: frameType.data, flags: endFlag, stream });
    this.#openHead = -1;
    this.#flushSoon();
  }

  reset(stream: number, code: number, reason: string): void {
    this.small(frameType.reset, { stream, payload: codePayload(code, reason) });
  }

  credit(stream: number, bytes: number): void {
    const at = this.#out.frame(4, { type: frameType.credit, flags: 0, stream });
    this.#out.bytes.writeUInt32BE(bytes, at);
    this.#flushSoon();
  }

  goaway(lastStream: number, code: number, reason: string): void {
    this.small(frameType.goaway, { payload: codePayload(code, reason, lastStream) });
  }

  /** Any frame whose payload exists already. */
  small(type: number, frame: { payload: Uint8Array; stream?: number; flags?: number }): void {
    const { payload, stream = 0, flags = 0 } = frame;
    const at = this.#out.frame(payload.length, { type, flags, stream });
    this.#out.bytes.set(payload, at);
    this.#openHead = -1;
    this.#flushSoon();
  }

  flush(): void {
    this.#openHead = -1;
    this.#gathered = 0;
    this.#out.flush();
    this.#link.flushed();
  }

  #flushSoon(): void {
    const full = ++this.#gathered >= this.#link.gatheredMax || this.#out.overflows;
    // A head that another stream of this turn left open must not be cut short by our haste: it flushes when it is sealed.
    if (full && this.#openHead === -1) this.flush();
    if (full || this.#scheduled) return;
    this.#scheduled = true;
    void settled.then(this.#written);
  }

  /** Behind all that was read together: what is in flight now is what frames could wait for. */
  readonly #written = (): void => {
    if (this.#link.inFlight <= 1 && this.#openHead === -1) {
      this.#scheduled = false;
      this.flush();
      return;
    }
    this.#turns = 0;
    this.#sinceMs = this.#clock.turn();
    this.#clock.soon(this.#turn);
  };

  readonly #turn = (): void => {
    if (this.#turns < lingerTurnsMax && this.#clock.arriving() && this.#clock.mono() - this.#sinceMs < lingerMsMax) {
      this.#turns++;
      this.#clock.soon(this.#turn);
      return;
    }
    this.#scheduled = false;
    this.flush();
  };
}
