import type { FieldsReader, HeadForm } from './fields-reader.ts';
import type { FieldsWriter } from './fields-writer.ts';
import { headFixedBytes, noTimeout, unknownLength } from './frame.ts';

/** The head of a request or an answer: flat fields whose meaning the user of the mux decides, and what frames the body. */
export interface Head {
  readonly fields: readonly string[];
  /** Milliseconds until the caller gives up; undefined: it waits. */
  readonly timeoutMs: number | undefined;
  /** Bytes of the body, where the sender knows. */
  readonly bodyLength: number | undefined;
}

/** Writes a whole head (fixed part and fields) and returns where the body begins. */
export function writeHead(to: Buffer, start: number, head: Head, writer: FieldsWriter): number {
  const length = head.bodyLength ?? unknownLength;
  to.writeUInt32BE(head.timeoutMs === undefined ? noTimeout : Math.min(Math.max(0, Math.ceil(head.timeoutMs)), noTimeout - 1), start);
  to.writeUInt16BE(Math.floor(length / 0x1_0000_0000), start + 4);
  to.writeUInt32BE(length % 0x1_0000_0000, start + 6);
  to.writeUInt16BE(head.fields.length, start + 10);
  return writer.write(to, start + headFixedBytes, head.fields);
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
  const timeout = bytes.readUInt32BE(at);
  const length = bytes.readUInt16BE(at + 4) * 0x1_0000_0000 + bytes.readUInt32BE(at + 6);
  const read = reader.read(bytes, { at: at + headFixedBytes, end }, bytes.readUInt16BE(at + 10));
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
