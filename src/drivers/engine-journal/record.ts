import { crc32 } from './crc32.ts';
import { type Block, KeyEntry, type KeptResult, type Operation } from './operations.ts';

/*
 * A record, little endian: magic u32, CRC u32 of [8, head end), head length u32, data length u32, sequence f64, group f64, time f64,
 * operations; then the data (values and log blocks), each covered by its own CRC, which stands with its operation. So every byte is
 * summed once, and a single value can be read and checked without its neighbours.
 */
const magic = 0x31524a50;
const prologueBytes = 40;

/** Names of the operations on disk. */
const put = 1;
const movedPut = 2;
const remove = 3;
const removeRange = 4;
const append = 5;
const movedAppend = 6;
const trim = 7;
const lease = 8;
const idDone = 9;
const idConflict = 10;

/** The place of a record in the journal. */
export interface RecordHead {
  readonly headBytes: number;
  readonly dataBytes: number;
  readonly sequence: number;
  readonly group: number;
  readonly timeMs: number;
}

/** Records of one group, back to back in one growing buffer. */
export class GroupBuffer {
  #bytes = Buffer.allocUnsafeSlow(64 * 1024);
  #recordAt = 0;
  #data: Uint8Array[] = [];
  #dataBytes = 0;
  /** Told at the end of the record where their data lie. */
  #targets: { offset: number }[] = [];
  length = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  /** Makes the buffer empty; its memory is kept unless it has grown large. */
  reset(): void {
    this.length = 0;
    if (this.#bytes.length > 1024 * 1024) this.#bytes = Buffer.allocUnsafeSlow(64 * 1024);
  }

  begin(): void {
    this.#recordAt = this.length;
    this.#reserve(prologueBytes);
    this.length += prologueBytes;
    this.#data = [];
    this.#targets = [];
    this.#dataBytes = 0;
  }

  /** Adds a put; the entry's offset becomes right, relative to the group, when the record ends. */
  put(key: string, entry: KeyEntry, value: Uint8Array, moved = false): void {
    this.#code(moved ? movedPut : put, key);
    this.#double(entry.version);
    this.#double(entry.expiresAtMs);
    this.#dataOf(value, entry.crc);
    this.#targets.push(entry);
  }

  delete(key: string): void {
    this.#code(remove, key);
  }

  deleteRange(from: string, to: string): void {
    this.#code(removeRange, from);
    this.#text(to, 'latin1');
  }

  append(log: string, block: Block, bytes: Uint8Array, moved = false): void {
    this.#code(moved ? movedAppend : append, log);
    this.#double(block.first);
    this.#double(block.count);
    this.#dataOf(bytes, block.crc);
    this.#targets.push(block);
  }

  trim(log: string, first: number): void {
    this.#code(trim, log);
    this.#double(first);
  }

  lease(name: string, owner: string, numbers: { readonly epoch: number; readonly expiresAtMs: number }): void {
    this.#code(lease, name);
    this.#text(owner, 'utf8');
    this.#double(numbers.epoch);
    this.#double(numbers.expiresAtMs);
  }

  id(id: string, result: KeptResult): void {
    this.#reserve(1);
    this.#bytes[this.length++] = result.status === 'done' ? idDone : idConflict;
    this.#text(id, 'utf8');
    if (result.status === 'conflict') return this.#double(result.failed);
    this.#double(result.firstVersion);
    this.#double(result.puts);
    this.#double(result.sequences.length);
    for (const sequence of result.sequences) this.#double(sequence);
  }

  /** Ends the record: entries and blocks get their offsets, relative to the group. */
  end(sequence: number, group: number, timeMs: number): void {
    const bytes = this.#bytes;
    const at = this.#recordAt;
    const dataAt = this.length;
    bytes.writeUInt32LE(magic, at);
    bytes.writeUInt32LE(dataAt - at, at + 8);
    bytes.writeUInt32LE(this.#dataBytes, at + 12);
    bytes.writeDoubleLE(sequence, at + 16);
    bytes.writeDoubleLE(group, at + 24);
    bytes.writeDoubleLE(timeMs, at + 32);
    bytes.writeInt32LE(crc32(bytes.subarray(at + 8, dataAt)), at + 4);
    this.#reserve(this.#dataBytes);
    this.#data.forEach((chunk, i) => {
      (this.#targets[i] as { offset: number }).offset = this.length;
      this.#bytes.set(chunk, this.length);
      this.length += chunk.length;
    });
  }

  #code(code: number, key: string): void {
    this.#reserve(1);
    this.#bytes[this.length++] = code;
    this.#text(key, 'latin1');
  }

