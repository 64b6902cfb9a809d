import { compareBytes, latin1Text } from '../../kernel/bytes.ts';
import { DynamicTable, entryOverheadBytes, staticTable, type TableEntry } from './header-table.ts';
import { huffmanDecode } from './huffman.ts';
import { stableHeaders } from './stable-headers.ts';

/** A decoded header block. Blocks that the peer repeats byte for byte are the same object, so whatever is found out about one is found out once. */
export interface HeaderBlock {
  /** Name, value pairs; incomplete when `tooLarge`. Never changed by anybody. */
  readonly headers: readonly string[];
  /** Every field is allowed in HTTP/2 (RFC 9113, section 8.2.1). */
  readonly valid: boolean;
  /** More bytes (section 6.5.2) or fields than the limits. */
  readonly tooLarge: boolean;
  /** What the checks said of it as the head of a message and as trailers; see `message-rules.ts`. */
  head: MessageVerdict | undefined;
  trailers: MessageVerdict | undefined;
}

/** What a check of a whole message found: false when it is malformed, else its content-length (-1 without one). */
export type MessageVerdict = number | false;

export interface DecoderLimits {
  readonly headerBytesMax: number;
  readonly headersMax: number;
}

const tableBytes = 4096;
const integerMax = 2 ** 24;
const memosMax = 8;
const memoBytesMax = 1024;
const shortBytes = 48;

interface Memo {
  /** Memory of its own, used again for the next block: a piece of a pool would keep all of that. */
  readonly bytes: Buffer;
  length: number;
  block: HeaderBlock;
}

/**
 * Decodes the header blocks of one connection (RFC 7541), every one in the order in which it came. A block that leaves the dynamic table as it is means the same
 * until the table changes: the last few are kept with their meaning. `decode` fails (undefined) for blocks that are no HPACK; then the connection is lost.
 */
export class HeaderDecoder {
  readonly #limits: DecoderLimits;
  readonly #table = new DynamicTable(tableBytes);
  /** Those that mean something come first. */
  readonly #memos: Memo[] = [];
  #known = 0;
  #nextMemo = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #broken = false;
  #headers: string[] = [];
  #size = 0;
  #valid = true;

  constructor(limits: DecoderLimits) {
    this.#limits = limits;
  }

  decode(bytes: Buffer, at: number, end: number): HeaderBlock | undefined {
    const known = this.#find(bytes, at, end);
    if (known !== undefined) return known;
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
    this.#broken = false;
    this.#headers = [];
    this.#size = 0;
    this.#valid = true;
    const changed = this.#fields();
    if (this.#broken) return undefined;
    const { headerBytesMax, headersMax } = this.#limits;
    const headers = this.#headers;
    const tooLarge = this.#size > headerBytesMax || headers.length > headersMax * 2;
    const block: HeaderBlock = { headers, valid: this.#valid, tooLarge, head: undefined, trailers: undefined };
    if (changed) this.#forget();
    else if (end - at <= memoBytesMax && !tooLarge) this.#keep(block, at, end);
    return block;
  }

  #find(bytes: Buffer, at: number, end: number): HeaderBlock | undefined {
    const length = end - at;
    for (let i = 0; i < this.#known; i++) {
      const memo = this.#memos[i] as Memo;
      if (memo.length === length && same(memo, bytes, at)) return memo.block;
    }
    return undefined;
  }

  #keep(block: HeaderBlock, at: number, end: number): void {
    stableHeaders(block.headers);
    const place = this.#nextMemo;
    const memo = (this.#memos[place] ??= { bytes: Buffer.allocUnsafeSlow(memoBytesMax), length: 0, block });
    this.#bytes.copy(memo.bytes, 0, at, end);
    memo.length = end - at;
    memo.block = block;
    this.#nextMemo = (place + 1) % memosMax;
    if (place === this.#known) this.#known++;
  }

  #forget(): void {
    // What they meant is not kept either.
    for (let i = 0; i < this.#known; i++) (this.#memos[i] as Memo).block = forgotten;
    this.#known = 0;
    this.#nextMemo = 0;
  }

  /** Reads all fields; true when the dynamic table was touched. */
  #fields(): boolean {
    let changed = false;
    let begun = false;
    while (this.#at < this.#end && !this.#broken) {
      const first = this.#bytes[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        // Size updates stand at the beginning (section 4.2).
        const size = this.#integer(5);
        if (begun || size > tableBytes) this.#broken = true;
        else this.#table.resize(size);
        changed = true;
        continue;
      }
      begun = true;
      if ((first & 0x80) !== 0) this.#indexed();
      else {
        const adds = (first & 0x40) !== 0;
        this.#literal(adds ? 6 : 4, adds);
        changed ||= adds;
      }
    }
    return changed;
  }

