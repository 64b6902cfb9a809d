import type { LogEntry, NewLogEntry } from '../../contracts/engine.ts';

const hasKey = 1;
const hasDedupe = 2;
const hasAttributes = 4;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Entries of one append as bytes: time, then per entry flags, texts with their lengths, data. Copies everything into what `room` gives for that many bytes. */
export function encodeBlock(entries: readonly NewLogEntry[], timeMs: number, room: (bytes: number) => Buffer): Buffer {
  let bound = 8;
  for (const entry of entries) bound += boundOf(entry);
  const bytes = room(bound);
  let at = bytes.writeDoubleLE(timeMs, 0);
  const writeText = (text: string): void => {
    const length = bytes.write(text, at + 4, 'utf8');
    bytes.writeUInt32LE(length, at);
    at += 4 + length;
  };
  for (const { key, dedupe, attributes, data } of entries) {
    const flags =
      (key === undefined ? 0 : hasKey) | (dedupe === undefined ? 0 : hasDedupe) | (attributes === undefined ? 0 : hasAttributes);
    at = bytes.writeUInt8(flags, at);
    if (key !== undefined) writeText(key);
    if (dedupe !== undefined) writeText(dedupe);
    if (attributes !== undefined) {
      const names = Object.keys(attributes);
      at = bytes.writeUInt32LE(names.length, at);
      for (const name of names) {
        writeText(name);
        writeText(attributes[name] as string);
      }
    }
    at = bytes.writeUInt32LE(data.length, at);
    bytes.set(data, at);
    at += data.length;
  }
  return bytes.subarray(0, at);
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
    entry.data = buffer.subarray(at - length, at);
    entries.push(entry);
  }
  return entries;
}
