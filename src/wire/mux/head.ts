import { readU16, readU32, writeU16, writeU32 } from '../../kernel/bytes.ts';
import type { FieldsReader, HeadForm } from './fields-reader.ts';
import type { Fields, FieldsWriter } from './fields-writer.ts';
import { headFixedBytes, noTimeout, unknownLength } from './frame.ts';

/** The head of a request or an answer: flat fields whose meaning the user of the mux decides, and what frames the body. */
export interface Head extends Fields {
  /** Milliseconds until the caller gives up; undefined: it waits. */
  readonly timeoutMs: number | undefined;
  /** Bytes of the body, where the sender knows. */
  readonly bodyLength: number | undefined;
}

/** Writes a whole head (fixed part and fields) and returns where the body begins. */
export function writeHead(to: Buffer, start: number, head: Head, writer: FieldsWriter): number {
  const length = head.bodyLength ?? unknownLength;
  writeU32(to, start, head.timeoutMs === undefined ? noTimeout : Math.min(Math.max(0, Math.ceil(head.timeoutMs)), noTimeout - 1));
  writeU16(to, start + 4, Math.floor(length / 0x1_0000_0000));
  writeU32(to, start + 6, length % 0x1_0000_0000);
  writeU16(to, start + 10, head.last === undefined ? head.fields.length : head.fields.length + 1);
  return writer.write(to, start + headFixedBytes, head);
}

/** A head that was read, and where the bytes of the body that came with it lie. */
export interface ReadHead extends Head {
  readonly form: HeadForm | undefined;
  readonly bodyAt: number;
  readonly bodyEnd: number;
}

/** Reads a head from `bytes[at, end)`; a string says what is wrong. */
export function readHead(bytes: Buffer, range: { at: number; end: number }, reader: FieldsReader): ReadHead | string {
  const { at, end } = range;
  if (end - at < headFixedBytes) return 'a head is cut off';
  const timeout = readU32(bytes, at);
  const length = readU16(bytes, at + 4) * 0x1_0000_0000 + readU32(bytes, at + 6);
  const read = reader.read(bytes, { at: at + headFixedBytes, end }, readU16(bytes, at + 10));
  if (typeof read === 'string') return read;
  return {
    fields: read.fields,
    timeoutMs: timeout === noTimeout ? undefined : timeout,
    bodyLength: length === unknownLength ? undefined : length,
    form: read.form,
    bodyAt: read.end,
    bodyEnd: end,
  };
}