  #indexed(): void {
    const entry = this.#entry(this.#integer(7));
    if (entry === undefined) this.#broken = true;
    else this.#emit(entry.name, entry.value, entry.valid);
  }

  #literal(prefix: number, adds: boolean): void {
    const index = this.#integer(prefix);
    let name: string | undefined;
    let nameValid: boolean;
    if (index === 0) {
      name = this.#string();
      nameValid = name !== undefined && validName.test(name);
    } else {
      const entry = this.#entry(index);
      name = entry?.name;
      // A name of a table was judged with its value; whether it is the name that is wrong has to be asked again.
      nameValid = entry !== undefined && (entry.valid || validName.test(entry.name));
    }
    const value = this.#string();
    if (name === undefined || value === undefined) {
      this.#broken = true;
      return;
    }
    const valid = nameValid && validValue.test(value);
    if (adds) this.#table.add({ name, value, valid });
    this.#emit(name, value, valid);
  }

  #emit(name: string, value: string, valid: boolean): void {
    this.#size += name.length + value.length + entryOverheadBytes;
    if (!valid) this.#valid = false;
    // What is beyond the limits is read for the table's sake only.
    if (this.#size <= this.#limits.headerBytesMax && this.#headers.length <= this.#limits.headersMax * 2) this.#headers.push(name, value);
  }

  #entry(index: number): TableEntry | undefined {
    if (index <= staticTable.length) return index === 0 ? undefined : staticTable[index - 1];
    return this.#table.entry(index - staticTable.length - 1);
  }

  #string(): string | undefined {
    if (this.#at >= this.#end) return undefined;
    const huffman = ((this.#bytes[this.#at] as number) & 0x80) !== 0;
    const length = this.#integer(7);
    const from = this.#at;
    if (this.#broken || length > this.#end - from) return undefined;
    this.#at = from + length;
    return huffman ? huffmanDecode(this.#bytes, from, from + length) : latin1Text(this.#bytes, from, from + length);
  }

  /** An integer with a prefix of so many bits (section 5.1). Nothing here is as large as `integerMax`. */
  #integer(prefix: number): number {
    const mask = (1 << prefix) - 1;
    let value = (this.#bytes[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      if (this.#at >= this.#end || shift > 21) break;
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > integerMax) break;
      if ((byte & 0x80) === 0) return value;
    }
    this.#broken = true;
    return 0;
  }
}

// Pseudo headers begin with the only colon that a name may hold; upper case is malformed.
const validName = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const validValue = /^(?![ \t])[\t\x20-\x7e\x80-\xff]*$(?<![ \t])/;

const forgotten: HeaderBlock = { headers: [], valid: false, tooLarge: false, head: undefined, trailers: undefined };

function same({ bytes: kept, length }: Memo, bytes: Buffer, at: number): boolean {
  if (length > shortBytes)
    return kept[length - 1] === bytes[at + length - 1] && compareBytes(kept, bytes, at, at + length, 0, length) === 0;
  for (let i = length - 1; i >= 0; i--) if (kept[i] !== bytes[at + i]) return false;
  return true;
}
