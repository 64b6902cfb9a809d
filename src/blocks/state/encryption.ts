import { property, type Component } from '../../contracts/component-set.ts';
import { ProaError } from '../../kernel/errors.ts';
import { nodeCrypto } from '../../kernel/node-crypto.ts';
import type { Random } from '../../kernel/ports.ts';

/** Encrypts values at rest. `key` is the stored key, prefix included. */
export interface StateCipher {
  readonly encrypt: (key: string, value: Uint8Array) => Uint8Array;
  /** Throws an Error that says what is wrong with the record; empty records are empty values. */
  readonly decrypt: (key: string, record: Uint8Array) => Uint8Array;
}

interface NamedKey {
  readonly name: string;
  readonly bytes: Buffer;
}

const nonceBytes = 12;
const tagBytes = 16;
const separator = '||';
/** No base64 text holds a dot, so records of the two formats cannot be taken for each other. */
const boundMark = 'b1.';

/**
 * The cipher of a store by its properties `primaryEncryptionKey` (encrypts and decrypts) and `secondaryEncryptionKey` (decrypts what was written before a
 * rotation): hex keys for AES-GCM of 128, 192 or 256 bits. Undefined when the store has none. Fails with `config.invalid`.
 *
 * A record is `base64(nonce 12, ciphertext, tag 16)`, `||`, name of the key: the name of the secret it came from. Proa binds each record to its stored key
 * (associated data) and marks it `b1.`, so that whoever can write to the store cannot swap two values. With `encryptionFormat: dapr` records are written as
 * Dapr writes them, unbound. Both formats are read always.
 */
export function createStateCipher(component: Component<'state'>, random: Random): StateCipher | undefined {
  const primary = namedKey(component, 'primaryEncryptionKey');
  const secondary = namedKey(component, 'secondaryEncryptionKey');
  if (primary === undefined) {
    if (secondary === undefined) return undefined;
    throw invalid(component, 'secondaryEncryptionKey needs primaryEncryptionKey beside it');
  }
  const keys = secondary === undefined ? [primary] : [primary, secondary];
  const format = (property(component, 'encryptionFormat') ?? 'proa').toLowerCase();
  if (format !== 'proa' && format !== 'dapr') throw invalid(component, 'encryptionFormat is proa or dapr');
  return {
    encrypt: (key, value) => seal(primary, random.bytes(nonceBytes), value, format === 'proa' ? key : undefined),
    decrypt: (key, record) => (record.length === 0 ? record : openRecord(component.name, keys, { key, record })),
  };
}

function seal(key: NamedKey, nonce: Uint8Array, value: Uint8Array, boundTo: string | undefined): Uint8Array {
  const cipher = nodeCrypto().createCipheriv(algorithmOf(key), key.bytes, nonce);
  if (boundTo !== undefined) cipher.setAAD(Buffer.from(boundTo));
  const sealed = Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
  return Buffer.from(`${boundTo === undefined ? '' : boundMark}${sealed.toString('base64')}${separator}${key.name}`);
}

function openRecord(store: string, keys: readonly NamedKey[], { key, record }: { key: string; record: Uint8Array }): Uint8Array {
  const refuse = (why: string) => new Error(`could not decrypt data for state store ${store}: ${why}`);
  const text = Buffer.from(record.buffer, record.byteOffset, record.byteLength).toString('utf8');
  const at = text.lastIndexOf(separator);
  const name = at < 0 ? '' : text.slice(at + separator.length);
  if (name === '') throw refuse('encryption key name not found on record');
  // Both keys may come from one secret and so have one name.
  const named = keys.filter((known) => known.name === name);
  if (named.length === 0) throw refuse(`the record was written with key '${name}', which is not configured`);
  const bound = text.startsWith(boundMark);
  const sealed = Buffer.from(text.slice(bound ? boundMark.length : 0, at), 'base64');
  if (sealed.length < nonceBytes + tagBytes) throw refuse('the record is too short');
  for (const known of named) {
    const value = tryOpen(known, sealed, bound ? key : undefined);
    if (value !== undefined) return value;
  }
  throw refuse('the record is damaged, was written for another key, or its encryption key has changed');
}

function tryOpen(key: NamedKey, sealed: Buffer, boundTo: string | undefined): Uint8Array | undefined {
  const decipher = nodeCrypto().createDecipheriv(algorithmOf(key), key.bytes, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
  if (boundTo !== undefined) decipher.setAAD(Buffer.from(boundTo));
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, sealed.length - tagBytes)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function algorithmOf(key: NamedKey): 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm' {
  return `aes-${(key.bytes.length * 8) as 128 | 192 | 256}-gcm`;
}

function namedKey(component: Component<'state'>, name: string): NamedKey | undefined {
  const hex = property(component, name);
  if (hex === undefined) return undefined;
  // The message must not repeat the value.
  if (!/^([0-9a-fA-F]{32}|[0-9a-fA-F]{48}|[0-9a-fA-F]{64})$/.test(hex))
    throw invalid(component, `${name} is not a hex key of 16, 24 or 32 bytes`);
  const bytes = Buffer.from(hex, 'hex');
  return {
    bytes,
    name: secretNameOf(component, name) ?? `key-${nodeCrypto().createHash('sha256').update(bytes).digest('hex').slice(0, 12)}`,
  };
}

function secretNameOf(component: Component<'state'>, name: string): string | undefined {
  const wanted = name.toLowerCase();
  const found = Object.entries(component.secretNames ?? {}).find(([key]) => key.toLowerCase() === wanted)?.[1];
  return found === undefined || found === '' || found.includes(separator) ? undefined : found;
}

function invalid(component: Component<'state'>, why: string): ProaError {
  return new ProaError('config.invalid', `component "${component.name}": ${why}`);
}
