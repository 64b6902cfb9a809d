/** One element: its tag, its content, and itself with its header. */
export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  readonly whole: Buffer;
}

/** What is not strict DER. */
export class DerError extends Error {}

/** Reads elements one after another. Throws `DerError` for anything but strict DER: indefinite, overlong or cut-off lengths, long tags. */
export class DerReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next element, which must have `tag` when one is given. */
  next(tag?: number): Element {
    const bytes = this.#bytes;
    const start = this.#at;
    const found = bytes[start];
    if (found === undefined) throw new DerError('an element is missing');
    if ((found & 0x1f) === 0x1f) throw new DerError('tags of more than one byte are not used here');
    if (tag !== undefined && found !== tag)
      throw new DerError(`the tag 0x${found.toString(16)} stands where 0x${tag.toString(16)} belongs`);
    const { length, at } = this.#length(start + 1);
    if (at + length > bytes.length) throw new DerError('an element is cut off');
    this.#at = at + length;
    return { tag: found, content: bytes.subarray(at, at + length), whole: bytes.subarray(start, at + length) };
  }

  /** The next element when it has the tag; else nothing is read. */
  optional(tag: number): Element | undefined {
    return this.#bytes[this.#at] === tag ? this.next(tag) : undefined;
  }

  /** The elements inside the next one, which must have `tag`. */
  inside(tag: number): DerReader {
    return new DerReader(this.next(tag).content);
  }

  /** Throws when something follows. */
  end(): void {
    if (!this.done) throw new DerError('something follows where nothing belongs');
  }

  #length(start: number): { length: number; at: number } {
    const first = this.#bytes[start];
    if (first === undefined) throw new DerError('a length is missing');
    if (first < 0x80) return { length: first, at: start + 1 };
    const count = first & 0x7f;
    if (count === 0 || count > 3) throw new DerError('a length is indefinite or too large');
    let length = 0;
    for (let i = 1; i <= count; i++) length = length * 256 + (this.#bytes[start + i] ?? Number.NaN);
    if (Number.isNaN(length)) throw new DerError('a length is cut off');
    if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError('a length is longer than it needs to be');
    return { length, at: start + 1 + count };
  }
}

/** The dotted form of an object identifier's content. */
export function oidText(content: Buffer): string {
  const first = content[0];
  if (first === undefined || ((content.at(-1) as number) & 0x80) !== 0) throw new DerError('an object identifier is cut off');
  const arcs = [Math.min(2, Math.floor(first / 40)), first - Math.min(2, Math.floor(first / 40)) * 40];
  let arc = 0;
  for (const byte of content.subarray(1)) {
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER) throw new DerError('an object identifier is too large');
    if ((byte & 0x80) !== 0) continue;
    arcs.push(arc);
    arc = 0;
  }
  return arcs.join('.');
}
