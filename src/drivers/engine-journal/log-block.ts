import type { LogEntry, NewLogEntry } from '../../contracts/engine.ts';
import { partOf, putBytes, writeUtf8 } from '../../kernel/bytes.ts';

const hasKey = 1;
const hasDedupe = 2;
const hasAttributes = 4;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Where a block is written. */
export interface BlockPlace {
  readonly bytes: Buffer;
  /** Of the same memory. */
  readonly view: DataView;
  readonly at: number;
}

/** Entries of one append as bytes: time, then per entry flags, texts with their lengths, data. Copies everything into `place`; answers where it ends. */
export function encodeBlock(entries: readonly NewLogEntry[], timeMs: number, place: BlockPlace): number {
  const { bytes, view } = place;
  let { at } = place;
  view.setFloat64(at, timeMs, true);
  at += 8;
  for (let i = 0; i < entries.length; i++) {
    const { key, dedupe, attributes, data } = entries[i] as NewLogEntry;
    bytes[at++] =
      (key === undefined ? 0 : hasKey) | (dedupe === undefined ? 0 : hasDedupe) | (attributes === undefined ? 0 : hasAttributes);
    if (key !== undefined) at = writeText(place, at, key);
    if (dedupe !== undefined) at = writeText(place, at, dedupe);
    if (attributes !== undefined) {
      const names = Object.keys(attributes);
      view.setUint32(at, names.length, true);
      at += 4;
      for (const name of names) at = writeText(place, writeText(place, at, name), attributes[name] as string);
    }
    view.setUint32(at, data.length, true);
    putBytes(bytes, data, at + 4);
    at += 4 + data.length;
  }
  return at;
}

/** Answers where it ends. */
function writeText({ bytes, view }: BlockPlace, at: number, text: string): number {
  const length = writeUtf8(bytes, text, at + 4, 3 * text.length);
  view.setUint32(at, length, true);
  return at + 4 + length;
}

/** The bytes that `encodeBlock` takes, at most. */
export function blockBound(entries: readonly NewLogEntry[]): number {
  let bound = 8;
  for (let i = 0; i < entries.length; i++) bound += boundOf(entries[i] as NewLogEntry);
  return bound;
}

/** UTF-8 takes at most three bytes per UTF-16 unit. */
function boundOf(entry: NewLogEntry): number {
  let size = 1 + 4 + 4 + 4 + 4 + entry.data.length + 3 * ((entry.key?.length ?? 0) + (entry.dedupe?.length ?? 0));
  for (const name in entry.attributes) size += 8 + 3 * (name.length + (entry.attributes[name] as string).length);
  return size;
}

/** The entries of a block whose checksum was verified; `first` is the sequence of the first. Their data are views of `bytes`. */
export function decodeBlock(bytes: Uint8Array, first: number, count: number): LogEntry[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const timeMs = buffer.readDoubleLE(0);
  let at = 8;
  const readText = (): string => {
    const length = buffer.readUInt32LE(at);
    at += 4 + length;
    return buffer.toString('utf8', at - length, at);
  };
  const readAttributes = (): Record<string, string> => {
    const attributes: Record<string, string> = {};
    const names = buffer.readUInt32LE(at);
    at += 4;
    for (let i = 0; i < names; i++) {
      const name = readText();
      Object.defineProperty(attributes, name, { value: readText(), enumerable: true, writable: true, configurable: true });
    }
    return attributes;
  };
  const entries: LogEntry[] = [];
  for (let i = 0; i < count; i++) {
    const flags = buffer.readUInt8(at++);
    const entry = {} as Mutable<LogEntry>;
    if (flags & hasKey) entry.key = readText();
    if (flags & hasDedupe) entry.dedupe = readText();
    if (flags & hasAttributes) entry.attributes = readAttributes();
    const length = buffer.readUInt32LE(at);
    at += 4 + length;
    entry.sequence = first + i;
    entry.timeMs = timeMs;
    entry.data = partOf(buffer, at - length, at);
    entries.push(entry);
  }
  return entries;
}
