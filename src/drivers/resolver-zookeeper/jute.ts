/** ZooKeeper's serialisation: big-endian numbers, texts and buffers behind their length. */
export interface JuteWriter {
  int(value: number): JuteWriter;
  long(value: bigint): JuteWriter;
  flag(value: boolean): JuteWriter;
  buffer(bytes: Uint8Array): JuteWriter;
  text(value: string): JuteWriter;
  /** Everything written so far, behind its length: one frame. */
  frame(): Uint8Array;
}

/** Nothing is written yet. */
export function juteWriter(): JuteWriter {
  const parts: Uint8Array[] = [];
  const add = (bytes: Uint8Array): JuteWriter => {
    parts.push(bytes);
    return writer;
  };
  const writer: JuteWriter = {
    int: (value) => add(int32(value)),
    long(value) {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(value);
      return add(bytes);
    },
    flag: (value) => add(Uint8Array.of(value ? 1 : 0)),
    buffer: (bytes) => add(Buffer.concat([int32(bytes.length), bytes])),
    text: (value) => writer.buffer(Buffer.from(value, 'utf8')),
    frame() {
      const body = Buffer.concat(parts);
      return Buffer.concat([int32(body.length), body]);
    },
  };
  return writer;
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** Reads what a server sent. Every method fails with a RangeError where the bytes end too early. */
export interface JuteReader {
  readonly left: number;
  int(): number;
  long(): bigint;
  buffer(): Uint8Array;
  text(): string;
  texts(): string[];
}

/** Over one frame, without its length. */
export function juteReader(frame: Uint8Array): JuteReader {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
  let at = 0;
  const take = (count: number): number => {
    if (count < 0 || at + count > bytes.length) throw new RangeError('ZooKeeper sent a frame that is cut short');
    at += count;
    return at - count;
  };
  const reader: JuteReader = {
    get left() {
      return bytes.length - at;
    },
    int: () => bytes.readInt32BE(take(4)),
    long: () => bytes.readBigInt64BE(take(8)),
    buffer() {
      const length = reader.int();
      // -1 is "no buffer".
      const from = take(Math.max(0, length));
      return bytes.subarray(from, at);
    },
    text: () => Buffer.from(reader.buffer()).toString('utf8'),
    texts() {
      const count = reader.int();
      // Each takes four bytes at least: a count that cannot be is refused before anything is made.
      if (count > reader.left / 4) throw new RangeError('ZooKeeper sent a list that is longer than its frame');
      return Array.from({ length: Math.max(0, count) }, () => reader.text());
    },
  };
  return reader;
}

// Above ZooKeeper's own limit (1 MB) and small enough to hold.
const frameBytesMax = 4 * 1024 * 1024;

/** Cuts a stream into frames. Fails at a length that no frame has. */
export function frameSplitter(frame: (bytes: Uint8Array) => void): (chunk: Uint8Array) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4) {
      const length = rest.readInt32BE(0);
      if (length < 0 || length > frameBytesMax) throw new RangeError(`ZooKeeper sent a frame of ${length} bytes`);
      if (rest.length < 4 + length) return;
      const body = rest.subarray(4, 4 + length);
      rest = rest.subarray(4 + length);
      frame(body);
    }
  };
}
