import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { keyOfJwk, type LocalKey } from './local-keys.ts';

/**
 * A key of its bytes: one JWK, PEM, or a symmetric key, raw or in base64. Tells the kind by the extension (.json, .pem), else by the content, as Dapr does.
 * Fails with an Error that does not quote the key.
 */
export function parseKey(bytes: Buffer, extension = ''): LocalKey {
  if (bytes.length === 0) throw new Error('key is empty');
  const rawKey = [16, 24, 32].includes(bytes.length);
  if (extension === '.json' || (extension !== '.pem' && bytes[0] === 0x7b && !rawKey)) return keyOfJwk(parseJson(bytes));
  if (extension === '.pem' || bytes.toString('latin1', 0, 5) === '-----') return keyOfPem(bytes.toString('latin1'));
  return { key: createSecretKey(base64Or(bytes)) };
}

function keyOfPem(pem: string): LocalKey {
  try {
    return { key: pem.includes('PRIVATE KEY-----') ? createPrivateKey(pem) : createPublicKey(pem) };
  } catch (cause) {
    throw new Error('it is not a valid PEM key (PKCS#1, PKCS#8, SPKI or a certificate; not encrypted)', { cause });
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Error('it is not valid JSON');
  }
}

function base64Or(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1').replace(/[\n=]+$/, '');
  if (/^[A-Za-z0-9+/]+$/.test(text) && text.length % 4 !== 1) return Buffer.from(text, 'base64');
  if (/^[A-Za-z0-9_-]+$/.test(text) && text.length % 4 !== 1) return Buffer.from(text, 'base64url');
  return bytes;
}

/** A key as the bytes that are wrapped: raw for symmetric keys, PKCS#8 or SPKI in DER for others. */
export function serializeKey(key: KeyObject): Uint8Array {
  if (key.type === 'secret') return key.export();
  return key.type === 'private' ? key.export({ type: 'pkcs8', format: 'der' }) : key.export({ type: 'spki', format: 'der' });
}
