import { constants, createHash, privateEncrypt, publicDecrypt, timingSafeEqual, type KeyObject } from 'node:crypto';

/** Signatures by RSA over digests that the caller made (RFC 8017, sections 8 and 9); Node's own functions would hash them again. */
export type DigestName = 'sha256' | 'sha384' | 'sha512';

const digestBytes = { sha256: 32, sha384: 48, sha512: 64 } as const;
// The DER of DigestInfo up to the digest (RFC 8017, section 9.2, note 1).
const digestInfo = {
  sha256: Buffer.from('3031300d060960864801650304020105000420', 'hex'),
  sha384: Buffer.from('3041300d060960864801650304020205000430', 'hex'),
  sha512: Buffer.from('3051300d060960864801650304020305000440', 'hex'),
} as const;

/** RSASSA-PKCS1-v1_5. Fails with an Error when the digest has another length. */
export function signPkcs1(key: KeyObject, hash: DigestName, digest: Uint8Array): Uint8Array {
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([digestInfo[hash], checked(hash, digest)]));
}

export function verifyPkcs1(key: KeyObject, hash: DigestName, { digest, signature }: Signed): boolean {
  const expected = Buffer.concat([digestInfo[hash], checked(hash, digest)]);
  const actual = opened(key, constants.RSA_PKCS1_PADDING, signature);
  return actual !== undefined && actual.length === expected.length && timingSafeEqual(actual, expected);
}

/** RSASSA-PSS with a salt as long as the digest; `salt` must be fresh random bytes. */
export function signPss(
  key: KeyObject,
  hash: DigestName,
  { digest, salt }: { readonly digest: Uint8Array; readonly salt: Uint8Array },
): Uint8Array {
  const bits = modulusBits(key) - 1;
  const length = Math.ceil(bits / 8);
  const hashed = hashOf(hash, [Buffer.alloc(8), checked(hash, digest), salt]);
  const block = Buffer.alloc(length - hashed.length - 1);
  if (block.length < salt.length + 1) throw new Error('the key is too short for this digest');
  block[block.length - salt.length - 1] = 1;
  block.set(salt, block.length - salt.length);
  masked(hash, block, hashed);
  block[0] = (block[0] as number) & (0xff >> (8 * length - bits));
  const encoded = Buffer.concat([block, hashed, Buffer.from([0xbc])]);
  const size = Math.ceil(modulusBits(key) / 8);
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, Buffer.concat([Buffer.alloc(size - encoded.length), encoded]));
}

/** Takes a salt of any length. */
export function verifyPss(key: KeyObject, hash: DigestName, { digest, signature }: Signed): boolean {
  const bits = modulusBits(key) - 1;
  const length = Math.ceil(bits / 8);
  const whole = opened(key, constants.RSA_NO_PADDING, signature);
  const encoded = whole?.subarray(whole.length - length);
  const hashLength = digestBytes[hash];
  if (encoded === undefined || encoded.length < hashLength + 2 || encoded.at(-1) !== 0xbc) return false;
  const block = Buffer.from(encoded.subarray(0, length - hashLength - 1));
  const hashed = encoded.subarray(block.length, block.length + hashLength);
  const spare = 0xff >> (8 * length - bits);
  if (((block[0] as number) & ~spare) !== 0) return false;
  masked(hash, block, hashed);
  block[0] = (block[0] as number) & spare;
  const one = block.findIndex((byte) => byte !== 0);
  if (one < 0 || block[one] !== 1) return false;
  return timingSafeEqual(hashOf(hash, [Buffer.alloc(8), checked(hash, digest), block.subarray(one + 1)]), hashed);
}

interface Signed {
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
}

function checked(hash: DigestName, digest: Uint8Array): Uint8Array {
  if (digest.length !== digestBytes[hash]) throw new Error(`the digest must have ${digestBytes[hash]} bytes`);
  return digest;
}

function modulusBits(key: KeyObject): number {
  return key.asymmetricKeyDetails?.modulusLength ?? 0;
}

function opened(key: KeyObject, padding: number, signature: Uint8Array): Buffer | undefined {
  try {
    return publicDecrypt({ key, padding }, signature);
  } catch {
    return undefined;
  }
}

function hashOf(hash: DigestName, parts: readonly Uint8Array[]): Buffer {
  const made = createHash(hash);
  for (const part of parts) made.update(part);
  return made.digest();
}

// MGF1 of the seed, laid over the block.
function masked(hash: DigestName, block: Buffer, seed: Uint8Array): void {
  const size = digestBytes[hash];
  for (let counter = 0; counter * size < block.length; counter++) {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(counter);
    const mask = hashOf(hash, [seed, count]);
    for (let i = 0; i < size && counter * size + i < block.length; i++) {
      const at = counter * size + i;
      block[at] = (block[at] as number) ^ (mask[i] as number);
    }
  }
}
