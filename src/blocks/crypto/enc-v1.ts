import type { WrapAlgorithm } from '../../contracts/crypto.ts';
import { nodeCrypto } from '../../kernel/node-crypto.ts';

/** The format `dapr.io/enc/v1` (Dapr reference 4.5; github.com/dapr/kit, schemes/enc/v1/README.md). */
export const schemeName = 'dapr.io/enc/v1';
export const segmentBytes = 64 * 1024;
export const tagBytes = 16;
export const headerBytesMax = 64 * 1024;
export const fileKeyBytes = 32;
export const noncePrefixBytes = 7;

export type DataCipher = 'AES-GCM' | 'CHACHA20-POLY1305';

// Position + 1 is the number on the wire.
const algorithms: readonly WrapAlgorithm[] = ['A256KW', 'A128CBC-NOPAD', 'A192CBC-NOPAD', 'A256CBC-NOPAD', 'RSA-OAEP-256'];
const ciphers: readonly DataCipher[] = ['AES-GCM', 'CHACHA20-POLY1305'];
const aliases: Readonly<Record<string, WrapAlgorithm>> = { AES: 'A256KW', RSA: 'RSA-OAEP-256' };

/** The algorithm of a client's word, in any case, aliases resolved; undefined when it is not one of the format's. */
export function wrapAlgorithmOf(word: string): WrapAlgorithm | undefined {
  const upper = word.toUpperCase();
  return algorithms.find((algorithm) => algorithm === upper) ?? (Object.hasOwn(aliases, upper) ? aliases[upper] : undefined);
}

/** The cipher of a client's word, in any case. */
export function dataCipherOf(word: string): DataCipher | undefined {
  const upper = word.toUpperCase();
  return ciphers.find((cipher) => cipher === upper);
}

export interface Manifest {
  readonly keyName: string | undefined;
  readonly algorithm: WrapAlgorithm;
  readonly wrappedKey: Uint8Array;
  readonly cipher: DataCipher;
  readonly noncePrefix: Uint8Array;
}

/** The manifest's line, without its line feed. */
export function formatManifest(manifest: Manifest): string {
  return JSON.stringify({
    k: manifest.keyName,
    kw: algorithms.indexOf(manifest.algorithm) + 1,
    wfk: Buffer.from(manifest.wrappedKey).toString('base64'),
    cph: ciphers.indexOf(manifest.cipher) + 1,
    np: Buffer.from(manifest.noncePrefix).toString('base64'),
  });
}

/** Reads a manifest's line; undefined for anything that is not exactly one. */
export function parseManifest(line: string): Manifest | undefined {
  let fields: Record<string, unknown> | null;
  try {
    fields = JSON.parse(line) as Record<string, unknown> | null;
  } catch {
    return undefined;
  }
  if (typeof fields !== 'object' || fields === null) return undefined;
  const { k: keyName, kw, wfk, cph, np } = fields;
  const algorithm = algorithms[(kw as number) - 1];
  const cipher = ciphers[(cph as number) - 1];
  const wrappedKey = base64(wfk);
  const noncePrefix = base64(np);
  if (keyName !== undefined && typeof keyName !== 'string') return undefined;
  if (algorithm === undefined || cipher === undefined || wrappedKey === undefined || noncePrefix === undefined) return undefined;
  if (wrappedKey.length === 0 || noncePrefix.length !== noncePrefixBytes) return undefined;
  return { keyName: keyName === '' ? undefined : keyName, algorithm, wrappedKey, cipher, noncePrefix };
}

/** Decodes standard base64 with padding; undefined for anything else. */
export function base64(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'string' || value.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return undefined;
  return Buffer.from(value, 'base64');
}

/** The header's MAC over its first two lines as they are on the wire, line feeds included. */
export function headerMac(fileKey: Uint8Array, firstLines: Uint8Array): Uint8Array {
  const key = nodeCrypto().hkdfSync('sha256', fileKey, new Uint8Array(0), 'header', 32);
  return nodeCrypto().createHmac('sha256', Buffer.from(key)).update(firstLines).digest();
}

/** Compares MACs in constant time. */
export function sameMac(expected: Uint8Array, given: Uint8Array): boolean {
  return expected.length === given.length && nodeCrypto().timingSafeEqual(expected, given);
}

/** One segment at a time; `index` counts from 0. */
export interface SegmentCipher {
  /** Ciphertext with its tag, in a buffer that the next call overwrites. */
  seal(plain: Uint8Array, index: number, last: boolean): Uint8Array;
  /** Plaintext, only once it is authentic; undefined when it is not. */
  open(sealed: Uint8Array, index: number, last: boolean): Uint8Array | undefined;
}

/** The cipher of one document. A nonce is used once: a document has one file key, and a segment one index. */
export function segmentCipher(fileKey: Uint8Array, manifest: Pick<Manifest, 'cipher' | 'noncePrefix'>): SegmentCipher {
  const key = Buffer.from(nodeCrypto().hkdfSync('sha256', fileKey, manifest.noncePrefix, 'payload', 32));
  const name = manifest.cipher === 'AES-GCM' ? 'aes-256-gcm' : 'chacha20-poly1305';
  const nonce = Buffer.alloc(12);
  nonce.set(manifest.noncePrefix, 0);
  let out = Buffer.alloc(0);
  const options = { authTagLength: tagBytes };
  const setNonce = (index: number, last: boolean): void => {
    nonce.writeUInt32BE(index, noncePrefixBytes);
    nonce[11] = last ? 1 : 0;
  };
  return {
    seal(plain, index, last) {
      setNonce(index, last);
      // The types know GCM and ChaCha20 apart; both take these arguments.
      const cipher = nodeCrypto().createCipheriv(name as 'aes-256-gcm', key, nonce, options);
      const sealed = cipher.update(plain);
      cipher.final();
      if (out.length < sealed.length + tagBytes) out = Buffer.allocUnsafe(sealed.length + tagBytes);
      out.set(sealed, 0);
      out.set(cipher.getAuthTag(), sealed.length);
      return out.subarray(0, sealed.length + tagBytes);
    },
    open(sealed, index, last) {
      if (sealed.length < tagBytes) return undefined;
      setNonce(index, last);
      const decipher = nodeCrypto().createDecipheriv(name as 'aes-256-gcm', key, nonce, options);
      decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
      const plain = decipher.update(sealed.subarray(0, sealed.length - tagBytes));
      try {
        decipher.final();
      } catch {
        return undefined;
      }
      return plain;
    },
  };
}
