import { copyOf, partOf, putBytes, writeUtf8 } from '../../kernel/bytes.ts';

const firstBytes = 4 * 1024;
const keptBytesMax = 256 * 1024;
const shortChars = 24;

/**
 * Writes protobuf for messages that are encoded by hand. Fields without presence are left out when they are empty, as proto3 wants. One writer serves many
 * messages, one after the other.
 */
export class ProtoWriter {
  #bytes = Buffer.allocUnsafeSlow(firstBytes);
  #at = 0;

  string(field: number, text: string): void {
    if (text === '') return;
    this.#room(text.length * 3 + 10);
    this.#byte((field << 3) | 2);
    // The length is guessed to take one byte; when it takes more, the text makes room.
    const written = this.#text8(text, this.#at + 1);
    this.#lengthBefore(this.#at + 1, written);
  }

  bytes(field: number, data: Uint8Array): void {
    if (data.length === 0) return;
    this.#room(data.length + 10);
    this.#byte((field << 3) | 2);
    this.#varint(data.length);
    putBytes(this.#bytes, data, this.#at);
    this.#at += data.length;
  }

  varint(field: number, value: number): void {
    if (value === 0) return;
    this.#room(16);
    this.#byte(field << 3);
    // A negative number of 32 bits is written as one of 64: ten bytes.
    let rest = value;
    for (let i = 0; i < 4; i++, rest >>= 7) {
      if (value > 0 && rest < 128) break;
      this.#byte((rest & 127) | 128);
    }
    if (value > 0) this.#byte(rest);
    else {
      this.#byte((rest & 127) | 128);
      for (let i = 0; i < 4; i++) this.#byte(0xff);
      this.#byte(0x01);
    }
  }

  /** A number of a `oneof`: written even when it is 0. From 0 to 2^31 - 1. */
  presentVarint(field: number, value: number): void {
    this.#room(16);
    this.#byte(field << 3);
    this.#varint(value);
  }

  /** A fixed64; tags take one byte up to field 15. */
  fixed64(field: number, value: bigint): void {
    if (value === 0n) return;
    this.#room(16);
    this.#byte((field << 3) | 1);
    this.#at = this.#bytes.writeBigUInt64LE(value, this.#at);
  }

  /** A double of a `oneof`: written even when it is 0. */
  double(field: number, value: number): void {
    this.#room(16);
    this.#byte((field << 3) | 1);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** Begins a nested message; `end` takes the answer. */
  begin(field: number): number {
    this.#room(16);
    this.#byte((field << 3) | 2);
    return ++this.#at;
  }

  end(begun: number): void {
    this.#room(16);
    const length = this.#at - begun;
    this.#at = begun - 1;
    this.#lengthBefore(begun, length);
  }

  map(field: number, entries: Readonly<Record<string, string>> | undefined): void {
    if (entries === undefined) return;
    for (const key of Object.keys(entries)) {
      const begun = this.begin(field);
      // An entry says both even when they are empty.
      this.#text(1, key);
      this.#text(2, entries[key] as string);
      this.end(begun);
    }
  }

  /** The message, in memory of its own; the writer is empty again. */
  finish(): Uint8Array {
    const message = copyOf(this.#bytes, 0, this.#at);
    this.reset();
    return message;
  }

  /** Forgets what was written, after something failed halfway. */
  reset(): void {
    this.#at = 0;
    if (this.#bytes.length > keptBytesMax) this.#bytes = Buffer.allocUnsafeSlow(firstBytes);
  }

  /** Writes a text at `from` and answers how many bytes it takes. */
  #text8(text: string, from: number): number {
    const { length } = text;
    const bytes = this.#bytes;
    // A native call has a price of its own that a few characters are not worth.
    if (length <= shortChars) {
      let i = 0;
      for (; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code >= 0x80) break;
        bytes[from + i] = code;
      }
      if (i === length) return length;
    }
    return writeUtf8(bytes, text, from, length * 3);
  }

  #text(field: number, text: string): void {
    if (text !== '') {
      this.string(field, text);
      return;
    }
    this.#room(16);
    this.#byte((field << 3) | 2);
    this.#byte(0);
  }

  /** Writes the length of what stands at `from`, where one byte is free before it. */
  #lengthBefore(from: number, length: number): void {
    let size = 1;
    for (let rest = length; rest >= 128; rest >>>= 7) size++;
    if (size > 1) this.#bytes.copyWithin(from + size - 1, from, from + length);
    this.#varint(length);
    this.#at += length;
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= 128; rest >>>= 7) this.#byte((rest & 127) | 128);
    this.#byte(rest);
  }

  #byte(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  #room(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + count + 16));
    putBytes(grown, partOf(this.#bytes, 0, this.#at), 0);
    this.#bytes = grown;
  }
}
