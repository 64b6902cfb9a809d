import { hexValue, valueClass } from './char-class.ts';
import { faults, type Fault } from './fault.ts';
import { parseFields, type FieldLimits, type Fields } from './fields.ts';

export interface ChunkLimits extends FieldLimits {
  /** Of all chunk extensions of one body together. */
  readonly extensionBytesMax: number;
  /** Of the trailer section. */
  readonly trailerBytesMax: number;
}

// The longest size that stays below 2^53.
const sizeDigitsMax = 13;
const carriageReturn = 13;
const lineFeed = 10;

type State = 'size' | 'extension' | 'size-end' | 'data' | 'data-return' | 'data-end' | 'trailer' | 'done';

/** The chunked transfer coding as a state machine over any splitting of the bytes. Line ends are CR LF, extensions are dropped. */
export class ChunkDecoder {
  readonly #limits: ChunkLimits;
  #state: State = 'size';
  #digits = 0;
  #size = 0;
  #extensionBytes = 0;
  #trailer = '';
  /** Bytes of chunk data that come next in the input; the caller consumes them and calls `took`. */
  dataBytes = 0;
  fault: Fault | undefined = undefined;
  /** The trailers, flat, once `done`; undefined when there are none. */
  trailers: readonly string[] | undefined = undefined;

  constructor(limits: ChunkLimits) {
    this.#limits = limits;
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  /** `count` bytes of data were consumed. */
  took(count: number): void {
    this.dataBytes -= count;
    if (this.dataBytes === 0) this.#state = 'data-return';
  }

  /** Consumes framing from `at`; stops before data, behind the end of the body, at `end`, or at a fault. Returns where it stopped. */
  frame(bytes: Buffer, at: number, end: number): number {
    let p = at;
    while (p < end && this.#state !== 'data' && this.#state !== 'done') {
      if (this.#state === 'trailer') p = this.#takeTrailer(bytes, p, end);
      else {
        this.fault = this.#step(bytes[p] as number);
        p++;
      }
      if (this.fault !== undefined) return p;
    }
    return p;
  }

  #step(byte: number): Fault | undefined {
    switch (this.#state) {
      case 'size':
        return this.#sizeByte(byte);
      case 'extension':
        if (byte === carriageReturn) this.#state = 'size-end';
        else if (valueClass[byte] === 0 || ++this.#extensionBytes > this.#limits.extensionBytesMax) return faults.chunkExtension;
        return undefined;
      case 'size-end':
        if (byte !== lineFeed) return faults.chunkSize;
        this.#sizeDone();
        return undefined;
      case 'data-return':
        this.#state = 'data-end';
        return byte === carriageReturn ? undefined : faults.chunkEnd;
      default:
        this.#state = 'size';
        return byte === lineFeed ? undefined : faults.chunkEnd;
    }
  }

  #sizeByte(byte: number): Fault | undefined {
    const value = hexValue[byte] as number;
    if (value !== 255) {
      if (++this.#digits > sizeDigitsMax) return faults.chunkSize;
      this.#size = this.#size * 16 + value;
      return undefined;
    }
    if (this.#digits === 0) return faults.chunkSize;
    if (byte === carriageReturn) this.#state = 'size-end';
    else if (byte === 0x3b) this.#state = 'extension';
    else return faults.chunkSize;
    return undefined;
  }

  #sizeDone(): void {
    this.dataBytes = this.#size;
    this.#state = this.#size === 0 ? 'trailer' : 'data';
    this.#size = 0;
    this.#digits = 0;
  }

  /** Collects the trailer section up to its empty line; it is small, and most often that line alone. */
  #takeTrailer(bytes: Buffer, at: number, end: number): number {
    let p = at;
    while (p < end) {
      const byte = bytes[p++] as number;
      this.#trailer += String.fromCharCode(byte);
      const text = this.#trailer;
      if (byte !== lineFeed) {
        if (text.length > this.#limits.trailerBytesMax) this.fault = faults.trailerMax;
        else continue;
        return p;
      }
      if (text.charCodeAt(text.length - 2) !== carriageReturn) {
        this.fault = faults.bareLineFeed;
        return p;
      }
      if (text === '\r\n' || text.endsWith('\r\n\r\n')) {
        this.#finish(text);
        return p;
      }
    }
    return p;
  }

  #finish(text: string): void {
    this.#state = 'done';
    if (text === '\r\n') return;
    const bytes = Buffer.from(text, 'latin1');
    const fields: Fields = {
      headers: [],
      contentLength: -1,
      chunked: false,
      close: false,
      keepAlive: false,
      keptMs: Infinity,
      host: undefined,
      expect: undefined,
    };
    this.fault = parseFields({ bytes, text, base: 0, end: bytes.length }, 0, this.#limits, fields);
    // What frames or routes a message has no place behind it.
    if (fields.contentLength !== -1 || fields.chunked || fields.host !== undefined) this.fault ??= faults.trailer;
    this.trailers = fields.headers;
  }
}
