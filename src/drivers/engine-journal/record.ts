import { partOf, putBytes, writeLatin1 } from '../../kernel/bytes.ts';
import { crc32, crc32Between } from './crc32.ts';
import type { BlockPlace } from './log-block.ts';
import { type Block, KeyEntry, type KeptResult, type Operation } from './operations.ts';

/*
 * A record, little endian: magic u32, CRC u32 of [8, head end), head length u32, data length u32, sequence f64, durable f64, time f64,
 * operations; then the data (values and log blocks), each covered by its own CRC, which stands with its operation. So every byte is
 * summed once, and a single value can be read and checked without its neighbours.
 *
 * `durable`: every record up to that sequence was on the disk when the write of this one began. What cannot be read up to there is damaged, not
 * torn. Format 1 had the number of the record's group in its place.
 */
const magic = 0x32524a50;
const magic1 = 0x31524a50;
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
const leaseGone = 11;

/** The place of a record in the journal, and what it proves. */
export interface RecordHead {
  readonly headBytes: number;
  readonly dataBytes: number;
  readonly sequence: number;
  /** Everything up to this sequence was durable before this was written; -1 in format 1, which says `group` instead. */
  readonly durable: number;
  /** Format 1: of its group. A group two above that of another was begun when that one was durable. -1 in later formats. */
  readonly group: number;
  readonly timeMs: number;
}

/** What an operation with data has beside its name: code, length of the name, two numbers, length and CRC of the data. */
const dataHeadBytes = 1 + 4 + 8 + 8 + 4 + 4;

const startBytes = 64 * 1024;
const ownBytesMax = 1024 * 1024;
const nothing = Buffer.alloc(0);

/** Where groups are filled; without a place for a group of at least so many bytes it has memory of its own. */
export interface GroupPlaces {
  room(least: number): Buffer | undefined;
}

/** Records of one group, back to back in one piece of memory that grows. */
export class GroupBuffer {
  readonly #places: GroupPlaces;
  #bytes: Buffer = nothing;
  #view = viewOf(nothing);
  /** The last memory of its own, for the next group that has no place. */
  #own: Buffer = nothing;
  #staging: Buffer = nothing;
  #stagingView = viewOf(nothing);
  #staged = 0;
  #recordAt = 0;
  /** What comes behind the head of the record: places in use stay allocated from record to record. */
  readonly #data: (Uint8Array | undefined)[] = [];
  /** Told at the end of the record where their data lie. */
  readonly #targets: ({ offset: number } | undefined)[] = [];
  #dataCount = 0;
  #dataBytes = 0;
  length = 0;

  constructor(places: GroupPlaces) {
    this.#places = places;
  }

