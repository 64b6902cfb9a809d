/**
 * Bodies are push sources. Chunks live in a read buffer that is shared by every connection of the thread: they are valid
 * only during the call that delivers them, and whoever needs them longer copies them.
 */
export interface Sink {
  /** Called first, once, with the handle that grants credit. */
  open(flow: Flow): void;
  /** `chunk` is valid only until this function returns. */
  chunk(chunk: Uint8Array): void;
  /** The last byte was delivered; trailers are those of the source's protocol (flat name, value pairs). */
  end(trailers?: readonly string[]): void;
  /** The source broke off; no further call follows. */
  fail(error: unknown): void;
}

/** Back pressure: a source delivers only while the sink has granted more bytes than it received (it may overshoot by one chunk). */
export interface Flow {
  /** Grants `bytes` more bytes. */
  credit(bytes: number): void;
  /** The sink wants nothing more; the source stops and releases what it holds. `fail` is not called. */
  cancel(reason: unknown): void;
}

export interface Body {
  /** Bytes to come, when the source knows it. */
  readonly length: number | undefined;
  /** Bytes that were delivered so far, where the source counts them. */
  readonly delivered?: number;
  /** True for a body that can be piped again and again. */
  readonly replayable?: true;
  /** All of a small, replayable body as one string, one character per byte: a writer of text can take it without piping. */
  readonly latin1?: string;
  /** Consumes the body; it can be done once. Bytes that are there already are delivered before `pipe` returns. */
  pipe(sink: Sink): void;
  /** Nobody will read it: lets the source drop it. Does nothing after `pipe`. */
  discard(reason?: unknown): void;
}

/** How long a body is or, where it did not say, was: for measurements at its end. */
export function measuredBytes(body: Body): number | undefined {
  return body.length ?? body.delivered;
}

/** A body of no bytes; unlike others it can be piped any number of times. */
export const emptyBody: Body = {
  length: 0,
  replayable: true,
  pipe(sink) {
    sink.open(endlessFlow);
    sink.end();
  },
  discard() {},
};

const endlessFlow: Flow = { credit() {}, cancel() {} };

/** A body over bytes that the caller gives away; it can be piped any number of times (retry, mirror). */
export function bytesBody(bytes: Uint8Array): Body {
  return bytes.length === 0 ? emptyBody : new BytesBody(bytes);
}

class BytesBody implements Body {
  readonly length: number;
  readonly replayable = true;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.length = bytes.length;
    this.#bytes = bytes;
  }

  pipe(sink: Sink): void {
    const flow = new WholeFlow();
    sink.open(flow);
    if (flow.cancelled) return;
    sink.chunk(this.#bytes);
    sink.end();
  }

  discard(): void {}
}

/** Of a source that has everything at hand. */
class WholeFlow implements Flow {
  cancelled = false;
  credit(): void {}
  cancel(): void {
    this.cancelled = true;
  }
}

/** A small body over a string that holds one character per byte; it can be piped any number of times. */
export function latin1Body(text: string): Body {
  return text === '' ? emptyBody : new Latin1Body(text);
}

class Latin1Body implements Body {
  readonly latin1: string;
  readonly replayable = true;

  constructor(text: string) {
    this.latin1 = text;
  }

  get length(): number {
    return this.latin1.length;
  }

  pipe(sink: Sink): void {
    bytesBody(Buffer.from(this.latin1, 'latin1')).pipe(sink);
  }

  discard(): void {}
}

/** What `collect` answers when the body is larger than allowed. */
export class BodyTooLarge extends Error {
  readonly bytesMax: number;
  constructor(bytesMax: number) {
    super(`the body is larger than ${bytesMax} bytes`);
    this.bytesMax = bytesMax;
  }
}

/** Reads a whole body into one buffer of its own. Fails with `BodyTooLarge` beyond `bytesMax`, at the first byte too many. */
export async function collect(body: Body, bytesMax: number): Promise<Uint8Array> {
  return collectSoon(body, bytesMax);
}

/** The same, at once when all of the body is there already: then it also throws at once. */
export function collectSoon(body: Body, bytesMax: number): Uint8Array | Promise<Uint8Array> {
  if (body.length !== undefined && body.length > bytesMax) {
    const error = new BodyTooLarge(bytesMax);
    body.discard(error);
    throw error;
  }
  const collector = new Collector(bytesMax);
  body.pipe(collector);
  return collector.outcome();
}

class Collector implements Sink {
  readonly #bytesMax: number;
  readonly #parts: Uint8Array[] = [];
  #size = 0;
  #flow: Flow | undefined;
  #whole: Uint8Array | undefined;
  #error: { readonly thrown: unknown } | undefined;
  #waiting: { resolve(bytes: Uint8Array): void; reject(error: unknown): void } | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  outcome(): Uint8Array | Promise<Uint8Array> {
    if (this.#error !== undefined) throw this.#error.thrown;
    if (this.#whole !== undefined) return this.#whole;
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  open(flow: Flow): void {
    this.#flow = flow;
    flow.credit(Number.MAX_SAFE_INTEGER);
  }

  chunk(chunk: Uint8Array): void {
    if (this.#error !== undefined) return;
    this.#size += chunk.length;
    if (this.#size <= this.#bytesMax) return void this.#parts.push(Buffer.from(chunk));
    const error = new BodyTooLarge(this.#bytesMax);
    this.fail(error);
    this.#flow?.cancel(error);
  }

  end(): void {
    if (this.#error !== undefined) return;
    this.#whole = this.#parts.length === 1 ? (this.#parts[0] as Uint8Array) : Buffer.concat(this.#parts, this.#size);
    this.#waiting?.resolve(this.#whole);
  }

  fail(error: unknown): void {
    this.#error = { thrown: error };
    this.#waiting?.reject(error);
  }
}
