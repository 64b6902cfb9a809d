import { putBytes } from '../../kernel/bytes.ts';
import { ProaError } from '../../kernel/errors.ts';

/** What the engine holds under a state key: kind (1 inline, 2 chunked), length of the content type (2, big endian), content type, then value or manifest. */
export type StateRecord =
  | { readonly kind: 'inline'; readonly contentType: string | undefined; readonly data: Uint8Array }
  | { readonly kind: 'chunked'; readonly contentType: string | undefined; readonly manifest: Manifest };

/** Where a large value lies: `count` chunks under the id of the write that made them, `bytes` together. */
export interface Manifest {
  readonly write: string;
  readonly count: number;
  readonly bytes: number;
}

const inlineKind = 1;
const chunkedKind = 2;
const headBytes = 3;
const contentTypeBytesMax = 1_024;

/** Bytes of a record around a value, for the largest content type allowed. */
export const recordOverheadBytes = headBytes + contentTypeBytesMax;

/** The value is copied into the record. Fails with `engine.limit` when the content type is longer than 1,024 bytes. */
export function inlineRecord(data: Uint8Array, contentType: string | undefined): Uint8Array {
  return encode(inlineKind, contentType, data);
}

export function chunkedRecord(manifest: Manifest, contentType: string | undefined): Uint8Array {
  return encode(chunkedKind, contentType, Buffer.from(JSON.stringify(manifest)));
}

/** Shares memory with `bytes`. Fails with `engine.format` for records that a newer version wrote. */
export function decodeRecord(bytes: Uint8Array): StateRecord {
  const kind = bytes[0];
  const length = ((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0);
  const contentType = length === 0 ? undefined : textOf(bytes.subarray(headBytes, headBytes + length));
  const rest = bytes.subarray(headBytes + length);
  if (kind === inlineKind) return { kind: 'inline', contentType, data: rest };
  if (kind === chunkedKind) return { kind: 'chunked', contentType, manifest: JSON.parse(textOf(rest)) as Manifest };
  throw new ProaError('engine.format', `a state record has the unknown kind ${kind ?? 'none'}`, { hint: 'use a newer version of Proa' });
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function encode(kind: number, contentType: string | undefined, rest: Uint8Array): Uint8Array {
  const length = contentType === undefined ? 0 : Buffer.byteLength(contentType);
  if (length > contentTypeBytesMax) {
    throw new ProaError('engine.limit', `a content type has at most ${contentTypeBytesMax} bytes, not ${length}`);
  }
  // From the pool: every engine copies what it keeps.
  const record = Buffer.allocUnsafe(headBytes + length + rest.length);
  record[0] = kind;
  record[1] = length >> 8;
  record[2] = length & 255;
  if (contentType !== undefined) record.write(contentType, headBytes);
  putBytes(record, rest, headBytes + length);
  return record;
}