  #text(text: string, encoding: 'latin1' | 'utf8'): void {
    this.#reserve(4 + 3 * text.length);
    const length = this.#bytes.write(text, this.length + 4, encoding);
    this.#bytes.writeUInt32LE(length, this.length);
    this.length += 4 + length;
  }

  #double(value: number): void {
    this.#reserve(8);
    this.length = this.#bytes.writeDoubleLE(value, this.length);
  }

  #dataOf(bytes: Uint8Array, crc: number): void {
    this.#reserve(8);
    this.length = this.#bytes.writeUInt32LE(bytes.length, this.length);
    this.length = this.#bytes.writeInt32LE(crc, this.length);
    this.#data.push(bytes);
    this.#dataBytes += bytes.length;
  }

  #reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.length);
    this.#bytes = larger;
  }
}

/** The head of the record at `at`; undefined when there is none, or a damaged or incomplete one. */
export function decodeRecordHead(bytes: Buffer, at: number): RecordHead | undefined {
  if (at + prologueBytes > bytes.length || bytes.readUInt32LE(at) !== magic) return undefined;
  const headLength = bytes.readUInt32LE(at + 8);
  const dataBytes = bytes.readUInt32LE(at + 12);
  if (headLength < prologueBytes || at + headLength + dataBytes > bytes.length) return undefined;
  if (bytes.readInt32LE(at + 4) !== crc32(bytes.subarray(at + 8, at + headLength))) return undefined;
  return {
    headBytes: headLength,
    dataBytes,
    sequence: bytes.readDoubleLE(at + 16),
    group: bytes.readDoubleLE(at + 24),
    timeMs: bytes.readDoubleLE(at + 32),
  };
}

/** Where the next record may begin, at or after `from`; -1 when nothing looks like one. */
export function nextRecordAt(bytes: Buffer, from: number): number {
  return bytes.indexOf(magicBytes, from);
}

const magicBytes = Buffer.from([magic & 255, (magic >>> 8) & 255, (magic >>> 16) & 255, magic >>> 24]);

/** The operations of a record whose head was checked, offsets relative to `bytes`. Undefined when some of its data is damaged. */
export function decodeOperations(bytes: Buffer, at: number, head: RecordHead): Operation[] | undefined {
  const reader = new OperationReader(bytes, at + prologueBytes, at + head.headBytes);
  const operations: Operation[] = [];
  while (reader.at < reader.dataAt0) operations.push(reader.next());
  return reader.intact ? operations : undefined;
}

class OperationReader {
  readonly #bytes: Buffer;
  readonly dataAt0: number;
  #dataAt: number;
  at: number;
  intact = true;

  constructor(bytes: Buffer, at: number, dataAt: number) {
    this.#bytes = bytes;
    this.at = at;
    this.dataAt0 = dataAt;
    this.#dataAt = dataAt;
  }

  next(): Operation {
    const code = this.#bytes[this.at++] as number;
    if (code === idDone || code === idConflict) return { kind: 'id', id: this.#text('utf8'), result: this.#kept(code) };
    const key = this.#text('latin1');
    switch (code) {
      case put:
      case movedPut: {
        const version = this.#double();
        const expiresAtMs = this.#double();
        const data = this.#data();
        const entry = new KeyEntry({ version, expiresAtMs, length: data.bytes, crc: data.crc, offset: data.offset });
        return { kind: 'put', key, entry, moved: code === movedPut };
      }
      case remove:
        return { kind: 'delete', key };
      case removeRange:
        return { kind: 'deleteRange', from: key, to: this.#text('latin1') };
      case append:
      case movedAppend: {
        const [first, count] = [this.#double(), this.#double()];
        return { kind: 'append', log: key, block: { first, count, ...this.#data() }, moved: code === movedAppend };
      }
      case trim:
        return { kind: 'trim', log: key, first: this.#double() };
      default: {
        const owner = this.#text('utf8');
        return { kind: 'lease', name: key, row: { owner, epoch: this.#double(), expiresAtMs: this.#double() } };
      }
    }
  }

  #kept(code: number): KeptResult {
    if (code === idConflict) return { status: 'conflict', failed: this.#double() };
    const [firstVersion, puts, count] = [this.#double(), this.#double(), this.#double()];
    return { status: 'done', firstVersion, puts, sequences: Array.from({ length: count }, () => this.#double()) };
  }

  #text(encoding: 'latin1' | 'utf8'): string {
    const length = this.#bytes.readUInt32LE(this.at);
    this.at += 4 + length;
    return this.#bytes.toString(encoding, this.at - length, this.at);
  }

  #double(): number {
    this.at += 8;
    return this.#bytes.readDoubleLE(this.at - 8);
  }

  #data(): { bytes: number; crc: number; offset: number } {
    const bytes = this.#bytes.readUInt32LE(this.at);
    const crc = this.#bytes.readInt32LE(this.at + 4);
    this.at += 8;
    const offset = this.#dataAt;
    this.#dataAt += bytes;
    if (crc32(this.#bytes.subarray(offset, offset + bytes)) !== crc) this.intact = false;
    return { bytes, crc, offset };
  }
}
