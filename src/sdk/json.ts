import { ProaError } from '../kernel/errors.ts';

/** A value as JSON; fails with `code` for what JSON cannot say. */
function jsonText(value: unknown, what: string, code: 'bad-request' | 'malformed-response'): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new ProaError(code, `${what} cannot be written as JSON: ${(cause as Error).message}`, { cause });
  }
  if (text === undefined) throw new ProaError(code, `${what} cannot be written as JSON: it is ${typeof value}`);
  return text;
}

/** The same in bytes. */
export function toJson(value: unknown, what: string, code: 'bad-request' | 'malformed-response' = 'bad-request'): Uint8Array {
  return Buffer.from(jsonText(value, what, code), 'utf8');
}

/** JSON as its value, undefined for no bytes; what is no JSON stays text. */
export function fromJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Bytes, or JSON as text, and their content type. */
export interface Content {
  readonly content: Uint8Array | string;
  readonly type: string;
}

/** What is sent for `data`: bytes are sent as they are, everything else as JSON, which stays text. */
export function contentOf(data: unknown, contentType: string | undefined, what: string): Content {
  if (data instanceof Uint8Array) return { content: data, type: contentType ?? 'application/octet-stream' };
  if (typeof data === 'string' && contentType !== undefined && !/json/i.test(contentType))
    return { content: Buffer.from(data, 'utf8'), type: contentType };
  return { content: jsonText(data, what, 'bad-request'), type: contentType ?? 'application/json' };
}

/** The bytes of a content. */
export function bytesOf(content: Uint8Array | string): Uint8Array {
  return typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
}

/** The same as `contentOf`, in bytes. */
export function payload(
  data: unknown,
  contentType: string | undefined,
  what: string,
): { readonly bytes: Uint8Array; readonly type: string } {
  const { content, type } = contentOf(data, contentType, what);
  return { bytes: bytesOf(content), type };
}
