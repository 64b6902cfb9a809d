import { isUtf8 } from 'node:buffer';
import { latin1Text, partOf, utf8Text } from '../../kernel/bytes.ts';

const wireTypes = { varint: 0, fixed64: 1, bytes: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const;

const groupsMax = 64;
const asciiCharsMax = 48;

/** The text that a field had last: most messages say of it what the one before did, and the same text is found faster wherever it is looked up. */
export class LastText {
  text = '';

  /** Whether `bytes` say it from `at` on, in `length` bytes. */
  is(bytes: Uint8Array, at: number, length: number): boolean {
    const { text } = this;
    if (text.length !== length) return false;
    for (let i = 0; i < length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
    return true;
  }
}

/**
 * Reads protobuf for messages that are decoded by hand. Everything fails with an `Error` where the bytes are no protobuf. A field whose wire type is not the one
 * of its message is skipped, as unknown fields are.
 */
export class ProtoReader {
  readonly #bytes: Uint8Array;
  #at: number;
  #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#at = 0;
    this.#end = bytes.length;
  }

  /** The next field's tag (number times eight plus wire type); 0 at the end of the message. */
  tag(): number {
    if (this.#at >= this.#end) return 0;
    const first = this.#bytes[this.#at] as number;
    if (first >= 8 && first < 0x80) {
      this.#at++;
      if ((first & 7) > wireTypes.fixed32) throw malformed();
      return first;
    }
    const from = this.#at;
    const tag = this.varint();
    const read = this.#at - from;
    // A tag has 32 bits: five bytes, and in the last of them four bits.
    if (tag < 8 || (tag & 7) > wireTypes.fixed32 || read > 5 || (read === 5 && (this.#bytes[this.#at - 1] as number) > 0x0f))
      throw malformed();
    return tag;
  }

  /** The lower 32 bits of a varint. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= this.#end) break;
      const byte = this.#bytes[this.#at++] as number;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed();
  }

  /** A value of an open enum: what it means is for others to say. */
  enumValue(): number {
    return this.varint() | 0;
  }

  /** `last` is the one of this field. */
  string(last?: LastText): string {
    const length = this.#length();
    const from = this.#at;
    this.#at = from + length;
    if (length <= asciiCharsMax) {
      if (last?.is(this.#bytes, from, length) === true) return last.text;
      let i = from;
      while (i < this.#at && (this.#bytes[i] as number) < 0x80) i++;
      if (i === this.#at) {
        const text = latin1Text(this.#bytes, from, i);
        if (last !== undefined) last.text = text;
        return text;
      }
    }
    if (!isUtf8(partOf(this.#bytes, from, this.#at))) throw new Error('a string of the message is not UTF-8');
    return utf8Text(this.#bytes, from, this.#at);
  }

  /** A view of the message's bytes. */
  bytes(): Uint8Array {
    const length = this.#length();
    this.#at += length;
    return partOf(this.#bytes, this.#at - length, this.#at);
  }

  /** Reads a nested message: `read` is called for each of its fields, and skips what it does not know. */
  nested<T>(into: T, read: (reader: ProtoReader, tag: number, into: T) => void): T {
    const length = this.#length();
    const outer = this.#end;
    this.#end = this.#at + length;
    for (let tag = this.tag(); tag !== 0; tag = this.tag()) read(this, tag, into);
    this.#end = outer;
    return into;
  }

  /** An entry of a `map<string, string>`. */
  entry(into: Record<string, string>): void {
    const { key, value } = this.nested({ key: '', value: '' }, readEntry);
    into[key] = value;
  }

  /** Steps over the value of a field. */
  skip(tag: number, depth = 0): void {
    switch (tag & 7) {
      case wireTypes.varint:
        this.varint();
        return;
      case wireTypes.fixed64:
        this.#step(8);
        return;
      case wireTypes.bytes:
        this.#step(this.#length());
        return;
      case wireTypes.fixed32:
        this.#step(4);
        return;
      case wireTypes.startGroup:
        if (depth >= groupsMax) throw malformed();
        for (let inner = this.tag(); inner !== ((tag & ~7) | wireTypes.endGroup); inner = this.tag()) {
          if (inner === 0) throw malformed();
          this.skip(inner, depth + 1);
        }
        return;
      default:
        throw malformed();
    }
  }

  #length(): number {
    const length = this.varint();
    if (length > this.#end - this.#at) throw malformed();
    return length;
  }

  #step(count: number): void {
    if (count > this.#end - this.#at) throw malformed();
    this.#at += count;
  }
}

function readEntry(reader: ProtoReader, tag: number, into: { key: string; value: string }): void {
  if (tag === 0x0a) into.key = reader.string();
  else if (tag === 0x12) into.value = reader.string();
  else reader.skip(tag);
}

function malformed(): Error {
  return new Error('the message is not valid protobuf');
}
