import { ProaError } from '../../kernel/errors.ts';

/** Thrown by `ByteReader` for bytes that are not what the protocol says; the connection they came from is closed. */
function malformed(what: string): ProaError {
  return new ProaError('malformed-request', `engine protocol: ${what}`);
}

/** Appends numbers and bytes to a buffer that grows; big endian. */
export class ByteWriter {
  #buffer: Buffer;
  #length: number;

  /** `reserved` bytes at the front are left for the frame's head. */
  constructor(reserved: number, sizeHint = 256) {
    this.#buffer = Buffer.allocUnsafe(reserved + sizeHint);
    this.#length = reserved;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#length = this.#buffer.writeUInt8(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32BE(value, this.#length);
    return this;
  }

  /** Any number; whole ones are exact to 2^53. */
  number(value: number): this {
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleBE(value, this.#length);
    return this;
  }

  /** Length and bytes; the bytes are copied. */
  bytes(value: Uint8Array): this {
    this.#reserve(4 + value.length);
    this.#length = this.#buffer.writeUInt32BE(value.length, this.#length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** A string of bytes, one per character. */
  key(value: string): this {
    return this.#string(value, value.length, 'latin1');
  }

  text(value: string): this {
    return this.#string(value, Buffer.byteLength(value), 'utf8');
  }

  /** One byte for "absent", else 1 and what `write` appends. */
  optional<T>(value: T | undefined, write: (value: T) => void): this {
    this.u8(value === undefined ? 0 : 1);
    if (value !== undefined) write(value);
    return this;
  }

  /** A count and the items. */
  list<T>(items: readonly T[] | undefined, write: (item: T) => void): this {
    this.u32(items?.length ?? 0);
    if (items !== undefined) for (const item of items) write(item);
    return this;
  }

  /** What was written, the reserved front included. The writer is spent. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #string(value: string, length: number, encoding: 'latin1' | 'utf8'): this {
    this.#reserve(4 + length);
    this.#length = this.#buffer.writeUInt32BE(length, this.#length);
    this.#buffer.write(value, this.#length, encoding);
    this.#length += length;
    return this;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** Reads what a `ByteWriter` wrote. Every method throws `malformed-request` rather than read beyond the end. */
export class ByteReader {
  readonly #buffer: Buffer;
  #at: number;
  readonly #end: number;

  constructor(buffer: Buffer, from: number, to: number) {
    this.#buffer = buffer;
    this.#at = from;
    this.#end = to;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }

  u32(): number {
    return this.#buffer.readUInt32BE(this.#take(4));
  }

  number(): number {
    return this.#buffer.readDoubleBE(this.#take(8));
  }

  /** A copy: what was read outlives the buffer it came in. */
  bytes(): Buffer {
    const length = this.u32();
    const at = this.#take(length);
    return Buffer.from(this.#buffer.subarray(at, at + length));
  }

  key(): string {
    return this.#string('latin1');
  }

  text(): string {
    return this.#string('utf8');
  }

  optional<T>(read: () => T): T | undefined {
    return this.u8() === 0 ? undefined : read();
  }

  /** Fails beyond `countMax` items, and beyond the bytes that are there: a forged count allocates nothing. */
  list<T>(countMax: number, read: () => T): T[] {
    const count = this.u32();
    if (count > countMax || count > this.#end - this.#at) throw malformed(`a list of ${count} items, at most ${countMax} are allowed`);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  /** Bytes that were not read yet. */
  get left(): number {
    return this.#end - this.#at;
  }

  /** Fails when bytes are left over. */
  done(): void {
    if (this.#at !== this.#end) throw malformed(`${this.#end - this.#at} bytes too many in a frame`);
  }

  #string(encoding: 'latin1' | 'utf8'): string {
    const length = this.u32();
    const at = this.#take(length);
    return this.#buffer.toString(encoding, at, at + length);
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) throw malformed('a frame ends too early');
    this.#at = at + count;
    return at;
  }
}
