// What is done with bytes on the way of a call, as functions. Node 20's optimising compiler runs beside the program and may not read the name of a property then, and a name that
// could be a number means something else on arrays of bytes: so it leaves every `bytes.method()` as a search for the method (5 ns, and nothing is inlined), and names of
// methods that do not begin there, as these, are found once. See docs/decisions/hot-path.md.

type Bound<Args extends readonly unknown[], R> = (bytes: Uint8Array, ...args: Args) => R;

function bound<Args extends readonly unknown[], R>(method: unknown): Bound<Args, R> {
  return Function.prototype.call.bind(method as never) as Bound<Args, R>;
}

// The global one is a property with a getter, which no compiler sees through.
const NodeBuffer = Buffer;

/** Node has these for each encoding below `toString` and `write`, and documents only those. */
type Undocumented = Partial<Record<'latin1Slice' | 'hexSlice' | 'utf8Slice' | 'latin1Write' | 'utf8Write', unknown>>;
const undocumented = Buffer.prototype as unknown as Undocumented;

// Where a Node has them no more: what it documents.
const documented = {
  slice: (encoding: 'latin1' | 'hex' | 'utf8') =>
    function slice(this: Uint8Array, from: number, to: number): string {
      return asBuffer(this).toString(encoding, from, to);
    },
  write: (encoding: 'latin1' | 'utf8') =>
    function write(this: Uint8Array, ...[text, at, length]: [text: string, at: number, length: number]): number {
      return asBuffer(this).write(text, at, length, encoding);
    },
};

/** The bytes as a Buffer over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof NodeBuffer ? bytes : NodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The bytes [from, to) as text: each becomes the code point of its value. */
export const latin1Text: Bound<[from: number, to: number], string> = bound(undocumented.latin1Slice ?? documented.slice('latin1'));

/** The bytes [from, to) as hexadecimal digits. */
export const hexText: Bound<[from: number, to: number], string> = bound(undocumented.hexSlice ?? documented.slice('hex'));

/** The bytes [from, to) as text, from UTF-8. */
export const utf8Text: Bound<[from: number, to: number], string> = bound(undocumented.utf8Slice ?? documented.slice('utf8'));

/** Writes a text, a byte per character, and answers how many. */
export const writeLatin1: Bound<[text: string, at: number, length: number], number> = bound(
  undocumented.latin1Write ?? documented.write('latin1'),
);

/** Writes a text as UTF-8, at most so many bytes, and answers how many. */
export const writeUtf8: Bound<[text: string, at: number, length: number], number> = bound(
  undocumented.utf8Write ?? documented.write('utf8'),
);

/** The bytes [from, to) over the same memory. */
export const partOf: Bound<[from: number, to: number], Buffer> = bound(Buffer.prototype.subarray);

/** The bytes [from, to) in memory of their own. */
export function copyOf(bytes: Uint8Array, from: number, to: number): Buffer {
  const copy = NodeBuffer.allocUnsafe(to - from);
  putBytes(copy, from === 0 && to === bytes.length ? bytes : partOf(bytes, from, to), 0);
  return copy;
}

/** Copies all of `source` to `at`. */
export const putBytes: Bound<[source: Uint8Array, at: number], void> = bound(Uint8Array.prototype.set);

/** Moves the bytes [from, to) to `at`, which may lie within them. */
export const moveBytes: Bound<[at: number, from: number, to: number], Uint8Array> = bound(Uint8Array.prototype.copyWithin);

/** As `Buffer.compare`: 0 when [otherFrom, otherTo) of `other` and [from, to) are the same bytes. */
export const compareBytes: Bound<[other: Uint8Array, otherFrom: number, otherTo: number, from: number, to: number], number> = bound(
  Buffer.prototype.compare,
);

/** Big endian, as every number on a wire. */
export function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0
  );
}

export function writeU16(to: Uint8Array, at: number, value: number): void {
  to[at] = value >>> 8;
  to[at + 1] = value;
}

export function writeU32(to: Uint8Array, at: number, value: number): void {
  to[at] = value >>> 24;
  to[at + 1] = value >>> 16;
  to[at + 2] = value >>> 8;
  to[at + 3] = value;
}