  get bytes(): Uint8Array {
    return partOf(this.#bytes, 0, this.length);
  }

  /** Makes the buffer empty; memory of its own is kept unless it has grown large. */
  reset(): void {
    this.length = 0;
    if (this.#own.length > ownBytesMax) this.#own = nothing;
    this.#use(nothing);
  }

  /** Memory for data of the open record, valid until the next `begin`. */
  room(count: number): BlockPlace {
    if (this.#staging.length === 0) [this.#staging, this.#stagingView] = madeOf(startBytes);
    if (this.#staged + count > this.#staging.length) {
      const [bytes, view] = madeOf(count);
      return { bytes, view, at: 0 };
    }
    this.#staged += count;
    return { bytes: this.#staging, view: this.#stagingView, at: this.#staged - count };
  }

  /** The same where the data will lie that `appendInPlace` tells of. */
  roomInPlace(log: string, count: number): BlockPlace {
    const head = dataHeadBytes + log.length;
    this.#reserve(head + count);
    return { bytes: this.#bytes, view: this.#view, at: this.length + head };
  }

  begin(): void {
    this.#recordAt = this.length;
    this.#reserve(prologueBytes);
    this.length += prologueBytes;
    this.#staged = 0;
    this.#dataCount = 0;
    this.#dataBytes = 0;
  }

  /** Adds a put; the entry's offset becomes right, relative to the group, when the record ends. */
  put(key: string, entry: KeyEntry, value: Uint8Array, moved = false): void {
    const at = this.#named(moved ? movedPut : put, key);
    this.#view.setFloat64(at, entry.version, true);
    this.#view.setFloat64(at + 8, entry.expiresAtMs, true);
    this.#view.setUint32(at + 16, entry.length, true);
    this.#view.setInt32(at + 20, entry.crc, true);
    this.#follow(value, entry, entry.length);
  }

  delete(key: string): void {
    this.#code(remove, key);
  }

  deleteRange(from: string, to: string): void {
    this.#code(removeRange, from);
    this.#text(to, 'latin1');
  }

  append(log: string, block: Block, bytes: Uint8Array, moved = false): void {
    this.#append(moved ? movedAppend : append, log, block);
    this.#follow(bytes, block, block.bytes);
  }

  /** An append that ends the record and has its only data, which were written where `roomInPlace` said: they need not be moved there. */
  appendInPlace(log: string, block: Block): void {
    this.#append(append, log, block);
    this.#follow(undefined, block, block.bytes);
  }

  #append(code: number, log: string, block: Block): void {
    const at = this.#named(code, log);
    this.#view.setFloat64(at, block.first, true);
    this.#view.setFloat64(at + 8, block.count, true);
    this.#view.setUint32(at + 16, block.bytes, true);
    this.#view.setInt32(at + 20, block.crc, true);
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

  /** Adds the removal of a lease that nobody holds any more; its epoch is not given again. */
  leaseGone(name: string, epoch: number): void {
    this.#code(leaseGone, name);
    this.#double(epoch);
  }

  id(id: string, result: KeptResult): void {
    this.#reserve(5 + 3 * id.length);
    this.#bytes[this.length++] = result.status === 'done' ? idDone : idConflict;
    this.#text(id, 'utf8');
    if (result.status === 'conflict') return this.#double(result.failed);
    this.#double(result.firstVersion);
    this.#double(result.puts);
    this.#double(result.sequences.length);
    for (const sequence of result.sequences) this.#double(sequence);
  }

  /** Ends the record: entries and blocks get their offsets, relative to the group. It is whole when the group is sealed. */
  end(sequence: number, timeMs: number): void {
    const at = this.#recordAt;
    this.#reserve(this.#dataBytes);
    const view = this.#view;
    view.setUint32(at, magic, true);
    view.setUint32(at + 8, this.length - at, true);
    view.setUint32(at + 12, this.#dataBytes, true);
    view.setFloat64(at + 16, sequence, true);
    view.setFloat64(at + 32, timeMs, true);
    for (let i = 0; i < this.#dataCount; i++) this.#place(i);
  }

  /** Makes the records whole, as the write begins: only now is it known what was durable before them. */
  seal(durable: number): void {
    const view = this.#view;
    for (let at = 0; at < this.length;) {
      const dataAt = at + view.getUint32(at + 8, true);
      view.setFloat64(at + 24, durable, true);
      view.setInt32(at + 4, crc32Between(view, at + 8, dataAt), true);
      at = dataAt + view.getUint32(at + 12, true);
    }
  }

  #place(i: number): void {
    const chunk = this.#data[i];
    const target = this.#targets[i] as { offset: number };
    target.offset = this.length;
    // Nothing is held for longer than it must be: a value may be large.
    this.#targets[i] = undefined;
    this.#data[i] = undefined;
    if (chunk !== undefined) putBytes(this.#bytes, chunk, this.length);
    // What lies there is all that the record has.
    this.length += chunk?.length ?? this.#dataBytes;
  }

  #code(code: number, key: string): void {
    this.#reserve(5 + key.length);
    this.#bytes[this.length++] = code;
    this.#text(key, 'latin1');
  }

  #text(text: string, encoding: 'latin1' | 'utf8'): void {
    this.#reserve(4 + 3 * text.length);
    const length = encoding === 'latin1' ? this.#latin1(text, this.length + 4) : this.#bytes.write(text, this.length + 4, 'utf8');
    this.#view.setUint32(this.length, length, true);
    this.length += 4 + length;
  }

  /** Short keys are written here: the way into native code costs more. */
  #latin1(text: string, at: number): number {
    if (text.length > 32) return writeLatin1(this.#bytes, text, at, text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[at + i] = text.charCodeAt(i);
    return text.length;
  }

  #double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  /** Begins an operation with data; answers where its two numbers, length and CRC go. */
  #named(code: number, name: string): number {
    this.#reserve(dataHeadBytes + name.length);
    const at = this.length;
    this.#bytes[at] = code;
    this.#view.setUint32(at + 1, name.length, true);
    this.#latin1(name, at + 5);
    this.length = at + dataHeadBytes + name.length;
    return at + 5 + name.length;
  }

  /** Data that come behind the head of the record; undefined: they lie there. */
  #follow(data: Uint8Array | undefined, target: { offset: number }, length: number): void {
    this.#data[this.#dataCount] = data;
    this.#targets[this.#dataCount++] = target;
    this.#dataBytes += length;
  }

  #reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.#bytes.length) return;
    const larger = this.#places.room(Math.max(needed, startBytes)) ?? this.#places.room(needed) ?? this.#ownOf(needed);
    this.#bytes.copy(larger, 0, 0, this.length);
    this.#use(larger);
  }

  #ownOf(needed: number): Buffer {
    if (needed > this.#own.length) this.#own = Buffer.allocUnsafeSlow(Math.max(needed, startBytes, this.#bytes.length * 2));
    return this.#own;
  }

  #use(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function madeOf(count: number): [Buffer, DataView] {
  const bytes = Buffer.allocUnsafeSlow(count);
  return [bytes, viewOf(bytes)];
}

/** The head of the record at `at`; undefined when there is none, or a damaged or incomplete one. */
export function decodeRecordHead(bytes: Buffer, at: number): RecordHead | undefined {
  if (at + prologueBytes > bytes.length) return undefined;
  const kind = bytes.readUInt32LE(at);
  if (kind !== magic && kind !== magic1) return undefined;
  const headLength = bytes.readUInt32LE(at + 8);
  const dataBytes = bytes.readUInt32LE(at + 12);
  if (headLength < prologueBytes || at + headLength + dataBytes > bytes.length) return undefined;
  if (bytes.readInt32LE(at + 4) !== crc32(bytes.subarray(at + 8, at + headLength))) return undefined;
  const proof = bytes.readDoubleLE(at + 24);
  return {
    headBytes: headLength,
    dataBytes,
    sequence: bytes.readDoubleLE(at + 16),
    durable: kind === magic ? proof : -1,
    group: kind === magic ? -1 : proof,
    timeMs: bytes.readDoubleLE(at + 32),
  };
}

/** Where the next record, of any format, may begin, at or after `from`; -1 when nothing looks like one. */
export function nextRecordAt(bytes: Buffer, from: number): number {
  return bytes.indexOf('PJR', from, 'latin1');
}

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
      case leaseGone:
        return { kind: 'leaseGone', name: key, epoch: this.#double() };
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
