/** Numbers of RFC 1035, RFC 2782 and RFC 3596. */
export const recordTypes = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, ANY: 255 } as const;

export interface Question {
  readonly name: Name;
  readonly type: number;
}

/** A name as its labels: a label may hold any byte, dots included (service instances do). */
export type Name = readonly string[];

export type Data =
  | { readonly type: typeof recordTypes.A | typeof recordTypes.AAAA; readonly address: string }
  | { readonly type: typeof recordTypes.PTR; readonly target: Name }
  | { readonly type: typeof recordTypes.SRV; readonly target: Name; readonly port: number }
  | { readonly type: typeof recordTypes.TXT; readonly texts: readonly string[] };

export type DnsRecord = Data & {
  readonly name: Name;
  readonly ttlSeconds: number;
  /** The record replaces what caches hold (RFC 6762, section 10.2). */
  readonly flush?: boolean;
};

export interface Packet {
  readonly id: number;
  readonly response: boolean;
  readonly questions: readonly Question[];
  /** Answers and additional records alike. */
  readonly records: readonly DnsRecord[];
}

const classIn = 1;
const topBit = 0x8000;
const authoritative = 0x0400;
const recordsMax = 1_000;
const jumpsMax = 32;
const nameBytesMax = 255;
// RFC 6762, section 17.
const messageBytesMax = 8_972;

/** Two names are one when their ASCII letters differ in case only. */
export function sameName(a: Name, b: Name): boolean {
  return a.length === b.length && a.every((label, i) => label.toLowerCase() === (b[i] as string).toLowerCase());
}

/** Writes a message without compressing names. Labels longer than 63 bytes and texts longer than 255 cannot be written, nor messages larger than 8,972: an Error. */
export function encodePacket({ id, response, questions, records }: Packet): Uint8Array {
  const parts: Uint8Array[] = [header(id, response, questions.length, records.length)];
  for (const { name, type } of questions) parts.push(encodeName(name), u16(type), u16(classIn));
  for (const record of records) {
    const data = encodeData(record);
    const ttl = new Uint8Array(4);
    new DataView(ttl.buffer).setUint32(0, record.ttlSeconds);
    parts.push(
      encodeName(record.name),
      u16(record.type),
      u16(record.flush === true ? classIn | topBit : classIn),
      ttl,
      u16(data.length),
      data,
    );
  }
  const message = Buffer.concat(parts);
  if (message.length > messageBytesMax)
    throw new Error(`a DNS message of ${message.length} bytes is too large: at most ${messageBytesMax} fit`);
  return message;
}

