import { ProaError } from '../kernel/errors.ts';

/** A value as JSON in bytes; fails with `code` for what JSON cannot say. */
export function toJson(value: unknown, what: string, code: 'bad-request' | 'malformed-response' = 'bad-request'): Uint8Array {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new ProaError(code, `${what} cannot be written as JSON: ${(cause as Error).message}`, { cause });
  }
  if (text === undefined) throw new ProaError(code, `${what} cannot be written as JSON: it is ${typeof value}`);
  return Buffer.from(text, 'utf8');
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

/** A payload and its content type: bytes are sent as they are, everything else as JSON. */
export function payload(
  data: unknown,
  contentType: string | undefined,
  what: string,
): { readonly bytes: Uint8Array; readonly type: string } {
  if (data instanceof Uint8Array) return { bytes: data, type: contentType ?? 'application/octet-stream' };
  if (typeof data === 'string' && contentType !== undefined && !/json/i.test(contentType))
    return { bytes: Buffer.from(data, 'utf8'), type: contentType };
  return { bytes: toJson(data, what), type: contentType ?? 'application/json' };
}
