import { ProaError } from '../../kernel/errors.ts';
import type { MethodCodec } from './client.ts';

/** A method of our own whose messages are JSON: both ends are ours, and one description of the messages, in TypeScript, is enough. */
export function jsonMethod<I, O>(path: string): MethodCodec<I, O> {
  return { path, encode: encodeJson, decode: (bytes) => decodeJson(bytes) as O };
}

/** A message as its bytes. */
export function encodeJson(message: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(message), 'utf8');
}

/** A message of its bytes. Fails with `malformed-request`. */
export function decodeJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
  } catch (cause) {
    throw new ProaError('malformed-request', 'the message is no JSON', { cause });
  }
}