/** Reads a message. Undefined for what is none: cut short, names that go in circles, lengths that lie. Records of other types and classes are left out. */
export function decodePacket(bytes: Uint8Array): Packet | undefined {
  try {
    return new Reader(bytes).packet();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function header(id: number, response: boolean, questions: number, records: number): Uint8Array {
  return Buffer.concat([u16(id), u16(response ? topBit | authoritative : 0), u16(questions), u16(records), u16(0), u16(0)]);
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}

function encodeName(name: Name): Uint8Array {
  const parts = name.map((label) => {
    const bytes = Buffer.from(label, 'utf8');
    if (bytes.length === 0 || bytes.length > 63) throw new Error(`"${label}" cannot be a label of a DNS name`);
    return Buffer.concat([Uint8Array.of(bytes.length), bytes]);
  });
  const written = Buffer.concat([...parts, Uint8Array.of(0)]);
  if (written.length > nameBytesMax) throw new Error(`"${name.join('.')}" is too long for a DNS name`);
  return written;
}

function encodeData(data: Data): Uint8Array {
  switch (data.type) {
    case recordTypes.A:
      return Uint8Array.from(data.address.split('.').map(Number));
    case recordTypes.AAAA:
      return encodeV6(data.address);
    case recordTypes.PTR:
      return encodeName(data.target);
    case recordTypes.SRV:
      return Buffer.concat([u16(0), u16(0), u16(data.port), encodeName(data.target)]);
    case recordTypes.TXT: {
      const texts = data.texts.map((text) => {
        const bytes = Buffer.from(text, 'utf8');
        if (bytes.length > 255) throw new Error(`a TXT string has ${bytes.length} bytes: at most 255 fit`);
        return Buffer.concat([Uint8Array.of(bytes.length), bytes]);
      });
      return texts.length === 0 ? Uint8Array.of(0) : Buffer.concat(texts);
    }
  }
}

function encodeV6(address: string): Uint8Array {
  const [head = '', tail] = address.split('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const fill = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => 0);
  return Buffer.concat([...left, ...fill, ...right].map(u16));
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  packet(): Packet {
    const [id, flags] = [this.#u16(), this.#u16()];
    const [questionCount, ...counts] = [this.#u16(), this.#u16(), this.#u16(), this.#u16()];
    const recordCount = counts.reduce((sum, count) => sum + count, 0);
    if (questionCount > recordsMax || recordCount > recordsMax) throw new RangeError('too many records');
    const questions: Question[] = [];
    for (let i = 0; i < questionCount; i++) {
      const name = this.#name();
      questions.push({ name, type: this.#u16() });
      this.#u16();
    }
    const records: DnsRecord[] = [];
    for (let i = 0; i < recordCount; i++) {
      const record = this.#record();
      if (record !== undefined) records.push(record);
    }
    return { id, response: (flags & topBit) !== 0, questions, records };
  }

  #record(): DnsRecord | undefined {
    const name = this.#name();
    const [type, recordClass] = [this.#u16(), this.#u16()];
    const ttlSeconds = this.#view.getUint32(this.#skip(4));
    const length = this.#u16();
    const end = this.#skip(length) + length;
    this.#at = end - length;
    const data = this.#data(type, end);
    this.#at = end;
    if (data === undefined || (recordClass & ~topBit) !== classIn) return undefined;
    return { ...data, name, ttlSeconds, flush: (recordClass & topBit) !== 0 };
  }

  #data(type: number, end: number): Data | undefined {
    const length = end - this.#at;
    switch (type) {
      case recordTypes.A:
        return length === 4 ? { type, address: this.#bytes.subarray(this.#at, end).join('.') } : undefined;
      case recordTypes.AAAA:
        return length === 16 ? { type, address: this.#v6() } : undefined;
      case recordTypes.PTR:
        return { type, target: this.#name() };
      case recordTypes.SRV: {
        this.#skip(4);
        const port = this.#u16();
        return { type, port, target: this.#name() };
      }
      case recordTypes.TXT:
        return { type, texts: this.#texts(end) };
      default:
        return undefined;
    }
  }

  #texts(end: number): string[] {
    const texts: string[] = [];
    while (this.#at < end) {
      const length = this.#bytes[this.#skip(1)] as number;
      if (this.#at + length > end) throw new RangeError('a text runs over its record');
      if (length > 0) texts.push(Buffer.from(this.#bytes.subarray(this.#at, this.#at + length)).toString('utf8'));
      this.#at += length;
    }
    return texts;
  }

  #v6(): string {
    const groups = Array.from({ length: 8 }, (_, i) => this.#view.getUint16(this.#at + 2 * i).toString(16));
    // The longest run of zeros is written `::` (RFC 5952); the URL parser knows how.
    return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
  }

  // Pointers lead backwards only, so that no chain of them can go in circles.
  #name(): Name {
    const labels: string[] = [];
    let bytes = 0;
    let resume: number | undefined;
    let before = this.#at;
    for (let jumps = 0; ;) {
      const length = this.#bytes[this.#skip(1)] as number;
      if (length === 0) break;
      if (length >= 0xc0) {
        const target = ((length & 0x3f) << 8) | (this.#bytes[this.#skip(1)] as number);
        if (target >= before || ++jumps > jumpsMax) throw new RangeError('a name goes in circles');
        resume ??= this.#at;
        this.#at = before = target;
        continue;
      }
      bytes += length + 1;
      if (length > 63 || bytes > nameBytesMax) throw new RangeError('a name is too long');
      const from = this.#skip(length);
      labels.push(Buffer.from(this.#bytes.subarray(from, from + length)).toString('utf8'));
    }
    if (resume !== undefined) this.#at = resume;
    return labels;
  }

  #u16(): number {
    return this.#view.getUint16(this.#skip(2));
  }

  #skip(count: number): number {
    const from = this.#at;
    if (from + count > this.#bytes.length) throw new RangeError('the message is cut short');
    this.#at = from + count;
    return from;
  }
}
